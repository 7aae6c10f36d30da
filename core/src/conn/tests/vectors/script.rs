//! The language of the vectors, as far as it says what happens to a connection.
//!
//! It makes frames with an encoder of its own, so that the product's cannot hide its mistakes, and
//! names nothing of this crate, so that others can replay the vectors. [`FILES`] has the vectors;
//! the first lines of `frames.txt` explain the language.

use std::{string::String, vec, vec::Vec};

/// The files of vectors.
const FILES: [&str; 6] = [
    include_str!("frames.txt"),
    include_str!("control.txt"),
    include_str!("fragments.txt"),
    include_str!("utf8.txt"),
    include_str!("closing.txt"),
    include_str!("limits.txt"),
];

/// The masking key of every frame that is masked.
const KEY: [u8; 4] = [0xA1, 0x02, 0x7F, 0xE0];

/// One line of a file: what happens to a connection, and what comes of it.
#[derive(Clone, Debug)]
pub(crate) struct Vector {
    pub(crate) name: String,
    /// Whether it is about a server's connection and about a client's.
    pub(crate) server: bool,
    pub(crate) client: bool,
    pub(crate) limits: Limits,
    acts: Vec<Act>,
    /// What is behind the arrow.
    pub(crate) expected: String,
}

/// Limits that differ from the defaults.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) message: Option<u64>,
    pub(crate) fragments: Option<u32>,
    pub(crate) rate: Option<u16>,
    pub(crate) burst: Option<u16>,
}

/// What happens, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// Bytes arrive, in any pieces.
    Bytes(Vec<u8>),
    /// Milliseconds pass.
    Wait(u64),
    /// We close, with this code and reason.
    Close(u16, String),
    /// The bytes end.
    Eof,
}

#[derive(Clone, Debug)]
enum Act {
    Frame(Frame),
    Raw(Vec<u8>),
    Cut(usize),
    Other(Move),
}

#[derive(Clone, Debug)]
struct Frame {
    first: u8,
    /// The bytes of the extended length, where it is not the shortest form.
    extended: Option<usize>,
    /// The length in the head, where it is not that of the payload.
    claims: Option<u64>,
    /// Masked where it must not be, and the other way about.
    wrong_mask: bool,
    payload: Vec<u8>,
}

/// A word of the language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Word(String),
    Bytes(Vec<u8>),
}

/// Every vector of every file, in order.
pub(crate) fn vectors() -> Vec<Vector> {
    FILES.into_iter().flat_map(parse).collect()
}

/// The vectors of one file.
fn parse(file: &str) -> Vec<Vector> {
    let mut limits = Limits::default();
    let mut vectors = Vec::new();
    for line in joined(file) {
        if let Some(settings) = line.strip_prefix("limits") {
            limits = Limits::parse(settings);
        } else {
            vectors.push(Vector::parse(&line, limits));
        }
    }
    vectors
}

/// The lines with something to say; one that begins with white space goes on with the last.
fn joined(file: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in file.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match lines.last_mut() {
            Some(last) if line.starts_with(' ') => last.push_str(line),
            _ => lines.push(String::from(line)),
        }
    }
    lines
}

impl Limits {
    fn parse(settings: &str) -> Self {
        let mut limits = Self::default();
        for setting in settings.split_whitespace() {
            let (name, value) = setting.split_once('=').expect("a limit is name=value");
            let small = || value.parse().expect("a limit is a number");
            match name {
                "message" => limits.message = Some(value.parse().expect("a limit is a number")),
                "fragments" => limits.fragments = Some(u32::from(small())),
                "rate" => limits.rate = Some(small()),
                "burst" => limits.burst = Some(small()),
                _ => panic!("no such limit: {name}"),
            }
        }
        limits
    }
}

impl Vector {
    fn parse(line: &str, limits: Limits) -> Self {
        let (name, rest) = line.split_once(": ").expect(line);
        let (acts, expected) = rest.split_once(" =>").expect(line);
        let (name, server, client) = if let Some(name) = name.strip_suffix(" [server]") {
            (name, true, false)
        } else if let Some(name) = name.strip_suffix(" [client]") {
            (name, false, true)
        } else {
            (name, true, true)
        };
        Self {
            name: name.into(),
            server,
            client,
            limits,
            acts: items(acts).iter().flat_map(|item| act(item)).collect(),
            expected: expected.into(),
        }
    }

    /// What happens to a connection, whose peer masks its frames or not.
    pub(crate) fn moves(&self, masked: bool) -> Vec<Move> {
        let mut moves = Vec::new();
        let mut bytes = Vec::new();
        for act in &self.acts {
            match act {
                Act::Frame(frame) => bytes.extend(frame.bytes(masked)),
                Act::Raw(raw) => bytes.extend_from_slice(raw),
                Act::Cut(count) => bytes.truncate(bytes.len() - count),
                Act::Other(other) => {
                    if !bytes.is_empty() {
                        moves.push(Move::Bytes(core::mem::take(&mut bytes)));
                    }
                    moves.push(other.clone());
                }
            }
        }
        if !bytes.is_empty() {
            moves.push(Move::Bytes(bytes));
        }
        moves
    }
}

/// What one item of the language stands for.
fn act(item: &[Token]) -> Vec<Act> {
    let words: Vec<&str> = item.iter().map_while(Token::word).collect();
    let number = |at: usize| -> u64 {
        let word = words.get(at).expect("a number is missing");
        word.parse().expect("a number")
    };
    let small = |at| usize::try_from(number(at)).expect("a small number");
    match words.first().copied() {
        Some("raw") => {
            let hex = |word: &&str| u8::from_str_radix(word, 16).expect("two hexadecimal digits");
            vec![Act::Raw(words[1..].iter().map(hex).collect())]
        }
        Some("cut") => vec![Act::Cut(small(1))],
        Some("wait") => vec![Act::Other(Move::Wait(number(1)))],
        Some("eof") => vec![Act::Other(Move::Eof)],
        Some("we") => {
            assert_eq!(words[1], "close", "we can close");
            let code = u16::try_from(number(2)).expect("a close code");
            let reason = String::from_utf8(bytes_of(item)).expect("UTF-8");
            vec![Act::Other(Move::Close(code, reason))]
        }
        Some(count) if count.parse::<usize>().is_ok() => {
            assert_eq!(words[1], "times", "a number counts frames");
            vec![Act::Frame(frame(&item[2..])); small(0)]
        }
        _ => vec![Act::Frame(frame(item))],
    }
}

/// A frame: words that describe it, then its payload.
fn frame(item: &[Token]) -> Frame {
    let mut frame = Frame {
        first: 0,
        extended: None,
        claims: None,
        wrong_mask: false,
        payload: Vec::new(),
    };
    let mut words = item.iter().filter_map(Token::word);
    while let Some(word) = words.next() {
        let mut number = || -> u64 {
            let word = words.next().expect("a number is missing");
            word.parse().expect("a number")
        };
        match word {
            "rsv1" => frame.first |= 0x40,
            "rsv2" => frame.first |= 0x20,
            "rsv3" => frame.first |= 0x10,
            "len16" => frame.extended = Some(2),
            "len64" => frame.extended = Some(8),
            "wrong-mask" => frame.wrong_mask = true,
            "claims" => frame.claims = Some(number()),
            "op" => frame.first |= 0x80 | u8::try_from(number()).expect("an opcode"),
            "close" => frame.first |= 0x88,
            word => match word.parse::<u16>() {
                Ok(code) => frame.payload = code.to_be_bytes().to_vec(),
                Err(_) => frame.first |= first_byte(word),
            },
        }
    }
    frame.payload.extend(bytes_of(item));
    frame
}

/// The first byte of a frame by name; with a plus sign, more follow.
fn first_byte(word: &str) -> u8 {
    let (name, fin) = word
        .strip_suffix('+')
        .map_or((word, 0x80), |name| (name, 0));
    fin | match name {
        "cont" => 0x0,
        "text" => 0x1,
        "binary" => 0x2,
        "close" => 0x8,
        "ping" => 0x9,
        "pong" => 0xA,
        _ => panic!("no such frame: {word}"),
    }
}

impl Frame {
    fn bytes(&self, masked: bool) -> Vec<u8> {
        let mask = if masked == self.wrong_mask { 0 } else { 0x80 };
        let len = self.claims.unwrap_or(self.payload.len() as u64);
        let extended = self.extended.unwrap_or(match len {
            0..126 => 0,
            126..0x1_0000 => 2,
            _ => 8,
        });
        let in_8 = len.to_be_bytes();
        let short = match extended {
            0 => in_8[7],
            2 => 126,
            _ => 127,
        };
        let mut bytes = vec![self.first, mask | short];
        bytes.extend_from_slice(&in_8[8 - extended..]);
        if mask == 0 {
            bytes.extend_from_slice(&self.payload);
        } else {
            bytes.extend(KEY);
            let keys = KEY.iter().cycle();
            bytes.extend(self.payload.iter().zip(keys).map(|(byte, key)| byte ^ key));
        }
        bytes
    }
}

/// A frame as a peer sends it that breaks no rule about masks and lengths.
pub(crate) fn valid_frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    Frame {
        first,
        extended: None,
        claims: None,
        wrong_mask: false,
        payload: payload.to_vec(),
    }
    .bytes(masked)
}

impl Token {
    pub(crate) fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            Self::Bytes(_) => None,
        }
    }
}

/// The payload in an item.
pub(crate) fn bytes_of(item: &[Token]) -> Vec<u8> {
    let bytes = item.iter().filter_map(|token| match token {
        Token::Word(_) => None,
        Token::Bytes(bytes) => Some(bytes.as_slice()),
    });
    bytes.collect::<Vec<_>>().concat()
}

/// What is between commas, in words and literals.
pub(crate) fn items(text: &str) -> Vec<Vec<Token>> {
    let mut items = vec![Vec::new()];
    let mut rest = text.trim();
    while let Some(char) = rest.chars().next() {
        let item = items.last_mut().expect("there is always one");
        if char == ',' {
            items.push(Vec::new());
            rest = &rest[1..];
        } else if char.is_whitespace() {
            rest = rest.trim_start();
        } else if char == '"' {
            let (bytes, after) = literal(&rest[1..]);
            let (times, after) = after.strip_prefix('*').map_or((1, after), |after| {
                let end = after
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(after.len());
                (after[..end].parse().expect("a number"), &after[end..])
            });
            item.push(Token::Bytes(bytes.repeat(times)));
            rest = after;
        } else {
            let end = rest
                .find(|c: char| c == ',' || c.is_whitespace())
                .unwrap_or(rest.len());
            item.push(Token::Word(rest[..end].into()));
            rest = &rest[end..];
        }
    }
    items.retain(|item| !item.is_empty());
    items
}

/// A literal behind its opening quote, and what follows the closing one.
fn literal(text: &str) -> (Vec<u8>, &str) {
    let mut bytes = Vec::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return (bytes, &text[at + 1..]),
            '\\' => {
                let digits = text.get(at + 2..at + 4).expect("\\xNN is the only escape");
                bytes.push(u8::from_str_radix(digits, 16).expect("hexadecimal digits"));
                let _ = chars.nth(2);
            }
            char => bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    panic!("a literal has no end: {text}");
}
