//! Reading a file, or some of its lines.

use crate::{
    Place, Reply, Script, ShellScript, Tool, ToolError,
    reply::{self, Fields, HELPERS, READABLE, VERSION},
    sniff,
};

/// Reads a file: the lines asked for, an image's bytes, or what kind of binary it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The file.
    pub at: Place,
    /// The first line wanted, from 1.
    pub offset: Option<u64>,
    /// How many lines (8 MiB at most); without it 2,000 and 1 MiB at most.
    pub limit: Option<u64>,
}

/// A file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRead {
    /// The path, absolute.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Changes whenever the file does.
    pub version: String,
    /// What is in it.
    pub content: Content,
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text, or a part of it.
    Text {
        /// The lines asked for, exactly as they stand, final newline included.
        text: String,
        /// The number of its first line.
        first_line: u64,
        /// How many lines the file has, where it was counted.
        total_lines: Option<u64>,
        /// Whether lines follow that were not sent.
        more: bool,
    },
    /// An image.
    Image {
        /// Such as `image/png`.
        mime: &'static str,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Not text that can be shown; not sent.
    Binary {
        /// What it looks like, such as "ELF program"; nothing where unknown.
        looks_like: Option<&'static str>,
    },
}

/// What is fetched without asking what it is; also the most that is sent unless a number of lines was asked for.
const SMALL: u64 = 1 << 20;
/// The most that is sent of a file: of an image, and of lines that were asked for by number.
const LARGE: u64 = 8 << 20;
/// Without a limit, so many lines.
const LINES: u64 = 2_000;
/// A file is binary when a NUL stands in so many first bytes, which is also how Git tells.
const SNIFFED: usize = 8_192;
/// Above that, lines are not counted.
const COUNTED: u64 = 64 << 20;

impl Read {
    fn first(&self) -> u64 {
        self.offset.unwrap_or(1).clamp(1, 1 << 53)
    }

    fn lines(&self) -> u64 {
        self.limit.unwrap_or(LINES).min(LARGE)
    }

    fn most(&self) -> u64 {
        if self.limit.is_some() { LARGE } else { SMALL }
    }
}

impl Tool for Read {
    type Output = FileRead;

    fn script(&self) -> Result<Script, ToolError> {
        let (first, lines, most) = (self.first(), self.lines(), self.most());
        let mut script = ShellScript::new();
        script.raw(HELPERS).raw(VERSION).place("p", &self.at).raw(READABLE);
        // The version is taken before the content: a change in between makes a later write fail, not succeed.
        script.raw("ver \"$p\" || exit 80\nprintf '%s\\0' \"$p\" \"$n\" \"$v\"\n");
        script.raw(&format!(
            "if [ \"$n\" -le {SMALL} ]; then printf 'w\\0'; head -c {} <\"$p\"; exit 0; fi\n",
            SMALL + 1
        ));
        script.raw(&format!(
            "h=$(head -c {SNIFFED} <\"$p\" | od -An -v -tx1 | tr -d '\\n')\nprintf 'p\\0%s\\0' \"$h\"\n"
        ));
        script.raw("case $h in\n");
        script.raw(&sniff::image_cases());
        script
            .raw(&format!(") if [ \"$n\" -le {LARGE} ]; then printf 'i\\0'; cat <\"$p\"; else printf 'b\\0'; fi;;\n"));
        script.raw("*' 00'*) printf 'b\\0';;\n*) t=\n");
        script.raw(&format!("if [ \"$n\" -le {COUNTED} ]; then\n"));
        script.raw("t=$(wc -l <\"$p\")\n[ -z \"$(tail -c 1 <\"$p\")\" ] || t=$((t + 1))\nt=$((t))\nfi\nprintf 't\\0%s\\0' \"$t\"\n");
        let (lines, most) = (lines + 1, most + 1);
        if first > 1 {
            script.raw(&format!("tail -n +{first} <\"$p\" | head -n {lines} | head -c {most}"));
        } else {
            script.raw(&format!("head -n {lines} <\"$p\" | head -c {most}"));
        }
        script.raw(";;\nesac\nexit 0\n");
        script.finish(LARGE as usize + 4 * SNIFFED + 16_384, true)
    }

    fn parse(&self, reply: &Reply<'_>) -> Result<FileRead, ToolError> {
        let mut fields = reply.fields(&self.at.display())?;
        let (path, size, version) = (fields.wire()?, fields.number()?, fields.text()?.to_owned());
        let content = match fields.next()? {
            b"w" => self.whole(fields.rest()),
            b"p" => self.part(fields)?,
            _ => return Err(ToolError::garbled("it is neither a whole file nor a part")),
        };
        Ok(FileRead { path, size, version, content })
    }
}

impl Read {
    fn whole(&self, bytes: &[u8]) -> Content {
        let head = &bytes[..bytes.len().min(SNIFFED)];
        if let Some(mime) = sniff::image(head) {
            return Content::Image { mime, bytes: bytes.to_vec() };
        }
        if head.contains(&0) {
            return Content::Binary { looks_like: sniff::looks_like(head) };
        }
        let newlines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        let total = newlines + u64::from(bytes.last().is_some_and(|byte| *byte != b'\n'));
        let skipped = match self.first() - 1 {
            0 => 0,
            lines => nth_newline(bytes, lines).unwrap_or(bytes.len()),
        };
        self.text(head, &bytes[skipped..], Some(total))
    }

    fn part(&self, mut fields: Fields<'_>) -> Result<Content, ToolError> {
        let head = sniff::unhex(fields.next()?)?;
        Ok(match fields.next()? {
            b"i" => match sniff::image(&head) {
                Some(mime) => Content::Image { mime, bytes: fields.rest().to_vec() },
                None => Content::Binary { looks_like: sniff::looks_like(&head) },
            },
            b"b" => Content::Binary { looks_like: sniff::looks_like(&head) },
            b"t" => {
                let total = match fields.next()? {
                    b"" => None,
                    count => Some(reply::number(count)?),
                };
                self.text(&head, fields.rest(), total)
            }
            _ => return Err(ToolError::garbled("the kind of content is unknown")),
        })
    }

    /// Cuts what came to what was asked for: so many lines, and so many bytes at a line's end where there is one.
    fn text(&self, head: &[u8], bytes: &[u8], total_lines: Option<u64>) -> Content {
        let mut end = match self.lines() {
            0 => 0,
            lines => nth_newline(bytes, lines).unwrap_or(bytes.len()),
        };
        let most = self.most() as usize;
        if end > most {
            let newline = bytes[..most].iter().rposition(|byte| *byte == b'\n');
            end = newline.map_or_else(|| whole_characters(&bytes[..most]), |at| at + 1);
        }
        match std::str::from_utf8(&bytes[..end]) {
            Ok(text) => {
                Content::Text { text: text.to_owned(), first_line: self.first(), total_lines, more: end < bytes.len() }
            }
            Err(_) => Content::Binary { looks_like: sniff::looks_like(head).or(Some("text that is not UTF-8")) },
        }
    }
}

/// Where the line after the `nth` newline begins, if there are so many.
fn nth_newline(bytes: &[u8], nth: u64) -> Option<usize> {
    let nth = usize::try_from(nth).ok()?.checked_sub(1)?;
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(nth).map(|(at, _)| at + 1)
}

/// How many bytes remain when a character that was cut at the end is left out.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    }
}
