//! One run on a split deployment: it lives through its events, comes to rest and is judged.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use testkit::{Upstream, wait_until};
use ureq::Agent;

use super::mix::{Disturbance, KeyMix, METHODS, Method, Mix};
use crate::faults::quick_backend;
use crate::installation::{Admin, Installation, agent};

/// Within which everything comes to rest once all processes run.
const RESTS_WITHIN: Duration = Duration::from_secs(90);
/// Longest wait for the calls before an event.
const CALLS_WITHIN: Duration = Duration::from_secs(1);
const ROLLUPS: [&str; 3] = ["usage_minutes", "usage_hours", "usage_days"];

/// A key under test.
struct Key {
    id: String,
    plan: String,
    value: String,
}

/// How a key stands under one of its quotas.
#[derive(Debug, serde::Deserialize)]
struct Standing {
    limit: u64,
    settled: u64,
    leased: u64,
}

/// A row of the authority.
#[derive(Debug)]
struct Period {
    key: String,
    kind: String,
    start: String,
    end: String,
    limit: u64,
    settled: u64,
    open_leases: u64,
}

/// What clients know: the key and the units of each answer, by its request.
#[derive(Default)]
struct Seen {
    answers: Mutex<HashMap<String, (usize, u16, u64)>>,
    stop: AtomicBool,
}

pub(super) struct World {
    installation: Installation,
    admin: Admin,
    base_urls: Vec<String>,
    keys: Vec<Key>,
    seen: Arc<Seen>,
    _backend: Upstream,
}

fn document() -> String {
    let path = |method: &Method| {
        format!("  {}: {{ get: {{ responses: {{ '200': {{ description: Always. }} }} }} }}", method.path)
    };
    let paths: Vec<_> = METHODS.iter().map(path).collect();
    format!("openapi: 3.0.3\ninfo: {{ title: Exact, version: '1' }}\npaths:\n{}\n", paths.join("\n"))
}

impl World {
    pub(super) fn new(mix: &Mix) -> Self {
        let installation = Installation::split_with(mix.gateways, &["--clock-offsets"]).unwrap();
        let admin = Admin::new(installation.text("/graphql"), installation.text("/token"));
        let backend = quick_backend();
        let import =
            json!({ "name": "Exact", "document": document(), "upstreamUrl": backend.url(), "stage": "live" });
        let api = admin.mutate("apiImport", import, "api { id }")["api"]["id"].as_str().unwrap().to_owned();
        let base = |gateway: &String| format!("{gateway}/_api/{api}/live");
        let base_urls = installation.gateways().iter().map(base).collect();
        let keys = mix.keys.iter().map(|key| Key::new(&admin, key, &api)).collect();
        Self { installation, admin, base_urls, keys, seen: Arc::default(), _backend: backend }
    }

    /// All keys call while everything happens that the mix says; afterwards every process runs and every clock is right.
    pub(super) fn live(&self, mix: &Mix) {
        let mut callers = Vec::new();
        for (at, key) in mix.keys.iter().enumerate() {
            callers
                .extend((0..key.callers).map(|caller| self.caller(at, mix.seed ^ (at * 16 + caller) as u64)));
        }
        for event in &mix.events {
            let before = self.seen.answers.lock().len();
            wait_until(CALLS_WITHIN, || self.seen.answers.lock().len() > before + event.after_calls);
            match &event.disturbance {
                Disturbance::Killed(name) => {
                    self.installation.kill(name).unwrap();
                    self.installation.start(name).unwrap();
                }
                Disturbance::ClockSet(name, micros) => self.set_clock(name, *micros),
            }
        }
        self.seen.stop.store(true, Ordering::Relaxed);
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        let gateways = (1..=mix.gateways).map(|gateway| format!("gateway-{gateway}"));
        gateways.chain(["metering".to_owned()]).for_each(|name| self.set_clock(&name, 0));
    }

    fn caller(&self, at: usize, seed: u64) -> JoinHandle<()> {
        let (seen, key, urls) = (Arc::clone(&self.seen), self.keys[at].value.clone(), self.base_urls.clone());
        let mut random = StdRng::seed_from_u64(seed);
        std::thread::spawn(move || {
            let agent = agent();
            while !seen.stop.load(Ordering::Relaxed) {
                let base = &urls[random.random_range(0..urls.len())];
                call(&agent, base, METHODS.choose(&mut random).unwrap(), &key, at, &seen);
            }
        })
    }

    fn set_clock(&self, name: &str, micros: i64) {
        let file = self.installation.directory_of(name).join("clock-offset");
        let draft = file.with_extension("draft");
        std::fs::write(&draft, micros.to_string()).unwrap();
        std::fs::rename(draft, file).unwrap();
    }

    /// Calls with every key until each unit of its present period is settled.
    pub(super) fn demand_everything(&self, mix: &Mix) {
        let agent = agent();
        for (at, (key, limits)) in self.keys.iter().zip(&mix.keys).enumerate() {
            let mut standing = Vec::new();
            let reached = wait_until(RESTS_WITHIN, || {
                for base in &self.base_urls {
                    while call(&agent, base, &METHODS[0], &key.value, at, &self.seen) == Some(200) {}
                }
                standing = self.standing(key);
                standing.iter().any(|quota| (quota.settled, quota.leased) == (quota.limit, 0))
            });
            assert!(
                reached,
                "seed {}: demand of key {at} ends before {:?}: {standing:?}",
                mix.seed, limits.quotas
            );
        }
        // Leases of other periods, which a wrong clock began, are given back when a plan changes.
        for key in &self.keys {
            let touch = json!({ "id": key.plan, "description": "All leases are taken out anew." });
            self.admin.mutate("usagePlanUpdate", touch, "usagePlan { id }");
        }
        let closed = wait_until(RESTS_WITHIN, || self.periods().iter().all(|period| period.open_leases == 0));
        assert!(closed, "seed {}: leases stay open: {:?}", mix.seed, self.periods());
    }

    /// The key's quotas in their present periods.
    fn standing(&self, key: &Key) -> Vec<Standing> {
        let query = "query($key: ID!) { quotaStatus(key: $key) { limit settled leased } }";
        let mut standings = self.admin.data(query, json!({ "key": key.id }));
        serde_json::from_value(standings["quotaStatus"].take()).unwrap()
    }

    /// Compares what clients saw, records, sums and leases; answers the figures of the run.
    pub(super) fn judge(&self, mix: &Mix) -> String {
        let seed = mix.seed;
        let answers = self.seen.answers.lock().clone();
        let mut records = HashMap::new();
        let agree = wait_until(RESTS_WITHIN, || {
            records = self.records();
            answers.keys().all(|request| records.contains_key(request)) && self.rollups_agree()
        });
        let missing = answers.keys().filter(|request| !records.contains_key(*request)).count();
        assert!(
            agree,
            "seed {seed}: {missing} of {} answers have no record; {:?}",
            answers.len(),
            self.sums()
        );
        assert!(records.values().all(|times| *times == 1), "seed {seed}: a call is recorded twice");

        let periods = self.periods();
        for period in &periods {
            let recorded = self.recorded(period);
            assert!(recorded <= period.limit, "seed {seed}: {recorded} units were accepted: {period:?}");
            assert_eq!(recorded, period.settled, "seed {seed}: records and leases differ: {period:?}");
        }
        for (at, (key, limits)) in self.keys.iter().zip(&mix.keys).enumerate() {
            let accepted = answers.values().filter(|(of, status, _)| *of == at && *status == 200);
            let accepted: u64 = accepted.map(|(_, _, units)| units).sum();
            for (kind, quota) in &limits.quotas {
                let of_kind =
                    |period: &&Period| period.key == key.id && period.kind.eq_ignore_ascii_case(kind);
                let most = quota * periods.iter().filter(of_kind).count() as u64;
                assert!(
                    accepted <= most,
                    "seed {seed}: key {at} was let through for {accepted} units of {most} a {kind}"
                );
            }
        }
        let accepted = answers.values().filter(|(_, status, _)| *status == 200).count();
        format!(
            "{} answers, {accepted} accepted, {} records, {} periods exact",
            answers.len(),
            records.len(),
            periods.len()
        )
    }

    /// How often each request is recorded.
    fn records(&self) -> HashMap<String, u64> {
        let rows = self.installation.clickhouse(
            "SELECT request_id, toUInt32(count()) AS times FROM usage_records GROUP BY request_id",
        );
        let row = |row: &Value| (text(&row["request_id"]), row["times"].as_u64().unwrap());
        rows.iter().map(row).collect()
    }

    fn rollups_agree(&self) -> bool {
        let sums = self.sums();
        ROLLUPS.iter().all(|table| sums[*table] == sums["usage_records"])
    }

    /// Calls and quota units by key, of the records and of every rollup.
    fn sums(&self) -> BTreeMap<&'static str, Vec<Value>> {
        let sums = |table: &'static str| {
            let calls = if table == "usage_records" { "count()" } else { "sum(requests)" };
            let select = format!(
                "SELECT key_id, {calls} AS calls, sum(quota_units) AS units FROM {table} GROUP BY key_id ORDER BY key_id"
            );
            (table, self.installation.clickhouse(&select))
        };
        ROLLUPS.into_iter().chain(["usage_records"]).map(sums).collect()
    }

    /// Units of the records of a key in a period.
    fn recorded(&self, period: &Period) -> u64 {
        let Period { key, start, end, .. } = period;
        let select = format!(
            "SELECT toString(sum(quota_units)) AS units FROM usage_records WHERE key_id = '{key}' \
             AND started_at >= fromUnixTimestamp64Micro({start}) AND started_at < fromUnixTimestamp64Micro({end})"
        );
        text(&self.installation.clickhouse(&select)[0]["units"]).parse().unwrap()
    }

    /// Every period of every key.
    fn periods(&self) -> Vec<Period> {
        let keys: Vec<_> = self.keys.iter().map(|key| format!("'{}'", key.id)).collect();
        let select = format!(
            "SELECT p.holder_id, p.kind, p.period_start, p.period_end, p.quota_limit, p.settled, (SELECT count(*) \
             FROM metering.quota_leases l WHERE l.holder_id = p.holder_id AND l.usage_plan_id = p.usage_plan_id AND l.kind = p.kind \
             AND l.period_start = p.period_start AND l.period_end = p.period_end AND l.closed_at IS NULL) \
             FROM metering.quota_periods p WHERE p.kind <> 'spend' AND p.holder_id IN ({}) ORDER BY 1, 2",
            keys.join(", ")
        );
        let rows = self.installation.postgres(&select);
        let row = |row: &Vec<String>| Period {
            key: row[0].clone(),
            kind: row[1].clone(),
            start: row[2].clone(),
            end: row[3].clone(),
            limit: row[4].parse().unwrap(),
            settled: row[5].parse().unwrap(),
            open_leases: row[6].parse().unwrap(),
        };
        rows.iter().map(row).collect()
    }
}

impl Key {
    fn new(admin: &Admin, limits: &KeyMix, api: &str) -> Self {
        let plan =
            admin.mutate("usagePlanCreate", limits.plan(api), "usagePlan { id }")["usagePlan"]["id"].clone();
        let made = json!({ "name": "exact", "usagePlanIds": [plan] });
        let made = admin.mutate("apiKeyCreate", made, "apiKey { id } value");
        Self { id: text(&made["apiKey"]["id"]), plan: text(&plan), value: text(&made["value"]) }
    }
}

/// Calls once; answers the status of an answer that was read to its end.
fn call(agent: &Agent, base: &str, method: &Method, key: &str, at: usize, seen: &Seen) -> Option<u16> {
    let mut answer = agent.get(format!("{base}{}", method.path)).header("x-api-key", key).call().ok()?;
    let id = answer.headers().get("x-amzn-requestid")?.to_str().ok()?.to_owned();
    answer.body_mut().read_to_vec().ok()?;
    let status = answer.status().as_u16();
    seen.answers.lock().insert(id, (at, status, method.units));
    Some(status)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
