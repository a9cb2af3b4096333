//! How configuration reaches the gateway, and that it goes on without its owners.

use contracts::apis::StageSettings;
use testkit::{PATIENCE, Upstream, wait_until};

use crate::gateway::{TestGateway, answers, config, keyed_api, stage};

const VALUE: &str = "0123456789abcdefghijABCDEFGHIJ";

fn upstream() -> Upstream {
    Upstream::start(answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")).unwrap()
}

#[test]
fn a_restarted_gateway_serves_its_last_good_state_before_anyone_answers() {
    let upstream = upstream();
    let mut gateway = TestGateway::start(keyed_api(&upstream.url()), StageSettings::default(), |_| {});
    gateway.sell(VALUE, |_| {});
    assert_eq!(gateway.call_with(VALUE, "/a").status(), 200);
    gateway.stop();
    gateway.launch_alone(config(&gateway.data_dir));
    assert_eq!(gateway.call_with(VALUE, "/a").status(), 200);
    assert_eq!(gateway.call_with("unknown-unknown-unknown", "/a").status(), 403);
    let ready = gateway.send("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(ready.status(), 200, "{}", ready.text());
    assert!(ready.text().contains("apis not heard"), "{}", ready.text());
}

#[test]
fn a_gateway_that_knows_nothing_is_not_ready_and_says_why() {
    let upstream = upstream();
    let mut gateway = TestGateway::start(keyed_api(&upstream.url()), StageSettings::default(), |_| {});
    gateway.stop();
    let mut config = config(&gateway.data_dir);
    config.data_dir = gateway.data_dir.path().join("empty");
    gateway.launch_alone(config);
    let ready = gateway.send("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(ready.status(), 503);
    assert!(ready.text().contains("nothing known of apis"), "{}", ready.text());
    assert_eq!(gateway.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").status(), 200);
    // It cannot say that the API does not exist: a client must not take that for an answer.
    let answer = gateway.call_with(VALUE, "/a");
    assert_eq!((answer.status(), answer.header("x-tollgate-reason")), (503, Some("configuration_missing")));
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[test]
fn a_gateway_that_knows_no_keys_does_not_call_a_key_unknown() {
    let upstream = upstream();
    let mut gateway = TestGateway::start(keyed_api(&upstream.url()), StageSettings::default(), |_| {});
    gateway.sell(VALUE, |_| {});
    gateway.stop();
    std::fs::remove_file(gateway.data_dir.path().join("configuration/access/revision")).unwrap();
    gateway.launch_alone(config(&gateway.data_dir));
    let answer = gateway.call_with(VALUE, "/a");
    assert_eq!((answer.status(), answer.header("x-tollgate-reason")), (503, Some("configuration_missing")));
    assert_eq!(gateway.call("GET", "/a", "").header("x-tollgate-reason"), Some("key_missing"));
}

#[test]
fn a_restart_does_not_make_a_configuration_younger() {
    let upstream = upstream();
    let mut gateway = TestGateway::start(keyed_api(&upstream.url()), StageSettings::default(), |_| {});
    gateway.sell(VALUE, |_| {});
    gateway.stop();
    let reason_after_restart = |gateway: &mut TestGateway| {
        gateway.launch_alone(config(&gateway.data_dir));
        let answer = gateway.call_with(VALUE, "/a");
        let is_stale = gateway.metric("tollgate_gateway_configuration_stale ") == 1;
        gateway.stop();
        let reason = answer.header("x-tollgate-reason").map(str::to_owned);
        assert_eq!(is_stale, reason.is_some(), "the metric says what the answer says");
        reason
    };
    assert_eq!(reason_after_restart(&mut gateway), None);
    // What the last run kept is gone: the state may have any age.
    std::fs::remove_file(gateway.data_dir.path().join("configuration/heard-metering")).unwrap();
    assert_eq!(reason_after_restart(&mut gateway).as_deref(), Some("configuration_stale"));
    // Without an owner that answers, nothing makes it younger.
    assert_eq!(reason_after_restart(&mut gateway).as_deref(), Some("configuration_stale"));
}

#[test]
fn an_owner_restored_from_a_backup_is_followed_again_and_no_key_vanishes_meanwhile() {
    let upstream = upstream();
    let gateway = TestGateway::start(keyed_api(&upstream.url()), StageSettings::default(), |_| {});
    let (_, plan) = gateway.sell(VALUE, |_| {});
    let backup = gateway.owners.access_revision();
    let lost = "ABCDEFGHIJ0123456789abcdefghij";
    for _ in 0..5 {
        gateway.owners.put_key(crate::owners::key(gateway.tenant, lost, &[plan.id]));
    }
    gateway.settle();
    assert_eq!(gateway.call_with(lost, "/a").status(), 200);

    gateway.owners.restore_access(backup);
    let refused = || {
        assert_eq!(gateway.call_with(VALUE, "/a").status(), 200, "a key that both states have always opens");
        gateway.call_with(lost, "/a").status() == 403
    };
    assert!(wait_until(PATIENCE, refused), "the owner's present state is not in force");
    let new = "9876543210abcdefghijABCDEFGHIJ";
    gateway.owners.put_key(crate::owners::key(gateway.tenant, new, &[plan.id]));
    assert!(
        wait_until(PATIENCE, || gateway.call_with(new, "/a").status() == 200),
        "a later change is missed"
    );
}

#[test]
fn a_damaged_state_is_dropped_and_followed_anew() {
    let upstream = upstream();
    let mut gateway = TestGateway::start(keyed_api(&upstream.url()), StageSettings::default(), |_| {});
    gateway.sell(VALUE, |_| {});
    gateway.stop();
    let tables = gateway.data_dir.path().join("configuration/access/tables");
    let mut bytes = std::fs::read(&tables).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&tables, bytes).unwrap();
    gateway.launch(config(&gateway.data_dir));
    assert_eq!(gateway.call_with(VALUE, "/a").status(), 200);
}

#[test]
fn a_removed_stage_is_gone() {
    let upstream = upstream();
    let gateway = TestGateway::start(keyed_api(&upstream.url()), StageSettings::default(), |_| {});
    gateway.owners.remove_stage(gateway.api, "dev");
    gateway.settle();
    let answer = gateway.call("GET", "/a", "");
    assert_eq!((answer.status(), answer.header("x-tollgate-reason")), (403, Some("no_route")));
}

#[test]
fn a_clean_end_is_told_once_every_record_has_arrived() {
    let upstream = upstream();
    let mut gateway = TestGateway::before(&upstream.url());
    for _ in 0..3 {
        assert_eq!(gateway.call("GET", "/pets", "").status(), 200);
    }
    gateway.stop();
    assert_eq!(gateway.owners.stops(), [3]);
}

#[test]
fn an_end_that_leaves_leases_unstated_is_not_told() {
    let upstream = upstream();
    let mut gateway = TestGateway::before(&upstream.url());
    gateway.owners.settle_nothing();
    gateway.stop();
    assert!(gateway.owners.stops().is_empty());
}

#[test]
fn a_stage_that_cannot_be_read_is_denied_and_counted_and_the_others_go_on() {
    let upstream = upstream();
    let gateway = TestGateway::start(keyed_api(&upstream.url()), StageSettings::default(), |_| {});
    gateway.sell(VALUE, |_| {});
    gateway.owners.spoil_stage(gateway.api, "dev");
    let document = keyed_api(&upstream.url());
    gateway.owners.put_stage(stage(gateway.tenant, gateway.api, "other", document, StageSettings::default()));
    gateway.settle();
    assert_eq!(gateway.call_with(VALUE, "/a").status(), 403);
    let other =
        format!("GET /_api/{}/other/a HTTP/1.1\r\nHost: x\r\nx-api-key: {VALUE}\r\n\r\n", gateway.api);
    assert_eq!(gateway.send(other).header("x-tollgate-reason"), Some("plan_lacks_route"));
    assert_eq!(gateway.metric("tollgate_gateway_unreadable_changes_total{owner=\"apis\"}"), 1);
}
