//! The checksum that every machine can make: that of POSIX's `cksum`.

use std::io::{self, Read};

use tokio_util::sync::CancellationToken;

/// Each byte's share, by the polynomial of POSIX.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut sum = (at as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 0x8000_0000 == 0 { sum << 1 } else { (sum << 1) ^ 0x04c1_1db7 };
            bit += 1;
        }
        table[at] = sum;
        at += 1;
    }
    table
};

/// What `cksum` prints of the first `length` bytes: the sum and the length. Nothing where there are fewer.
pub(super) fn cksum(mut source: impl Read, length: u64, cancel: &CancellationToken) -> io::Result<Option<String>> {
    let step = |sum: u32, byte: u8| (sum << 8) ^ TABLE[usize::from((sum >> 24) as u8 ^ byte)];
    let (mut sum, mut left, mut buffer) = (0, length, vec![0; 256 * 1024]);
    while left > 0 && !cancel.is_cancelled() {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let read = source.read(&mut buffer[..most])?;
        if read == 0 {
            return Ok(None);
        }
        sum = buffer[..read].iter().fold(sum, |sum, byte| step(sum, *byte));
        left -= read as u64;
    }
    let mut rest = length;
    while rest > 0 {
        sum = step(sum, (rest & 0xff) as u8);
        rest >>= 8;
    }
    Ok(Some(format!("{} {length}", !sum)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_one_of_posix() {
        let of = |text: &str| cksum(text.as_bytes(), text.len() as u64, &CancellationToken::new()).unwrap();
        assert_eq!(of("").as_deref(), Some("4294967295 0"));
        assert_eq!(of("123456789").as_deref(), Some("930766865 9"));
        assert_eq!(cksum(&b"ab"[..], 3, &CancellationToken::new()).unwrap(), None);
    }
}
