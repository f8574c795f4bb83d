//! Packets whose names may be any bytes.
//!
//! `russh-sftp` holds names in strings. A byte of a name that is not UTF-8 is therefore carried as the character
//! U+10FF00 plus that byte, and so is each byte of such a character itself, so that every name comes back as it was.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use russh_sftp::protocol::Packet;

const ESCAPE: u32 = 0x10_ff00;

const NAME: u8 = 104;
const DATA: u8 = 103;

/// How many names follow the request id of a packet of this type.
fn names_in(packet_type: u8) -> usize {
    match packet_type {
        // OPEN, LSTAT, SETSTAT, OPENDIR, REMOVE, MKDIR, RMDIR, REALPATH, STAT, READLINK
        3 | 7 | 9 | 11 | 13..=17 | 19 => 1,
        // RENAME, SYMLINK
        18 | 20 => 2,
        _ => 0,
    }
}

/// Reads a request; `None` when it is not one.
pub fn decode(packet: Bytes) -> Option<Packet> {
    let mut packet = escape_names(packet)?;
    Packet::try_from(&mut packet).ok()
}

/// The id of a request that may be broken otherwise.
pub fn request_id(packet: &[u8]) -> u32 {
    packet.get(1..5).and_then(|id| id.first_chunk()).map_or(0, |id| u32::from_be_bytes(*id))
}

fn escape_names(packet: Bytes) -> Option<Bytes> {
    let names = names_in(*packet.first()?);
    if names == 0 {
        return Some(packet);
    }
    let mut rest = packet.clone();
    let mut escaped = BytesMut::with_capacity(packet.len());
    escaped.put(rest.split_to(5.min(rest.len())));
    for _ in 0..names {
        put_string(&mut escaped, escape(&take_string(&mut rest)?).as_bytes());
    }
    escaped.put(rest);
    Some(escaped.freeze())
}

/// Takes a string off the front of `rest`.
pub fn take_string(rest: &mut Bytes) -> Option<Bytes> {
    let length = rest.try_get_u32().ok()? as usize;
    (length <= rest.len()).then(|| rest.split_to(length))
}

fn put_string(packet: &mut BytesMut, string: &[u8]) {
    packet.put_u32(u32::try_from(string.len()).unwrap_or(u32::MAX));
    packet.put_slice(string);
}

/// One file of a reply.
pub struct Entry {
    pub name: OsString,
    /// What precedes the name in a long listing.
    pub listing: String,
    /// The encoded attributes.
    pub attributes: Bytes,
}

/// A reply that names files.
pub fn names(id: u32, entries: &[Entry]) -> Bytes {
    let mut packet = begin(NAME, id, 0);
    packet.put_u32(u32::try_from(entries.len()).unwrap_or(u32::MAX));
    for Entry { name, listing, attributes } in entries {
        put_string(&mut packet, name.as_bytes());
        put_string(&mut packet, &[listing.as_bytes(), name.as_bytes()].concat());
        packet.put_slice(attributes);
    }
    finish(packet)
}

/// A reply with what `read` puts into its buffer of `length` bytes, without a copy; `None` at the end of the file.
pub fn data(
    id: u32,
    length: usize,
    read: impl FnOnce(&mut [u8]) -> std::io::Result<usize>,
) -> std::io::Result<Option<Bytes>> {
    let mut packet = begin(DATA, id, length + 4);
    let count_at = packet.len();
    let data_at = count_at + 4;
    packet.resize(data_at + length, 0);
    let count = read(packet.get_mut(data_at..).unwrap_or_default())?;
    if count == 0 && length > 0 {
        return Ok(None);
    }
    packet.truncate(data_at + count);
    if let Some(slot) = packet.get_mut(count_at..data_at) {
        slot.copy_from_slice(&u32::try_from(count).unwrap_or(0).to_be_bytes());
    }
    Ok(Some(finish(packet)))
}

fn begin(packet_type: u8, id: u32, capacity: usize) -> BytesMut {
    let mut packet = BytesMut::with_capacity(9 + capacity);
    packet.put_u32(0);
    packet.put_u8(packet_type);
    packet.put_u32(id);
    packet
}

fn finish(mut packet: BytesMut) -> Bytes {
    let length = u32::try_from(packet.len().saturating_sub(4)).unwrap_or(u32::MAX);
    if let Some(slot) = packet.first_chunk_mut::<4>() {
        *slot = length.to_be_bytes();
    }
    packet.freeze()
}

fn escape(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    let escape_bytes = |text: &mut String, bytes: &[u8]| {
        text.extend(bytes.iter().filter_map(|&byte| char::from_u32(ESCAPE + u32::from(byte))));
    };
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            if u32::from(character) >= ESCAPE {
                escape_bytes(&mut text, character.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                text.push(character);
            }
        }
        escape_bytes(&mut text, chunk.invalid());
    }
    text
}

/// The name that a string of a decoded packet stands for.
pub fn unescape(text: &str) -> OsString {
    let mut name = Vec::with_capacity(text.len());
    for character in text.chars() {
        match u32::from(character).checked_sub(ESCAPE).and_then(|byte| u8::try_from(byte).ok()) {
            Some(byte) => name.push(byte),
            None => name.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    OsString::from_vec(name)
}

/// The name that the bytes of an extended request are.
pub fn os_name(bytes: &Bytes) -> OsString {
    OsStr::from_bytes(bytes).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_comes_back_as_it_was() {
        let all: Vec<u8> = (0..=255).collect();
        for name in [&b"plain"[..], "grün 🦀".as_bytes(), b"\xff\xfe", b"a\xe2\x82", "\u{10ff41}x".as_bytes(), &all]
        {
            assert_eq!(unescape(&escape(name)).as_bytes(), name);
        }
    }

    #[test]
    fn a_request_keeps_what_follows_its_names() {
        let mut packet = BytesMut::new();
        packet.put_u8(3);
        packet.put_u32(9);
        put_string(&mut packet, b"\xff");
        packet.put_u32(1);
        packet.put_u32(0);
        let Some(Packet::Open(open)) = decode(packet.freeze()) else { panic!("not an OPEN") };
        assert_eq!((open.id, open.pflags.bits()), (9, 1));
        assert_eq!(unescape(&open.filename).as_bytes(), b"\xff");
    }

    #[test]
    fn a_torn_request_is_none() {
        assert!(decode(Bytes::from_static(&[3, 0, 0, 0, 1, 0, 0, 0, 9, b'x'])).is_none());
        assert!(decode(Bytes::new()).is_none());
        assert_eq!(request_id(&[3, 0, 0, 0, 1, 0]), 1);
        assert_eq!(request_id(&[3]), 0);
    }
}
