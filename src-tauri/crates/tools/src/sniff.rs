//! What a file's first bytes say it is.

use crate::ToolError;

/// Images a window or a model can show, by their first bytes in hexadecimal as `od` writes them; `??` is any byte.
const IMAGES: &[(&str, &str)] = &[
    (" 89 50 4e 47 0d 0a 1a 0a", "image/png"),
    (" ff d8 ff", "image/jpeg"),
    (" 47 49 46 38", "image/gif"),
    (" 52 49 46 46 ?? ?? ?? ?? 57 45 42 50", "image/webp"),
    (" 00 00 01 00", "image/x-icon"),
    (" 00 00 00 ?? 66 74 79 70 61 76 69 66", "image/avif"),
];

/// What else is worth a name: offset, bytes, name.
const KNOWN: &[(usize, &[u8], &str)] = &[
    (0, b"\x7fELF", "ELF program"),
    (0, b"PK\x03\x04", "ZIP archive"),
    (0, b"\x1f\x8b", "gzip data"),
    (0, b"BZh", "bzip2 data"),
    (0, b"\xfd7zXZ\0", "xz data"),
    (0, b"\x28\xb5\x2f\xfd", "Zstandard data"),
    (0, b"7z\xbc\xaf\x27\x1c", "7-Zip archive"),
    (257, b"ustar", "tar archive"),
    (0, b"!<arch>\n", "static library"),
    (0, b"%PDF-", "PDF document"),
    (0, b"SQLite format 3\0", "SQLite database"),
    (0, b"\0asm", "WebAssembly module"),
    (0, b"\xca\xfe\xba\xbe", "Java class or macOS program"),
    (0, b"\xcf\xfa\xed\xfe", "macOS program"),
    (0, b"MZ", "Windows program"),
    (0, b"OggS", "Ogg media"),
    (0, b"ID3", "MP3 audio"),
    (0, b"fLaC", "FLAC audio"),
    (8, b"WAVE", "WAV audio"),
    (4, b"ftyp", "MP4 or related media"),
    (0, b"\x1a\x45\xdf\xa3", "Matroska or WebM video"),
    (0, b"wOFF", "web font"),
    (0, b"wOF2", "web font"),
    (0, b"\0\x01\0\0\0", "TrueType font"),
    (0, b"OTTO", "OpenType font"),
    (0, b"\xff\xfe", "UTF-16 text"),
    (0, b"\xfe\xff", "UTF-16 text"),
    (0, b"DIRC", "Git index"),
];

/// The images' first bytes as patterns for the shell's `case`.
pub(crate) fn image_cases() -> String {
    let patterns: Vec<_> = IMAGES.iter().map(|(magic, _)| format!("'{}'*", magic.replace("??", "'??'"))).collect();
    patterns.join("|")
}

/// The image format that these first bytes open.
pub(crate) fn image(head: &[u8]) -> Option<&'static str> {
    let opens = |magic: &str| {
        let mut bytes = head.iter();
        magic.split_ascii_whitespace().all(|hex| match (bytes.next(), u8::from_str_radix(hex, 16)) {
            (Some(byte), Ok(wanted)) => *byte == wanted,
            (Some(_), Err(_)) => true,
            (None, _) => false,
        })
    };
    IMAGES.iter().find(|(magic, _)| opens(magic)).map(|(_, mime)| *mime)
}

/// What these first bytes look like, where that is known.
pub(crate) fn looks_like(head: &[u8]) -> Option<&'static str> {
    if image(head).is_some() {
        return Some("image");
    }
    KNOWN.iter().find(|(at, magic, _)| head.get(*at..).is_some_and(|rest| rest.starts_with(magic))).map(|known| known.2)
}

/// Bytes written by `od -An -v -tx1`.
pub(crate) fn unhex(field: &[u8]) -> Result<Vec<u8>, ToolError> {
    let garbled = || ToolError::garbled("a byte is not hexadecimal");
    let mut bytes = Vec::with_capacity(field.len() / 3);
    for word in field.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty()) {
        let text = std::str::from_utf8(word).map_err(|_| garbled())?;
        bytes.push(u8::from_str_radix(text, 16).map_err(|_| garbled())?);
    }
    Ok(bytes)
}
