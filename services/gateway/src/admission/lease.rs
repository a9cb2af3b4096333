//! A lease in use: the gate through which calls take its units.
//!
//! The gate is one word: bit 63 bars it, 23 bits count calls in flight, 40 bits count units taken. It enforces; the truth of what
//! was spent is in the lease's cell.

use std::sync::atomic::{AtomicU64, Ordering};

use common::id::LeaseId;

const BARRED: u64 = 1 << 63;
const CALL: u64 = 1 << 40;
const UNITS: u64 = CALL - 1;

/// Units of one key, plan and period that this gateway may spend.
#[derive(Debug)]
pub(super) struct Lease {
    /// Its id.
    pub(super) id: LeaseId,
    /// Where its counters are.
    pub(super) cell: u32,
    /// Units it has.
    pub(super) granted: u64,
    /// Start of its period.
    pub(super) period_start: i64,
    /// End of its period.
    pub(super) period_end: i64,
    /// The limit in force when it was granted.
    pub(super) limit: u64,
    /// Units metering had left after granting it.
    pub(super) left: u64,
    gate: AtomicU64,
}

/// What a gate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gate {
    /// No call gets in any more.
    pub(super) barred: bool,
    /// Calls that took units and have not ended.
    pub(super) in_flight: u64,
    /// Units taken and not given back.
    pub(super) taken: u64,
}

impl Lease {
    /// A lease of which nothing is taken.
    pub(super) const fn new(
        id: LeaseId,
        cell: u32,
        granted: u64,
        period: (i64, i64),
        limit: u64,
        left: u64,
    ) -> Self {
        let granted = if granted < UNITS { granted } else { UNITS };
        Self {
            id,
            cell,
            granted,
            period_start: period.0,
            period_end: period.1,
            limit,
            left,
            gate: AtomicU64::new(0),
        }
    }

    /// Takes units for one call; answers what is left, or nothing when the lease cannot give them.
    #[inline]
    pub(super) fn take(&self, units: u64) -> Option<u64> {
        let mut gate = self.gate.load(Ordering::Relaxed);
        loop {
            let taken = (gate & UNITS).checked_add(units)?;
            // The count of calls must not carry into the bar.
            if gate & BARRED != 0 || taken > self.granted || gate >= BARRED - CALL {
                return None;
            }
            match self.gate.compare_exchange_weak(
                gate,
                gate + CALL + units,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(self.granted - taken),
                Err(seen) => gate = seen,
            }
        }
    }

    /// Lets a call go that took units; `given_back` of them can be taken again. Comes after everything else about the call.
    #[inline]
    pub(super) fn release(&self, given_back: u64) {
        self.gate.fetch_sub(CALL + given_back, Ordering::Release);
    }

    /// Lets no further call in; answers the most that can still be spent in all.
    pub(super) fn bar(&self) -> u64 {
        self.gate.fetch_or(BARRED, Ordering::AcqRel) & UNITS
    }

    /// What the gate says. Sees everything that calls which were let go did before.
    pub(super) fn gate(&self) -> Gate {
        let gate = self.gate.load(Ordering::Acquire);
        Gate { barred: gate & BARRED != 0, in_flight: (gate & !BARRED) >> 40, taken: gate & UNITS }
    }

    /// Whether it is for calls of this time.
    #[inline]
    pub(super) const fn covers(&self, at: i64) -> bool {
        self.period_start <= at && at < self.period_end
    }
}

#[cfg(test)]
mod tests {
    use common::id::LeaseId;
    use uuid::Uuid;

    use super::*;

    fn lease(granted: u64) -> Lease {
        Lease::new(LeaseId::from_uuid(Uuid::max()), 0, granted, (0, 10), granted, 0)
    }

    #[test]
    fn a_gate_never_lets_more_units_through_than_granted() {
        let lease = lease(1_000);
        let taken: u64 = std::thread::scope(|scope| {
            let worker = || {
                let mut taken = 0;
                for round in 0..2_000_u64 {
                    let units = 1 + round % 3;
                    if lease.take(units).is_none() {
                        continue;
                    }
                    let given_back = if round % 5 == 0 { units } else { 0 };
                    lease.release(given_back);
                    taken += units - given_back;
                }
                taken
            };
            let threads = [scope.spawn(worker), scope.spawn(worker)];
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(lease.gate(), Gate { barred: false, in_flight: 0, taken });
        assert!(taken <= 1_000);
    }

    #[test]
    fn a_barred_gate_lets_calls_out_and_none_in() {
        let lease = lease(10);
        lease.take(3).unwrap();
        lease.take(3).unwrap();
        assert_eq!(lease.bar(), 6);
        assert_eq!(lease.take(1), None);
        lease.release(3);
        lease.release(0);
        assert_eq!(lease.gate(), Gate { barred: true, in_flight: 0, taken: 3 });
    }
}
