//! How often a key may call: throttles, quotas, and what a client is told about them.

use contracts::apis::StageSettings;
use contracts::metering::{DegradedMode, Period, PeriodBegin, Quota, Throttle};
use contracts::record::{Flags, Reason};
use testkit::Upstream;

use crate::gateway::{TestGateway, answers, keyed_api, open_api};

const VALUE: &str = "0123456789abcdefghijABCDEFGHIJ";
/// Refills so slowly that a test sees no second token.
const SLOW: f64 = 0.001;

fn upstream() -> Upstream {
    Upstream::start(answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")).unwrap()
}

fn gateway(upstream: &Upstream) -> TestGateway {
    TestGateway::start(keyed_api(&upstream.url()), StageSettings::default(), |config| {
        config.lease_wait_ms = 500;
    })
}

const fn throttle(burst_limit: u32) -> Option<Throttle> {
    Some(Throttle { rate_limit: SLOW, burst_limit })
}

fn quota(limit: u64) -> Vec<Quota> {
    vec![Quota { limit, period: Period::Month, offset: 0, begins: PeriodBegin::default() }]
}

#[test]
fn calls_over_the_burst_are_429_and_told_when_to_come_back() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    gateway.sell(VALUE, |plan| plan.terms.throttle = throttle(3));
    for left in [2, 1, 0] {
        let answer = gateway.call_with(VALUE, "/a");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.header("ratelimit-policy"), Some("\"key\";q=3;w=3000"));
        assert_eq!(answer.header("ratelimit"), Some(format!("\"key\";r={left};t=3000").as_str()));
    }
    let answer = gateway.call_with(VALUE, "/a");
    assert_eq!(
        (answer.status(), answer.text().as_str()),
        (429, r#"{"message":"Too Many Requests","limit":"key"}"#)
    );
    assert_eq!(answer.header("x-amzn-errortype"), Some("TooManyRequestsException"));
    assert_eq!(answer.header("x-tollgate-reason"), Some("throttled"));
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((900..=1000).contains(&wait), "{wait}");
    let record = gateway.record_of(&answer);
    assert_eq!((record.reason, record.quota_units), (Reason::Throttled, 0));
}

#[test]
fn exactly_the_quota_is_admitted() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    gateway.sell(VALUE, |plan| plan.terms.quotas = quota(25));
    let statuses: Vec<_> = (0..30).map(|_| gateway.call_with(VALUE, "/a").status()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 25, "{statuses:?}");
    let answer = gateway.call_with(VALUE, "/a");
    assert_eq!((answer.status(), answer.text().as_str()), (429, r#"{"message":"Limit Exceeded"}"#));
    assert_eq!(answer.header("x-amzn-errortype"), Some("LimitExceededException"));
    assert_eq!(answer.header("x-tollgate-reason"), Some("quota_exhausted"));
    assert!(answer.header("ratelimit").unwrap().starts_with("\"quota\";r=0;t="));
    gateway.record_of(&answer);
    let units: u64 = gateway.owners.records().iter().map(|record| record.quota_units).sum();
    assert_eq!(units, 25, "the records sum up to the quota");
}

#[test]
fn a_failed_call_gives_its_unit_back() {
    let port = testkit::free_port().unwrap();
    let gateway =
        TestGateway::start(keyed_api(&format!("http://127.0.0.1:{port}")), StageSettings::default(), |_| {});
    gateway.sell(VALUE, |plan| plan.terms.quotas = quota(2));
    for _ in 0..5 {
        assert_eq!(gateway.call_with(VALUE, "/a").status(), 504, "unreachable, never exhausted");
    }
}

#[test]
fn without_metering_the_plans_rule_decides_and_record_metric_and_answer_say_so() {
    let upstream = upstream();
    for (degraded, status) in [(DegradedMode::Refuse, 503), (DegradedMode::ServeAndMark, 200)] {
        let gateway = gateway(&upstream);
        gateway.owners.fall_silent();
        gateway.sell(VALUE, |plan| {
            plan.terms.quotas = quota(1000);
            plan.terms.degraded = degraded;
        });
        let answer = gateway.call_with(VALUE, "/a");
        assert_eq!(answer.status(), status);
        let record = gateway.record_of(&answer);
        assert_eq!(record.quota_units, 0);
        let served = status == 200;
        let expected = if served { Reason::Ok } else { Reason::LeaseUnavailable };
        assert_eq!((record.reason, record.flags.contains(Flags::DEGRADED)), (expected, served));
        let said = (answer.header("x-tollgate-reason"), answer.header("x-tollgate-degraded"));
        let cause = Some("lease_unavailable");
        assert_eq!(said, if served { (None, cause) } else { (cause, None) });
        assert_eq!(gateway.metric("tollgate_gateway_degraded_calls_total "), u64::from(served));
        assert_eq!(gateway.ended("lease_unavailable"), u64::from(!served));
        assert_eq!(gateway.metric("tollgate_gateway_leases_unanswered "), 1);
    }
}

#[test]
fn beyond_the_disk_bound_the_plans_rule_decides_and_metric_and_answer_say_so() {
    let upstream = upstream();
    for (degraded, status) in [(DegradedMode::Refuse, 503), (DegradedMode::ServeAndMark, 200)] {
        let gateway = TestGateway::start(keyed_api(&upstream.url()), StageSettings::default(), |config| {
            config.spool.disk_bound = 0;
        });
        gateway.sell(VALUE, |plan| {
            plan.terms.quotas = quota(1000);
            plan.terms.degraded = degraded;
        });
        let answer = gateway.call_with(VALUE, "/a");
        let served = status == 200;
        let said = (answer.header("x-tollgate-reason"), answer.header("x-tollgate-degraded"));
        let cause = Some("spool_full");
        assert_eq!((answer.status(), said), (status, if served { (None, cause) } else { (cause, None) }));
        let unrecorded = |what: &str| gateway.metric(&format!("tollgate_gateway_unrecorded_{what}_total "));
        let counted = (unrecorded("calls"), unrecorded("refusals"));
        assert_eq!(counted, (u64::from(served), u64::from(!served)));
        assert_eq!(gateway.metric("tollgate_gateway_degraded_calls_total "), u64::from(served));
        let is_said = || gateway.metric("tollgate_gateway_spool_full ") == 1;
        assert!(testkit::wait_until(testkit::PATIENCE, is_said));
        assert!(gateway.owners.records().is_empty(), "nothing more is written");
    }
}

#[test]
fn a_stages_throttle_holds_for_all_callers_together() {
    let upstream = upstream();
    let settings = StageSettings { throttle: throttle(2), ..StageSettings::default() };
    let gateway = TestGateway::start(open_api(&upstream.url()), settings, |_| {});
    let statuses: Vec<_> = (0..3).map(|_| gateway.call("GET", "/a", "").status()).collect();
    assert_eq!(statuses, [200, 200, 429]);
}

#[test]
fn a_plan_throttles_single_methods_more_tightly() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    gateway.sell(VALUE, |plan| {
        plan.terms.throttle = throttle(10);
        plan.terms.stages[0].throttle.insert("/{proxy+}/ANY".to_owned(), throttle(1).unwrap());
    });
    let statuses: Vec<_> = ["/a", "/b", "/"].map(|path| gateway.call_with(VALUE, path).status()).to_vec();
    assert_eq!(statuses, [200, 429, 200], "one bucket per method, not per path");
}
