//! The ledger under faults: processes of a split deployment are killed while calls run.
//!
//! What is compared is what clients saw, what raw records say, and what rollups say.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use testkit::{Upstream, wait_until};

use crate::installation::{Admin, Installation, agent, call};

/// Calls a key may make in the quota test.
const QUOTA: u64 = 3_000;
/// Kills in the ledger test.
const KILLS: usize = 50;
/// Threads that call.
const CALLERS: usize = 4;
/// Within which everything that was spooled is counted once all processes run again.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// What clients know of their calls.
#[derive(Default)]
struct Seen {
    started: AtomicU64,
    /// Status by request id of every answer that was read to its end.
    completed: Mutex<HashMap<String, u16>>,
    stop: AtomicBool,
}

impl Seen {
    fn accepted(&self) -> u64 {
        self.completed.lock().values().filter(|status| **status == 200).count() as u64
    }
}

/// Calls round the gateways until told to stop.
fn callers(urls: &[String], key: &str, seen: &Arc<Seen>) -> Vec<JoinHandle<()>> {
    let caller = |at: usize| {
        let (urls, key, seen) = (urls.to_vec(), key.to_owned(), Arc::clone(seen));
        std::thread::spawn(move || {
            let agent = agent();
            for turn in at.. {
                if seen.stop.load(Ordering::Relaxed) {
                    return;
                }
                seen.started.fetch_add(1, Ordering::Relaxed);
                let Ok(mut answer) = agent.get(&urls[turn % urls.len()]).header("x-api-key", &key).call()
                else {
                    continue;
                };
                let id = answer
                    .headers()
                    .get("x-amzn-requestid")
                    .and_then(|id| id.to_str().ok())
                    .map(str::to_owned);
                if answer.body_mut().read_to_vec().is_ok()
                    && let Some(id) = id
                {
                    seen.completed.lock().insert(id, answer.status().as_u16());
                }
            }
        })
    };
    (0..CALLERS).map(caller).collect()
}

const DOCUMENT: &str = r#"
openapi: 3.0.3
info: { title: Quick, version: '1' }
paths: { /quick: { get: { responses: { '200': { description: Always. } } } } }
"#;

/// A backend that answers at once, on connections that stay: the calls measure Tollgate alone.
pub(crate) fn quick_backend() -> Upstream {
    Upstream::start(|mut wire| {
        loop {
            wire.read_head()?;
            wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")?;
        }
    })
    .unwrap()
}

/// Calls and quota units by key.
type Totals = BTreeMap<String, (u64, u64)>;

struct Bench {
    installation: Installation,
    admin: Admin,
    urls: Vec<String>,
    key_id: String,
    key: String,
    _backend: Upstream,
}

impl Bench {
    fn new(quota: &Value) -> Self {
        let installation = Installation::split().unwrap();
        let admin = Admin::new(installation.text("/graphql"), installation.text("/token"));
        let backend = quick_backend();
        let import =
            json!({ "name": "Quick", "document": DOCUMENT, "upstreamUrl": backend.url(), "stage": "live" });
        let api = admin.mutate("apiImport", import, "api { id } status")["api"]["id"].clone();
        let plan =
            json!({ "name": "faults", "quotas": [quota], "stages": [{ "apiId": api, "stage": "live" }] });
        let plan = admin.mutate("usagePlanCreate", plan, "usagePlan { id }")["usagePlan"]["id"].clone();
        let key = admin.mutate(
            "apiKeyCreate",
            json!({ "name": "faults", "usagePlanIds": [plan] }),
            "apiKey { id } value",
        );
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let urls = installation
            .gateways()
            .iter()
            .map(|gateway| format!("{gateway}/_api/{}/live/quick", api.as_str().unwrap()))
            .collect();
        Self {
            admin,
            urls,
            key_id: text(&key["apiKey"]["id"]),
            key: text(&key["value"]),
            installation,
            _backend: backend,
        }
    }

    /// Kills a process as a crash would and starts it again.
    fn kill_and_restart(&self, name: &str) {
        self.installation.kill(name).unwrap();
        self.installation.start(name).unwrap();
    }

    /// Calls and quota units per key, by the rollups. Calls that were refused or lost before their key was known have none.
    fn rollup(&self) -> Totals {
        let now = common::Clock::System.now();
        let range =
            json!({ "from": now - chrono::TimeDelta::hours(2), "to": now + chrono::TimeDelta::minutes(1) });
        let query = "query($from: DateTime!, $to: DateTime!) {
            usage(from: $from, to: $to, groupBy: [KEY]) { rows { group requests quotaUnits } }
        }";
        let answer = self.admin.data(query, range);
        let rows = answer["usage"]["rows"].as_array().unwrap().iter();
        rows.map(|row| {
            let number = |field: &str| row[field].as_u64().unwrap();
            let key = row["group"]["key"].as_str().unwrap();
            (key.to_owned(), (number("requests"), number("quotaUnits")))
        })
        .collect()
    }

    /// The same by the single records.
    fn raw(&self) -> Totals {
        let query = "SELECT key_id, toString(count()) AS calls, toString(sum(quota_units)) AS units FROM usage_records GROUP BY key_id";
        let rows = self.installation.clickhouse(query);
        rows.iter()
            .map(|row| {
                let number = |field: &str| row[field].as_str().unwrap().parse().unwrap();
                (row["key_id"].as_str().unwrap().to_owned(), (number("calls"), number("units")))
            })
            .collect()
    }

    /// Units settled and units in open leases.
    fn settled(&self) -> (u64, u64) {
        let query = "query($key: ID!) { quotaStatus(key: $key) { settled leased } }";
        let status = &self.admin.data(query, json!({ "key": self.key_id }))["quotaStatus"][0];
        (status["settled"].as_u64().unwrap(), status["leased"].as_u64().unwrap())
    }
}

#[test]
fn metering_is_not_ready_while_clickhouse_is_down_and_nothing_is_lost() {
    let bench = Bench::new(&json!({ "limit": 100_000, "period": "MONTH" }));
    let inside = bench.installation.text("/inside/metering").to_owned();
    let ready = || call(&agent(), &format!("{inside}/readyz"), None);
    assert_eq!(ready().status, 200);
    bench.installation.kill("clickhouse").unwrap();
    assert!(wait_until(SETTLED_WITHIN, || ready().status == 503), "{}", ready().body);
    assert!(ready().body.contains("ClickHouse"), "{}", ready().body);
    for turn in 0..20 {
        assert_eq!(call(&agent(), &bench.urls[turn % bench.urls.len()], Some(&bench.key)).status, 200);
    }
    bench.installation.start("clickhouse").unwrap();
    assert!(wait_until(SETTLED_WITHIN, || ready().status == 200), "{}", ready().body);
    let counted = || bench.raw().get(&bench.key_id).copied();
    assert!(wait_until(SETTLED_WITHIN, || counted() == Some((20, 20))), "{:?}", counted());
    assert!(wait_until(SETTLED_WITHIN, || bench.rollup() == bench.raw()), "{:?}", bench.rollup());
}

#[test]
fn a_quota_holds_while_gateways_are_killed() {
    let bench = Bench::new(&json!({ "limit": QUOTA, "period": "MONTH" }));
    let seen = Arc::<Seen>::default();
    let callers = callers(&bench.urls, &bench.key, &seen);
    for turn in 0..8 {
        let before = seen.accepted();
        wait_until(Duration::from_secs(2), || seen.accepted() > before + 20);
        bench.kill_and_restart(if turn % 2 == 0 { "gateway-1" } else { "gateway-2" });
    }
    // Every unit ends up used or known to be spent: nothing stays in a lease that nobody states.
    let used_up = wait_until(SETTLED_WITHIN, || bench.settled().0 == QUOTA);
    seen.stop.store(true, Ordering::Relaxed);
    callers.into_iter().for_each(|caller| caller.join().unwrap());

    let (settled, leased) = bench.settled();
    assert!(used_up, "settled {settled}, leased {leased} of {QUOTA}; clients saw {}", seen.accepted());
    assert!(seen.accepted() <= QUOTA, "{} calls were accepted", seen.accepted());
    let equal =
        wait_until(SETTLED_WITHIN, || bench.rollup().get(&bench.key_id).is_some_and(|key| key.1 == settled));
    assert!(equal, "rollups say {:?}, leases {settled}", bench.rollup());
    // Refusals still arrive for a moment; they count nothing.
    let same = wait_until(SETTLED_WITHIN, || bench.raw() == bench.rollup());
    assert!(same, "records say {:?}, rollups {:?}", bench.raw(), bench.rollup());
}

#[test]
fn every_call_is_counted_exactly_once_through_fifty_kills() {
    let seed: u64 = rand::rng().random();
    let mut random = StdRng::seed_from_u64(seed);
    let bench = Bench::new(&json!({ "limit": 100_000_000, "period": "MONTH" }));
    let seen = Arc::<Seen>::default();
    let callers = callers(&bench.urls, &bench.key, &seen);
    for _ in 0..KILLS {
        let before = seen.completed.lock().len();
        let calls = random.random_range(1..200);
        wait_until(Duration::from_millis(500), || seen.completed.lock().len() > before + calls);
        let name = ["gateway-1", "gateway-2", "metering", "clickhouse"][random.random_range(0..4)];
        bench.kill_and_restart(name);
    }
    seen.stop.store(true, Ordering::Relaxed);
    callers.into_iter().for_each(|caller| caller.join().unwrap());

    let completed = seen.completed.lock().clone();
    let started = seen.started.load(Ordering::Relaxed);
    let raw = "SELECT request_id, toString(count()) AS times FROM usage_records GROUP BY request_id";
    let mut rows = Vec::new();
    let all_there = wait_until(SETTLED_WITHIN, || {
        rows = bench.installation.clickhouse(raw);
        let known: HashSet<_> = rows.iter().filter_map(|row| row["request_id"].as_str()).collect();
        completed.keys().all(|id| known.contains(id.as_str())) && bench.rollup() == bench.raw()
    });
    let counted = rows.len() as u64;
    let doubled: Vec<_> = rows.iter().filter(|row| row["times"] != "1").collect();
    assert!(doubled.is_empty(), "seed {seed}: counted more than once: {doubled:?}");
    let (raw, rollup) = (bench.raw(), bench.rollup());
    assert!(
        all_there,
        "seed {seed}: {} completed, {counted} raw records ({raw:?}), {rollup:?} in rollups, {started} started",
        completed.len(),
    );
    assert!(completed.len() as u64 <= counted && counted <= started, "seed {seed}: {counted} of {started}");
    // A call that answered had its key looked at.
    let keyless = raw.get("").map_or(0, |(calls, _)| *calls);
    assert!(keyless <= counted - completed.len() as u64, "seed {seed}: {keyless} answered calls have no key");
    println!(
        "seed {seed}: {} completed, {counted} counted ({keyless} without key), {started} started",
        completed.len()
    );
}
