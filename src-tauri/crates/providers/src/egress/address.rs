//! Which addresses a sandbox may reach through the proxy.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// Whether a sandbox may be connected to `address`.
///
/// Refused is what would lead back into this computer (loopback, its own addresses), to its neighbours that trust
/// whoever asks from here (link-local, where clouds keep their credentials), and what is no single machine (multicast,
/// broadcast, unspecified, reserved). Private networks are allowed: a company's registry lives there.
pub(super) fn permitted(address: IpAddr) -> bool {
    let embedded = match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) => embedded_v4(v6).map(IpAddr::V4),
    };
    public(address) && !own(address) && !embedded.is_some_and(own)
}

/// Where clouds answer with credentials whoever asks from the machine they are for, besides link-local addresses.
const CREDENTIALS: [IpAddr; 4] = [
    // Amazon, Google, Alibaba, Azure.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
];

fn public(address: IpAddr) -> bool {
    match address {
        _ if CREDENTIALS.contains(&address) => false,
        IpAddr::V4(v4) => public_v4(v4),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => public(IpAddr::V4(v4)),
            None => public_v6(v6),
        },
    }
}

fn public_v4(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    !(address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        // "This network", as which the kernel takes 0.0.0.0 for loopback; and the reserved block.
        || first == 0
        || first >= 240)
}

fn public_v6(address: Ipv6Addr) -> bool {
    !(address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unicast_link_local()
        // Site-local, long deprecated, is routed as its owner likes: treated as link-local.
        || address.segments()[0] & 0xffc0 == 0xfec0)
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, NAT64, 6to4, Teredo and ISATAP. Without this each is a
/// way around the rules for IPv4.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] => Some(v4(high, low)),
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0, 0, 0, 0, 0xffff, 0, high, low] => Some(v4(high, low)),
        [0x64, 0xff9b, 0 | 1, _, _, _, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        [0x2001, 0, _, _, _, _, high, low] => Some(v4(!high, !low)),
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => Some(v4(high, low)),
        _ => None,
    }
}

/// Whether the address is one of this computer's: only those can be bound. Asking each time is cheap and never stale.
/// When the system cannot say, for want of a descriptor, it is taken for one.
fn own(address: IpAddr) -> bool {
    match UdpSocket::bind((address, 0)) {
        Ok(_) => true,
        Err(error) => !is_anothers(&error),
    }
}

fn is_anothers(error: &std::io::Error) -> bool {
    // The latter where this computer does not speak IPv6 at all.
    error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str) -> bool {
        public(text.parse().unwrap())
    }

    #[test]
    fn refuses_what_leads_back_or_to_many() {
        for text in [
            "127.0.0.1",
            "127.255.1.2",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::7f00:1",
            "2002:7f00:1::1",
            "2001:0:1:2:3:4:80ff:fffe",
            "2001:db8::5efe:127.0.0.1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100.100.100.200",
            "::ffff:168.63.129.16",
        ] {
            assert!(!check(text), "{text} must be refused");
        }
    }

    #[test]
    fn permits_the_rest() {
        for text in ["192.0.2.1", "10.0.0.1", "172.16.0.9", "192.168.1.1", "2001:db8::1", "fd00::1", "::ffff:192.0.2.1"]
        {
            assert!(check(text), "{text} must be permitted");
        }
    }

    #[test]
    fn this_computers_own_address_is_known() {
        assert!(own(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert!(!own("192.0.2.77".parse().unwrap()));
        assert!(!permitted("2002:7f00:1::".parse().unwrap()) && permitted("192.0.2.77".parse().unwrap()));
    }

    #[test]
    fn a_system_that_cannot_say_is_no_permission() {
        let error = |number| std::io::Error::from_raw_os_error(number);
        assert!(is_anothers(&error(nix::libc::EADDRNOTAVAIL)) && is_anothers(&error(nix::libc::EAFNOSUPPORT)));
        for number in [nix::libc::EMFILE, nix::libc::ENFILE, nix::libc::ENOBUFS, nix::libc::EACCES] {
            assert!(!is_anothers(&error(number)), "{number}");
        }
    }

    proptest! {
        #[test]
        fn ipv4_is_judged_alike_in_every_form_of_ipv6(
            first in prop_oneof![Just(127u8), Just(169), Just(0), Just(240), any::<u8>()],
            rest: [u8; 3],
        ) {
            let octets = [first, rest[0], rest[1], rest[2]];
            let v4 = Ipv4Addr::from(octets);
            let [a, b, c, d] = octets.map(u16::from);
            let (high, low) = (a << 8 | b, c << 8 | d);
            for v6 in [
                v4.to_ipv6_mapped(),
                Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 9),
                Ipv6Addr::new(0x2001, 0, 1, 2, 3, 4, !high, !low),
            ] {
                prop_assert_eq!(public(IpAddr::V6(v6)), public(IpAddr::V4(v4)), "{} leads to {}", v6, v4);
            }
        }
    }
}
