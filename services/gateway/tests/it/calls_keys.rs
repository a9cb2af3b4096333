//! Who may call: keys, plans, rotation, revocation.

use chrono::DateTime;
use common::Clock;
use common::id::TenantId;
use contracts::apis::StageSettings;
use contracts::record::Reason;
use testkit::Upstream;

use crate::gateway::{Answer, TestGateway, echoes_head, keyed_api};
use crate::owners;

const VALUE: &str = "0123456789abcdefghijABCDEFGHIJ";

fn gateway() -> (Upstream, TestGateway) {
    let upstream = Upstream::start(echoes_head).unwrap();
    let gateway = TestGateway::start(keyed_api(&upstream.url()), StageSettings::default(), |_| {});
    (upstream, gateway)
}

fn assert_refused(answer: &Answer, reason: &str) {
    assert_eq!(answer.status(), 403);
    assert_eq!(answer.text(), r#"{"message":"Forbidden"}"#);
    assert_eq!(answer.header("x-amzn-errortype"), Some("ForbiddenException"));
    assert_eq!(answer.header("x-tollgate-reason"), Some(reason));
}

#[test]
fn a_key_of_a_plan_opens_the_stage_and_its_record_names_both() {
    let (_upstream, gateway) = gateway();
    let (key, plan) = gateway.sell(VALUE, |_| {});
    let answer = gateway.call_with(VALUE, "/a/b");
    assert_eq!(answer.status(), 200);
    assert!(!answer.text().contains(VALUE), "the key stays with the gateway");
    let record = gateway.record_of(&answer);
    assert_eq!((record.key, record.usage_plan), (Some(key.id), Some(plan.id)));
    assert_eq!((record.status, record.reason), (200, Reason::Ok));
    assert_eq!((record.method.as_str(), record.route.as_str()), ("GET", "/{proxy+}"));
    assert!(record.path.ends_with("/dev/a/b"));
    assert_eq!(record.bytes_out, answer.body.len() as u64);
}

#[test]
fn each_refusal_names_its_reason_and_leaves_a_record_that_costs_nothing() {
    let (upstream, gateway) = gateway();
    let (mut key, plan) = gateway.sell(VALUE, |_| {});
    let refusals = |gateway: &TestGateway, value: &str, reason: &str| {
        let answer = match value {
            "" => gateway.call("GET", "/a", ""),
            value => gateway.call_with(value, "/a"),
        };
        assert_refused(&answer, reason);
        let record = gateway.record_of(&answer);
        assert_eq!((record.reason.as_str(), record.quota_units, record.billable_units), (reason, 0, 0));
    };
    refusals(&gateway, "", "key_missing");
    refusals(&gateway, "unknown-unknown-unknown", "key_unknown");
    key.enabled = false;
    gateway.owners.put_key(key.clone());
    gateway.settle();
    refusals(&gateway, VALUE, "key_disabled");
    key.enabled = true;
    key.expires_at = Some(DateTime::UNIX_EPOCH);
    gateway.owners.put_key(key.clone());
    gateway.settle();
    refusals(&gateway, VALUE, "key_expired");
    key.expires_at = None;
    gateway.owners.put_key(key.clone());
    gateway.owners.remove_plan(plan.id);
    gateway.settle();
    refusals(&gateway, VALUE, "plan_lacks_route");
    gateway.owners.remove_key(key.id);
    gateway.settle();
    refusals(&gateway, VALUE, "key_unknown");
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn a_foreign_key_looks_like_an_unknown_one() {
    let (_upstream, gateway) = gateway();
    let stranger = TenantId::new(Clock::System.now());
    let plan = owners::plan(stranger, gateway.api, "dev");
    gateway.owners.put_key(owners::key(stranger, VALUE, &[plan.id]));
    gateway.owners.put_plan(plan);
    gateway.settle();
    let foreign = gateway.call_with(VALUE, "/a");
    let unknown = gateway.call_with("unknown-unknown-unknown", "/a");
    assert_refused(&foreign, "key_unknown");
    assert_eq!(foreign.status(), unknown.status());
    assert_eq!(foreign.text(), unknown.text());
    assert_eq!(gateway.record_of(&foreign).key, None);
}

#[test]
fn a_plan_of_another_tenant_opens_nothing() {
    let (_upstream, gateway) = gateway();
    let plan = owners::plan(TenantId::new(Clock::System.now()), gateway.api, "dev");
    gateway.owners.put_key(owners::key(gateway.tenant, VALUE, &[plan.id]));
    gateway.owners.put_plan(plan);
    gateway.settle();
    assert_refused(&gateway.call_with(VALUE, "/a"), "plan_lacks_route");
}

#[test]
fn after_a_rotation_the_old_value_is_admitted_until_its_grace_ends_and_an_older_one_never() {
    let (_upstream, gateway) = gateway();
    let (mut key, _) = gateway.sell(VALUE, |_| {});
    let (second, third) = ("second-second-second-", "third-third-third-thi");
    let hash = |value: &str| common::secret::sha256_hex(value.as_bytes());
    let later = Clock::System.now() + chrono::TimeDelta::hours(1);
    key.sha256 = hash(second);
    key.previous = Some((hash(VALUE), later));
    gateway.owners.put_key(key.clone());
    gateway.settle();
    assert_eq!(gateway.call_with(VALUE, "/a").status(), 200);
    assert_eq!(gateway.call_with(second, "/a").status(), 200);
    key.sha256 = hash(third);
    key.previous = Some((hash(second), DateTime::UNIX_EPOCH));
    gateway.owners.put_key(key);
    gateway.settle();
    assert_refused(&gateway.call_with(VALUE, "/a"), "key_unknown");
    assert_refused(&gateway.call_with(second, "/a"), "key_expired");
    assert_eq!(gateway.call_with(third, "/a").status(), 200);
}
