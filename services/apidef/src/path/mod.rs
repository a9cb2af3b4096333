//! Paths: the templates of resources and the paths of requests, both in one normal form so that they compare byte by byte.
//!
//! The normal form (RFC 3986 section 6.2.2): escapes of unreserved characters decoded, other escapes in capital letters, everything
//! that may not stand in a path escaped. It knows nothing of hosts and queries.

mod request;
mod template;

use std::borrow::Cow;

pub use request::{PathError, RequestPath};
pub use template::{PathTemplate, Segment, TemplateFault};

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Whether a byte needs no escape in any part of a URI (RFC 3986 section 2.3).
pub(crate) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Whether a byte may stand unescaped in a path, the separator included.
fn is_path_byte(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(
            byte,
            b'/' | b':' | b'@' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
        )
}

/// Bytes that need no second look: a path of only these is in normal form and has no dot segment.
const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let letter = byte as u8;
        table[byte] =
            letter.is_ascii_alphanumeric() || matches!(letter, b'/' | b'-' | b'_' | b'~' | b':' | b'@');
        byte += 1;
    }
    table
};

fn is_plain(byte: u8) -> bool {
    PLAIN[usize::from(byte)]
}

pub(crate) fn push_escaped(out: &mut String, byte: u8) {
    out.push('%');
    out.push(char::from(HEX[usize::from(byte >> 4)]));
    out.push(char::from(HEX[usize::from(byte & 15)]));
}

fn escaped_byte(bytes: &[u8], at: usize) -> Option<u8> {
    let high = char::from(*bytes.get(at + 1)?).to_digit(16)?;
    let low = char::from(*bytes.get(at + 2)?).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

/// Appends a text so that it stays inside one segment or one query value.
pub(crate) fn push_component(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if is_unreserved(byte) {
            out.push(char::from(byte));
        } else {
            push_escaped(out, byte);
        }
    }
}

/// Replaces escapes by what they stand for; bytes that are no UTF-8 become the replacement character.
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match escaped_byte(bytes, at).filter(|_| bytes[at] == b'%') {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// The normal form of a path or a segment; the offset of a broken escape if there is one.
pub(crate) fn normalize(raw: &str) -> Result<Cow<'_, str>, usize> {
    let bytes = raw.as_bytes();
    let Some(first) = first_abnormal(bytes)? else { return Ok(Cow::Borrowed(raw)) };

    let mut out = String::with_capacity(raw.len() + 8);
    out.push_str(&raw[..first]);
    let mut at = first;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte == b'%' {
            let decoded = escaped_byte(bytes, at).ok_or(at)?;
            if is_unreserved(decoded) {
                out.push(char::from(decoded));
            } else {
                push_escaped(&mut out, decoded);
            }
            at += 3;
            continue;
        }
        if is_path_byte(byte) {
            out.push(char::from(byte));
        } else {
            push_escaped(&mut out, byte);
        }
        at += 1;
    }
    Ok(Cow::Owned(out))
}

/// Where the text first differs from its normal form.
fn first_abnormal(bytes: &[u8]) -> Result<Option<usize>, usize> {
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte == b'%' {
            let decoded = escaped_byte(bytes, at).ok_or(at)?;
            let lower_case = bytes[at + 1].is_ascii_lowercase() || bytes[at + 2].is_ascii_lowercase();
            if is_unreserved(decoded) || lower_case {
                return Ok(Some(at));
            }
            at += 3;
            continue;
        }
        if !is_path_byte(byte) {
            return Ok(Some(at));
        }
        at += 1;
    }
    Ok(None)
}

/// Whether a server could take a segment of a path in normal form for `.` or `..`, also after decoding escaped slashes and
/// backslashes or dropping `;` parameters.
pub(crate) fn is_dot_segment(segment: &str) -> bool {
    if !segment.contains('.') {
        return false;
    }
    let mut rest = segment;
    loop {
        let cut = rest.find("%2F").into_iter().chain(rest.find("%5C")).min();
        let piece = cut.map_or(rest, |at| &rest[..at]);
        let name = piece.split(';').next().unwrap_or(piece);
        if name == "." || name == ".." {
            return true;
        }
        let Some(at) = cut else { return false };
        rest = &rest[at + 3..];
    }
}
