//! The head of an upstream response: parsed in place, its framing decided (RFC 9112 section 6.3).
//!
//! Owns which response is accepted at all; knows no socket. Whatever two parsers could read differently is refused,
//! because the gateway answers for what it passes on.

use std::mem::MaybeUninit;

use super::FramingFault;

/// More header lines than this are refused.
const MAX_HEADERS: usize = 128;

/// Where a header's name and value lie in the head's bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeaderSpan {
    name: (u32, u32),
    value: (u32, u32),
}

impl HeaderSpan {
    /// The name as sent.
    pub(crate) fn name<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        &head[self.name.0 as usize..self.name.1 as usize]
    }

    /// The value without surrounding white space.
    pub(crate) fn value<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        &head[self.value.0 as usize..self.value.1 as usize]
    }
}

/// How the body of a message is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// This many bytes.
    Length(u64),
    /// The chunked coding.
    Chunked,
    /// Everything until the connection ends (responses only).
    Close,
}

/// What the head says apart from its header lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) status: u16,
    pub(crate) framing: Framing,
    /// The length the head announces, also where no body follows (HEAD, 304).
    pub(crate) announced_length: Option<u64>,
    /// The connection may carry another request after this response.
    pub(crate) keep_alive: bool,
    /// Bytes of the head, its empty line included.
    pub(crate) length: usize,
}

/// Parses the head at the front of `buffer`; none when it is incomplete. `spans` receives the header lines.
pub(crate) fn parse(
    buffer: &[u8],
    request_is_head: bool,
    spans: &mut Vec<HeaderSpan>,
) -> Result<Option<Meta>, FramingFault> {
    let mut lines = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let parsing = httparse::ParserConfig::default();
    let length = match parsing.parse_response_with_uninit_headers(&mut response, buffer, &mut lines) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(FramingFault::Head),
    };
    let http_11 = response.version == Some(1);
    let status = response.code.unwrap_or_default();
    if !(100..=599).contains(&status) {
        return Err(FramingFault::Head);
    }

    let mut content_length = None;
    let mut chunked = false;
    let mut close = !http_11;
    spans.clear();
    let base = buffer.as_ptr() as usize;
    for line in response.headers.iter() {
        let name = line.name.as_bytes();
        if name.eq_ignore_ascii_case(b"content-length") {
            let value = parse_lengths(line.value)?;
            if content_length.is_some_and(|earlier| earlier != value) {
                return Err(FramingFault::Conflict);
            }
            content_length = Some(value);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            // A second coding, or chunked twice, could be unwrapped differently by whoever reads after us.
            if chunked || !http_11 || !line.value.eq_ignore_ascii_case(b"chunked") {
                return Err(FramingFault::Conflict);
            }
            chunked = true;
        } else if name.eq_ignore_ascii_case(b"connection") {
            close |= list_contains(line.value, b"close");
        }
        spans.push(HeaderSpan { name: span(base, name), value: span(base, line.value) });
    }
    if chunked && content_length.is_some() {
        return Err(FramingFault::Conflict);
    }

    let bodiless = request_is_head || status < 200 || matches!(status, 204 | 304);
    let framing = if bodiless {
        Framing::Length(0)
    } else if chunked {
        Framing::Chunked
    } else {
        content_length.map_or(Framing::Close, Framing::Length)
    };
    let keep_alive = !close && framing != Framing::Close;
    Ok(Some(Meta { status, framing, announced_length: content_length, keep_alive, length }))
}

fn span(base: usize, part: &[u8]) -> (u32, u32) {
    // Heads are far below 4 GiB: the reader bounds them.
    let start = (part.as_ptr() as usize).wrapping_sub(base) as u32;
    (start, start + part.len() as u32)
}

/// One length, or a list of equal lengths (RFC 9110 section 8.6 lets a recipient collapse it).
fn parse_lengths(value: &[u8]) -> Result<u64, FramingFault> {
    let mut length = None;
    for item in value.split(|byte| *byte == b',') {
        let digits = item.trim_ascii();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(FramingFault::Conflict);
        }
        let parsed = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok());
        let parsed = parsed.ok_or(FramingFault::Conflict)?;
        if length.is_some_and(|earlier| earlier != parsed) {
            return Err(FramingFault::Conflict);
        }
        length = Some(parsed);
    }
    length.ok_or(FramingFault::Conflict)
}

/// True when the comma-separated `list` holds `token`, whatever its case.
pub(crate) fn list_contains(list: &[u8], token: &[u8]) -> bool {
    list.split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(head: &str) -> Result<Option<Meta>, FramingFault> {
        parse(head.as_bytes(), false, &mut Vec::new())
    }

    fn framing(lines: &str) -> Result<Framing, FramingFault> {
        meta(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n")).map(|meta| meta.expect("complete").framing)
    }

    #[test]
    fn conflicting_or_odd_framing_is_refused() {
        for lines in [
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5, 6\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: -5\r\n",
            "Content-Length: 0x5\r\n",
            "Content-Length: \r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked, identity\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: xchunked\r\n",
        ] {
            assert_eq!(framing(lines), Err(FramingFault::Conflict), "{lines}");
        }
        assert_eq!(
            meta("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Err(FramingFault::Conflict),
            "HTTP/1.0 has no transfer codings"
        );
    }

    #[test]
    fn malformed_heads_are_refused() {
        for head in [
            "HTTP/1.1 200 OK\r\nName : value\r\n\r\n",
            "HTTP/1.1 200 OK\r\nName: a\r\n folded\r\n\r\n",
            "HTTP/1.1 200 OK\r\nName: a\0b\r\n\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.1 999 Odd\r\n\r\n",
            "SSH-2.0-OpenSSH\r\n",
        ] {
            assert_eq!(meta(head), Err(FramingFault::Head), "{head}");
        }
    }

    #[test]
    fn framing_follows_the_rfc() {
        assert_eq!(framing("Content-Length: 5\r\n"), Ok(Framing::Length(5)));
        assert_eq!(framing("Content-Length: 5\r\nContent-Length: 5\r\n"), Ok(Framing::Length(5)));
        assert_eq!(framing("TRANSFER-ENCODING: Chunked\r\n"), Ok(Framing::Chunked));
        assert_eq!(framing(""), Ok(Framing::Close));
        for status in [204, 304] {
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: 7\r\n\r\n");
            let meta = meta(&head).expect("valid").expect("complete");
            assert_eq!((meta.framing, meta.announced_length), (Framing::Length(0), Some(7)));
        }
        let head = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", true, &mut Vec::new());
        assert_eq!(head.expect("valid").expect("complete").framing, Framing::Length(0));
    }

    #[test]
    fn a_connection_is_kept_only_when_both_sides_can_tell_where_the_response_ends() {
        let keeps = |head: &str| meta(head).expect("valid").expect("complete").keep_alive;
        assert!(keeps("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
        assert!(!keeps("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: foo, Close\r\n\r\n"));
        assert!(!keeps("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"));
        assert!(!keeps("HTTP/1.1 200 OK\r\n\r\n"));
    }
}
