//! What must hold of a request's head before it is parsed.
//!
//! The parser accepts more than the gateway wants to answer for (a bare line feed as a line end, heads of 128 KiB) and
//! says less about what it refuses (a long URL is just a bad one). This scan looks at lines only; meaning stays with the
//! parser.

use memchr::memchr;

use super::Limits;

/// Why a request is refused before any API has seen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// Not HTTP/1.x, or framed in a way that two readers could understand differently.
    Bad,
    /// The request line is over the limit.
    UriTooLong,
    /// The header lines are over the limit.
    HeadersTooLarge,
    /// The head did not arrive in time.
    TimedOut,
}

/// The length of the complete head at the front of `buffer`, none when more bytes are needed. Empty lines before the
/// request line belong to the head (RFC 9112 section 2.2).
pub(crate) fn head_length(buffer: &[u8], limits: &Limits) -> Result<Option<usize>, Malformed> {
    let mut start = 0;
    let mut request_line = None;
    loop {
        let rest = &buffer[start..];
        let Some(newline) = memchr(b'\n', rest) else {
            check_sizes(request_line, start, rest.len(), limits)?;
            return Ok(None);
        };
        if newline == 0 || rest[newline - 1] != b'\r' {
            return Err(Malformed::Bad);
        }
        let line = &rest[..newline - 1];
        match request_line {
            None if line.is_empty() && start < 8 => {}
            None if line.is_empty() => return Err(Malformed::Bad),
            None => {
                if line.len() > limits.request_line() {
                    return Err(Malformed::UriTooLong);
                }
                request_line = Some(start + newline + 1);
            }
            Some(headers_start) if line.is_empty() => {
                let header_bytes = start - headers_start;
                if header_bytes > limits.header_bytes {
                    return Err(Malformed::HeadersTooLarge);
                }
                return Ok(Some(start + newline + 1));
            }
            // A folded line (RFC 9112 section 5.2) reads as a new header to whoever does not unfold it.
            Some(_) if matches!(line[0], b' ' | b'\t') => return Err(Malformed::Bad),
            Some(_) => {}
        }
        start += newline + 1;
    }
}

fn check_sizes(
    request_line: Option<usize>,
    scanned: usize,
    pending: usize,
    limits: &Limits,
) -> Result<(), Malformed> {
    match request_line {
        None if pending > limits.request_line() => Err(Malformed::UriTooLong),
        Some(headers_start) if scanned - headers_start + pending > limits.header_bytes + 2 => {
            Err(Malformed::HeadersTooLarge)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(head: &[u8]) -> Result<Option<usize>, Malformed> {
        head_length(head, &Limits { header_bytes: 40, uri_bytes: 30, ..Limits::default() })
    }

    #[test]
    fn a_head_ends_at_its_empty_line() {
        assert_eq!(scan(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody"), Ok(Some(27)));
        assert_eq!(scan(b"\r\nGET / HTTP/1.1\r\n\r\n"), Ok(Some(20)));
        for cut in 0..26 {
            assert_eq!(scan(&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..cut]), Ok(None), "{cut}");
        }
    }

    #[test]
    fn bare_line_feeds_and_folded_lines_are_refused() {
        for head in [
            &b"GET / HTTP/1.1\nHost: a\r\n\r\n"[..],
            b"GET / HTTP/1.1\r\nHost: a\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
            b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            b"\nGET / HTTP/1.1\r\n\r\n",
            b"\r\n\r\n\r\n\r\n\r\n\r\n",
        ] {
            assert_eq!(scan(head), Err(Malformed::Bad), "{:?}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn limits_hold_whether_or_not_the_head_is_complete() {
        let long_line = [&b"GET /"[..], &[b'a'; 80], b" HTTP/1.1\r\n\r\n"].concat();
        assert_eq!(scan(&long_line), Err(Malformed::UriTooLong));
        assert_eq!(scan(&long_line[..80]), Err(Malformed::UriTooLong));
        let long_headers = [&b"GET / HTTP/1.1\r\nA: "[..], &[b'a'; 50], b"\r\n\r\n"].concat();
        assert_eq!(scan(&long_headers), Err(Malformed::HeadersTooLarge));
        assert_eq!(scan(&long_headers[..68]), Err(Malformed::HeadersTooLarge));
    }
}
