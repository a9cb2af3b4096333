//! A gateway as the simulation knows it: the real spool, ledgers and desk on a disk in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::DateTime;
use common::Clock;
use common::id::{ApiId, GatewayId, IncarnationId, KeyId, RequestId, SubscriptionId, TenantId, UsagePlanId};
use contracts::lease::{AppendBatch, ReportWatermark};
use contracts::metering::{DegradedMode, Period};
use contracts::record::{Reason, Subject};
use gateway::admission::{
    Accounts, Call, Decision, Desk, Ended, Ledger, Message, Opening, Spend, Terms, Throttles, Unrecorded,
};
use gateway::spool::memory::MemoryDisk;
use gateway::spool::recovery::recover;
use gateway::spool::{Disk, Keeper, Moment, Run, RunConfig};
use uuid::Uuid;

pub(super) const WORKERS: usize = 2;

/// What the simulation knows of a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) key: KeyId,
    pub(super) run: IncarnationId,
    pub(super) units: u64,
    /// When it was admitted, as recorded.
    pub(super) at: i64,
    pub(super) fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Opened, not decided.
    Open,
    /// Let through to the upstream.
    Forwarded,
    /// Ended for good, with these units taken from quotas and these billed.
    Ended(u64, u64),
    /// The process died in the middle of an operation on it.
    Unsure,
}

pub(super) struct Gateway {
    pub(super) id: GatewayId,
    pub(super) disk: MemoryDisk,
    pub(super) terms: Budgets,
    /// Recovery finds only the first charge of a call.
    pub(super) charges_torn: bool,
    pub(super) boot: u32,
    pub(super) live: Option<Live>,
}

/// What calls of every key are charged to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budgets {
    pub(super) plan: UsagePlanId,
    pub(super) quotas: &'static [Period],
    pub(super) subscription: Option<SubscriptionId>,
}

/// Micro-units of money for each unit.
pub(super) const PRICE: u64 = 3;

impl Budgets {
    fn terms(self, key: KeyId, units: u64) -> Terms<'static> {
        let spend = |subscription| Spend { subscription, price_micros: PRICE };
        Terms {
            key,
            plan: self.plan,
            throttles: Throttles::default(),
            quotas: self.quotas,
            spend: self.subscription.map(spend),
            units,
            degraded: DegradedMode::Refuse,
        }
    }
}

pub(super) struct Live {
    pub(super) run: Arc<Run>,
    terms: Budgets,
    pub(super) desk: Desk,
    pub(super) keeper: Keeper,
    pub(super) ledgers: Vec<Ledger>,
    pub(super) calls: Vec<(RequestId, Call)>,
    pub(super) pending: Vec<(RequestId, Call)>,
    clock: Clock,
}

#[derive(Clone)]
pub(super) enum Outgoing {
    Desk(Message),
    Append(AppendBatch),
    Watermark(ReportWatermark),
}

pub(super) fn config() -> RunConfig {
    RunConfig {
        workers: WORKERS as u32,
        slots_per_worker: 6,
        lease_cells: 16,
        segment_bytes: 2600,
        segments_ahead: 2,
        seal_after_us: 200_000,
        sync_every_us: 1_000_000,
        disk_bound: 1 << 20,
    }
}

impl Gateway {
    /// Starts a process on what the last one left. Nothing if it dies while it starts.
    pub(super) fn start(&mut self, incarnation: IncarnationId, now: i64, boot: u32) -> Option<()> {
        let disk = Disk::Memory(self.disk.clone());
        let boot = format!("boot {boot}");
        if self.charges_torn {
            tear_charges(&disk);
        }
        let recovered = recover(&disk, &boot).ok()?;
        let run = Arc::new(Run::start(disk, self.id, incarnation, &boot, config()).ok()?);
        let accounts = Arc::new(Accounts::default());
        let (keeper, ports) = Keeper::new(Arc::clone(&run), &recovered, now).ok()?;
        let (desk, ask) = Desk::new(Arc::clone(&run), Arc::clone(&accounts), &recovered);
        let unrecorded = Arc::new(Unrecorded::default());
        let clock = Clock::manual(DateTime::from_timestamp_micros(now)?);
        let ledger = |port| {
            Ledger::new(
                &run,
                port,
                Arc::clone(&accounts),
                ask.clone(),
                Arc::clone(&unrecorded),
                clock.clone(),
            )
        };
        let ledgers: Option<Vec<_>> = ports.into_iter().map(ledger).collect();
        let ledgers = ledgers?;
        if self.disk.is_dead() {
            return None;
        }
        let terms = self.terms;
        self.live =
            Some(Live { run, terms, desk, keeper, ledgers, calls: Vec::new(), pending: Vec::new(), clock });
        Some(())
    }
}

impl Live {
    /// Opens a call and tries to admit it; what became of it goes into `known`.
    pub(super) fn call(
        &mut self,
        worker: usize,
        request_id: RequestId,
        (key, units): (KeyId, u64),
        now: i64,
        disk: &MemoryDisk,
        known: &mut BTreeMap<RequestId, Known>,
    ) {
        let opening = Opening {
            request_id,
            tenant: TenantId::from_uuid(Uuid::max()),
            api_id: "abcdefghij".parse::<ApiId>().unwrap(),
            stage: "prod",
            deployment: None,
            method: "GET",
            route: "/pets/{id}",
            path: "/pets/7",
            client_ip: None,
            started_at: now,
        };
        let entry = Known { key, run: self.run.incarnation(), units, at: 0, fate: Fate::Unsure };
        let Ok(mut call) = self.ledgers[worker].open(&opening) else { return };
        known.insert(request_id, entry);
        if disk.is_dead() {
            return;
        }
        known.insert(request_id, Known { fate: Fate::Open, ..entry });
        let usage_plan = Some(self.terms.plan);
        call.identify(&Subject { key: Some(key), usage_plan, ..Subject::default() });
        if disk.is_dead() {
            return;
        }
        self.try_admit((request_id, call), &self.terms.terms(key, units), disk, known);
    }

    /// Tries a pending call again, or lets it go.
    pub(super) fn retry(
        &mut self,
        index: usize,
        give_up: bool,
        disk: &MemoryDisk,
        known: &mut BTreeMap<RequestId, Known>,
    ) {
        let (request_id, call) = self.pending.swap_remove(index);
        let Some(entry) = known.get(&request_id).copied() else { return };
        if give_up {
            return finish((request_id, call), Ended::new(503, Reason::LeaseUnavailable), disk, known);
        }
        self.try_admit((request_id, call), &self.terms.terms(entry.key, entry.units), disk, known);
    }

    fn try_admit(
        &mut self,
        (request_id, mut call): (RequestId, Call),
        terms: &Terms<'_>,
        disk: &MemoryDisk,
        known: &mut BTreeMap<RequestId, Known>,
    ) {
        let decision = call.try_admit(terms);
        if disk.is_dead() {
            known.entry(request_id).and_modify(|known| known.fate = Fate::Unsure);
            return;
        }
        match decision {
            Decision::Admitted(_) => {
                let at = call.started_at();
                known.entry(request_id).and_modify(|known| (known.fate, known.at) = (Fate::Forwarded, at));
                self.calls.push((request_id, call));
            }
            Decision::Refused(refusal) => {
                finish((request_id, call), Ended::new(429, refusal.reason), disk, known);
            }
            Decision::Throttled(_) => {
                finish((request_id, call), Ended::new(429, Reason::Throttled), disk, known);
            }
            Decision::Pending(_) => self.pending.push((request_id, call)),
        }
    }

    /// Ends a call in flight; `how` chooses the way.
    pub(super) fn end(
        &mut self,
        index: usize,
        how: u64,
        disk: &MemoryDisk,
        known: &mut BTreeMap<RequestId, Known>,
    ) {
        let (request_id, call) = self.calls.swap_remove(index);
        let units = known.get(&request_id).map_or(0, |known| known.units);
        let (quota_units, billable_units) = match how % 8 {
            0 | 1 => (0, 0),
            2 => {
                drop(call);
                return ended(request_id, (units, 0), disk, known);
            }
            3 => (units / 2, units / 2),
            4 => (units, 0),
            5 => (0, units),
            _ => (units, units),
        };
        let how = Ended { quota_units, billable_units, ..Ended::new(200, Reason::Ok) };
        finish((request_id, call), how, disk, known);
    }

    /// What keeps it busy, for a failed schedule.
    pub(super) fn describe(&mut self) -> String {
        let in_flight: Vec<_> = self.ledgers.iter().map(Ledger::in_flight).collect();
        let (leases, bytes) = (self.desk.leases(), self.keeper.bytes());
        format!(
            "in flight {in_flight:?}, leases {leases}, unshipped {bytes}, farewell {:?}",
            self.desk.farewell()
        )
    }

    /// Moves the process's clock.
    pub(super) fn clock_to(&self, now: i64) {
        self.clock.set(DateTime::from_timestamp_micros(now).unwrap());
    }

    /// Lets workers, spool and desk do what is due.
    pub(super) fn pump(&mut self, now: i64) -> Vec<Outgoing> {
        for ledger in &self.ledgers {
            ledger.tick(now);
        }
        let watermark = self.keeper.watermark(now);
        let mut outgoing = Vec::new();
        let settled = self.desk.take_settled_runs();
        self.keeper.runs_settled(&settled);
        let (batches, _) = self.keeper.poll(now);
        outgoing.extend(batches.into_iter().map(Outgoing::Append));
        outgoing.extend(self.desk.poll(moment(now)).into_iter().map(Outgoing::Desk));
        let (gateway, incarnation) = (self.run.gateway(), self.run.incarnation());
        outgoing.push(Outgoing::Watermark(ReportWatermark { gateway, incarnation, watermark }));
        outgoing
    }
}

pub(super) fn moment(now: i64) -> Moment {
    Moment { wall: now, timer: now }
}

fn finish(
    (request_id, call): (RequestId, Call),
    how: Ended,
    disk: &MemoryDisk,
    known: &mut BTreeMap<RequestId, Known>,
) {
    call.finish(how);
    ended(request_id, (how.quota_units, how.billable_units), disk, known);
}

/// Notes that a call ended with these units taken from quotas and these billed.
fn ended(
    request_id: RequestId,
    (quota_units, billed): (u64, u64),
    disk: &MemoryDisk,
    known: &mut BTreeMap<RequestId, Known>,
) {
    let Some(entry) = known.get_mut(&request_id) else { return };
    let forwarded = entry.fate == Fate::Forwarded;
    let keeps_all = forwarded && quota_units == entry.units && billed == entry.units;
    entry.fate = match (disk.is_dead(), forwarded) {
        // It counts as much whether it ended in time or is found interrupted.
        (true, _) if keeps_all => return,
        (true, _) => Fate::Unsure,
        (false, true) => Fate::Ended(quota_units, billed),
        (false, false) => Fate::Ended(0, 0),
    };
}

/// The planted fault: every slot forgets all its charges but the first.
fn tear_charges(disk: &Disk) {
    const FIRST_SLOT: usize = 4096;
    const SLOT: usize = 2048;
    for directory in disk.directories().unwrap_or_default() {
        for worker in 0..WORKERS {
            let Ok(map) = disk.open(&format!("{directory}/slots-{worker:04}")) else { continue };
            for at in (FIRST_SLOT..map.len()).step_by(SLOT) {
                let state = map.load(at);
                if state >> 8 > 1 {
                    map.store(at, state & 0xFF | 1 << 8);
                }
            }
        }
    }
}
