//! Plans that throttle exactly: gateways that ask the common buckets in a real Redis, also while it is gone, slow or empty.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use common::clock::monotonic;
use contracts::metering::{DegradedMode, Throttle, ThrottleMode, UsagePlanEntry};
use contracts::record::{Flags, Reason, ThrottleScope};
use gateway::Redis;
use testkit::{PATIENCE, TestRedis, Upstream, wait_until};

use crate::gateway::{TestGateway, answers, keyed_api, read_answer};

const VALUE: &str = "0123456789abcdefghijABCDEFGHIJ";
const OTHER: &str = "0123456789abcdefghijABCDEFGHIK";
const LOADED: Throttle = Throttle { rate_limit: 100.0, burst_limit: 40 };
const LOAD: Duration = Duration::from_secs(3);

/// Refills so slowly that a test sees no further token.
const fn drained(burst_limit: u32) -> Throttle {
    Throttle { rate_limit: 0.001, burst_limit }
}

fn upstream() -> Upstream {
    Upstream::start(answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")).unwrap()
}

fn fleet(upstream: &Upstream, server: &TestRedis, count: usize) -> Vec<TestGateway> {
    let redis = Redis::new(&server.url(), server.prefix()).unwrap();
    TestGateway::fleet(keyed_api(&upstream.url()), &redis, count)
}

/// Puts a plan that throttles exactly and its key in force on every gateway.
fn sell(fleet: &[TestGateway], value: &str, adjust: impl FnOnce(&mut UsagePlanEntry)) {
    fleet[0].sell(value, |plan| {
        plan.terms.throttle_mode = ThrottleMode::Exact;
        adjust(plan);
    });
    let newest = fleet[0].owners.access_revision();
    let in_force = |gateway: &TestGateway| gateway.metric("tollgate_gateway_metering_revision ") == newest;
    assert!(wait_until(PATIENCE, || fleet.iter().all(in_force)));
}

/// Calls every gateway on a connection of its own until `enough` says so; answers how many calls were let through.
fn flood(fleet: &[TestGateway], enough: impl Fn(usize) -> bool + Sync) -> usize {
    let passed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for gateway in fleet {
            let (passed, enough) = (&passed, &enough);
            scope.spawn(move || {
                let request = gateway.request("GET", "/a", &format!("x-api-key: {VALUE}\r\n"));
                let mut wire = gateway.connect();
                for number in 0.. {
                    if enough(number) {
                        return;
                    }
                    wire.send(&request).unwrap();
                    match read_answer(&mut wire).status() {
                        200 => passed.fetch_add(1, Ordering::Relaxed),
                        status => {
                            assert_eq!(status, 429);
                            0
                        }
                    };
                }
            });
        }
    });
    passed.into_inner()
}

#[test]
fn a_fleet_lets_exactly_the_burst_through_however_the_calls_arrive() {
    let (upstream, server) = (upstream(), TestRedis::new().unwrap());
    for count in [1, 2, 4] {
        let fleet = fleet(&upstream, &server, count);
        sell(&fleet, VALUE, |plan| plan.terms.throttle = Some(drained(25)));
        assert_eq!(flood(&fleet, |number| number == 40), 25, "{count} gateways");
        let answer = fleet[count - 1].call_with(VALUE, "/a");
        assert_eq!(answer.header("x-tollgate-limit"), Some("key"));
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((900..=1_000).contains(&wait), "{wait}");
        let record = fleet[0].record_of(&answer);
        assert_eq!((record.reason, record.flags.throttle()), (Reason::Throttled, Some(ThrottleScope::Key)));
        assert_eq!(record.quota_units, 0);
    }
}

#[test]
fn a_fleet_lets_no_call_more_through_than_rate_and_burst_say() {
    let (upstream, server) = (upstream(), TestRedis::new().unwrap());
    for count in [1, 2, 4] {
        let fleet = fleet(&upstream, &server, count);
        sell(&fleet, VALUE, |plan| plan.terms.throttle = Some(LOADED));
        let began = monotonic();
        let passed = flood(&fleet, |_| began.elapsed() >= LOAD);
        let bound = LOADED.rate_limit * began.elapsed().as_secs_f64() + f64::from(LOADED.burst_limit);
        assert!((passed as f64) <= bound, "{count} gateways: {passed} of {bound}");
        // Refused calls take nothing, or a flood of them would leave less.
        assert!(passed as f64 >= 0.9 * bound, "{count} gateways: {passed} of {bound}");
    }
}

#[test]
fn a_call_takes_from_all_exact_buckets_or_from_none() {
    let (upstream, server) = (upstream(), TestRedis::new().unwrap());
    let fleet = fleet(&upstream, &server, 2);
    sell(&fleet, VALUE, |plan| {
        plan.terms.throttle = Some(drained(5));
        plan.terms.stages[0].throttle.insert("/{proxy+}/ANY".to_owned(), drained(2));
    });
    let call = |number: usize, path| fleet[number % 2].call_with(VALUE, path);
    let statuses: Vec<_> = (0..6).map(|number| call(number, "/a").status()).collect();
    assert_eq!(statuses, [200, 200, 429, 429, 429, 429]);
    assert_eq!(call(0, "/a").header("x-tollgate-limit"), Some("key_method"));
    let left = call(0, "/");
    assert_eq!((left.status(), left.header("ratelimit")), (200, Some("\"key\";r=2;t=5000")));
    assert_eq!([call(1, "/").status(), call(0, "/").status(), call(1, "/").status()], [200, 200, 429]);
}

#[test]
fn while_redis_is_away_the_plans_rule_decides_and_other_plans_notice_nothing() {
    let (upstream, server) = (upstream(), TestRedis::dedicated().unwrap());
    for degraded in [DegradedMode::Refuse, DegradedMode::ServeAndMark] {
        let fleet = fleet(&upstream, &server, 1);
        let gateway = &fleet[0];
        sell(&fleet, VALUE, |plan| {
            plan.terms.throttle = Some(drained(3));
            plan.terms.degraded = degraded;
        });
        gateway.sell(OTHER, |plan| plan.terms.throttle = Some(drained(1_000)));
        let statuses: Vec<_> = (0..4).map(|_| gateway.call_with(VALUE, "/a").status()).collect();
        assert_eq!(statuses, [200, 200, 200, 429]);

        server.kill_9().unwrap();
        for _ in 0..20 {
            let answer = gateway.call_with(VALUE, "/a");
            let record = gateway.record_of(&answer);
            if degraded == DegradedMode::Refuse {
                assert_eq!((answer.status(), record.reason), (503, Reason::ThrottleUnavailable));
                assert_eq!(answer.header("x-tollgate-reason"), Some("throttle_unavailable"));
                assert!(answer.header("retry-after").is_some());
            } else {
                assert_eq!((answer.status(), record.reason), (200, Reason::Ok));
                assert!(record.flags.contains(Flags::DEGRADED));
            }
        }
        assert_eq!(gateway.call_with(OTHER, "/a").status(), 200);
        assert!(gateway.metric("tollgate_gateway_exact_throttles_total{outcome=\"unheard\"}") >= 20);
        let readiness = gateway.send("GET /readyz HTTP/1.1\r\nHost: gateway.test\r\n\r\n");
        assert_eq!(readiness.status(), 200, "a warning, no obstacle");
        assert!(readiness.text().contains("exact throttles cannot be asked"), "{}", readiness.text());

        server.restart().unwrap();
        let heard =
            || gateway.call_with(VALUE, "/a").header("ratelimit").is_some_and(|it| it.contains("r=2"));
        assert!(wait_until(PATIENCE, heard), "an empty redis has full buckets");
        let statuses: Vec<_> = (0..3).map(|_| gateway.call_with(VALUE, "/a").status()).collect();
        assert_eq!(statuses, [200, 200, 429]);
    }
}

#[test]
fn a_redis_that_does_not_answer_is_waited_for_within_a_bound() {
    let (upstream, server) = (upstream(), TestRedis::dedicated().unwrap());
    let fleet = fleet(&upstream, &server, 1);
    sell(&fleet, VALUE, |plan| plan.terms.throttle = Some(drained(1_000)));
    assert_eq!(fleet[0].call_with(VALUE, "/a").status(), 200);
    let paused = AtomicBool::new(true);
    let mut connection = server.client().unwrap().get_connection().unwrap();
    let () = redis::cmd("CLIENT").arg("PAUSE").arg(60_000).arg("ALL").query(&mut connection).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                assert_eq!(fleet[0].call_with(VALUE, "/a").status(), 503);
                assert!(paused.load(Ordering::SeqCst), "no call waits for redis to come back");
            });
        }
    });
    paused.store(false, Ordering::SeqCst);
    server.kill_9().unwrap();
    server.restart().unwrap();
    assert!(wait_until(PATIENCE, || fleet[0].call_with(VALUE, "/a").status() == 200));
}
