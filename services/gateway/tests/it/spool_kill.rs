//! `kill -9` against a process that records calls on a real disk: what it reported as ended is there once, what it had in
//! flight is there once as interrupted, batches read the same every time, and what a call took from its budgets it took from all
//! of them or from none.
//!
//! The process is this test binary, started again with the name of [`child`], which does nothing unless it is told a directory.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use chrono::DateTime;
use common::Clock;
use common::id::{
    ApiId, GatewayId, IncarnationId, KeyId, LeaseId, RequestId, SubscriptionId, TenantId, UsagePlanId,
};
use contracts::lease::{
    AppendBatch, Appended, Budget, LeaseAnswer, LeaseAnswers, LeaseOutcome, LeaseSettled,
};
use contracts::metering::{DegradedMode, Period};
use contracts::record::{Batch, Flags, Outcome, Reason, Subject};
use gateway::admission::{
    Accounts, Call, Decision, Desk, Ended, Ledger, Message, Opening, Spend, Terms, Throttles, Unrecorded,
};
use gateway::spool::recovery::{Recovered, recover};
use gateway::spool::{Disk, Keeper, Moment, Run, RunConfig};
use uuid::Uuid;

const DIRECTORY: &str = "SPOOL_KILL_DIRECTORY";
const NUMBER: &str = "SPOOL_KILL_NUMBER";
const ROUNDS: u64 = 50;
const NOW: i64 = 1_795_350_000_000_000;
/// Calls each process keeps in flight.
const IN_FLIGHT: usize = 7;
/// Micro-units of money for each unit.
const PRICE: u64 = 7;
const QUOTAS: [Period; 3] = [Period::Day, Period::Week, Period::Month];
/// Budgets of every call, as the child names them.
const BUDGETS: [&str; 4] = ["day", "week", "month", "spend"];

/// Run, stream and sequence of a batch.
type Name = (IncarnationId, u32, u64);

/// Units that a call takes at first.
const fn reserved(number: u64) -> u64 {
    1 + number % 5
}

/// Units that stay taken from its quotas when it has ended: none, some or all.
const fn kept(number: u64) -> u64 {
    match number % 4 {
        0 => 0,
        1 => 1,
        _ => reserved(number),
    }
}

/// Units that it is billed for.
const fn billed(number: u64) -> u64 {
    if number.is_multiple_of(3) { 0 } else { kept(number) }
}

const fn name_of(budget: &Budget) -> &'static str {
    match budget {
        Budget::Quota { period: Period::Day, .. } => BUDGETS[0],
        Budget::Quota { period: Period::Week, .. } => BUDGETS[1],
        Budget::Quota { period: Period::Month, .. } => BUDGETS[2],
        Budget::Spend { .. } => BUDGETS[3],
    }
}

fn config() -> RunConfig {
    RunConfig { slots_per_worker: 16, lease_cells: 16, segment_bytes: 16 << 10, ..RunConfig::default() }
}

fn request(process: u64, number: u64) -> RequestId {
    RequestId::from_uuid(Uuid::from_u128((u128::from(process + 1) << 64) | u128::from(number)))
}

struct Process {
    run: Arc<Run>,
    recovered: Vec<Recovered>,
    keeper: Keeper,
    desk: Desk,
    ledger: Ledger,
}

fn start(directory: &Path, number: u64) -> Process {
    let disk = Disk::Files(directory.to_owned());
    let run_id = IncarnationId::from_uuid(Uuid::from_u128(u128::from(number) + 1));
    let gateway = GatewayId::from_uuid(Uuid::max());
    let recovered = recover(&disk, "boot").unwrap();
    let run = Arc::new(Run::start(disk, gateway, run_id, "boot", config()).unwrap());
    let (keeper, mut ports) = Keeper::new(Arc::clone(&run), &recovered, NOW).unwrap();
    let accounts = Arc::new(Accounts::default());
    let (mut desk, ask) = Desk::new(Arc::clone(&run), Arc::clone(&accounts), &[]);
    desk.registered();
    let clock = Clock::manual(DateTime::from_timestamp_micros(NOW).unwrap());
    let ledger =
        Ledger::new(&run, ports.remove(0), accounts, ask, Arc::new(Unrecorded::default()), clock).unwrap();
    Process { run, recovered, keeper, desk, ledger }
}

/// Not a test: the process that is killed.
#[test]
fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let process: u64 = std::env::var(NUMBER).unwrap().parse().unwrap();
    let Process { mut keeper, mut desk, ledger, .. } = start(Path::new(&directory), process);
    let mut out = std::io::stdout().lock();
    // Behind whatever the test runner left in the line.
    writeln!(out).unwrap();
    let mut calls: Vec<(u64, Call)> = Vec::new();
    for number in 0.. {
        let moment = Moment { wall: NOW, timer: number as i64 * 10_000 };
        ledger.tick(moment.timer);
        let (due, done) = keeper.poll(moment.timer);
        done.unwrap();
        for batch in due {
            let AppendBatch { incarnation, stream, sequence, bytes, .. } = batch;
            writeln!(out, "sent {incarnation} {stream} {sequence} {}", crc32fast::hash(&bytes)).unwrap();
        }
        for message in desk.poll(moment) {
            answer(&mut desk, message, moment, &mut out);
        }
        let mut call = ledger.open(&opening(process, number)).unwrap();
        writeln!(out, "opened {number}").unwrap();
        let (key, plan) = (KeyId::from_uuid(Uuid::max()), UsagePlanId::from_uuid(Uuid::max()));
        call.identify(&Subject { key: Some(key), usage_plan: Some(plan), ..Subject::default() });
        let terms = Terms {
            key,
            plan,
            throttles: Throttles::default(),
            quotas: &QUOTAS,
            spend: Some(Spend { subscription: SubscriptionId::from_uuid(Uuid::max()), price_micros: PRICE }),
            units: reserved(number),
            degraded: DegradedMode::Refuse,
        };
        match call.try_admit(&terms) {
            Decision::Admitted(_) => {
                writeln!(out, "admitted {number}").unwrap();
                calls.push((number, call));
            }
            Decision::Refused(_) | Decision::Throttled(_) | Decision::Pending(_) => {
                call.finish(Ended::new(503, Reason::LeaseUnavailable));
                writeln!(out, "ended {number} 0").unwrap();
            }
        }
        if calls.len() > IN_FLIGHT {
            let (number, call) = calls.remove(number as usize % IN_FLIGHT);
            let (quota_units, billable_units) = (kept(number), billed(number));
            call.finish(Ended { quota_units, billable_units, ..Ended::new(200, Reason::Ok) });
            writeln!(out, "ended {number} {quota_units}").unwrap();
        }
    }
}

fn opening(process: u64, number: u64) -> Opening<'static> {
    Opening {
        request_id: request(process, number),
        tenant: TenantId::from_uuid(Uuid::max()),
        api_id: "abcdefghij".parse::<ApiId>().unwrap(),
        stage: "prod",
        deployment: None,
        method: "GET",
        route: "/pets/{id}",
        path: "/pets/7",
        client_ip: None,
        started_at: NOW,
    }
}

/// Plays metering, which always grants and takes every statement.
fn answer(desk: &mut Desk, message: Message, moment: Moment, out: &mut impl Write) {
    match message {
        Message::Grant(grant) => {
            let outcome = LeaseOutcome::Granted {
                units: 100,
                period_start: 0,
                period_end: i64::MAX,
                limit: u64::MAX,
                left: u64::MAX,
            };
            for want in &grant.wants {
                writeln!(out, "granted {} {}", want.lease, name_of(&want.budget)).unwrap();
            }
            let answers = grant.wants.iter().map(|want| LeaseAnswer { lease: want.lease, outcome }).collect();
            desk.granted(&LeaseAnswers { answers, ..LeaseAnswers::default() }, moment);
        }
        Message::Settle(settle) => {
            for statement in settle.statements.iter().filter(|statement| statement.closed) {
                writeln!(out, "settled {} {}", statement.lease, statement.spent).unwrap();
            }
            desk.settled(&settle, &LeaseSettled::default(), moment);
        }
        Message::Register(_) => {}
    }
}

/// What a process wrote before it died.
#[derive(Default)]
struct Reported {
    opened: BTreeSet<u64>,
    admitted: BTreeSet<u64>,
    /// Units of ended calls.
    ended: BTreeMap<u64, u64>,
    /// Of which budget leases are.
    granted: BTreeMap<LeaseId, String>,
    /// Units of closed leases.
    settled: BTreeMap<LeaseId, u64>,
    /// Checksums of batches.
    sent: Vec<(Name, u32)>,
}

/// Starts a process, kills it at some line, and answers what it had reported.
fn kill_one(directory: &Path, process: u64, lines: usize) -> Reported {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["spool_kill::child", "--exact", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(NUMBER, process.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut reported = Reported::default();
    let mut seen = 0;
    let mut pipe = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    // What comes after the kill was written before it. A last line may be cut off; then it has no end and says nothing.
    while pipe.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
        seen += usize::from(reported.take(line.trim_end()));
        line.clear();
        if seen == lines {
            child.kill().unwrap();
        }
    }
    assert!(seen >= lines, "process {process} ended by itself");
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    reported
}

impl Reported {
    fn take(&mut self, line: &str) -> bool {
        let words: Vec<_> = line.split(' ').collect();
        match words.as_slice() {
            ["opened", number] => _ = self.opened.insert(number.parse().unwrap()),
            ["admitted", number] => _ = self.admitted.insert(number.parse().unwrap()),
            ["ended", number, units] => {
                self.ended.insert(number.parse().unwrap(), units.parse().unwrap());
            }
            ["granted", lease, budget] => {
                self.granted.insert(lease.parse().unwrap(), (*budget).to_owned());
            }
            ["settled", lease, units] => {
                self.settled.insert(lease.parse().unwrap(), units.parse().unwrap());
            }
            ["sent", incarnation, stream, sequence, check] => {
                let name = (incarnation.parse().unwrap(), stream.parse().unwrap(), sequence.parse().unwrap());
                self.sent.push((name, check.parse().unwrap()));
            }
            _ => return false,
        }
        true
    }
}

/// What a store would know, and what it must not see change.
#[derive(Default)]
struct Books {
    acked: BTreeMap<(IncarnationId, u32), u64>,
    checks: BTreeMap<Name, u32>,
    records: BTreeMap<RequestId, Outcome>,
    /// Of which budget leases are.
    granted: BTreeMap<LeaseId, String>,
    /// Units of each lease of the shortest period, by the records.
    recorded: BTreeMap<LeaseId, u64>,
    /// Units of each lease by its cell.
    spent: BTreeMap<LeaseId, u64>,
}

impl Books {
    fn state(&mut self, lease: LeaseId, units: u64) {
        let stated = *self.spent.entry(lease).or_insert(units);
        assert_eq!(stated, units, "{lease} was stated twice");
    }

    fn see(&mut self, name: Name, check: u32) {
        let first = *self.checks.entry(name).or_insert(check);
        assert_eq!(first, check, "{name:?} was sent with two contents");
    }

    fn append(&mut self, batch: &AppendBatch) {
        let parsed = Batch::parse(&batch.bytes).unwrap();
        let acked = self.acked.entry((batch.incarnation, batch.stream)).or_default();
        assert_eq!(*acked + 1, batch.sequence, "a batch is missing");
        *acked = batch.sequence;
        for record in parsed.records().unwrap() {
            let outcome = record.outcome;
            let interrupted = outcome.reason == Reason::Interrupted;
            assert_eq!(outcome.flags.contains(Flags::INTERRUPTED), interrupted);
            if let Some(lease) = outcome.lease {
                *self.recorded.entry(lease).or_default() += outcome.quota_units;
            }
            let before = self.records.insert(record.request_id, outcome);
            assert_eq!(before, None, "{} has two records", record.request_id);
        }
    }

    /// Ships and settles everything dead, as the next process would; every batch is read twice before it is taken.
    fn ship_all(&mut self, process: Process) {
        let Process { run, recovered, mut keeper, .. } = process;
        for run in &recovered {
            run.statements.iter().for_each(|statement| self.state(statement.lease, statement.spent));
            keeper.runs_settled(&[run.incarnation]);
        }
        for round in 1_i64.. {
            if keeper.is_idle() {
                break;
            }
            let (due, done) = keeper.poll(round * 2_000_000);
            done.unwrap();
            for batch in due {
                let (incarnation, stream, sequence) = (batch.incarnation, batch.stream, batch.sequence);
                self.see((incarnation, stream, sequence), crc32fast::hash(&batch.bytes));
                if round % 2 == 0 {
                    self.append(&batch);
                    keeper.appended(&batch, Appended { acked_through: sequence }).unwrap();
                }
            }
        }
        run.remove().unwrap();
    }

    fn check(&self, process: u64, reported: &Reported) {
        assert!(!reported.opened.is_empty());
        for number in &reported.opened {
            let id = request(process, *number);
            let outcome = self.records.get(&id).unwrap_or_else(|| panic!("{id} left no record"));
            let counted = (outcome.quota_units, outcome.spend_micros);
            let charged = |period: &Period| outcome.flags.contains(Flags::charged(*period));
            let flagged = QUOTAS.iter().filter(|period| charged(period)).count();
            let full = (reserved(*number), reserved(*number) * PRICE);
            let settled = (kept(*number), billed(*number) * PRICE);
            if let Some(expected) = reported.ended.get(number) {
                assert_ne!(outcome.reason, Reason::Interrupted, "{id}");
                assert_eq!(outcome.quota_units, *expected, "{id}");
                assert!(flagged == 0 || counted == settled && flagged == 3, "{id} ended as {outcome:?}");
                continue;
            }
            if outcome.reason != Reason::Interrupted {
                continue;
            }
            let taken = flagged == 3 && (counted == full || counted == settled);
            let nothing = flagged == 0 && counted == (0, 0) && !reported.admitted.contains(number);
            assert!(taken || nothing, "{id} took from some of its budgets: {outcome:?}");
        }
    }

    /// What records and leases say of each budget.
    fn agree(&self) {
        for (place, budget) in BUDGETS.iter().enumerate() {
            let counted = |outcome: &Outcome| match QUOTAS.get(place) {
                Some(period) if outcome.flags.contains(Flags::charged(*period)) => outcome.quota_units,
                Some(_) => 0,
                None => outcome.spend_micros,
            };
            let recorded: u64 = self.records.values().map(counted).sum();
            let of_budget = |lease: &LeaseId| self.granted.get(lease).is_some_and(|it| it == budget);
            let spent: u64 =
                self.spent.iter().filter(|(lease, _)| of_budget(lease)).map(|(_, units)| units).sum();
            assert_eq!(recorded, spent, "records and lease counters disagree about the budget {budget}");
            assert!(recorded > 0);
        }
    }
}

#[test]
fn fifty_kills_lose_no_call_and_double_none() {
    let directory = tempfile::tempdir().unwrap();
    let mut books = Books::default();
    let mut reports = Vec::new();
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    for process in 0..ROUNDS {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let reported = kill_one(directory.path(), process, 20 + (state >> 40) as usize % 1_500);
        books.granted.extend(reported.granted.iter().map(|(lease, budget)| (*lease, budget.clone())));
        reported.settled.iter().for_each(|(lease, units)| books.state(*lease, *units));
        reported.sent.iter().for_each(|(name, check)| books.see(*name, *check));
        reports.push((process, reported));
        // Half of the time the next process finds the remains of this one, and is killed in turn.
        if process % 2 == 1 {
            books.ship_all(start(directory.path(), 10_000 + process));
        }
    }
    reports.iter().for_each(|(process, reported)| books.check(*process, reported));
    let charged = |outcome: &&Outcome| outcome.reason == Reason::Interrupted && outcome.quota_units > 0;
    let interrupted = books.records.values().filter(charged).count();
    assert!(
        interrupted >= ROUNDS as usize,
        "only {interrupted} calls were in flight when their process died"
    );
    books.agree();
    books.spent.retain(|lease, units| *units > 0 && books.granted.get(lease).is_some_and(|it| it == "day"));
    books.recorded.retain(|_, units| *units > 0);
    assert_eq!(books.recorded, books.spent, "records and lease counters disagree");
}
