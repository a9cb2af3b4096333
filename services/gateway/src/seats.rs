//! How many of a worker's calls belong to each tenant, and how many of those wait: one tenant alone cannot take all slots, nor
//! fill what calls wait in.
//!
//! Belongs to one worker. Knows no limit of a plan: it shares what the gateway itself has.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use common::id::TenantId;

/// The calls of each tenant, and how many each may have.
#[derive(Debug)]
pub(crate) struct Seats {
    each: u32,
    waiting_each: u32,
    taken: RefCell<HashMap<TenantId, Rc<Taken>, ahash::RandomState>>,
}

/// The calls of one tenant.
#[derive(Debug, Default)]
struct Taken {
    calls: Cell<u32>,
    waiting: Cell<u32>,
}

/// A call's place among its tenant's; free again when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    tenant: Rc<Taken>,
    most_waiting: u32,
}

/// Says that a call waits: for a lease, for an exact throttle, for a new connection.
#[derive(Debug)]
pub(crate) struct Waiting<'a>(&'a Taken);

impl Seats {
    /// Each tenant may have `percent` of `slots`, and `waiting_percent` of them waiting; one in any case.
    pub(crate) fn new(slots: u32, percent: u32, waiting_percent: u32) -> Self {
        let part = |percent: u32| {
            let part = u64::from(slots) * u64::from(percent.min(100)) / 100;
            u32::try_from(part).unwrap_or(u32::MAX).max(1)
        };
        Self { each: part(percent), waiting_each: part(waiting_percent), taken: RefCell::default() }
    }

    /// A seat for another call of the tenant; none when it has as many as it may.
    pub(crate) fn take(&self, tenant: TenantId) -> Option<Seat> {
        let mut all = self.taken.borrow_mut();
        let taken = all.entry(tenant).or_default();
        let calls = taken.calls.get();
        if calls >= self.each {
            return None;
        }
        taken.calls.set(calls + 1);
        Some(Seat { tenant: Rc::clone(taken), most_waiting: self.waiting_each })
    }

    /// Forgets tenants without calls. To be called now and then.
    pub(crate) fn sweep(&self) {
        self.taken.borrow_mut().retain(|_, taken| taken.calls.get() > 0);
    }
}

impl Seat {
    /// From now on the call waits, until what this answers is dropped; none when as many of its tenant wait as may.
    pub(crate) fn wait(&self) -> Option<Waiting<'_>> {
        let waiting = self.tenant.waiting.get();
        if waiting >= self.most_waiting {
            return None;
        }
        self.tenant.waiting.set(waiting + 1);
        Some(Waiting(&self.tenant))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.tenant.calls.set(self.tenant.calls.get() - 1);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> TenantId {
        TenantId::new(chrono::DateTime::UNIX_EPOCH)
    }

    #[test]
    fn a_tenant_gets_no_more_seats_than_its_part_and_another_gets_its_own() {
        let (seats, one, other) = (Seats::new(8, 50, 25), tenant(), tenant());
        let mut taken: Vec<_> = (0..4).map(|_| seats.take(one).unwrap()).collect();
        assert!(seats.take(one).is_none());
        assert!(seats.take(other).is_some());
        taken.pop();
        assert!(seats.take(one).is_some(), "a call that ended leaves its seat");
        seats.sweep();
        taken.extend(seats.take(one));
        assert!(seats.take(one).is_none(), "what is in use is not forgotten");
        drop(taken);
        seats.sweep();
        assert!(seats.taken.borrow().is_empty());
    }

    #[test]
    fn a_tenant_has_no_more_calls_waiting_than_its_part() {
        let (seats, one) = (Seats::new(8, 100, 25), tenant());
        let taken: Vec<_> = (0..3).map(|_| seats.take(one).unwrap()).collect();
        let mut waiting: Vec<_> = taken[..2].iter().map(|seat| seat.wait().unwrap()).collect();
        assert!(taken[2].wait().is_none());
        assert!(seats.take(tenant()).unwrap().wait().is_some());
        waiting.pop();
        assert!(taken[2].wait().is_some());
    }
}
