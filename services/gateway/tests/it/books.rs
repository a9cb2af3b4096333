//! Desk and keeper where metering answers late and the disk refuses.

use std::sync::Arc;

use bytes::Bytes;
use chrono::DateTime;
use common::Clock;
use common::id::{ApiId, GatewayId, IncarnationId, KeyId, LeaseId, RequestId, TenantId, UsagePlanId};
use contracts::lease::{Appended, LeaseAnswer, LeaseAnswers, LeaseOutcome};
use contracts::metering::{DegradedMode, Period};
use contracts::record::{Batch, Reason, Subject};
use gateway::admission::{
    Accounts, Call, Decision, Desk, Ended, Ledger, Message, Opening, Published, Refusal, Terms, Throttles,
    Unrecorded,
};
use gateway::spool::slots::Kind;
use gateway::spool::{Disk, Keeper, Moment, Run, RunConfig};
use uuid::Uuid;

const NOW: i64 = 1_795_350_000_000_000;
const NOON: Moment = Moment { wall: NOW, timer: 0 };

struct Books {
    directory: tempfile::TempDir,
    run: Arc<Run>,
    keeper: Keeper,
    desk: Desk,
    ledger: Ledger,
    clock: Clock,
}

impl Books {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::Files(directory.path().to_owned());
        let (gateway, run) =
            (GatewayId::from_uuid(Uuid::max()), IncarnationId::from_uuid(Uuid::from_u128(1)));
        let config = RunConfig { slots_per_worker: 4, lease_cells: 4, ..RunConfig::default() };
        let run = Arc::new(Run::start(disk, gateway, run, "boot", config).unwrap());
        let (keeper, mut ports) = Keeper::new(Arc::clone(&run), &[], NOW).unwrap();
        let accounts = Arc::new(Accounts::default());
        let (mut desk, ask) = Desk::new(Arc::clone(&run), Arc::clone(&accounts), &[]);
        desk.registered();
        let clock = Clock::manual(DateTime::from_timestamp_micros(NOW).unwrap());
        let port = ports.pop().unwrap();
        let ledger =
            Ledger::new(&run, port, accounts, ask, Arc::new(Unrecorded::default()), clock.clone()).unwrap();
        Self { directory, run, keeper, desk, ledger, clock }
    }

    fn call(&self, number: u128) -> Call {
        let opening = Opening {
            request_id: RequestId::from_uuid(Uuid::from_u128(number)),
            tenant: TenantId::from_uuid(Uuid::max()),
            api_id: "abcdefghij".parse::<ApiId>().unwrap(),
            stage: "prod",
            deployment: None,
            method: "GET",
            route: "/pets",
            path: "/pets",
            client_ip: None,
            started_at: NOW,
        };
        let mut call = self.ledger.open(&opening).unwrap();
        call.identify(&Subject { key: Some(key()), usage_plan: Some(plan()), ..Subject::default() });
        call
    }

    /// The lease that the desk asks for now.
    fn wish(&mut self) -> Option<LeaseId> {
        let messages = self.desk.poll(NOON);
        messages.into_iter().find_map(|message| match message {
            Message::Grant(grant) => Some(grant.wants[0].lease),
            _ => None,
        })
    }

    fn answer(&mut self, lease: LeaseId, outcome: LeaseOutcome) {
        let answers = vec![LeaseAnswer { lease, outcome }];
        self.desk.granted(&LeaseAnswers { answers, ..LeaseAnswers::default() }, NOON);
    }

    fn make_unwritable(&self, file: &str) {
        // A directory of that name cannot be made a file by anybody, root included.
        let run = self.directory.path().join(self.run.incarnation().to_string());
        std::fs::create_dir(run.join(file)).unwrap();
    }
}

fn key() -> KeyId {
    KeyId::from_uuid(Uuid::max())
}

fn plan() -> UsagePlanId {
    UsagePlanId::from_uuid(Uuid::max())
}

fn terms() -> Terms<'static> {
    Terms {
        key: key(),
        plan: plan(),
        throttles: Throttles::default(),
        quotas: &[Period::Day],
        spend: None,
        units: 1,
        degraded: DegradedMode::Refuse,
    }
}

#[test]
fn an_answer_from_before_a_plan_change_refuses_no_call_after_it() {
    let mut books = Books::new();
    let mut call = books.call(1);
    assert!(matches!(call.try_admit(&terms()), Decision::Pending(_)));
    let before = books.wish().unwrap();
    books.desk.published(Published::Plan(plan()), NOON);
    books.answer(before, LeaseOutcome::Exhausted { until: i64::MAX, limit: 1, left: 0 });
    assert!(matches!(call.try_admit(&terms()), Decision::Pending(_)), "the old quota is in force again");

    let after = books.wish().expect("metering is asked again");
    assert_ne!(after, before);
    books.answer(after, LeaseOutcome::Exhausted { until: NOW + 1, limit: 1, left: 0 });
    let budget = Some(Kind::Quota(Period::Day));
    let refused = Refusal { reason: Reason::QuotaExhausted, budget, retry_after_us: 1 };
    assert!(matches!(call.try_admit(&terms()), Decision::Refused(refusal) if refusal == refused));
}

#[test]
fn a_used_up_period_refuses_no_call_once_a_clock_that_was_ahead_is_set_right() {
    let mut books = Books::new();
    let mut call = books.call(1);
    assert!(matches!(call.try_admit(&terms()), Decision::Pending(_)));
    let wish = books.wish().unwrap();
    books.answer(wish, LeaseOutcome::Exhausted { until: i64::MAX, limit: 1, left: 0 });
    assert!(matches!(call.try_admit(&terms()), Decision::Refused(_)), "the period of the clock is used up");

    books.clock.set(DateTime::from_timestamp_micros(NOW - 26 * 3_600_000_000).unwrap());
    assert!(matches!(call.try_admit(&terms()), Decision::Pending(_)), "yesterday's period was not asked for");
    assert!(books.wish().is_some());
}

#[test]
fn a_disk_that_takes_no_new_file_still_ships_what_it_has() {
    let mut books = Books::new();
    let ahead = u64::from(books.run.config().segments_ahead);
    books.make_unwritable(&format!("0000-{:016}.batch", ahead + 1));
    books.call(1).finish(Ended::new(200, Reason::Ok));
    books.ledger.close();
    let (due, done) = books.keeper.poll(0);
    assert!(done.is_err(), "the next file cannot be made");
    assert_eq!(due.len(), 1, "the batch is sent nevertheless");
    books.keeper.appended(&due[0], Appended { acked_through: due[0].sequence }).unwrap();
    assert_eq!(books.keeper.bytes(), 0, "and makes room when it is stored");
}

#[test]
fn a_batch_that_went_bad_on_the_disk_does_not_hold_up_its_stream() {
    let mut books = Books::new();
    for number in 1..=3 {
        books.call(number).finish(Ended::new(200, Reason::Ok));
    }
    books.ledger.close();
    let (due, done) = books.keeper.poll(0);
    done.unwrap();
    let file =
        books.directory.path().join(books.run.incarnation().to_string()).join("0000-0000000000000001.batch");
    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&file, &bytes).unwrap();

    let (again, done) = books.keeper.poll(2_000_000);
    done.unwrap();
    let ids = |batch: &Bytes| -> Vec<_> {
        Batch::parse(batch).unwrap().records().unwrap().iter().map(|record| record.request_id).collect()
    };
    assert_eq!(ids(&again[0].bytes), ids(&due[0].bytes)[..2], "the records before the damage are shipped");
    assert_eq!(again[0].sequence, due[0].sequence, "in the place of the batch");
    let told = books.keeper.take_set_aside();
    let aside = told[0].rsplit(' ').next().unwrap();
    assert!(told.len() == 1 && told[0].contains("damaged"), "{told:?}");
    assert_eq!(std::fs::read(books.directory.path().join(aside)).unwrap(), bytes, "what was there is kept");
    books.keeper.appended(&again[0], Appended { acked_through: again[0].sequence }).unwrap();
    assert!(books.keeper.is_idle() && books.keeper.take_set_aside().is_empty());
}

#[test]
fn a_run_is_not_over_while_a_worker_can_still_record() {
    let mut books = Books::new();
    let call = books.call(1);
    assert!(books.keeper.is_idle() && !books.keeper.workers_ended());
    assert!(!books.run.is_quiet());
    // The call ends while its worker is taken apart.
    call.finish(Ended::new(200, Reason::Ok));
    books.ledger.close();
    drop(books.ledger);
    assert!(books.keeper.workers_ended() && books.run.is_quiet());
    assert!(!books.keeper.is_idle(), "the record is not shipped yet");
}
