//! One TCP connection, byte for byte: what a test sends and sees is what is on the wire.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::PATIENCE;

/// How much is asked of the socket at once.
const READ_SIZE: usize = 16 * 1024;

/// Either end of a TCP connection. Every read gives up with an error after [`PATIENCE`].
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    /// Received and not yet asked for.
    pending: Vec<u8>,
}

impl Wire {
    /// Connects as a client.
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        Self::over(TcpStream::connect(address)?)
    }

    pub(crate) fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, pending: Vec::new() })
    }

    /// The other end's address.
    pub fn peer(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }

    /// Sends exactly these bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Reads up to and including the empty line that ends a request's or an answer's head.
    pub fn read_head(&mut self) -> io::Result<Head> {
        let bytes = self.read_until(b"\r\n\r\n")?;
        Ok(Head { text: String::from_utf8_lossy(&bytes).into_owned() })
    }

    /// Reads up to and including `end`.
    pub fn read_until(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.pending.windows(end.len()).position(|window| window == end) {
                return Ok(self.take(at + end.len()));
            }
            self.fill()?;
        }
    }

    /// Reads exactly `count` bytes.
    pub fn read_exact(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.pending.len() < count {
            self.fill()?;
        }
        Ok(self.take(count))
    }

    /// Reads until the other end closes.
    pub fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = std::mem::take(&mut self.pending);
        self.stream.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads the body that belongs to `head`: by its length, by its chunks (decoded), or up to the end.
    pub fn read_body(&mut self, head: &Head) -> io::Result<Vec<u8>> {
        if head.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            return self.read_chunks();
        }
        if let Some(length) = head.header("content-length") {
            let length = length.parse().map_err(|_| malformed("content-length is not a number"))?;
            return self.read_exact(length);
        }
        if head.is_request() { Ok(Vec::new()) } else { self.read_to_end() }
    }

    /// Waits for the other end to close and answers whether it did so without sending anything more.
    pub fn closed_by_peer(&mut self) -> bool {
        match self.read_to_end() {
            Ok(rest) => rest.is_empty(),
            Err(error) => matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe),
        }
    }

    /// Whether nothing arrives within `duration`: no byte, no end.
    pub fn is_silent_for(&mut self, duration: Duration) -> io::Result<bool> {
        if !self.pending.is_empty() {
            return Ok(false);
        }
        self.stream.set_read_timeout(Some(duration))?;
        let silent = match self.stream.peek(&mut [0]) {
            Ok(_) => false,
            Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
        };
        self.stream.set_read_timeout(Some(PATIENCE))?;
        Ok(silent)
    }

    /// Says that nothing more will be sent (FIN); reading goes on.
    pub fn half_close(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Ends the connection with a reset (RST), so that the other end's next read or write fails.
    pub fn reset(self) -> io::Result<()> {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))
    }

    fn read_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.read_until(b"\r\n")?;
            let line = String::from_utf8_lossy(&line);
            let size = line.split(';').next().unwrap_or_default().trim();
            let size =
                usize::from_str_radix(size, 16).map_err(|_| malformed("chunk size is not a number"))?;
            if size == 0 {
                while self.read_until(b"\r\n")? != b"\r\n" {}
                return Ok(body);
            }
            body.extend(self.read_exact(size)?);
            self.read_exact(2)?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut buffer = [0; READ_SIZE];
        match self.stream.read(&mut buffer)? {
            0 => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("closed after {:?}", String::from_utf8_lossy(&self.pending)),
            )),
            count => {
                self.pending.extend_from_slice(&buffer[..count]);
                Ok(())
            }
        }
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.pending.split_off(count);
        std::mem::replace(&mut self.pending, rest)
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// A request's or an answer's head as it was on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Start line, headers and the empty line.
    pub text: String,
}

impl Head {
    /// The request line or status line.
    pub fn start_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// The status of an answer; `None` for a request.
    pub fn status(&self) -> Option<u16> {
        let (version, rest) = self.start_line().split_once(' ')?;
        version.starts_with("HTTP/").then(|| rest.get(..3)?.parse().ok())?
    }

    /// The first header `name`; names compare without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value))
    }

    /// All headers in order, names as sent.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.text
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name, value.trim()))
    }

    fn is_request(&self) -> bool {
        self.status().is_none()
    }
}
