//! Texts and scalars as JSON again, from the bytes by which they are compared.

use alloc::string::String;
use core::fmt::Write as _;

use super::{
    compiled::{ZEROS, split_length},
    scalar::{FALSE, NULL, TRUE},
};

/// Appends a scalar, of which these are the canonical bytes with runs of zeros
/// [shortened](super::shorten), as JSON of an equal one: a number as a string. Nothing if `out` would
/// be longer than `limit` bytes; what it has then is of no use.
pub(crate) fn tell_scalar(mut bytes: &[u8], out: &mut String, limit: usize) -> Option<()> {
    let literal = match *bytes {
        [TRUE] => "true",
        [FALSE] => "false",
        [NULL] => "null",
        _ => "",
    };
    if !literal.is_empty() {
        out.push_str(literal);
        return fits(out, limit);
    }
    out.push('"');
    while let Some(at) = bytes.iter().position(|byte| *byte == ZEROS) {
        let (before, behind) = bytes.split_at_checked(at)?;
        tell_characters(before, out, limit)?;
        let (count, rest) = split_length(behind.get(1..)?)?;
        if count > limit.saturating_sub(out.len()) {
            return None;
        }
        out.extend(core::iter::repeat_n('0', count));
        bytes = rest;
    }
    tell_characters(bytes, out, limit)?;
    out.push('"');
    fits(out, limit)
}

/// Appends a text as a JSON string, likewise. What is not Unicode in it becomes U+FFFD.
pub(crate) fn tell_text(bytes: &[u8], out: &mut String, limit: usize) -> Option<()> {
    out.push('"');
    tell_characters(bytes, out, limit)?;
    out.push('"');
    fits(out, limit)
}

fn tell_characters(bytes: &[u8], out: &mut String, limit: usize) -> Option<()> {
    if bytes.len() > limit.saturating_sub(out.len()) {
        return None;
    }
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\\' => out.extend(['\\', character]),
                // A String takes everything.
                '\0'..='\u{1F}' => drop(write!(out, "\\u{:04x}", u32::from(character))),
                _ => out.push(character),
            }
        }
        if !chunk.invalid().is_empty() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
    fits(out, limit)
}

fn fits(out: &str, limit: usize) -> Option<()> {
    (out.len() <= limit).then_some(())
}
