//! Throttles of a fleet: gateways that share them through a real Redis, also while it is gone.

use std::time::Duration;

use common::clock::monotonic;
use contracts::apis::StageSettings;
use contracts::metering::{Throttle, UsagePlanEntry};
use gateway::Redis;
use redis::Commands as _;
use testkit::{PATIENCE, TestRedis, Upstream, wait_until};

use crate::gateway::{Answer, TestGateway, answers, keyed_api, open_api, read_answer};

const VALUE: &str = "0123456789abcdefghijABCDEFGHIJ";
/// Of the load tests: what one gateway of a busy machine can answer many times over.
const LOADED: Throttle = Throttle { rate_limit: 100.0, burst_limit: 60 };
const LOAD: Duration = Duration::from_secs(3);
/// Refills so slowly that a test sees no further token.
const DRAINED: Throttle = Throttle { rate_limit: 0.001, burst_limit: 4 };
/// What a second gateway can let through beyond the burst: `(G - 1) * (B/G + 1)`.
const BEYOND: usize = 3;

fn upstream() -> Upstream {
    Upstream::start(answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")).unwrap()
}

fn redis(server: &TestRedis) -> Redis {
    Redis::new(&server.url(), server.prefix()).unwrap()
}

/// Puts a plan and its key in force on every gateway.
fn sell(pair: &[TestGateway; 2], adjust: impl FnOnce(&mut UsagePlanEntry)) {
    pair[0].sell(VALUE, adjust);
    let revisions = || pair.iter().map(|gateway| gateway.metric("tollgate_gateway_metering_revision "));
    let newest = revisions().max();
    assert!(wait_until(PATIENCE, || revisions().min() == newest.max(revisions().max())));
}

/// Calls these gateways in turn, as fast as they answer; answers what they let through and how many seconds it took.
fn load(gateways: &[&TestGateway]) -> (f64, f64) {
    let request = |gateway: &TestGateway| gateway.request("GET", "/a", &format!("x-api-key: {VALUE}\r\n"));
    let mut wires: Vec<_> = gateways.iter().map(|gateway| (gateway.connect(), request(gateway))).collect();
    let (began, mut passed) = (monotonic(), 0.0);
    while began.elapsed() < LOAD {
        for (wire, request) in &mut wires {
            wire.send(&*request).unwrap();
            match read_answer(wire).status() {
                200 => passed += 1.0,
                status => assert_eq!(status, 429),
            }
        }
    }
    (passed, began.elapsed().as_secs_f64())
}

#[test]
fn two_gateways_let_the_rate_through_once() {
    let (upstream, server) = (upstream(), TestRedis::new().unwrap());
    let pair = TestGateway::pair(keyed_api(&upstream.url()), StageSettings::default(), &redis(&server));
    sell(&pair, |plan| plan.terms.throttle = Some(LOADED));
    let (passed, seconds) = load(&[&pair[0], &pair[1]]);
    let (rate, burst) = (LOADED.rate_limit, f64::from(LOADED.burst_limit));
    // A quarter of a second for an exchange on a busy machine.
    let bound = rate * (seconds + 0.25) + burst + (burst / 2.0 + 1.0);
    assert!(passed <= bound, "{passed} of {bound}");
    let meant = rate * seconds + burst;
    assert!(passed >= 0.8 * meant, "{passed} of {meant}");
}

#[test]
fn a_gateway_that_gets_all_calls_lets_nearly_the_whole_rate_through() {
    let (upstream, server) = (upstream(), TestRedis::new().unwrap());
    let pair = TestGateway::pair(keyed_api(&upstream.url()), StageSettings::default(), &redis(&server));
    sell(&pair, |plan| plan.terms.throttle = Some(LOADED));
    let (passed, seconds) = load(&[&pair[1]]);
    let meant = LOADED.rate_limit * seconds + f64::from(LOADED.burst_limit);
    assert!((0.85 * meant..=meant + 1.0).contains(&passed), "{passed} of {meant}");
}

/// Tokens missing from the only common bucket of the test.
fn tokens_missing(server: &TestRedis) -> usize {
    let mut connection = server.client().unwrap().get_connection().unwrap();
    let names: Vec<String> = connection.keys(format!("{}throttle:*", server.prefix())).unwrap();
    assert!(names.len() <= 1, "{names:?}");
    let full_at: Option<f64> = names.first().and_then(|name| connection.get(name).unwrap());
    let (seconds, micros): (f64, f64) = redis::cmd("TIME").query(&mut connection).unwrap();
    let ahead = full_at.map_or(0.0, |full_at| full_at / 1e6 - seconds - micros / 1e6);
    (ahead * DRAINED.rate_limit).round() as usize
}

/// Drains the bucket at the first gateway and checks that the second one knows.
fn drained_at_one_is_drained_at_the_other(pair: &[TestGateway; 2], server: &TestRedis) {
    let call = |gateway: &TestGateway| gateway.call_with(VALUE, "/a").status();
    let waits = |answer: Answer| answer.header("retry-after").map_or(0, |wait| wait.parse::<u64>().unwrap());
    let mut passed = 0;
    let burst = DRAINED.burst_limit as usize;
    assert!(
        wait_until(PATIENCE, || {
            passed += usize::from(call(&pair[0]) == 200);
            passed == burst
        }),
        "{passed}"
    );
    assert!(wait_until(PATIENCE, || tokens_missing(server) == burst), "{}", tokens_missing(server));
    let mut beyond = 0;
    assert!(wait_until(PATIENCE, || {
        let answer = pair[1].call_with(VALUE, "/a");
        beyond += usize::from(answer.status() == 200);
        // Its own share alone would ask for no more than the 1000 seconds of one token.
        waits(answer) > 1_500
    }));
    assert!(beyond <= BEYOND, "{beyond}");
    for gateway in pair {
        assert_eq!(call(gateway), 429);
    }
}

#[test]
fn a_keys_bucket_is_common() {
    let (upstream, server) = (upstream(), TestRedis::new().unwrap());
    let pair = TestGateway::pair(keyed_api(&upstream.url()), StageSettings::default(), &redis(&server));
    sell(&pair, |plan| plan.terms.throttle = Some(DRAINED));
    drained_at_one_is_drained_at_the_other(&pair, &server);
}

#[test]
fn a_methods_bucket_is_common() {
    let (upstream, server) = (upstream(), TestRedis::new().unwrap());
    let pair = TestGateway::pair(keyed_api(&upstream.url()), StageSettings::default(), &redis(&server));
    sell(&pair, |plan| {
        plan.terms.stages[0].throttle.insert("/{proxy+}/ANY".to_owned(), DRAINED);
    });
    drained_at_one_is_drained_at_the_other(&pair, &server);
}

#[test]
fn a_stages_bucket_is_common() {
    let (upstream, server) = (upstream(), TestRedis::new().unwrap());
    let settings = StageSettings { throttle: Some(DRAINED), ..StageSettings::default() };
    let pair = TestGateway::pair(open_api(&upstream.url()), settings, &redis(&server));
    drained_at_one_is_drained_at_the_other(&pair, &server);
}

#[test]
fn without_redis_calls_go_on_by_the_last_shares_and_sharing_resumes_on_an_empty_one() {
    let (upstream, server) = (upstream(), TestRedis::dedicated().unwrap());
    let pair = TestGateway::pair(keyed_api(&upstream.url()), StageSettings::default(), &redis(&server));
    sell(&pair, |plan| plan.terms.throttle = Some(LOADED));
    assert_eq!(pair[0].call_with(VALUE, "/a").status(), 200);

    server.kill_9().unwrap();
    let readiness =
        |gateway: &TestGateway| gateway.send("GET /readyz HTTP/1.1\r\nHost: gateway.test\r\n\r\n");
    for gateway in &pair {
        assert!(wait_until(PATIENCE, || readiness(gateway).text().contains("throttles are not shared")));
        assert_eq!(readiness(gateway).status(), 200, "a warning, no obstacle");
        assert!(gateway.metric("tollgate_gateway_throttle_exchanges_total{outcome=\"failed\"} ") >= 1);
    }
    let (passed, seconds) = load(&[&pair[0], &pair[1]]);
    let bound = LOADED.rate_limit * seconds + f64::from(LOADED.burst_limit) + 1.0;
    assert!((0.8 * bound..=bound + 1.0).contains(&passed), "{passed} of {bound}: each keeps its share");
    assert!(pair.iter().all(|gateway| gateway.knows(2)));

    server.restart().unwrap();
    let exchanges =
        |gateway: &TestGateway| gateway.metric("tollgate_gateway_throttle_exchanges_total{outcome=\"ok\"} ");
    let before: Vec<_> = pair.iter().map(exchanges).collect();
    for (gateway, before) in pair.iter().zip(before) {
        assert!(wait_until(PATIENCE, || exchanges(gateway) > before && gateway.knows(2)));
        assert!(!readiness(gateway).text().contains("throttles are not shared"));
    }
    let (passed, seconds) = load(&[&pair[1]]);
    let alone = LOADED.rate_limit / 2.0 * seconds + f64::from(LOADED.burst_limit) / 2.0 + 1.0;
    assert!(passed > alone, "{passed}: more than a share of {alone}");
}

#[test]
fn a_gateway_that_stops_leaves_its_share_to_the_others() {
    let (upstream, server) = (upstream(), TestRedis::new().unwrap());
    let [one, mut other] =
        TestGateway::pair(keyed_api(&upstream.url()), StageSettings::default(), &redis(&server));
    other.stop();
    assert!(one.knows(1));
}
