//! From a lease in an purse back to metering: when it is closed, what is stated of it, until that is acknowledged.

use std::sync::Arc;

use common::id::LeaseId;
use contracts::lease::{LeaseSettle, LeaseSettled, LeaseStatement};

use super::wishes::adapt;
use super::{BATCH, Closing, Desk, RESEND_US};
use crate::spool::Moment;

/// A lease unused for this long goes back: metering calls it back sooner when others want its units, so there is no hurry while
/// there is room for leases.
const IDLE_US: i64 = 900_000_000;
/// The same while few cells are free.
const IDLE_CROWDED_US: i64 = 30_000_000;
/// A lease that no call has used yet is kept this long although metering wants it back: the call it was for is on its way.
const FRESH_US: i64 = 200_000;

impl Desk {
    /// Takes metering's acknowledgement of `sent`.
    pub fn settled(&mut self, sent: &LeaseSettle, answer: &LeaseSettled, now: Moment) {
        if sent.incarnation != self.run.incarnation() {
            self.dead_run_settled(sent);
            return;
        }
        for statement in &sent.statements {
            self.strays.remove(&statement.lease);
            let Some(held) = self.held.get_mut(&statement.lease) else { continue };
            let Some(closing) = &mut held.closing else { continue };
            closing.ceiling_acked = true;
            if statement.closed {
                self.run.cells().vacate(held.lease.cell);
                self.free_cells.push(held.lease.cell);
                self.held.remove(&statement.lease);
                self.closing.remove(&statement.lease);
            }
        }
        self.recalled(&answer.recalls, now);
    }

    /// Gives leases back that metering wants.
    pub fn recalled(&mut self, leases: &[LeaseId], now: Moment) {
        for id in leases {
            let Some(held) = self.held.get(id) else {
                self.strays.entry(*id).or_insert(now.timer);
                self.renew_want(*id, now);
                continue;
            };
            let fresh = held.lease.gate().taken == 0 && now.timer - held.granted_at < FRESH_US;
            if !fresh {
                self.close(*id, now);
            }
        }
    }

    fn dead_run_settled(&mut self, sent: &LeaseSettle) {
        let Some(index) = self.dead_runs.iter().position(|dead| dead.incarnation == sent.incarnation) else {
            return;
        };
        if sent.last {
            let dead = self.dead_runs.remove(index);
            self.settled_runs.push(dead.incarnation);
            return;
        }
        let dead = &mut self.dead_runs[index];
        dead.statements.retain(|statement| !sent.statements.contains(statement));
        dead.send_at = i64::MIN;
    }

    pub(super) fn close(&mut self, id: LeaseId, now: Moment) {
        let Some(held) = self.held.get_mut(&id) else { return };
        if held.closing.is_some() {
            return;
        }
        let ceiling = held.lease.bar();
        let ceiling_acked = ceiling == held.lease.granted;
        held.closing = Some(Closing { ceiling, ceiling_acked, final_sent: false, send_at: now.timer });
        self.closing.insert(id);
        let purse = &held.purse;
        for slot in [&purse.current, &purse.spare] {
            if slot.load().as_ref().is_some_and(|lease| lease.id == id) {
                slot.store(None);
            }
        }
        if held.lease.gate().taken == held.lease.granted {
            adapt(purse, now.timer - held.granted_at);
        }
    }

    pub(super) fn statements(&mut self, now: Moment) -> Vec<LeaseStatement> {
        let mut due = Vec::new();
        for (lease, send_at) in
            self.strays.iter_mut().filter(|(_, send_at)| **send_at <= now.timer).take(BATCH)
        {
            *send_at = now.timer + RESEND_US;
            due.push(LeaseStatement { lease: *lease, spent: 0, ceiling: 0, closed: true });
        }
        for id in &self.closing {
            if due.len() >= BATCH {
                break;
            }
            let Some(held) = self.held.get_mut(id) else { continue };
            let Some(closing) = &mut held.closing else { continue };
            let over = held.lease.gate().in_flight == 0;
            // The end of the last call is news: it does not wait for the repeat of an older statement.
            let news = over && !closing.final_sent;
            if !news && (closing.send_at > now.timer || !over && closing.ceiling_acked) {
                continue;
            }
            closing.final_sent = over;
            closing.send_at = now.timer + RESEND_US;
            let spent = self.run.cells().spent(held.lease.cell);
            let ceiling = if over { spent } else { closing.ceiling };
            due.push(LeaseStatement { lease: *id, spent, ceiling, closed: over });
        }
        due
    }

    pub(super) fn sweep(&mut self, now: Moment) {
        let crowded = self.free_cells.len() * 2 < self.run.cells().count() as usize;
        let idle_us = if crowded { IDLE_CROWDED_US } else { IDLE_US };
        let mut over = Vec::new();
        for (id, held) in self.held.iter_mut().filter(|(_, held)| held.closing.is_none()) {
            let gate = held.lease.gate();
            if gate.taken != held.seen_taken || gate.in_flight > 0 {
                held.seen_taken = gate.taken;
                held.used_at = now.timer;
            }
            let used_up = gate.taken == held.lease.granted && gate.in_flight == 0;
            if used_up || now.wall >= held.lease.period_end || now.timer - held.used_at >= idle_us {
                over.push((*id, Arc::clone(&held.purse)));
            }
        }
        for (id, purse) in over {
            self.close(id, now);
            self.promote(&purse, now);
        }
        self.accounts.sweep(now.wall);
    }
}
