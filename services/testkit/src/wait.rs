//! Waiting for conditions instead of sleeping for guesses.

use std::time::Duration;

use common::clock::monotonic;
use parking_lot::{Condvar, Mutex};

/// Pause between two looks at a condition; short against everything a test waits for.
const PAUSE: Duration = Duration::from_millis(5);

/// Blocks until `condition` holds; answers whether it did before `deadline` had passed.
pub fn wait_until(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let started = monotonic();
    loop {
        if condition() {
            return true;
        }
        if started.elapsed() >= deadline {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
}

/// [`wait_until`] for async tests: the runtime goes on between two looks.
pub async fn eventually(deadline: Duration, mut condition: impl AsyncFnMut() -> bool) -> bool {
    let started = monotonic();
    loop {
        if condition().await {
            return true;
        }
        if started.elapsed() >= deadline {
            return false;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Something that has not happened yet: holds threads back until a test lets them go.
///
/// Serves scripted peers that must answer only after the test has seen or done something.
#[derive(Debug, Default)]
pub struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    /// Lets everyone pass, now and later.
    pub fn open(&self) {
        *self.open.lock() = true;
        self.opened.notify_all();
    }

    /// Waits for [`Gate::open`]; fails with `TimedOut` after [`crate::PATIENCE`], so that no thread hangs for ever.
    pub fn pass(&self) -> std::io::Result<()> {
        let mut open = self.open.lock();
        let timeout = self.opened.wait_while_for(&mut open, |open| !*open, crate::PATIENCE);
        if timeout.timed_out() { Err(std::io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}
