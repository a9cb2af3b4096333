//! Loss of power, on a disk that forgets what was not synced.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use chrono::DateTime;
use common::Clock;
use common::id::{ApiId, GatewayId, IncarnationId, KeyId, RequestId, TenantId, UsagePlanId};
use contracts::lease::{Appended, LeaseAnswer, LeaseAnswers, LeaseOutcome};
use contracts::metering::{DegradedMode, Period};
use contracts::record::{Batch, Flags, Reason};
use gateway::admission::{
    Accounts, Call, Decision, Desk, Ended, Ledger, Message, Opening, Terms, Throttles, Unrecorded,
};
use gateway::spool::memory::MemoryDisk;
use gateway::spool::recovery::recover;
use gateway::spool::{Disk, Keeper, Moment, Run, RunConfig};
use uuid::Uuid;

const NOW: i64 = 1_795_350_000_000_000;
const SYNC_US: i64 = 1_000_000;
/// Time between two calls.
const STEP_US: i64 = 40_000;

const QUOTAS: [Period; 3] = [Period::Day, Period::Week, Period::Month];
/// Units of a charged call.
const UNITS: u64 = 5;

/// Run, stream and sequence of a batch.
type Name = (IncarnationId, u32, u64);

struct Process {
    disk: MemoryDisk,
    clock: Clock,
    ledger: Ledger,
    keeper: Keeper,
    /// Batches that earlier runs left.
    batches: usize,
    desk: Desk,
}

impl Process {
    /// Recovers what is on the disk and starts. Nothing if it dies of it.
    fn start(disk: MemoryDisk, number: u128, boot: &str, segment_bytes: usize) -> Option<Self> {
        let files = Disk::Memory(disk.clone());
        let recovered = recover(&files, boot).ok()?;
        let config = RunConfig { slots_per_worker: 4, lease_cells: 8, segment_bytes, ..RunConfig::default() };
        let (gateway, run) = (Uuid::max(), Uuid::from_u128(number));
        let run =
            Run::start(files, GatewayId::from_uuid(gateway), IncarnationId::from_uuid(run), boot, config);
        let run = Arc::new(run.ok()?);
        let (mut keeper, mut ports) = Keeper::new(Arc::clone(&run), &recovered, NOW).ok()?;
        let batches = recovered.iter().map(|run| run.batches.len()).sum();
        let incarnations: Vec<_> = recovered.iter().map(|run| run.incarnation).collect();
        keeper.runs_settled(&incarnations);
        let accounts = Arc::new(Accounts::default());
        let (desk, ask) = Desk::new(Arc::clone(&run), Arc::clone(&accounts), &recovered);
        let clock = Clock::manual(DateTime::from_timestamp_micros(NOW)?);
        let unrecorded = Arc::new(Unrecorded::default());
        let ledger = Ledger::new(&run, ports.pop()?, accounts, ask, unrecorded, clock.clone())?;
        Some(Self { disk, clock, ledger, keeper, batches, desk })
    }

    /// A call comes and ends at a time; then everybody does what is due. Nothing is acknowledged.
    fn call(&mut self, number: u64, timer: i64) -> BTreeMap<Name, Bytes> {
        self.clock.set(DateTime::from_timestamp_micros(NOW + timer).unwrap());
        let opening = Opening {
            request_id: request(number),
            tenant: TenantId::from_uuid(Uuid::max()),
            api_id: "abcdefghij".parse::<ApiId>().unwrap(),
            stage: "prod",
            deployment: None,
            method: "GET",
            route: "/pets/{id}",
            path: "/pets/7",
            client_ip: None,
            started_at: NOW + timer,
        };
        if let Ok(call) = self.ledger.open(&opening) {
            call.finish(Ended::new(200, Reason::Ok));
        }
        self.ledger.tick(timer);
        let (sent, _) = self.keeper.poll(timer);
        // What a dead process would have sent, it did not send.
        if self.disk.is_dead() {
            return BTreeMap::new();
        }
        sent.into_iter()
            .map(|batch| ((batch.incarnation, batch.stream, batch.sequence), batch.bytes))
            .collect()
    }

    /// A call that is charged to several budgets comes and stays in flight.
    fn charged_call(&mut self, number: u64) -> Option<Call> {
        let opening = Opening {
            request_id: request(number),
            tenant: TenantId::from_uuid(Uuid::max()),
            api_id: "abcdefghij".parse::<ApiId>().unwrap(),
            stage: "prod",
            deployment: None,
            method: "GET",
            route: "/pets/{id}",
            path: "/pets/7",
            client_ip: None,
            started_at: NOW,
        };
        let terms = Terms {
            key: KeyId::from_uuid(Uuid::max()),
            plan: UsagePlanId::from_uuid(Uuid::max()),
            throttles: Throttles::default(),
            quotas: &QUOTAS,
            spend: None,
            units: UNITS,
            degraded: DegradedMode::Refuse,
        };
        let mut call = self.ledger.open(&opening).ok()?;
        let mut decision = call.try_admit(&terms);
        while matches!(decision, Decision::Pending(_)) && !self.disk.is_dead() {
            self.grant();
            decision = call.try_admit(&terms);
        }
        Some(call)
    }

    /// Plays metering, which grants everything.
    fn grant(&mut self) {
        let moment = Moment { wall: NOW, timer: 0 };
        self.desk.registered();
        for message in self.desk.poll(moment) {
            let Message::Grant(grant) = message else { continue };
            let outcome = LeaseOutcome::Granted {
                units: 1_000,
                period_start: 0,
                period_end: i64::MAX,
                limit: 1_000,
                left: 0,
            };
            let answers = grant.wants.iter().map(|want| LeaseAnswer { lease: want.lease, outcome }).collect();
            self.desk.granted(&LeaseAnswers { answers, ..LeaseAnswers::default() }, moment);
        }
    }

    /// Ships at most `count` batches of what earlier runs left; answers them, and the one that was sent after them.
    fn ship(&mut self, count: usize) -> BTreeMap<Name, Bytes> {
        let mut sent = BTreeMap::new();
        for _ in 0..=count {
            let (due, done) = self.keeper.poll(i64::MAX / 2);
            done.unwrap();
            for batch in due {
                if sent.len() < count {
                    self.keeper.appended(&batch, Appended { acked_through: batch.sequence }).unwrap();
                }
                sent.insert((batch.incarnation, batch.stream, batch.sequence), batch.bytes);
            }
        }
        sent
    }
}

fn request(number: u64) -> RequestId {
    RequestId::from_uuid(Uuid::from_u128((1 << 64) + u128::from(number)))
}

#[test]
fn a_loss_of_power_takes_no_call_older_than_the_sync_interval_however_far_shipping_is_behind() {
    for calls in (0..400).step_by(7) {
        let mut process = Process::start(MemoryDisk::default(), 1, "first", 64 << 10).unwrap();
        for number in 0..calls {
            process.call(number, number as i64 * STEP_US);
        }
        let disk = process.disk.lose_power(|| false);
        let mut next = Process::start(disk, 2, "second", 64 << 10).unwrap();
        let mut found = BTreeSet::new();
        for bytes in next.ship(1_000).values() {
            let batch = Batch::parse(bytes).unwrap();
            found.extend(batch.records().unwrap().iter().map(|record| record.request_id));
        }
        let lost: Vec<_> = (0..calls).filter(|number| !found.contains(&request(*number))).collect();
        let oldest = lost.first().map_or(0, |number| (calls - number) as i64 * STEP_US);
        assert!(oldest <= SYNC_US + STEP_US, "{calls} calls: lost {lost:?}");
    }
}

#[test]
fn a_batch_that_was_sent_stays_as_it_was_wherever_its_process_died_before_the_power() {
    const SEGMENT: usize = 6_000;
    let mut compared = 0;
    for stores in 0..700 {
        let mut process = Process::start(MemoryDisk::default(), 1, "first", SEGMENT).unwrap();
        process.disk.kill_after(stores);
        let mut sent = BTreeMap::new();
        for number in 0..70 {
            sent.extend(process.call(number, number as i64 * STEP_US));
        }
        let mut second = Process::start(process.disk.restart(), 2, "first", SEGMENT).unwrap();
        // The newest one stays unacknowledged: it may be the one whose sealing was cut short.
        let shipped = second.ship(second.batches.saturating_sub(1));
        for (name, bytes) in &shipped {
            let before = sent.get(name);
            assert!(before.is_none_or(|before| before == bytes), "{name:?} changed by a kill after {stores}");
        }
        let disk = second.disk.lose_power(|| false);
        let mut third = Process::start(disk, 3, "second", SEGMENT).unwrap();
        let shipped_again = third.ship(1_000);
        let Some((name, bytes)) = shipped.last_key_value() else { continue };
        let again = shipped_again.get(name);
        assert_eq!(again, Some(bytes), "{name:?} changed by a loss of power, killed after {stores} stores");
        compared += 1;
    }
    assert!(compared > 500, "only {compared} batches were sent twice");
}

#[test]
fn a_loss_of_power_states_no_lease_and_leaves_no_call_charged_to_some_of_its_budgets() {
    let (mut state, mut charged, mut uncharged) = (0x2545_F491_4F6C_DD1D_u64, 0, 0);
    for stores in 0..400 {
        let mut process = Process::start(MemoryDisk::default(), 1, "first", 64 << 10).unwrap();
        process.disk.kill_after(stores);
        let calls: Vec<_> = (0..3)
            .map(|number| {
                // Some reach the disk before the power goes.
                let _ = process.keeper.poll(number * 2 * SYNC_US);
                process.charged_call(number as u64)
            })
            .collect();
        let disk = process.disk.lose_power(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state >> 63 == 0
        });
        drop(calls);
        let recovered = recover(&Disk::Memory(disk.clone()), "second").unwrap();
        assert!(recovered.iter().all(|run| run.power_lost && run.statements.is_empty()));
        let mut next = Process::start(disk, 2, "second", 64 << 10).unwrap();
        for bytes in next.ship(1_000).values() {
            for record in Batch::parse(bytes).unwrap().records().unwrap() {
                let outcome = record.outcome;
                let flags = QUOTAS.iter().filter(|period| outcome.flags.contains(Flags::charged(**period)));
                match (flags.count(), outcome.quota_units) {
                    (3, UNITS) => charged += 1,
                    (0, 0) => uncharged += 1,
                    torn => panic!("{torn:?} after {stores} stores"),
                }
            }
        }
    }
    assert!(charged > 50 && uncharged > 50, "{charged} calls charged, {uncharged} not");
}
