//! What a fleet of gateway processes lets through together, for every throttle, against the bound that it states.
//!
//! Each process is this test binary, started again with the name of [`child`], which does nothing unless it is told a Redis.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::clock::monotonic;
use common::id::{ApiId, TenantId, UsagePlanId};
use contracts::apis::StageSettings;
use contracts::metering::Throttle;
use contracts::record::ThrottleScope;
use gateway::Redis;
use testkit::{PATIENCE, TestRedis, Upstream, Wire};
use uuid::Uuid;

use crate::gateway::{TestGateway, answers, config, keyed_api, open_api, read_answer, stage};
use crate::owners::{Owners, key, plan};

const REDIS: &str = "THROTTLE_BOUND_REDIS";
const PREFIX: &str = "THROTTLE_BOUND_PREFIX";
const UPSTREAM: &str = "THROTTLE_BOUND_UPSTREAM";
const GATEWAYS: &str = "THROTTLE_BOUND_GATEWAYS";
const METHOD: &str = "/{proxy+}/ANY";

const RATE: f64 = 50.0;
const BURST: f64 = 40.0;
const LIMIT: Throttle = Throttle { rate_limit: RATE, burst_limit: BURST as u32 };
const LOAD: Duration = Duration::from_millis(1_500);
/// From a call to the answer to its report: an exchange every 0.1 s, and what a busy machine adds.
const REPORTED_WITHIN: f64 = 0.25;

/// The API where a throttle of this scope alone holds.
fn api(scope: ThrottleScope) -> ApiId {
    let letter = char::from(b'a' + scope as u8);
    String::from_iter([letter; 10]).parse().unwrap()
}

fn tenant(number: u128) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(number))
}

/// The value of the key of a scope that needs one.
fn value(scope: ThrottleScope) -> Option<String> {
    let keyed = matches!(scope, ThrottleScope::KeyMethod | ThrottleScope::Key);
    keyed.then(|| format!("value-of-the-key-for-{}", scope.as_str()))
}

/// Puts what the test calls in force: the same in every process.
fn publish(owners: &Owners, upstream: &str) {
    for scope in ThrottleScope::ALL {
        let mut settings = StageSettings::default();
        match scope {
            ThrottleScope::Method => settings.method_throttles = [(METHOD.to_owned(), LIMIT)].into(),
            ThrottleScope::Stage => settings.throttle = Some(LIMIT),
            _ => {}
        }
        let tenant = tenant(if scope == ThrottleScope::Tenant { 2 } else { 1 });
        let value = value(scope);
        let document = if value.is_some() { keyed_api(upstream) } else { open_api(upstream) };
        owners.put_stage(stage(tenant, api(scope), "dev", document, settings));
        let Some(value) = value else { continue };
        let mut plan = plan(tenant, api(scope), "dev");
        plan.id = UsagePlanId::from_uuid(Uuid::from_u128(scope as u128));
        if scope == ThrottleScope::Key {
            plan.terms.throttle = Some(LIMIT);
        } else {
            plan.terms.stages[0].throttle.insert(METHOD.to_owned(), LIMIT);
        }
        let mut key = key(tenant, &value, &[plan.id]);
        key.id = common::id::KeyId::from_uuid(Uuid::from_u128(scope as u128));
        owners.put_plan(plan);
        owners.put_key(key);
    }
}

/// Not a test: one gateway of the fleet. It ends when its standard input does.
#[test]
fn child() {
    let Ok(url) = std::env::var(REDIS) else { return };
    let text = |name: &str| std::env::var(name).unwrap();
    let owners = Owners::new();
    publish(&owners, &text(UPSTREAM));
    let mut gateway = TestGateway::unlaunched(owners, api(ThrottleScope::Stage), tenant(1));
    gateway.redis = Some(Redis::new(&url, &text(PREFIX)).unwrap());
    let mut config = config(&gateway.data_dir);
    let limit = gateway::ThrottleSetting { rate_limit: RATE, burst_limit: BURST as u32 };
    config.tenant_throttles = [(tenant(2), limit)].into();
    gateway.launch(config);
    assert!(gateway.knows(text(GATEWAYS).parse().unwrap()));
    println!("\nlistening {}", gateway.address());
    // Ends with an error or without a line, both of which mean the end.
    let _ = std::io::stdin().read_line(&mut String::new());
}

struct Fleet {
    children: Vec<Child>,
    addresses: Vec<String>,
}

impl Fleet {
    fn start(count: usize, server: &TestRedis, upstream: &Upstream) -> Self {
        let start = || {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", "calls_throttle_bound::child", "--nocapture", "--test-threads=1"]);
            // A prefix of its own, so that earlier fleets are no part of this one.
            command.env(REDIS, server.url()).env(PREFIX, format!("{}{count}:", server.prefix()));
            command.env(UPSTREAM, upstream.url()).env(GATEWAYS, count.to_string());
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
        };
        let mut children: Vec<_> = (0..count).map(|_| start()).collect();
        let address = |child: &mut Child| {
            let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
            let mut found = lines.map_while(Result::ok);
            found.find_map(|line| line.strip_prefix("listening ").map(str::to_owned)).expect("a gateway")
        };
        let addresses = children.iter_mut().map(address).collect();
        Self { children, addresses }
    }

    /// Calls every gateway as fast as it answers, until each has refused a call; answers how many calls were let through, and
    /// in how many seconds.
    fn load(&self, scope: ThrottleScope) -> (usize, f64) {
        let line = value(scope).map(|value| format!("x-api-key: {value}\r\n")).unwrap_or_default();
        let request = format!("GET /_api/{}/dev/a HTTP/1.1\r\nHost: gateway.test\r\n{line}\r\n", api(scope));
        let (passed, began) = (AtomicUsize::new(0), monotonic());
        std::thread::scope(|threads| {
            for address in &self.addresses {
                let (request, passed) = (&request, &passed);
                threads.spawn(move || {
                    let mut wire = Wire::connect(address.as_str()).unwrap();
                    let mut is_refused = false;
                    while began.elapsed() < LOAD || !is_refused && began.elapsed() < PATIENCE {
                        wire.send(request).unwrap();
                        let answer = read_answer(&mut wire);
                        match answer.status() {
                            200 => passed.fetch_add(1, Ordering::Relaxed),
                            // More calls at once than the machine can write records for: not let through either.
                            503 => {
                                assert_eq!(answer.header("x-tollgate-reason"), Some("overloaded"));
                                0
                            }
                            status => {
                                assert_eq!(status, 429);
                                assert_eq!(answer.header("x-tollgate-limit"), Some(scope.as_str()));
                                is_refused = true;
                                0
                            }
                        };
                    }
                    assert!(is_refused, "more than the throttle lets through");
                });
            }
        });
        (passed.into_inner(), began.elapsed().as_secs_f64())
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for child in &mut self.children {
            drop(child.stdin.take());
            let ended = || matches!(child.try_wait(), Ok(Some(_)));
            if !testkit::wait_until(PATIENCE, ended) {
                let _ = child.kill();
            }
            let _ = child.wait();
        }
    }
}

#[test]
fn gateway_processes_stay_within_the_bound_for_every_throttle() {
    let upstream = Upstream::start(answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")).unwrap();
    let server = TestRedis::new().unwrap();
    for count in [1, 2, 4] {
        let fleet = Fleet::start(count, &server, &upstream);
        let gateways = count as f64;
        for scope in ThrottleScope::ALL {
            let (passed, seconds) = fleet.load(scope);
            let meant = RATE * seconds + BURST;
            let bound = meant + RATE * REPORTED_WITHIN + (gateways - 1.0) * (BURST / gateways + 1.0);
            eprintln!(
                "{count} gateways, {:>10}: {passed} calls in {seconds:.2} s, rate and burst {meant:.0}, bound {bound:.0}",
                scope.as_str()
            );
            assert!(passed as f64 <= bound, "{count} gateways, {scope:?}: {passed} of {bound}");
        }
    }
}
