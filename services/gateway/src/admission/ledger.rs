//! One worker's ledger: opens, admits and ends calls. Never blocks, takes no lock, makes no system call.
//!
//! Every call that was opened leaves exactly one record, however it ends: a [`Call`] that is dropped is recorded as left by
//! its client, one that the process dies with is recorded by the next run. Only while the disk bound is reached are refused
//! calls, and calls that their plan serves nevertheless, left out and counted instead.
//!
//! Knows nothing of HTTP.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use ahash::RandomState;
use common::Clock;
use common::id::{KeyId, SubscriptionId, UsagePlanId};
use contracts::record::{
    FRAME_HEADER, MAX_METHOD, MAX_PATH, MAX_RECORD, MAX_ROUTE, MAX_STAGE, Outcome, Subject, UsageRecord, cut,
    day_of, encode,
};
use hashbrown::HashMap;
use tokio::sync::mpsc::UnboundedSender;

use super::account::{Account, Accounts};
use super::call::{Call, OVERLOADED};
use super::purse::Purse;
use super::terms::{Opening, Refusal};
use crate::spool::cells::Cells;
use crate::spool::segment::OpenSegment;
use crate::spool::slots::Slots;
use crate::spool::{Port, Run};

/// Sealed batches waiting to be shipped from which on a worker fills its batch before it seals it.
const BACKLOG: u32 = 4;
/// How often a worker forgets the accounts it knows.
const FORGET_US: i64 = 60_000_000;

/// Counts of what left no record, for metrics.
#[derive(Debug, Default)]
pub struct Unrecorded {
    /// Calls refused while the disk bound was reached.
    pub refused: AtomicU64,
    /// Calls served unrecorded and uncounted by their plan's rule while the disk bound was reached.
    pub served: AtomicU64,
}

/// A worker's ledger. Cheap to clone within the worker.
#[derive(Debug, Clone)]
pub struct Ledger {
    inner: Rc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) worker: u32,
    pub(super) clock: Clock,
    pub(super) slots: Slots,
    pub(super) cells: Cells,
    seal_after_us: i64,
    pub(super) port: Port,
    pub(super) desk: UnboundedSender<Arc<Purse>>,
    pub(super) accounts: Arc<Accounts>,
    pub(super) unrecorded: Arc<Unrecorded>,
    known: RefCell<HashMap<(KeyId, UsagePlanId), Arc<Account>, RandomState>>,
    caps: RefCell<HashMap<SubscriptionId, Arc<Purse>, RandomState>>,
    pub(super) table: RefCell<Table>,
    low: Cell<i64>,
    /// The last tick's time.
    timer: Cell<i64>,
    forgot_at: Cell<i64>,
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) free: Vec<u32>,
    /// Start of the call in each slot; the end of time in a free one.
    pub(super) started: Vec<i64>,
    /// Ended calls whose record waits in the slot for a batch.
    pub(super) stranded: Vec<u32>,
    open: Vec<OpenSegment>,
    pub(super) buffer: Box<[u8]>,
}

impl Ledger {
    /// The ledger of the worker that owns `port`.
    pub fn new(
        run: &Run,
        port: Port,
        accounts: Arc<Accounts>,
        desk: UnboundedSender<Arc<Purse>>,
        unrecorded: Arc<Unrecorded>,
        clock: Clock,
    ) -> Option<Self> {
        let slots = run.slots(port.worker)?.clone();
        let count = slots.count();
        let low = Cell::new(clock.micros());
        let table = Table {
            free: (0..count).rev().collect(),
            started: vec![i64::MAX; count as usize],
            stranded: Vec::new(),
            open: Vec::new(),
            buffer: vec![0; FRAME_HEADER + MAX_RECORD].into_boxed_slice(),
        };
        let inner = Inner {
            worker: port.worker,
            clock,
            slots,
            cells: run.cells().clone(),
            seal_after_us: run.config().seal_after_us,
            port,
            desk,
            accounts,
            unrecorded,
            known: RefCell::default(),
            caps: RefCell::default(),
            table: RefCell::new(table),
            timer: Cell::new(0),
            forgot_at: Cell::new(0),
            low,
        };
        Some(Self { inner: Rc::new(inner) })
    }

    /// Opens a call: from here on it leaves a record.
    ///
    /// # Errors
    /// `overloaded` when as many calls are in flight as there are slots.
    pub fn open(&self, opening: &Opening<'_>) -> Result<Call, Refusal> {
        let inner = &self.inner;
        let table = &mut *inner.table.borrow_mut();
        let Some(slot) = table.free.pop() else {
            return Err(OVERLOADED);
        };
        // Not older than what was promised: the clock may have been set back.
        let started_at = opening.started_at.max(inner.low.get());
        let record = UsageRecord {
            request_id: opening.request_id,
            tenant: opening.tenant,
            api_id: opening.api_id,
            stage: cut(opening.stage, MAX_STAGE),
            deployment: opening.deployment,
            method: cut(opening.method, MAX_METHOD),
            route: cut(opening.route, MAX_ROUTE),
            path: cut(opening.path, MAX_PATH),
            client_ip: opening.client_ip,
            subject: Subject::default(),
            started_at,
            outcome: Outcome::INTERRUPTED,
        };
        // Every text is cut to its limit and the buffer takes the longest record, so this cannot fail.
        let len = encode(&record, &mut table.buffer).unwrap_or(0);
        inner.slots.open(slot, &table.buffer[..len]);
        table.started[slot as usize] = started_at;
        Ok(Call::new(Rc::clone(inner), slot, started_at))
    }

    /// Does what is due: seals batches that have waited long enough, moves stranded records, says which calls are the oldest.
    /// Call it every 50 ms or so with a time that always runs, in microseconds.
    pub fn tick(&self, timer: i64) {
        let inner = &self.inner;
        inner.timer.set(timer);
        let table = &mut *inner.table.borrow_mut();
        inner.move_stranded(table);
        let keeps_up = inner.port.backlog() < BACKLOG;
        let due = |segment: &OpenSegment| keeps_up && timer - segment.opened_at() >= inner.seal_after_us;
        if let Some(newest) = table.open.iter().rposition(due) {
            inner.seal_through(table, newest);
        }
        inner.publish_low(table);
        if timer - inner.forgot_at.get() >= FORGET_US {
            inner.forgot_at.set(timer);
            // Those in use come back at their next call.
            inner.known.borrow_mut().clear();
            inner.caps.borrow_mut().clear();
        }
    }

    /// Hands everything over that is recorded. For the end of the worker, after its last call; `tick` again while it answers
    /// false, which means that a record still waits for a batch file.
    pub fn close(&self) -> bool {
        let inner = &self.inner;
        let table = &mut *inner.table.borrow_mut();
        inner.move_stranded(table);
        if let Some(newest) = table.open.len().checked_sub(1) {
            inner.seal_through(table, newest);
        }
        inner.publish_low(table);
        table.stranded.is_empty()
    }

    /// Calls in flight, ended ones whose record waits for a batch included.
    pub fn in_flight(&self) -> usize {
        let table = self.inner.table.borrow();
        table.started.len() - table.free.len()
    }
}

impl Inner {
    pub(super) fn account(&self, key: KeyId, plan: UsagePlanId) -> Arc<Account> {
        let mut known = self.known.borrow_mut();
        Arc::clone(known.entry((key, plan)).or_insert_with(|| self.accounts.get(key, plan)))
    }

    pub(super) fn cap(&self, subscription: SubscriptionId) -> Arc<Purse> {
        let mut caps = self.caps.borrow_mut();
        Arc::clone(caps.entry(subscription).or_insert_with(|| self.accounts.cap(subscription)))
    }

    /// Appends the record behind the buffer's frame room to the batch of its day.
    pub(super) fn append(&self, table: &mut Table, len: usize, started_at: i64) -> bool {
        let day = day_of(started_at);
        let fits = |segment: &OpenSegment| segment.day() == day && segment.fits(len);
        let index = match table.open.iter().position(fits) {
            Some(index) => index,
            None => {
                let Some(empty) = self.port.take() else { return false };
                // At most two days at once: today's calls, and calls that began before midnight.
                let same_day = table.open.iter().position(|segment| segment.day() == day);
                if let Some(full) = same_day.or_else(|| (table.open.len() >= 2).then_some(0)) {
                    self.seal_through(table, full);
                }
                table.open.push(empty.open(day, self.timer.get()));
                table.open.len() - 1
            }
        };
        table.open[index].append(&mut table.buffer[..FRAME_HEADER + len], started_at);
        true
    }

    /// Hands over the batch at `index` and all older ones: a stream ships in order.
    fn seal_through(&self, table: &mut Table, index: usize) {
        for segment in table.open.drain(..=index) {
            self.port.hand_over(segment);
        }
    }

    fn move_stranded(&self, table: &mut Table) {
        while let Some(slot) = table.stranded.last().copied() {
            let started_at = table.started[slot as usize];
            let len = self.slots.record(slot, &mut table.buffer[FRAME_HEADER..]);
            if !self.append(table, len, started_at) {
                return;
            }
            table.stranded.pop();
            self.free(table, slot);
        }
    }

    pub(super) fn free(&self, table: &mut Table, slot: u32) {
        self.slots.clear(slot);
        table.started[slot as usize] = i64::MAX;
        table.free.push(slot);
    }

    fn publish_low(&self, table: &Table) {
        let now = self.clock.micros();
        let in_flight = table.started.iter().copied().min().unwrap_or(i64::MAX);
        let open = table.open.iter().map(OpenSegment::oldest).min().unwrap_or(i64::MAX);
        let low = now.min(in_flight).min(open).max(self.low.get());
        self.low.set(low);
        self.port.set_low(low);
    }
}
