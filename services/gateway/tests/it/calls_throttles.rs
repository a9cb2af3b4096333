//! Which throttles hold for a call, in which order, and which one a refusal names.

use apidef::Api;
use apidef::model::Verb;
use common::id::{ApiId, TenantId};
use contracts::apis::StageSettings;
use contracts::metering::Throttle;
use contracts::record::{Reason, ThrottleScope};
use gateway::Config;
use testkit::Upstream;

use crate::gateway::{Answer, TestGateway, answers, keyed_api, open_api, stage};

const VALUE: &str = "0123456789abcdefghijABCDEFGHIJ";
const METHOD: &str = "/{proxy+}/ANY";

fn upstream() -> Upstream {
    Upstream::start(answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")).unwrap()
}

/// Refills so slowly that a test sees no further token: the larger, the slower.
const fn throttle(burst_limit: u32, slow: f64) -> Throttle {
    Throttle { rate_limit: 0.001 / slow, burst_limit }
}

/// A gateway where each scope has a throttle; calls `/a` meet all of them that hold without a key, and with one.
fn gateway(document: Api, of: impl Fn(ThrottleScope) -> Throttle) -> TestGateway {
    let settings = StageSettings {
        throttle: Some(of(ThrottleScope::Stage)),
        method_throttles: [(METHOD.to_owned(), of(ThrottleScope::Method))].into(),
        ..StageSettings::default()
    };
    let adjust = |config: &mut Config| {
        let Throttle { rate_limit, burst_limit } = of(ThrottleScope::Tenant);
        (config.tenant_throttle.rate_limit, config.tenant_throttle.burst_limit) = (rate_limit, burst_limit);
    };
    let gateway = TestGateway::start(document, settings, adjust);
    gateway.sell(VALUE, |plan| {
        plan.terms.throttle = Some(of(ThrottleScope::Key));
        plan.terms.stages[0].throttle.insert(METHOD.to_owned(), of(ThrottleScope::KeyMethod));
    });
    gateway
}

/// One token where `tight` is meant, enough elsewhere.
fn tight_at(tight: ThrottleScope) -> impl Fn(ThrottleScope) -> Throttle {
    move |scope| throttle(if scope == tight { 1 } else { 10 }, 1.0)
}

fn names(gateway: &TestGateway, answer: &Answer, scope: ThrottleScope) {
    let name = scope.as_str();
    assert_eq!(answer.status(), 429, "{name}");
    assert_eq!(answer.header("x-tollgate-limit"), Some(name));
    assert_eq!(answer.header("x-tollgate-reason"), Some("throttled"));
    assert_eq!(answer.text(), format!(r#"{{"message":"Too Many Requests","limit":"{name}"}}"#));
    let policy = answer.header("ratelimit-policy").unwrap();
    assert!(policy.starts_with(&format!("\"{name}\";q=")), "{policy}");
    assert!(answer.header("ratelimit").unwrap().starts_with(&format!("\"{name}\";r=0;t=")));
    let record = gateway.record_of(answer);
    assert_eq!((record.reason, record.flags.throttle()), (Reason::Throttled, Some(scope)));
    assert!(gateway.metric(&format!("tollgate_gateway_throttled_total{{limit=\"{name}\"}}")) >= 1);
}

#[test]
fn each_throttle_refuses_by_its_name() {
    let upstream = upstream();
    for scope in ThrottleScope::ALL {
        let gateway = gateway(keyed_api(&upstream.url()), tight_at(scope));
        assert_eq!(gateway.call_with(VALUE, "/a").status(), 200);
        names(&gateway, &gateway.call_with(VALUE, "/a"), scope);
    }
}

#[test]
fn a_call_without_a_key_meets_the_throttles_that_all_keys_have_in_common() {
    let upstream = upstream();
    for scope in [ThrottleScope::Method, ThrottleScope::Stage, ThrottleScope::Tenant] {
        let gateway = gateway(open_api(&upstream.url()), tight_at(scope));
        assert_eq!(gateway.call("GET", "/a", "").status(), 200);
        names(&gateway, &gateway.call("GET", "/a", ""), scope);
    }
}

#[test]
fn of_several_without_a_token_the_one_with_the_longest_wait_is_named() {
    let upstream = upstream();
    for tightest in ThrottleScope::ALL {
        let of = |scope| throttle(1, if scope == tightest { 3.0 } else { 1.0 });
        let gateway = gateway(keyed_api(&upstream.url()), of);
        assert_eq!(gateway.call_with(VALUE, "/a").status(), 200);
        names(&gateway, &gateway.call_with(VALUE, "/a"), tightest);
    }
}

#[test]
fn a_refused_call_takes_nothing_from_the_throttles_that_would_let_it_through() {
    let upstream = upstream();
    let gateway = gateway(keyed_api(&upstream.url()), |scope| match scope {
        ThrottleScope::Method => throttle(1, 1.0),
        _ => throttle(3, 1.0),
    });
    let statuses: Vec<_> = (0..6).map(|_| gateway.call_with(VALUE, "/a").status()).collect();
    assert_eq!(statuses, [200, 429, 429, 429, 429, 429]);
    // Another method of the same stage, key and tenant.
    let statuses: Vec<_> = (0..3).map(|_| gateway.call_with(VALUE, "/").status()).collect();
    assert_eq!(statuses, [200, 200, 429]);
}

#[test]
fn methods_of_a_path_that_are_not_named_by_themselves_have_one_bucket_in_common() {
    let upstream = upstream();
    let mut document = open_api(&upstream.url());
    let resource = document.resources.get_mut("/{proxy+}").unwrap();
    let method = resource.methods.swap_remove(&Verb::Any).unwrap();
    for verb in [Verb::Get, Verb::Post, Verb::Put] {
        resource.methods.insert(verb, method.clone());
    }
    let method_throttles =
        [("/{proxy+}/GET".to_owned(), throttle(2, 1.0)), ("/{proxy+}/ANY".to_owned(), throttle(1, 1.0))];
    let settings = StageSettings { method_throttles: method_throttles.into(), ..StageSettings::default() };
    let gateway = TestGateway::start(document, settings, |_| {});
    let call = |verb: &str| gateway.call(verb, "/a", "content-length: 0\r\n").status();
    assert_eq!([call("POST"), call("PUT"), call("POST")], [200, 429, 429]);
    assert_eq!([call("GET"), call("GET"), call("GET")], [200, 200, 429]);
}

#[test]
fn a_tenants_throttle_holds_for_all_its_apis_and_for_no_other_tenants() {
    let upstream = upstream();
    let gateway = gateway(open_api(&upstream.url()), |scope| match scope {
        ThrottleScope::Tenant => throttle(2, 1.0),
        _ => throttle(10, 1.0),
    });
    let put = |tenant| {
        let api = ApiId::random();
        let entry = stage(tenant, api, "dev", open_api(&upstream.url()), StageSettings::default());
        gateway.owners.put_stage(entry);
        gateway.settle();
        api
    };
    let call = |api: ApiId| {
        gateway.send(format!("GET /_api/{api}/dev/a HTTP/1.1\r\nHost: gateway.test\r\n\r\n")).status()
    };
    let (own, foreign) = (put(gateway.tenant), put(TenantId::new(chrono::DateTime::UNIX_EPOCH)));
    assert_eq!([call(gateway.api), call(own), call(own), call(gateway.api)], [200, 200, 429, 429]);
    assert_eq!([call(foreign), call(foreign), call(foreign)], [200, 200, 429], "its own");
}

#[test]
fn a_deployment_refills_no_bucket() {
    let upstream = upstream();
    for scope in [ThrottleScope::Method, ThrottleScope::Stage, ThrottleScope::Tenant] {
        let gateway = gateway(open_api(&upstream.url()), tight_at(scope));
        assert_eq!(gateway.call("GET", "/a", "").status(), 200);
        let settings = StageSettings {
            throttle: Some(tight_at(scope)(ThrottleScope::Stage)),
            method_throttles: [(METHOD.to_owned(), tight_at(scope)(ThrottleScope::Method))].into(),
            ..StageSettings::default()
        };
        let entry = stage(gateway.tenant, gateway.api, "dev", open_api(&upstream.url()), settings);
        gateway.owners.put_stage(entry);
        gateway.settle();
        names(&gateway, &gateway.call("GET", "/a", ""), scope);
    }
}
