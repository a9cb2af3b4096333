//! The gateway's side of the lease protocol, as a state machine: asks for leases ahead of need, closes and states them.
//!
//! It is told the time and what metering answered, and says what to send; messages may be lost, repeated or late. A wish keeps its
//! lease id until it is answered, so that a repeat finds the same lease. Answers to ids it has given up are ignored, and a
//! lease it never took up is closed as unspent when metering calls it back.
//!
//! Knows no network and no calls; workers reach it by one channel. `wishes` get leases, `returns` gives them back.

mod returns;
mod wishes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use common::id::{IncarnationId, LeaseId};
use contracts::lease::{
    Budget, GatewayRegister, LeaseAnswers, LeaseGrant, LeaseSettle, LeaseStatement, PreviousRun,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::account::Accounts;
use super::lease::Lease;
use super::purse::{Published, Purse};
use crate::spool::recovery::Recovered;
use crate::spool::{Moment, Run};

/// How long an unanswered message waits to be sent again.
const RESEND_US: i64 = 1_000_000;
/// Messages name at most this many leases.
const BATCH: usize = 256;
/// How often leases are looked through for idleness and ended periods.
const SWEEP_US: i64 = 1_000_000;

/// A message to metering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The beginning of the run; everything else waits for its answer.
    Register(GatewayRegister),
    /// Wishes.
    Grant(LeaseGrant),
    /// Statements.
    Settle(LeaseSettle),
}

#[derive(Debug)]
struct Want {
    lease: LeaseId,
    purse: Arc<Purse>,
    send_at: i64,
    rounds: u32,
    /// The latest date for which it was sent.
    asked_for: i64,
}

#[derive(Debug)]
struct Held {
    lease: Arc<Lease>,
    purse: Arc<Purse>,
    granted_at: i64,
    seen_taken: u64,
    used_at: i64,
    closing: Option<Closing>,
}

#[derive(Debug)]
struct Closing {
    ceiling: u64,
    ceiling_acked: bool,
    final_sent: bool,
    send_at: i64,
}

/// A dead run whose leases are being stated.
#[derive(Debug)]
struct DeadRun {
    incarnation: IncarnationId,
    statements: Vec<LeaseStatement>,
    send_at: i64,
}

/// The gateway's leases. Owned by one thread.
#[derive(Debug)]
pub struct Desk {
    run: Arc<Run>,
    accounts: Arc<Accounts>,
    register: Option<(GatewayRegister, i64)>,
    dead_runs: Vec<DeadRun>,
    settled_runs: Vec<IncarnationId>,
    asked: UnboundedReceiver<Arc<Purse>>,
    wants: BTreeMap<Budget, Want>,
    wanted_ids: BTreeMap<LeaseId, Budget>,
    held: BTreeMap<LeaseId, Held>,
    closing: BTreeSet<LeaseId>,
    /// Leases that metering believes in and this run never took up.
    strays: BTreeMap<LeaseId, i64>,
    free_cells: Vec<u32>,
    ids: u32,
    /// Accounts with a verdict that is lifted at a time.
    verdicts: BTreeMap<(i64, u32), Arc<Purse>>,
    sweep_at: i64,
    ended: bool,
    shutting_down: bool,
}

impl Desk {
    /// A desk without leases that will first state those of dead runs, and the way for workers to reach it.
    pub fn new(
        run: Arc<Run>,
        accounts: Arc<Accounts>,
        recovered: &[Recovered],
    ) -> (Self, UnboundedSender<Arc<Purse>>) {
        let (ask, asked) = unbounded_channel();
        let previous =
            |run: &Recovered| PreviousRun { incarnation: run.incarnation, power_lost: run.power_lost };
        let register = GatewayRegister {
            gateway: run.gateway(),
            incarnation: run.incarnation(),
            previous: recovered.iter().map(previous).collect(),
        };
        let dead_run = |run: &Recovered| DeadRun {
            incarnation: run.incarnation,
            statements: run.statements.clone(),
            send_at: i64::MIN,
        };
        // Metering writes the leases of the others off when it takes the registration.
        let dead_runs = recovered.iter().filter(|run| !run.power_lost).map(dead_run).collect();
        let settled_runs = Vec::new();
        let free_cells = (0..run.cells().count()).rev().collect();
        let desk = Self {
            run,
            accounts,
            register: Some((register, i64::MIN)),
            dead_runs,
            settled_runs,
            asked,
            wants: BTreeMap::new(),
            wanted_ids: BTreeMap::new(),
            held: BTreeMap::new(),
            closing: BTreeSet::new(),
            strays: BTreeMap::new(),
            free_cells,
            ids: 0,
            verdicts: BTreeMap::new(),
            sweep_at: 0,
            ended: false,
            shutting_down: false,
        };
        (desk, ask)
    }

    /// Waits until a worker asks for something; `poll` is due then.
    pub async fn asked(&mut self, now: impl Fn() -> Moment) {
        if let Some(purse) = self.asked.recv().await {
            self.want(purse, now());
        } else {
            std::future::pending::<()>().await;
        }
    }

    /// Messages to send now.
    pub fn poll(&mut self, now: Moment) -> Vec<Message> {
        while let Ok(purse) = self.asked.try_recv() {
            self.want(purse, now);
        }
        if now.timer >= self.sweep_at {
            self.sweep_at = now.timer + SWEEP_US;
            self.sweep(now);
        }
        self.lift(now);
        if let Some((register, send_at)) = &mut self.register {
            if *send_at > now.timer {
                return Vec::new();
            }
            *send_at = now.timer + RESEND_US;
            return vec![Message::Register(register.clone())];
        }
        let mut messages = Vec::new();
        for dead in self.dead_runs.iter_mut().filter(|dead| dead.send_at <= now.timer) {
            dead.send_at = now.timer + RESEND_US;
            let statements: Vec<_> = dead.statements.iter().take(BATCH).copied().collect();
            let last = statements.len() == dead.statements.len();
            let (gateway, incarnation) = (self.run.gateway(), dead.incarnation);
            messages.push(Message::Settle(LeaseSettle { gateway, incarnation, statements, last }));
        }
        let statements = self.statements(now);
        if !statements.is_empty() {
            messages.push(Message::Settle(self.settle(statements, false)));
        }
        let wants = self.due_wants(now);
        if !wants.is_empty() {
            let (gateway, incarnation) = (self.run.gateway(), self.run.incarnation());
            messages.push(Message::Grant(LeaseGrant { gateway, incarnation, wants }));
        }
        messages
    }

    /// Metering knows this run now.
    pub fn registered(&mut self) {
        let Some((register, _)) = self.register.take() else { return };
        let written_off = register.previous.iter().filter(|run| run.power_lost);
        self.settled_runs.extend(written_off.map(|run| run.incarnation));
    }

    /// Dead runs whose leases metering has settled since the last time this was asked.
    pub fn take_settled_runs(&mut self) -> Vec<IncarnationId> {
        std::mem::take(&mut self.settled_runs)
    }

    /// Takes metering's answers to wishes.
    pub fn granted(&mut self, answers: &LeaseAnswers, now: Moment) {
        for answer in &answers.answers {
            if let Some(budget) = self.wanted_ids.get(&answer.lease) {
                self.answered(*budget, answer.outcome, now);
            }
        }
        self.recalled(&answers.recalls, now);
        self.ended |= answers.ended;
    }

    /// Metering ended this run: it gets no leases any more.
    pub const fn end(&mut self) {
        self.ended = true;
    }

    /// Whether metering ended this run. The gateway should restart.
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Metering published a change: what it said before no longer holds, and leases are taken out anew.
    pub fn published(&mut self, published: Published, now: Moment) {
        for purse in self.accounts.concerned(published) {
            purse.clear_verdict();
            // Under another id: what metering answered before the change must not be taken for an answer after it.
            if let Some(want) = self.wants.get_mut(&purse.budget) {
                want.rounds = 0;
                let id = want.lease;
                self.strays.insert(id, now.timer);
                self.renew_want(id, now);
            }
            for slot in [&purse.current, &purse.spare] {
                if let Some(lease) = slot.load_full() {
                    self.close(lease.id, now);
                }
            }
            purse.changed.notify_waiters();
        }
    }

    /// Closes every lease and asks for none any more. Calls in flight end first.
    pub fn shut_down(&mut self, now: Moment) {
        self.shutting_down = true;
        let ids: Vec<_> = self.held.keys().copied().collect();
        for id in ids {
            self.close(id, now);
        }
    }

    /// The message that ends the run, once every lease is closed and acknowledged after [`Desk::shut_down`].
    pub fn farewell(&self) -> Option<LeaseSettle> {
        let done =
            self.shutting_down && self.register.is_none() && self.held.is_empty() && self.strays.is_empty();
        done.then(|| self.settle(Vec::new(), true))
    }

    /// Leases held, those being closed included.
    pub fn leases(&self) -> usize {
        self.held.len()
    }

    fn settle(&self, statements: Vec<LeaseStatement>, last: bool) -> LeaseSettle {
        let (gateway, incarnation) = (self.run.gateway(), self.run.incarnation());
        LeaseSettle { gateway, incarnation, statements, last }
    }
}
