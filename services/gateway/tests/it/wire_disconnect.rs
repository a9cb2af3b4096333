//! Clients that leave, and clients that only stop sending.

use std::sync::Arc;
use std::time::Duration;

use contracts::apis::StageSettings;
use contracts::metering::{Period, PeriodBegin, Quota};
use contracts::record::Reason;
use testkit::{Gate, PATIENCE, Upstream, wait_until};

use crate::gateway::{TestGateway, keyed_api, open_api, read_answer};
use crate::owners::Record;

/// An upstream that tells when it got a request and when its connection was dropped.
fn waiting_upstream() -> (Upstream, Arc<Gate>, Arc<Gate>) {
    let (asked, dropped) = (Arc::new(Gate::default()), Arc::new(Gate::default()));
    let upstream = Upstream::start({
        let (asked, dropped) = (asked.clone(), dropped.clone());
        move |mut wire| {
            wire.read_head()?;
            asked.open();
            if wire.closed_by_peer() {
                dropped.open();
            }
            Ok(())
        }
    });
    (upstream.unwrap(), asked, dropped)
}

#[test]
fn a_client_that_closes_while_the_upstream_is_awaited_cancels_the_call_and_is_recorded() {
    let (upstream, asked, dropped) = waiting_upstream();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    wire.send(gateway.request("GET", "/slow", "")).unwrap();
    asked.pass().unwrap();
    drop(wire);
    dropped.pass().unwrap();
    assert!(wait_until(PATIENCE, || gateway.ended("client_disconnected") == 1));
}

#[test]
fn a_client_that_resets_while_the_upstream_is_awaited_cancels_the_call() {
    let (upstream, asked, dropped) = waiting_upstream();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    wire.send(gateway.request("GET", "/slow", "")).unwrap();
    asked.pass().unwrap();
    wire.reset().unwrap();
    dropped.pass().unwrap();
    assert!(wait_until(PATIENCE, || gateway.ended("client_disconnected") == 1));
}

#[test]
fn a_half_closed_client_gets_its_answer_at_once_when_the_upstream_is_quick() {
    let upstream =
        Upstream::start(crate::gateway::answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")).unwrap();
    let gateway = TestGateway::start(open_api(&upstream.url()), StageSettings::default(), |config| {
        config.limits.half_close_probe_ms = 60_000;
    });
    let mut wire = gateway.connect();
    wire.send(gateway.request("GET", "/x", "")).unwrap();
    wire.half_close().unwrap();
    let answer = read_answer(&mut wire);
    assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"));
    assert!(wire.closed_by_peer());
}

#[test]
fn a_half_closed_client_that_waits_long_is_asked_whether_it_is_there_and_gets_its_answer() {
    let may_answer = Arc::new(Gate::default());
    let upstream = Upstream::start({
        let may_answer = may_answer.clone();
        move |mut wire| {
            wire.read_head()?;
            may_answer.pass()?;
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        }
    })
    .unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    wire.send(gateway.request("GET", "/x", "")).unwrap();
    wire.half_close().unwrap();
    assert_eq!(wire.read_head().unwrap().status(), Some(100), "an interim response any client accepts");
    assert!(wire.is_silent_for(Duration::from_millis(500)).unwrap(), "it is not taken for gone");
    may_answer.open();
    let answer = read_answer(&mut wire);
    assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"));
    assert_eq!(gateway.ended("client_disconnected"), 0);
}

#[test]
fn a_client_that_half_closes_within_its_body_sent_no_request() {
    let dropped = Arc::new(Gate::default());
    let upstream = Upstream::start({
        let dropped = dropped.clone();
        move |mut wire| {
            let head = wire.read_head()?;
            if wire.read_body(&head).is_err() {
                dropped.open();
            }
            Ok(())
        }
    })
    .unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    wire.send(gateway.request("POST", "/x", "Content-Length: 10\r\n") + "half").unwrap();
    wire.half_close().unwrap();
    assert!(wire.closed_by_peer());
    dropped.pass().unwrap();
    assert!(wait_until(PATIENCE, || gateway.ended("client_disconnected") == 1));
}

#[test]
fn a_client_that_leaves_within_a_streamed_answer_frees_the_upstream() {
    let dropped = Arc::new(Gate::default());
    let upstream = Upstream::start({
        let dropped = dropped.clone();
        move |mut wire| {
            wire.read_head()?;
            wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            while wire.send("5\r\nhello\r\n").is_ok() {}
            dropped.open();
            Ok(())
        }
    })
    .unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    wire.send(gateway.request("GET", "/stream", "")).unwrap();
    wire.read_head().unwrap();
    wire.read_exact(100).unwrap();
    wire.reset().unwrap();
    dropped.pass().unwrap();
    assert!(wait_until(PATIENCE, || gateway.ended("client_disconnected") == 1));
}

const KEY: &str = "0123456789abcdefghijABCDEFGHIJ";

/// A gateway that sells its API by a quota, and the lines of a request with the key.
fn selling(upstream: &Upstream) -> (TestGateway, String) {
    let gateway = TestGateway::start(keyed_api(&upstream.url()), StageSettings::default(), |_| {});
    gateway.sell(KEY, |plan| {
        plan.terms.quotas =
            vec![Quota { limit: 10, period: Period::Month, offset: 0, begins: PeriodBegin::default() }]
    });
    (gateway, format!("x-api-key: {KEY}\r\n"))
}

fn only_record(gateway: &TestGateway) -> Record {
    assert!(wait_until(PATIENCE, || gateway.owners.records().len() == 1));
    gateway.owners.records().remove(0)
}

#[test]
fn a_client_that_leaves_before_the_last_byte_pays_for_what_it_was_sent() {
    for status in ["200 OK", "206 Partial Content", "404 Not Found"] {
        let upstream = Upstream::start(move |mut wire| {
            wire.read_head()?;
            wire.send(format!("HTTP/1.1 {status}\r\nContent-Length: 100001\r\n\r\n{}", "x".repeat(100_000)))?;
            wire.closed_by_peer();
            Ok(())
        })
        .unwrap();
        let (gateway, key) = selling(&upstream);
        let mut wire = gateway.connect();
        wire.send(gateway.request("GET", "/file", &key)).unwrap();
        wire.read_head().unwrap();
        wire.read_exact(100_000).unwrap();
        wire.reset().unwrap();
        let record = only_record(&gateway);
        assert_eq!(record.reason, Reason::ClientDisconnected, "{status}");
        assert_eq!(record.status.to_string(), status[..3]);
        assert_eq!((record.quota_units, record.bytes_out), (1, 100_000), "{status}");
        assert_eq!(record.billable_units, u64::from(record.status < 400), "{status}");
    }
}

#[test]
fn a_client_that_breaks_off_its_body_once_it_has_the_answer_pays_for_it() {
    let upstream = Upstream::start(|mut wire| {
        wire.read_head()?;
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello")?;
        wire.closed_by_peer();
        Ok(())
    })
    .unwrap();
    let (gateway, key) = selling(&upstream);
    let mut wire = gateway.connect();
    wire.send(gateway.request("POST", "/file", &format!("{key}Transfer-Encoding: chunked\r\n"))).unwrap();
    wire.read_head().unwrap();
    wire.read_exact(5).unwrap();
    wire.send("no chunk\r\n").unwrap();
    let record = only_record(&gateway);
    assert_eq!((record.reason, record.status), (Reason::ClientDisconnected, 200));
    assert_eq!((record.quota_units, record.billable_units), (1, 1));
}

#[test]
fn a_client_that_leaves_before_any_byte_of_an_answer_pays_nothing() {
    let (upstream, asked, dropped) = waiting_upstream();
    let (gateway, key) = selling(&upstream);
    let mut wire = gateway.connect();
    wire.send(gateway.request("GET", "/slow", &key)).unwrap();
    asked.pass().unwrap();
    wire.reset().unwrap();
    dropped.pass().unwrap();
    let record = only_record(&gateway);
    assert_eq!((record.reason, record.status), (Reason::ClientDisconnected, 0));
    assert_eq!(record.billable_units, 0);
}

#[test]
fn an_idle_client_that_closes_is_let_go() {
    let gateway = TestGateway::before("http://127.0.0.1:9");
    let mut wire = gateway.connect();
    wire.half_close().unwrap();
    assert!(wire.closed_by_peer());
}
