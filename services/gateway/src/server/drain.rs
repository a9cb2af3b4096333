//! The end of a worker's service: no new requests, those in flight are answered.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

/// Tells a worker's connections that the server is stopping. Belongs to one thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Drain {
    state: Rc<State>,
}

#[derive(Debug, Default)]
struct State {
    begun: Cell<bool>,
    waiters: Notify,
}

impl Drain {
    /// From now on connections end after the request they are in.
    pub(crate) fn begin(&self) {
        self.state.begun.set(true);
        self.state.waiters.notify_waiters();
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.state.begun.get()
    }

    /// Waits for [`Drain::begin`].
    pub(crate) async fn requested(&self) {
        while !self.has_begun() {
            // Nothing runs between the check and the registration: both are on this thread.
            self.state.waiters.notified().await;
        }
    }
}
