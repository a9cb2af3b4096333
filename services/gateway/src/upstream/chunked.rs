//! The chunked transfer coding, decoded in place (RFC 9112 section 7.1).
//!
//! Owns the state between reads; knows neither sockets nor heads. Strict: only CRLF ends a line, a size is 1 to 15
//! hexadecimal digits, lines are bounded. Extensions and trailers are read and dropped.

use bytes::{Buf, BytesMut};

use super::FramingFault;

const MAX_SIZE_DIGITS: u8 = 15;
const MAX_SIZE_LINE: usize = 4 * 1024;
const MAX_TRAILERS: usize = 8 * 1024;

/// What the front of the buffer holds now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// This many payload bytes; the caller takes them off the buffer before the next step.
    Payload(usize),
    /// Nothing complete: read more.
    Incomplete,
    /// The body and its trailers have ended.
    End,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Size,
    Payload(u64),
    PayloadEnd,
    Trailers,
    Done,
}

/// Decoder of one chunked body.
#[derive(Debug, Default)]
pub(crate) struct Chunked {
    state: State,
    trailer_bytes: usize,
}

impl Chunked {
    /// Takes framing off the front of `buffer` until payload, the end or a lack of bytes is reached.
    pub(crate) fn step(&mut self, buffer: &mut BytesMut) -> Result<Step, FramingFault> {
        loop {
            match self.state {
                State::Size => {
                    let Some(end) = line_end(buffer, MAX_SIZE_LINE)? else { return Ok(Step::Incomplete) };
                    let size = parse_size(&buffer[..end])?;
                    buffer.advance(end + 2);
                    self.state = if size == 0 { State::Trailers } else { State::Payload(size) };
                }
                State::Payload(0) => self.state = State::PayloadEnd,
                State::Payload(left) => {
                    if buffer.is_empty() {
                        return Ok(Step::Incomplete);
                    }
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
                    self.state = State::Payload(left - taken as u64);
                    return Ok(Step::Payload(taken));
                }
                State::PayloadEnd => match &buffer[..] {
                    [b'\r', b'\n', ..] => {
                        buffer.advance(2);
                        self.state = State::Size;
                    }
                    [] | [b'\r'] => return Ok(Step::Incomplete),
                    _ => return Err(FramingFault::Chunk),
                },
                State::Trailers => {
                    let Some(end) = line_end(buffer, MAX_TRAILERS)? else { return Ok(Step::Incomplete) };
                    buffer.advance(end + 2);
                    self.trailer_bytes += end + 2;
                    if self.trailer_bytes > MAX_TRAILERS {
                        return Err(FramingFault::Chunk);
                    }
                    if end == 0 {
                        self.state = State::Done;
                    }
                }
                State::Done => return Ok(Step::End),
            }
        }
    }
}

/// The length of the line at the front of `buffer` without its CRLF; none when it has not ended yet.
fn line_end(buffer: &[u8], limit: usize) -> Result<Option<usize>, FramingFault> {
    let Some(newline) = buffer.iter().take(limit).position(|byte| *byte == b'\n') else {
        return if buffer.len() < limit { Ok(None) } else { Err(FramingFault::Chunk) };
    };
    if newline == 0 || buffer[newline - 1] != b'\r' {
        return Err(FramingFault::Chunk);
    }
    Ok(Some(newline - 1))
}

/// The size of a chunk: hexadecimal digits, then optional white space, then nothing or an extension.
fn parse_size(line: &[u8]) -> Result<u64, FramingFault> {
    let mut size = 0_u64;
    let mut digits = 0_u8;
    for byte in line {
        let Some(digit) = char::from(*byte).to_digit(16) else { break };
        digits += 1;
        if digits > MAX_SIZE_DIGITS {
            return Err(FramingFault::Chunk);
        }
        size = size * 16 + u64::from(digit);
    }
    let extension = line[usize::from(digits)..].trim_ascii_start();
    let well_formed = extension.is_empty() || extension[0] == b';';
    if digits == 0 || !well_formed || extension.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err(FramingFault::Chunk);
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(wire: &[u8], piece: usize) -> Result<Option<Vec<u8>>, FramingFault> {
        let mut decoder = Chunked::default();
        let mut buffer = BytesMut::new();
        let mut payload = Vec::new();
        for part in wire.chunks(piece) {
            buffer.extend_from_slice(part);
            loop {
                match decoder.step(&mut buffer)? {
                    Step::Payload(n) => payload.extend_from_slice(&buffer.split_to(n)),
                    Step::Incomplete => break,
                    Step::End => return Ok(Some(payload)),
                }
            }
        }
        Ok(None)
    }

    #[test]
    fn payload_is_the_same_however_the_bytes_arrive() {
        let wire =
            b"4\r\nWiki\r\n6;name=value\r\npedia \r\nE \r\nin \r\n\r\nchunks.\r\n0\r\nTrailer: x\r\n\r\n";
        for piece in 1..wire.len() {
            assert_eq!(
                decode(wire, piece),
                Ok(Some(b"Wikipedia in \r\n\r\nchunks.".to_vec())),
                "piece {piece}"
            );
        }
    }

    #[test]
    fn a_malformed_size_or_line_end_is_refused() {
        for wire in [
            &b"\r\n"[..],
            b"g\r\n",
            b"-1\r\n",
            b"+1\r\nx\r\n",
            b"0x1\r\nx\r\n",
            b"1\nx\r\n",
            b"1\r\nxy\r\n",
            b"1\r\nx\n0\r\n\r\n",
            b"1 1\r\nx\r\n",
            b"1;\0\r\nx\r\n",
            b"1000000000000000\r\n",
            b"0\r\n\n",
        ] {
            assert_eq!(
                decode(wire, wire.len()),
                Err(FramingFault::Chunk),
                "{:?}",
                String::from_utf8_lossy(wire)
            );
        }
    }

    #[test]
    fn lines_and_trailers_are_bounded() {
        let mut size_line = b"1;".to_vec();
        size_line.resize(MAX_SIZE_LINE + 1, b'x');
        assert_eq!(decode(&size_line, 512), Err(FramingFault::Chunk));
        let trailers = [b"0\r\n".to_vec(), b"a: b\r\n".repeat(MAX_TRAILERS)].concat();
        assert_eq!(decode(&trailers, 512), Err(FramingFault::Chunk));
    }

    #[test]
    fn a_body_cut_short_never_ends() {
        assert_eq!(decode(b"5\r\nhel", 3), Ok(None));
        assert_eq!(decode(b"5\r\nhello\r\n0\r\n", 3), Ok(None));
    }
}
