//! The system calls that a sandbox does without.
//!
//! Namespaces hide what has a namespace. This filter closes what has none: the kernel's keyrings (the person's would be
//! inherited), sockets of other kinds than Unix and IP (`AF_VSOCK` reaches the machine below a virtual one past every
//! network namespace), and io_uring, which makes sockets without asking a filter. It takes away new user namespaces, by
//! which a sandbox would come to hold capabilities and with them most of the kernel's past holes, and a few calls that
//! no development tool needs and that were such holes themselves.
//!
//! Where `sandboxd` looks after the memory it also takes away files in memory that no folder shows, which can be neither
//! seen nor limited from outside their process; programs that ask for one take a file in /dev/shm instead.
//!
//! The price: browsers run with their own sandbox off, as in every container.

use nix::libc;

/// An instruction of classic BPF, as the kernel lays it out.
#[derive(Clone, Copy)]
struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    value: u32,
}

const LOAD: u16 = 0x20;
const EQUALS: u16 = 0x15;
const AT_LEAST: u16 = 0x35;
const HAS_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;

// Offsets in `struct seccomp_data`. Of arguments only the low half is looked at: all that are looked at are ints.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
#[cfg(target_endian = "little")]
const ARGUMENTS: u32 = 16;
#[cfg(target_endian = "big")]
const ARGUMENTS: u32 = 20;

#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7;

const FORBIDDEN: &[libc::c_long] = &[
    libc::SYS_add_key,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_open_by_handle_at,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
];

/// Answered as an old kernel would, since their callers then take an older way. `clone3` has its flags in memory,
/// where no filter can see them.
const UNKNOWN: &[libc::c_long] =
    &[libc::SYS_clone3, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register];

/// The same, where memory is looked after by looking.
const UNSEEN: &[libc::c_long] = &[libc::SYS_memfd_create, libc::SYS_memfd_secret];

const FAMILIES: &[i32] = &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// The filter as bubblewrap reads it.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) fn filter(watched: bool) -> Vec<u8> {
    let mut program = Vec::new();
    let mut add = |code, value, if_true, if_false| program.push(Instruction { code, if_true, if_false, value });
    let errno = |errno: i32| ERRNO | errno as u32;
    let argument = |nth: u32| ARGUMENTS + 8 * nth;

    // Programs for another architecture number their calls otherwise; x32's numbers lie from 0x40000000 on.
    add(LOAD, ARCHITECTURE, 0, 0);
    add(EQUALS, NATIVE, 1, 0);
    add(RETURN, errno(libc::ENOSYS), 0, 0);
    add(LOAD, NUMBER, 0, 0);
    add(AT_LEAST, 0x4000_0000, 0, 1);
    add(RETURN, errno(libc::ENOSYS), 0, 0);
    let unseen = if watched { UNSEEN } else { &[] };
    for (calls, answer) in [(FORBIDDEN, libc::EPERM), (UNKNOWN, libc::ENOSYS), (unseen, libc::ENOSYS)] {
        for call in calls {
            add(EQUALS, *call as u32, 0, 1);
            add(RETURN, errno(answer), 0, 0);
        }
    }
    for call in [libc::SYS_clone, libc::SYS_unshare] {
        add(EQUALS, call as u32, 0, 4);
        add(LOAD, argument(0), 0, 0);
        add(HAS_BIT, libc::CLONE_NEWUSER as u32, 0, 1);
        add(RETURN, errno(libc::EPERM), 0, 0);
        add(RETURN, ALLOW, 0, 0);
    }
    add(EQUALS, libc::SYS_ioctl as u32, 0, 5);
    add(LOAD, argument(1), 0, 0);
    // Typing into the terminal as if one were its user.
    add(EQUALS, libc::TIOCSTI as u32, 1, 0);
    add(EQUALS, libc::TIOCLINUX as u32, 0, 1);
    add(RETURN, errno(libc::EPERM), 0, 0);
    add(RETURN, ALLOW, 0, 0);
    add(EQUALS, libc::SYS_socket as u32, 0, FAMILIES.len() as u8 + 2);
    add(LOAD, argument(0), 0, 0);
    for (nth, family) in FAMILIES.iter().enumerate() {
        add(EQUALS, *family as u32, (FAMILIES.len() - nth) as u8, 0);
    }
    add(RETURN, errno(libc::EAFNOSUPPORT), 0, 0);
    add(RETURN, ALLOW, 0, 0);

    program.into_iter().flat_map(Instruction::to_bytes).collect()
}

/// On other processors sandboxes run with their namespaces alone.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn filter(_watched: bool) -> Vec<u8> {
    [LOAD, RETURN]
        .map(|code| Instruction { code, if_true: 0, if_false: 0, value: if code == RETURN { ALLOW } else { 0 } })
        .into_iter()
        .flat_map(Instruction::to_bytes)
        .collect()
}

impl Instruction {
    fn to_bytes(self) -> [u8; 8] {
        let [a, b] = self.code.to_ne_bytes();
        let [w, x, y, z] = self.value.to_ne_bytes();
        [a, b, self.if_true, self.if_false, w, x, y, z]
    }
}

#[cfg(test)]
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod tests {
    use super::*;

    /// What the filter answers, by interpreting it as the kernel does.
    fn answer(call: libc::c_long, arguments: [u32; 2], architecture: u32) -> u32 {
        answer_of(&filter(false), call, arguments, architecture)
    }

    fn answer_of(program: &[u8], call: libc::c_long, arguments: [u32; 2], architecture: u32) -> u32 {
        let word = |at: u32| match at {
            NUMBER => call as u32,
            ARCHITECTURE => architecture,
            at if at == ARGUMENTS => arguments[0],
            at if at == ARGUMENTS + 8 => arguments[1],
            at => panic!("looks at {at}"),
        };
        let (mut at, mut loaded) = (0, 0);
        loop {
            let bytes: [u8; 8] = program[at * 8..at * 8 + 8].try_into().unwrap();
            let value = u32::from_ne_bytes(bytes[4..].try_into().unwrap());
            let jump = |taken: bool| 1 + usize::from(if taken { bytes[2] } else { bytes[3] });
            match u16::from_ne_bytes([bytes[0], bytes[1]]) {
                LOAD => (loaded, at) = (word(value), at + 1),
                EQUALS => at += jump(loaded == value),
                AT_LEAST => at += jump(loaded >= value),
                HAS_BIT => at += jump(loaded & value != 0),
                RETURN => return value,
                code => panic!("no such instruction: {code}"),
            }
        }
    }

    fn native(call: libc::c_long, first: i32, second: u64) -> u32 {
        answer(call, [first as u32, second as u32], NATIVE)
    }

    #[test]
    fn refuses_and_allows_what_it_says() {
        let refused = |errno: i32| ERRNO | errno as u32;
        assert_eq!(native(libc::SYS_keyctl, 0, 0), refused(libc::EPERM));
        assert_eq!(native(libc::SYS_delete_module, 0, 0), refused(libc::EPERM));
        assert_eq!(native(libc::SYS_clone3, 0, 0), refused(libc::ENOSYS));
        assert_eq!(native(libc::SYS_io_uring_setup, 0, 0), refused(libc::ENOSYS));
        assert_eq!(native(libc::SYS_unshare, libc::CLONE_NEWUSER | libc::CLONE_NEWNET, 0), refused(libc::EPERM));
        for (watched, expected) in [(true, refused(libc::ENOSYS)), (false, ALLOW)] {
            assert_eq!(answer_of(&filter(watched), libc::SYS_memfd_create, [0, 0], NATIVE), expected);
        }
        assert_eq!(native(libc::SYS_clone, libc::CLONE_NEWUSER, 0), refused(libc::EPERM));
        assert_eq!(native(libc::SYS_clone, libc::CLONE_VM | libc::CLONE_THREAD, 0), ALLOW);
        assert_eq!(native(libc::SYS_ioctl, 0, libc::TIOCSTI), refused(libc::EPERM));
        assert_eq!(native(libc::SYS_ioctl, 0, libc::TIOCLINUX), refused(libc::EPERM));
        assert_eq!(native(libc::SYS_ioctl, 0, libc::TIOCGWINSZ), ALLOW);
        for family in FAMILIES {
            assert_eq!(native(libc::SYS_socket, *family, 0), ALLOW, "{family}");
        }
        for family in [libc::AF_VSOCK, libc::AF_ALG, libc::AF_PACKET, libc::AF_BLUETOOTH] {
            assert_eq!(native(libc::SYS_socket, family, 0), refused(libc::EAFNOSUPPORT), "{family}");
        }
        for call in [libc::SYS_read, libc::SYS_execve, libc::SYS_ptrace, libc::SYS_memfd_create] {
            assert_eq!(native(call, 0, 0), ALLOW);
        }
    }

    #[test]
    fn another_architectures_numbers_are_not_trusted() {
        assert_eq!(answer(libc::SYS_read, [0, 0], 0x4000_0003), ERRNO | libc::ENOSYS as u32);
        assert_eq!(answer(libc::SYS_read | 0x4000_0000, [0, 0], NATIVE), ERRNO | libc::ENOSYS as u32);
    }
}
