//! How often calls make a gateway ask for leases: rarely while a limit is far, never while metering has said that it is reached.
//!
//! The real ledger and desk against the real rules of the authority, in a time of the test's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::DateTime;
use common::Clock;
use common::id::{ApiId, GatewayId, IncarnationId, KeyId, RequestId, SubscriptionId, TenantId, UsagePlanId};
use contracts::lease::{Appended, Budget, LeaseAnswer, LeaseAnswers, LeaseSettled};
use contracts::metering::{DegradedMode, Period};
use contracts::record::Reason;
use gateway::admission::{
    Accounts, Decision, Desk, Ended, Ledger, Message, Opening, Spend, Terms, Throttles, Unrecorded,
};
use gateway::spool::memory::MemoryDisk;
use gateway::spool::{Disk, Keeper, Moment, Run, RunConfig};
use metering::domain::leases::QuotaPeriod;
use metering::domain::periods::Span;
use uuid::Uuid;

const START: i64 = 1_795_350_000_000_000;
const STEP_US: i64 = 50_000;
const SECOND: u64 = 1_000_000 / STEP_US as u64;
const QUOTAS: [Period; 2] = [Period::Day, Period::Month];
const PRICE: u64 = 250;

struct World {
    run: IncarnationId,
    ledger: Ledger,
    keeper: Keeper,
    desk: Desk,
    clock: Clock,
    timer: i64,
    /// By how many units each kind of budget is limited.
    limit: fn(&Budget) -> u64,
    periods: BTreeMap<Budget, QuotaPeriod>,
    calls: u64,
    requests: u64,
}

impl World {
    fn new(limit: fn(&Budget) -> u64) -> Self {
        let incarnation = IncarnationId::from_uuid(Uuid::from_u128(1));
        let disk = Disk::Memory(MemoryDisk::default());
        let config = RunConfig {
            slots_per_worker: 16,
            lease_cells: 64,
            segment_bytes: 64 << 10,
            sync_every_us: i64::MAX / 2,
            ..RunConfig::default()
        };
        let run = Run::start(disk, GatewayId::from_uuid(Uuid::max()), incarnation, "boot", config).unwrap();
        let run = Arc::new(run);
        let (keeper, mut ports) = Keeper::new(Arc::clone(&run), &[], START).unwrap();
        let accounts = Arc::new(Accounts::default());
        let (mut desk, ask) = Desk::new(Arc::clone(&run), Arc::clone(&accounts), &[]);
        desk.registered();
        let clock = Clock::manual(DateTime::from_timestamp_micros(START).unwrap());
        let unrecorded = Arc::new(Unrecorded::default());
        let ledger = Ledger::new(&run, ports.remove(0), accounts, ask, unrecorded, clock.clone()).unwrap();
        Self {
            run: incarnation,
            ledger,
            keeper,
            desk,
            clock,
            timer: 0,
            limit,
            periods: BTreeMap::new(),
            calls: 0,
            requests: 0,
        }
    }

    /// One call; answers the reason of its refusal.
    fn call(&mut self, key: u128, units: u64) -> Option<Reason> {
        self.calls += 1;
        let (key, plan) = (KeyId::from_uuid(Uuid::from_u128(key)), UsagePlanId::from_uuid(Uuid::max()));
        let opening = Opening {
            request_id: RequestId::from_uuid(Uuid::from_u128(u128::from(self.calls))),
            tenant: TenantId::from_uuid(Uuid::max()),
            api_id: "abcdefghij".parse::<ApiId>().unwrap(),
            stage: "prod",
            deployment: None,
            method: "GET",
            route: "/pets",
            path: "/pets",
            client_ip: None,
            started_at: self.clock.micros(),
        };
        let terms = Terms {
            key,
            plan,
            throttles: Throttles::default(),
            quotas: &QUOTAS,
            spend: Some(Spend { subscription: SubscriptionId::from_uuid(key.uuid()), price_micros: PRICE }),
            units,
            degraded: DegradedMode::Refuse,
        };
        let mut call = self.ledger.open(&opening).unwrap();
        let mut decision = call.try_admit(&terms);
        while matches!(decision, Decision::Pending(_)) {
            self.step();
            decision = call.try_admit(&terms);
        }
        let refused = match decision {
            Decision::Refused(refused) => Some(refused.reason),
            _ => None,
        };
        let ended = refused.map_or(Ended::new(200, Reason::Ok), |reason| Ended::new(429, reason));
        call.finish(Ended { billable_units: units, ..ended });
        refused
    }

    /// Time passes; everybody does what is due.
    fn step(&mut self) {
        self.timer += STEP_US;
        self.clock.set(DateTime::from_timestamp_micros(START + self.timer).unwrap());
        self.ledger.tick(self.timer);
        let (batches, done) = self.keeper.poll(self.timer);
        done.unwrap();
        for batch in batches {
            self.keeper.appended(&batch, Appended { acked_through: batch.sequence }).unwrap();
        }
        self.exchange();
    }

    fn exchange(&mut self) {
        let now = Moment { wall: START + self.timer, timer: self.timer };
        for message in self.desk.poll(now) {
            match message {
                Message::Grant(grant) => {
                    let mut answers = LeaseAnswers::default();
                    for want in &grant.wants {
                        self.requests += 1;
                        let span = Span { start: 0, end: i64::MAX };
                        let limit = (self.limit)(&want.budget);
                        let new = || QuotaPeriod::new(span, limit);
                        let period = self.periods.entry(want.budget).or_insert_with(new);
                        let outcome = period.grant(self.run, want);
                        answers.answers.push(LeaseAnswer { lease: want.lease, outcome });
                    }
                    answers.recalls =
                        self.periods.values().flat_map(|period| period.recalls(self.run)).collect();
                    self.desk.granted(&answers, now);
                }
                Message::Settle(settle) => {
                    for statement in &settle.statements {
                        for period in self.periods.values_mut() {
                            period.state(statement);
                        }
                    }
                    self.desk.settled(&settle, &LeaseSettled::default(), now);
                }
                Message::Register(_) => {}
            }
        }
    }

    /// Calls of keys for some seconds, so many of a key in a second as `rate` says; answers how many requests a hundred calls caused.
    fn load(
        &mut self,
        keys: &[u128],
        seconds: u64,
        rate: impl Fn(u128, u64) -> u64,
        units: impl Fn(u64) -> u64,
    ) -> f64 {
        let (calls, requests) = (self.calls, self.requests);
        let mut owed: BTreeMap<u128, u64> = BTreeMap::new();
        for step in 0..seconds * SECOND {
            for key in keys {
                let owed = owed.entry(*key).or_default();
                *owed += rate(*key, step / SECOND);
                for _ in 0..std::mem::replace(owed, *owed % SECOND) / SECOND {
                    assert_eq!(self.call(*key, units(self.calls)), None);
                }
            }
            self.step();
        }
        (self.requests - requests) as f64 * 100.0 / (self.calls - calls) as f64
    }
}

const fn far(_: &Budget) -> u64 {
    1 << 38
}

/// Three budgets, so three requests where one lease of each is used up.
const BUDGETS: f64 = 3.0;

#[test]
fn far_from_the_limit_fewer_than_one_call_in_a_hundred_asks_for_a_lease() {
    let steady = World::new(far).load(&[3, 60], 400, |key, _| key as u64, |_| 1);
    assert!(steady / BUDGETS < 1.0, "steady: {steady} requests per hundred calls");
    let ramping = World::new(far).load(&[1, 2], 60, |key, second| key as u64 * second * 5, |_| 1);
    assert!(ramping / BUDGETS < 1.0, "ramping: {ramping} requests per hundred calls");
    let weights = |call: u64| 1 + call.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 50;
    let weighted = World::new(far).load(&[5, 50], 400, |key, _| key as u64, weights);
    assert!(weighted / BUDGETS < 1.0, "weighted: {weighted} requests per hundred calls");
}

#[test]
fn refusals_cost_no_lease_request_while_the_verdict_holds() {
    fn small_day(budget: &Budget) -> u64 {
        match budget {
            Budget::Quota { period: Period::Day, .. } => 100,
            _ => 1 << 30,
        }
    }
    let mut world = World::new(small_day);
    while world.call(1, 1).is_none() {
        world.step();
    }
    assert_eq!(world.calls, 101, "exactly the quota");
    let requests = world.requests;
    // Longer than any lease is kept unused.
    for _ in 0..3_000 {
        assert_eq!(world.call(1, 1), Some(Reason::QuotaExhausted));
        world.step();
        world.timer += 950_000;
    }
    assert_eq!(world.requests, requests);
}
