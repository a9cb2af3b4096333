//! Prints what one call costs between its open and its record, without any HTTP: `cargo run --release --example admission_cost`.
//! With the argument `shared` throttles are shares of a fleet's, and the fleet's part is played here. With `budgets` every call is
//! charged to three quotas and a spend cap, and half of its units go back when it ends.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for a person at a terminal")]

use std::sync::Arc;
use std::time::Duration;

use common::Clock;
use common::clock::monotonic;
use common::id::{ApiId, GatewayId, IncarnationId, KeyId, RequestId, SubscriptionId, TenantId, UsagePlanId};
use contracts::lease::{Appended, LeaseAnswer, LeaseAnswers, LeaseOutcome};
use contracts::metering::{DegradedMode, Period, Throttle};
use contracts::record::{Reason, Subject};
use gateway::admission::{
    Accounts, Decision, Desk, Due, Ended, Ledger, Message, Opening, Rate, Sharing, Spend, Terms, Throttles,
    Unrecorded,
};
use gateway::spool::{Disk, Keeper, Moment, Run, RunConfig};
use tokio::sync::mpsc::UnboundedReceiver;
use uuid::Uuid;

const KEYS: u128 = 10_000;
const ROUNDS: u32 = 200;
const CALLS: u32 = 5_000;

fn main() {
    let directory = std::env::temp_dir().join(format!("admission-cost-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let clock = Clock::System;
    let now = clock.now();
    let config = RunConfig { segments_ahead: 4, ..RunConfig::default() };
    let disk = Disk::Files(directory.clone());
    let run = Run::start(disk, GatewayId::new(now), IncarnationId::new(now), "boot", config).unwrap();
    let run = Arc::new(run);
    let (mut keeper, mut ports) = Keeper::new(Arc::clone(&run), &[], clock.micros()).unwrap();
    let (sharing, mut due) = Sharing::new();
    let asked = |wanted: &str| std::env::args().skip(1).any(|argument| argument == wanted);
    let (shared, budgets) = (asked("shared"), asked("budgets"));
    sharing.set_gateways(2);
    let accounts = Arc::new(Accounts::new(if shared { sharing } else { Sharing::default() }));
    let (mut desk, ask) = Desk::new(Arc::clone(&run), Arc::clone(&accounts), &[]);
    desk.registered();
    let unrecorded = Arc::new(Unrecorded::default());
    let ledger = Ledger::new(&run, ports.remove(0), accounts, ask, unrecorded, clock.clone()).unwrap();
    let keys: Vec<_> =
        (1..=KEYS).map(|key| KeyId::from_uuid(Uuid::from_u128((key << 64) | (key * 7919)))).collect();
    let plan = UsagePlanId::new(now);
    let key_rate = Rate::new(&Throttle { rate_limit: 1e9, burst_limit: 1 << 30 });
    let throttles = Throttles { key: Some(key_rate), ..Throttles::default() };
    let mut spent = Duration::ZERO;
    let (mut admitted, mut number) = (0_u64, 0_u128);
    for round in 0..ROUNDS {
        maintain(&ledger, &mut keeper, &mut desk, i64::from(round) * 50_000);
        exchange(&mut due);
        let begun = monotonic();
        for _ in 0..CALLS {
            number += 1;
            let key = keys[(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16) as usize % keys.len()];
            let opening = Opening {
                request_id: RequestId::from_uuid(Uuid::from_u128(number)),
                tenant: TenantId::from_uuid(Uuid::max()),
                api_id: "abcdefghij".parse::<ApiId>().unwrap(),
                stage: "prod",
                deployment: None,
                method: "GET",
                route: "/pets/{id}/toys/{toy}",
                path: "/pets/4711/toys/42",
                client_ip: Some([192, 0, 2, 7].into()),
                started_at: clock.micros(),
            };
            let mut call = ledger.open(&opening).unwrap();
            call.identify(&Subject { key: Some(key), usage_plan: Some(plan), ..Subject::default() });
            let terms = Terms {
                key,
                plan,
                throttles,
                quotas: if budgets { &[Period::Day, Period::Week, Period::Month] } else { &[Period::Day] },
                spend: budgets
                    .then(|| Spend { subscription: SubscriptionId::from_uuid(key.uuid()), price_micros: 3 }),
                units: if budgets { 2 } else { 1 },
                degraded: DegradedMode::Refuse,
            };
            let decision = call.try_admit(&terms);
            admitted += u64::from(matches!(decision, Decision::Admitted(_)));
            let ended = Ended::new(200, Reason::Ok);
            call.finish(if budgets { Ended { quota_units: 1, billable_units: 1, ..ended } } else { ended });
        }
        spent += begun.elapsed();
    }
    let calls = u64::from(ROUNDS) * u64::from(CALLS);
    println!("{calls} calls, {admitted} admitted on a lease, {KEYS} keys");
    println!("{} ns per open + identify + admit + finish", spent.as_nanos() / u128::from(calls));
    drop(keeper);
    std::fs::remove_dir_all(directory).unwrap();
}

/// Answers every report as if nobody else took anything.
fn exchange(due: &mut UnboundedReceiver<Due>) {
    while let Ok(Due { share, rate }) = due.try_recv() {
        let now = Clock::System.micros();
        let report = share.report(rate, now, false);
        share.reported(rate, report.believed + report.cost, now);
    }
}

fn maintain(ledger: &Ledger, keeper: &mut Keeper, desk: &mut Desk, timer: i64) {
    let moment = Moment { wall: Clock::System.micros(), timer };
    for _ in 0..64 {
        ledger.tick(timer);
        for batch in keeper.poll(timer).0 {
            keeper.appended(&batch, Appended { acked_through: batch.sequence }).unwrap();
        }
        let messages = desk.poll(moment);
        if messages.is_empty() {
            return;
        }
        for message in messages {
            let Message::Grant(grant) = message else { continue };
            let outcome = LeaseOutcome::Granted {
                units: 1_000_000,
                period_start: 0,
                period_end: i64::MAX,
                limit: 1 << 40,
                left: 1 << 40,
            };
            let answers = grant.wants.iter().map(|want| LeaseAnswer { lease: want.lease, outcome }).collect();
            desk.granted(&LeaseAnswers { answers, ..LeaseAnswers::default() }, moment);
        }
    }
}
