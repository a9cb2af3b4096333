//! The gateway's side of the lease protocol, as a state machine: asks for leases ahead of need, closes and states them.
//!
//! It is told the time and what metering answered, and says what to send; messages may be lost, repeated or late. A wish keeps its
//! lease id until it is answered, so that a repeat finds the same lease. Answers to ids it has given up are ignored, and a
//! lease it never took up is closed as unspent when metering calls it back.
//!
//! Knows no network and no calls; workers reach it by one channel.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use common::id::{IncarnationId, KeyId, LeaseId, UsagePlanId};
use contracts::lease::{
    GatewayRegister, LeaseAnswers, LeaseGrant, LeaseOutcome, LeaseSettle, LeaseSettled, LeaseStatement,
    LeaseWant, PreviousRun,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::account::{Account, Accounts};
use super::lease::Lease;
use crate::spool::recovery::Recovered;
use crate::spool::{Moment, Run};

/// How long an unanswered message waits to be sent again.
const RESEND_US: i64 = 1_000_000;
/// Messages name at most this many leases.
const BATCH: usize = 256;
/// A lease unused for this long goes back.
const IDLE_US: i64 = 30_000_000;
/// How often leases are looked through for idleness and ended periods.
const SWEEP_US: i64 = 1_000_000;
/// A lease that no call has used yet is kept this long although metering wants it back: the call it was for is on its way.
const FRESH_US: i64 = 200_000;
/// Times metering may answer that nothing is free before calls are refused without waiting.
const SCARCE_ROUNDS: u32 = 3;
/// How long they are then refused.
const SCARCE_US: i64 = 2_000_000;
/// How long an answer holds that contradicts the plan this gateway knows.
const CONTRADICTION_US: i64 = 1_000_000;
/// Smallest and largest number of units asked for.
const HINTS: (u64, u64) = (16, 1 << 20);
/// A lease used up faster than this asks for twice as much, one that lasts four times longer for half.
const HORIZON_US: i64 = 2_000_000;

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
    account: Arc<Account>,
    send_at: i64,
    rounds: u32,
}

#[derive(Debug)]
struct Held {
    lease: Arc<Lease>,
    account: Arc<Account>,
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
    asked: UnboundedReceiver<Arc<Account>>,
    wants: BTreeMap<(KeyId, UsagePlanId), Want>,
    wanted_ids: BTreeMap<LeaseId, (KeyId, UsagePlanId)>,
    held: BTreeMap<LeaseId, Held>,
    closing: BTreeSet<LeaseId>,
    /// Leases that metering believes in and this run never took up.
    strays: BTreeMap<LeaseId, i64>,
    free_cells: Vec<u32>,
    ids: u32,
    /// Accounts with a verdict that is lifted at a time.
    verdicts: BTreeMap<(i64, u32), Arc<Account>>,
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
    ) -> (Self, UnboundedSender<Arc<Account>>) {
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
        if let Some(account) = self.asked.recv().await {
            self.want(account, now());
        } else {
            std::future::pending::<()>().await;
        }
    }

    /// Messages to send now.
    pub fn poll(&mut self, now: Moment) -> Vec<Message> {
        while let Ok(account) = self.asked.try_recv() {
            self.want(account, now);
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
            if let Some(key) = self.wanted_ids.get(&answer.lease) {
                self.answered(*key, answer.outcome, now);
            }
        }
        self.recalled(&answers.recalls, now);
        self.ended |= answers.ended;
    }

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

    /// Metering ended this run: it gets no leases any more.
    pub const fn end(&mut self) {
        self.ended = true;
    }

    /// Whether metering ended this run. The gateway should restart.
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Metering published a change of a plan or a key: what it said before no longer holds, and leases are taken out anew.
    pub fn published(&mut self, key: Option<KeyId>, plan: Option<UsagePlanId>, now: Moment) {
        for account in self.accounts.matching(key, plan) {
            account.clear_verdict();
            if let Some(want) = self.wants.get_mut(&(account.key, account.plan)) {
                want.send_at = now.timer;
                want.rounds = 0;
            }
            for slot in [&account.current, &account.spare] {
                if let Some(lease) = slot.load_full() {
                    self.close(lease.id, now);
                }
            }
            account.changed.notify_waiters();
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

    fn want(&mut self, account: Arc<Account>, now: Moment) {
        self.promote(&account, now);
        let key = (account.key, account.plan);
        if self.wants.contains_key(&key) || account.spare.load().is_some() {
            account.wanted.store(self.wants.contains_key(&key), Ordering::Release);
            account.changed.notify_waiters();
            return;
        }
        let lease = self.next_id(now);
        self.wanted_ids.insert(lease, key);
        self.wants.insert(key, Want { lease, account, send_at: now.timer, rounds: 0 });
    }

    /// Puts the spare lease in the place of a current one that has nothing to give.
    fn promote(&mut self, account: &Arc<Account>, now: Moment) {
        let Some(spare) = account.spare.load_full() else { return };
        let current = account.current.load_full();
        let need = account.need.load(Ordering::Relaxed);
        let usable = current.as_ref().is_some_and(|lease| {
            let gate = lease.gate();
            !gate.barred && lease.covers(now.wall) && lease.granted - gate.taken.min(lease.granted) >= need
        });
        if usable {
            return;
        }
        account.current.store(Some(spare));
        account.spare.store(None);
        if let Some(current) = current {
            self.close(current.id, now);
        }
    }

    fn due_wants(&mut self, now: Moment) -> Vec<LeaseWant> {
        if self.ended || self.shutting_down {
            return Vec::new();
        }
        let mut due = Vec::new();
        for want in self.wants.values_mut().filter(|want| want.send_at <= now.timer).take(BATCH) {
            want.send_at = now.timer + RESEND_US;
            let account = &want.account;
            let leases = [account.current.load_full(), account.spare.load_full()];
            due.push(LeaseWant {
                lease: want.lease,
                key: account.key,
                plan: account.plan,
                at: now.wall,
                need: account.need.load(Ordering::Relaxed),
                hint: account.hint.load(Ordering::Relaxed).clamp(HINTS.0, HINTS.1),
                holds: leases.into_iter().flatten().map(|lease| lease.id).collect(),
            });
        }
        due
    }

    fn answered(&mut self, key: (KeyId, UsagePlanId), outcome: LeaseOutcome, now: Moment) {
        let Some(want) = self.wants.get_mut(&key) else { return };
        let account = Arc::clone(&want.account);
        if let LeaseOutcome::Scarce { retry_after_us, .. } = outcome {
            want.rounds += 1;
            let wait = i64::try_from(retry_after_us).unwrap_or(RESEND_US).min(RESEND_US);
            want.send_at = now.timer + wait;
            if want.rounds < SCARCE_ROUNDS {
                self.close_fragments(&account, now);
                return;
            }
        }
        let id = want.lease;
        self.wants.remove(&key);
        self.wanted_ids.remove(&id);
        // Whoever needs more than one unit says so again.
        account.need.store(1, Ordering::Relaxed);
        match outcome {
            LeaseOutcome::Granted { units, period_start, period_end, limit, left } => {
                self.install(id, &account, units, (period_start, period_end), (limit, left), now);
            }
            LeaseOutcome::Scarce { .. } => self.set_scarce(&account, now.timer + SCARCE_US),
            LeaseOutcome::Exhausted { until, left, .. } => account.set_exhausted(until, left),
            LeaseOutcome::Unlimited => {
                self.set_scarce(&account, now.timer + CONTRADICTION_US);
                account.set_unlimited(true);
            }
            LeaseOutcome::Unknown => self.set_scarce(&account, now.timer + CONTRADICTION_US),
        }
        account.wanted.store(false, Ordering::Release);
        account.changed.notify_waiters();
    }

    fn install(
        &mut self,
        id: LeaseId,
        account: &Arc<Account>,
        units: u64,
        period: (i64, i64),
        (limit, left): (u64, u64),
        now: Moment,
    ) {
        let Some(cell) = self.free_cells.pop().filter(|_| !self.shutting_down) else {
            self.strays.insert(id, now.timer);
            self.set_scarce(account, now.timer + CONTRADICTION_US);
            return;
        };
        // In the mapping before any call can use it.
        self.run.cells().occupy(cell, id, units);
        let lease = Arc::new(Lease::new(id, cell, units, period, limit, left));
        let (seen_taken, closing) = (0, None);
        let held = Held {
            lease: Arc::clone(&lease),
            account: Arc::clone(account),
            granted_at: now.timer,
            seen_taken,
            used_at: now.timer,
            closing,
        };
        self.held.insert(id, held);
        let replaced = account.spare.swap(Some(lease));
        if let Some(replaced) = replaced {
            self.close(replaced.id, now);
        }
        self.promote(account, now);
    }

    /// Gives back what is left in leases that is too little for the call that waits.
    fn close_fragments(&mut self, account: &Account, now: Moment) {
        let need = account.need.load(Ordering::Relaxed);
        for slot in [&account.current, &account.spare] {
            if let Some(lease) = slot.load_full()
                && lease.granted - lease.gate().taken.min(lease.granted) < need
            {
                self.close(lease.id, now);
            }
        }
    }

    fn close(&mut self, id: LeaseId, now: Moment) {
        let Some(held) = self.held.get_mut(&id) else { return };
        if held.closing.is_some() {
            return;
        }
        let ceiling = held.lease.bar();
        let ceiling_acked = ceiling == held.lease.granted;
        held.closing = Some(Closing { ceiling, ceiling_acked, final_sent: false, send_at: now.timer });
        self.closing.insert(id);
        let account = &held.account;
        for slot in [&account.current, &account.spare] {
            if slot.load().as_ref().is_some_and(|lease| lease.id == id) {
                slot.store(None);
            }
        }
        if held.lease.gate().taken == held.lease.granted {
            adapt(account, now.timer - held.granted_at);
        }
    }

    fn statements(&mut self, now: Moment) -> Vec<LeaseStatement> {
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

    fn sweep(&mut self, now: Moment) {
        let mut over = Vec::new();
        for (id, held) in self.held.iter_mut().filter(|(_, held)| held.closing.is_none()) {
            let gate = held.lease.gate();
            if gate.taken != held.seen_taken || gate.in_flight > 0 {
                held.seen_taken = gate.taken;
                held.used_at = now.timer;
            }
            let used_up = gate.taken == held.lease.granted && gate.in_flight == 0;
            if used_up || now.wall >= held.lease.period_end || now.timer - held.used_at >= IDLE_US {
                over.push((*id, Arc::clone(&held.account)));
            }
        }
        for (id, account) in over {
            self.close(id, now);
            self.promote(&account, now);
        }
        self.accounts.sweep(now.wall);
    }

    fn set_scarce(&mut self, account: &Arc<Account>, until: i64) {
        account.set_scarce(true);
        self.ids += 1;
        self.verdicts.insert((until, self.ids), Arc::clone(account));
    }

    /// Takes verdicts back whose time is over: the next call asks again.
    fn lift(&mut self, now: Moment) {
        while let Some(entry) = self.verdicts.first_entry() {
            if entry.key().0 > now.timer {
                return;
            }
            let account = entry.remove();
            account.set_scarce(false);
            account.set_unlimited(false);
        }
    }

    /// A wish whose lease was closed unseen goes on under another id.
    fn renew_want(&mut self, id: LeaseId, now: Moment) {
        let Some(key) = self.wanted_ids.remove(&id) else { return };
        let lease = self.next_id(now);
        self.wanted_ids.insert(lease, key);
        if let Some(want) = self.wants.get_mut(&key) {
            want.lease = lease;
            want.send_at = now.timer;
        }
    }

    /// A lease id that no other run makes: the time, this run's random bytes, and a counter.
    fn next_id(&mut self, now: Moment) -> LeaseId {
        self.ids += 1;
        // The builder overwrites bits of the first three bytes: the counter stands behind them.
        let mut tail = [0; 10];
        tail[..6].copy_from_slice(&self.run.incarnation().uuid().as_bytes()[10..]);
        tail[6..].copy_from_slice(&self.ids.to_be_bytes());
        let millis = u64::try_from(now.wall / 1000).unwrap_or(0);
        LeaseId::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid())
    }
}

/// Learns from a lease that was used up how much to ask for next time.
fn adapt(account: &Account, lasted_us: i64) {
    let hint = account.hint.load(Ordering::Relaxed).clamp(HINTS.0, HINTS.1);
    let next = if lasted_us < HORIZON_US {
        hint * 2
    } else if lasted_us > 4 * HORIZON_US {
        hint / 2
    } else {
        hint
    };
    account.hint.store(next.clamp(HINTS.0, HINTS.1), Ordering::Relaxed);
}
