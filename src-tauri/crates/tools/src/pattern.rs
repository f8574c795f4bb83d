//! Name patterns: `**`, `*`, `?`, `[…]`, `{a,b}`.
//!
//! What a pattern means is decided here, in [`Pattern::matches`]. The machine only sieves: it gets patterns of `*` and
//! plain text, in which a `*` also crosses `/`, that let through at least what matches. Where they let through nothing
//! else ([`Pattern::is_exact`]) the machine may also count.

use crate::{ToolError, path};

/// So many alternatives may braces make.
const ALTERNATIVES: usize = 256;

/// No path is longer.
const LENGTH: usize = 4_096;

/// A pattern for paths relative to a folder. Dots are letters like all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    alternatives: Vec<Vec<Segment>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// `**`: any number of folders, or none.
    Folders,
    /// One name.
    Name(Vec<Atom>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Atom {
    Char(char),
    Any,
    One,
    Set { negated: bool, ranges: Vec<(char, char)> },
}

/// A piece of what the machine sieves by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Exactly these bytes.
    Text(Vec<u8>),
    /// Anything, `/` included.
    Star,
}

/// One alternative of a sieve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sieve {
    pub pieces: Vec<Piece>,
    /// The path must have exactly so many `/`.
    pub slashes: Option<usize>,
}

impl Sieve {
    /// Its length as text, roughly.
    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().map(|piece| if let Piece::Text(text) = piece { text.len() + 4 } else { 1 }).sum()
    }
}

impl Pattern {
    /// Reads a pattern as it came over the wire.
    pub(crate) fn parse(wire: &str) -> Result<Self, ToolError> {
        let refused = |why: &str| Err(ToolError::bad_request(format!("The pattern `{}` {why}.", path::display(wire))));
        if wire.is_empty() {
            return Err(ToolError::bad_request("The pattern is empty.").hint("`**` finds every file."));
        }
        if wire.len() > LENGTH {
            return refused("is too long");
        }
        if path::from_wire(wire).contains(&0) {
            return refused("holds a NUL byte");
        }
        let mut expanded = Vec::new();
        if !expand(&wire.chars().collect::<Vec<_>>(), &mut expanded) {
            return refused("stands for more than 256 patterns");
        }
        let mut alternatives = Vec::with_capacity(expanded.len());
        for text in expanded {
            let mut segments = Vec::new();
            for name in text.split(|c| *c == '/').filter(|name| !name.is_empty() && *name != ['.']) {
                match name {
                    ['.', '.'] => return refused("leads out of its folder by `..`"),
                    ['*', '*'] if segments.last() == Some(&Segment::Folders) => {}
                    ['*', '*'] => segments.push(Segment::Folders),
                    name => segments.push(Segment::Name(atoms(name))),
                }
            }
            if segments.is_empty() {
                return refused("names no file");
            }
            alternatives.push(segments);
        }
        Ok(Self { alternatives })
    }

    /// The same pattern at any depth, if it names no folder.
    pub(crate) fn at_any_depth(mut self) -> Self {
        if self.alternatives.iter().all(|segments| segments.len() == 1) {
            for segments in &mut self.alternatives {
                if segments[0] != Segment::Folders {
                    segments.insert(0, Segment::Folders);
                }
            }
        }
        self
    }

    /// Whether a path on the wire matches.
    pub(crate) fn matches(&self, wire: &str) -> bool {
        let names: Vec<Vec<char>> = wire.split('/').map(|name| name.chars().collect()).collect();
        self.alternatives.iter().any(|segments| path_matches(segments, &names))
    }

    /// What the machine sieves by.
    pub(crate) fn sieve(&self) -> Vec<Sieve> {
        self.alternatives.iter().flat_map(|segments| sieves(segments)).collect()
    }

    /// Whether the sieve lets through nothing that does not match.
    pub(crate) fn is_exact(&self) -> bool {
        self.alternatives.iter().all(|segments| exact(segments))
    }

    /// The folder that every match lies in, as far as it is plain text; empty for the folder itself.
    pub(crate) fn base(&self) -> Vec<u8> {
        let plain = |segments: &Vec<Segment>| {
            let folders = &segments[..segments.len() - 1];
            folders.iter().map_while(literal).collect::<Vec<_>>()
        };
        let mut common = self.alternatives.first().map(plain).unwrap_or_default();
        for segments in &self.alternatives {
            let same = common.iter().zip(plain(segments)).take_while(|(a, b)| **a == *b).count();
            common.truncate(same);
        }
        common.join(&b'/')
    }
}

/// Replaces braces by the alternatives they stand for. A brace without its partner, or with nothing to choose from, is
/// plain text.
fn expand(text: &[char], into: &mut Vec<Vec<char>>) -> bool {
    let Some((open, commas, close)) = braces(text) else {
        into.push(text.to_vec());
        return into.len() <= ALTERNATIVES;
    };
    let mut start = open + 1;
    for end in commas.into_iter().chain([close]) {
        let one = [&text[..open], &text[start..end], &text[close + 1..]].concat();
        if !expand(&one, into) {
            return false;
        }
        start = end + 1;
    }
    true
}

/// The first pair of braces with a comma between, and its commas.
fn braces(text: &[char]) -> Option<(usize, Vec<usize>, usize)> {
    for (open, _) in text.iter().enumerate().filter(|(at, c)| **c == '{' && !escaped(text, *at)) {
        let (mut depth, mut commas) = (0_usize, Vec::new());
        for (at, c) in text.iter().enumerate().skip(open).filter(|(at, _)| !escaped(text, *at)) {
            match c {
                '{' => depth += 1,
                ',' if depth == 1 => commas.push(at),
                '}' if depth == 1 && !commas.is_empty() => return Some((open, commas, at)),
                '}' if depth == 1 => break,
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    None
}

fn escaped(text: &[char], at: usize) -> bool {
    text[..at].iter().rev().take_while(|c| **c == '\\').count() % 2 == 1
}

fn atoms(name: &[char]) -> Vec<Atom> {
    let mut atoms = Vec::new();
    let mut rest = name;
    while let [c, tail @ ..] = rest {
        rest = tail;
        atoms.push(match c {
            '*' if atoms.last() == Some(&Atom::Any) => continue,
            '*' => Atom::Any,
            '?' => Atom::One,
            '[' => match set(tail) {
                Some((atom, tail)) => {
                    rest = tail;
                    atom
                }
                None => Atom::Char('['),
            },
            '\\' => match tail {
                [c, tail @ ..] => {
                    rest = tail;
                    Atom::Char(*c)
                }
                [] => Atom::Char('\\'),
            },
            c => Atom::Char(*c),
        });
    }
    atoms
}

/// What stands after `[`, up to its `]`. One that is not closed is plain text.
fn set(text: &[char]) -> Option<(Atom, &[char])> {
    let (negated, mut rest) = match text {
        ['!' | '^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut ranges = Vec::new();
    loop {
        (ranges, rest) = match rest {
            [']', tail @ ..] if !ranges.is_empty() => return Some((Atom::Set { negated, ranges }, tail)),
            [low, '-', high, tail @ ..] if *high != ']' => (pushed(ranges, *low, *high), tail),
            ['\\', c, tail @ ..] => (pushed(ranges, *c, *c), tail),
            [c, tail @ ..] => (pushed(ranges, *c, *c), tail),
            [] => return None,
        };
    }
}

fn pushed(mut ranges: Vec<(char, char)>, low: char, high: char) -> Vec<(char, char)> {
    ranges.push((low, high));
    ranges
}

fn path_matches(segments: &[Segment], names: &[Vec<char>]) -> bool {
    // Which rests of the pattern are reached after each name: no backtracking, so no pattern is slow.
    let mut reached = vec![false; segments.len() + 1];
    reached[0] = true;
    for (at, name) in names.iter().enumerate() {
        skip_folders(segments, &mut reached);
        let mut next = vec![false; segments.len() + 1];
        for (i, segment) in segments.iter().enumerate().filter(|(i, _)| reached[*i]) {
            match segment {
                // `**` at the end stands for files too.
                Segment::Folders if i + 1 == segments.len() => {
                    next[if at + 1 == names.len() { i + 1 } else { i }] = true
                }
                Segment::Folders => next[i] = true,
                Segment::Name(atoms) => next[i + 1] |= name_matches(atoms, name),
            }
        }
        reached = next;
    }
    reached[segments.len()]
}

fn skip_folders(segments: &[Segment], reached: &mut [bool]) {
    for (i, segment) in segments.iter().enumerate() {
        if reached[i] && *segment == Segment::Folders && i + 1 < segments.len() {
            reached[i + 1] = true;
        }
    }
}

fn name_matches(atoms: &[Atom], name: &[char]) -> bool {
    let mut reached = vec![false; atoms.len() + 1];
    reached[0] = true;
    let pass_stars = |reached: &mut [bool]| {
        for (i, atom) in atoms.iter().enumerate() {
            if reached[i] && *atom == Atom::Any {
                reached[i + 1] = true;
            }
        }
    };
    for c in name {
        pass_stars(&mut reached);
        let mut next = vec![false; atoms.len() + 1];
        for (i, atom) in atoms.iter().enumerate().filter(|(i, _)| reached[*i]) {
            match atom {
                Atom::Any => next[i] = true,
                Atom::One => next[i + 1] = true,
                Atom::Char(wanted) => next[i + 1] |= wanted == c,
                Atom::Set { negated, ranges } => {
                    next[i + 1] |= ranges.iter().any(|(low, high)| (low..=high).contains(&c)) != *negated;
                }
            }
        }
        reached = next;
    }
    pass_stars(&mut reached);
    reached[atoms.len()]
}

/// The name, where it is plain text.
fn literal(segment: &Segment) -> Option<Vec<u8>> {
    let Segment::Name(atoms) = segment else { return None };
    let text: Option<String> =
        atoms.iter().map(|atom| if let Atom::Char(c) = atom { Some(*c) } else { None }).collect();
    text.map(|text| path::from_wire(&text))
}

fn simple(segment: &Segment) -> bool {
    matches!(segment, Segment::Name(atoms) if atoms.iter().all(|atom| matches!(atom, Atom::Char(_) | Atom::Any)))
}

fn exact(segments: &[Segment]) -> bool {
    match segments.iter().position(|segment| *segment == Segment::Folders) {
        // As many `/` as the pattern has leave none for a `*`.
        None => segments.iter().all(simple),
        Some(at) => {
            let plain = segments[..at].iter().all(|segment| literal(segment).is_some());
            plain
                && match &segments[at + 1..] {
                    [] => true,
                    [last] => literal(last).is_some() || opens_with_star(last),
                    _ => false,
                }
        }
    }
}

/// A star, then plain text: what `*` takes beyond a `/` belongs to the folders before.
fn opens_with_star(segment: &Segment) -> bool {
    matches!(segment, Segment::Name(atoms)
        if atoms.first() == Some(&Atom::Any) && atoms[1..].iter().all(|atom| matches!(atom, Atom::Char(_))))
}

fn sieves(segments: &[Segment]) -> Vec<Sieve> {
    let depth = segments.len() - 1;
    let slashes = (!segments.contains(&Segment::Folders)).then_some(depth);
    let mut pieces = Vec::new();
    for (i, segment) in segments.iter().enumerate() {
        match segment {
            // `a/**/b` also means `a/b`: the `/` after `**` is left to what follows.
            Segment::Folders => star(&mut pieces),
            Segment::Name(atoms) => {
                if i > 0 && segments[i - 1] != Segment::Folders {
                    text(&mut pieces, b"/");
                }
                for atom in atoms {
                    match atom {
                        Atom::Char(c) => text(&mut pieces, &path::from_wire(&c.to_string())),
                        _ => star(&mut pieces),
                    }
                }
            }
        }
        if segments.get(i + 1) == Some(&Segment::Folders) {
            text(&mut pieces, b"/");
        }
    }
    let whole = Sieve { pieces, slashes };
    // Plain text after `**` must begin a name, or `a/**/b` would let `a/xb` through.
    let after = segments.iter().position(|segment| *segment == Segment::Folders).map(|at| &segments[at + 1..]);
    match after {
        Some([last]) if literal(last).is_some() => {
            let name = literal(last).unwrap_or_default();
            let cut = whole.pieces.len().saturating_sub(2);
            let head = whole.pieces[..cut].to_vec();
            let mut near = head.clone();
            text(&mut near, &name);
            let mut far = head;
            star(&mut far);
            text(&mut far, &[b"/", name.as_slice()].concat());
            vec![Sieve { pieces: near, slashes: None }, Sieve { pieces: far, slashes: None }]
        }
        _ => vec![whole],
    }
}

fn text(pieces: &mut Vec<Piece>, bytes: &[u8]) {
    match pieces.last_mut() {
        Some(Piece::Text(last)) => last.extend_from_slice(bytes),
        _ => pieces.push(Piece::Text(bytes.to_vec())),
    }
}

fn star(pieces: &mut Vec<Piece>) {
    if pieces.last() != Some(&Piece::Star) {
        pieces.push(Piece::Star);
    }
}
