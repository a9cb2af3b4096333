//! What one call takes from its budgets: gate after gate, all of them or none.

use std::sync::Arc;

use super::lease::Lease;
use super::terms::{Admitted, Left};
use crate::spool::slots::{Kind, MAX_CHARGES};

/// Units taken from one lease.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) kind: Kind,
    pub(super) lease: Arc<Lease>,
    pub(super) units: u64,
}

/// Everything a call took; empty for one that takes nothing.
#[derive(Debug, Default)]
pub(super) struct Charges {
    taken: [Option<Taken>; MAX_CHARGES],
    len: usize,
}

impl Charges {
    /// Nothing.
    pub(super) const fn new() -> Self {
        Self { taken: [const { None }; MAX_CHARGES], len: 0 }
    }

    /// Adds units that a gate let through.
    pub(super) fn push(&mut self, taken: Taken) {
        if let Some(place) = self.taken.get_mut(self.len) {
            *place = Some(taken);
            self.len += 1;
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// In the order in which they were taken.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Taken> {
        self.taken[..self.len].iter().flatten()
    }

    /// Whether all are for calls of this time.
    pub(super) fn cover(&self, at: i64) -> bool {
        self.iter().all(|taken| taken.lease.covers(at))
    }

    /// Gives everything back to the gates: nothing was noted yet.
    pub(super) fn release(&self) {
        self.iter().for_each(|taken| taken.lease.release(taken.units));
    }

    /// Says what is left of each budget.
    pub(super) fn tell(&self, admitted: &mut Admitted) {
        for Taken { kind, lease, .. } in self.iter() {
            let left = lease.granted.saturating_sub(lease.gate().taken).saturating_add(lease.left);
            let left = Left { limit: lease.limit, left, resets_at: lease.period_end };
            match kind {
                Kind::Quota(period) => admitted.quotas[*period as usize] = Some(left),
                Kind::Spend => admitted.spend = Some(left),
            }
        }
    }
}
