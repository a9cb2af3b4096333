//! An upstream that does exactly what a test's script says, byte for byte.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use parking_lot::Mutex;

use crate::Wire;

/// A TCP server whose script runs once per connection, each on its own thread. It ends when dropped.
///
/// ```no_run
/// # fn main() -> anyhow::Result<()> {
/// let upstream = testkit::Upstream::start(|mut wire| {
///     let request = wire.read_head()?;
///     wire.read_body(&request)?;
///     wire.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")?;
///     wire.reset()
/// })?;
/// # drop(upstream); Ok(()) }
/// ```
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    state: Arc<State>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    stopping: AtomicBool,
    connections: AtomicUsize,
    failures: Mutex<Vec<String>>,
}

impl Upstream {
    /// Starts it on a free port of 127.0.0.1. An error that the script returns is kept for [`Upstream::failures`].
    pub fn start(script: impl Fn(Wire) -> io::Result<()> + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port for an upstream")?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::default());
        let accepting = std::thread::spawn({
            let state = state.clone();
            move || accept(&listener, &state, &Arc::new(script))
        });
        Ok(Self { address, state, accepting: Some(accepting) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections it has accepted.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// What went wrong in scripts that have ended: a read that hit the end, a write nobody took.
    pub fn failures(&self) -> Vec<String> {
        self.state.failures.lock().clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.state.stopping.store(true, Ordering::SeqCst);
        // Wakes the thread out of its accept.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn accept<S>(listener: &TcpListener, state: &Arc<State>, script: &Arc<S>)
where
    S: Fn(Wire) -> io::Result<()> + Send + Sync + 'static,
{
    for stream in listener.incoming() {
        if state.stopping.load(Ordering::SeqCst) {
            return;
        }
        state.connections.fetch_add(1, Ordering::SeqCst);
        let (state, script) = (state.clone(), script.clone());
        std::thread::spawn(move || {
            if let Err(error) = stream.and_then(Wire::over).and_then(|wire| script(wire)) {
                state.failures.lock().push(error.to_string());
            }
        });
    }
}
