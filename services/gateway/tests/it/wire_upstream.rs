//! Upstreams that misbehave: what the client learns, and what never reaches it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use contracts::apis::StageSettings;
use testkit::{Gate, PATIENCE, Upstream, wait_until};

use crate::gateway::{Answer, TestGateway, answers, open_api, read_answer};

/// What the client gets when the upstream answers with these bytes and closes.
fn answered(bytes: &'static str) -> Answer {
    let upstream = Upstream::start(move |mut wire| {
        wire.read_head()?;
        wire.send(bytes)
    })
    .unwrap();
    TestGateway::before(&upstream.url()).call("GET", "/x", "")
}

fn assert_invalid(answer: &Answer, what: &str) {
    assert_eq!(answer.status(), 504, "{what}");
    assert_eq!(answer.header("x-tollgate-reason"), Some("upstream_invalid_response"), "{what}");
}

#[test]
fn conflicting_framing_of_a_response_is_never_passed_on() {
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: x\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ] {
        let bytes: &'static str = format!("HTTP/1.1 200 OK\r\n{lines}\r\n5\r\nhello\r\n0\r\n\r\n").leak();
        assert_invalid(&answered(bytes), lines);
    }
}

#[test]
fn malformed_heads_are_never_passed_on() {
    for bytes in [
        "HTTP/1.1 200 OK\r\nName : value\r\n\r\n",
        "HTTP/1.1 200 OK\r\nName: a\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nName: a\0b\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "nonsense\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "",
    ] {
        assert_invalid(&answered(bytes), bytes);
    }
}

#[test]
fn a_head_over_the_limit_is_refused() {
    let bytes: &'static str = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(70_000)).leak();
    assert_invalid(&answered(bytes), "70,000 bytes");
}

#[test]
fn a_malformed_chunk_cuts_the_answer_so_that_the_client_sees_it() {
    for chunks in ["5\r\nhello\r\nxyz\r\n", "5\nhello", "5\r\nhelloworld", "-1\r\n"] {
        let bytes: &'static str =
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}").leak();
        let upstream = Upstream::start(move |mut wire| {
            wire.read_head()?;
            wire.send(bytes)
        })
        .unwrap();
        let gateway = TestGateway::before(&upstream.url());
        let mut wire = gateway.connect();
        wire.send(gateway.request("GET", "/x", "")).unwrap();
        let head = wire.read_head().unwrap();
        assert!(head.status() == Some(504) || wire.read_body(&head).is_err(), "{chunks:?}");
        assert!(wait_until(PATIENCE, || gateway.ended("upstream_invalid_response") == 1));
    }
}

#[test]
fn an_upstream_that_resets_within_the_body_cuts_the_clients_connection() {
    for (framing, http) in [
        ("Content-Length: 100\r\n", "1.1"),
        ("Transfer-Encoding: chunked\r\n", "1.1"),
        ("Transfer-Encoding: chunked\r\n", "1.0"),
    ] {
        let seen = Arc::new(Gate::default());
        let upstream = Upstream::start({
            let seen = seen.clone();
            move |mut wire| {
                wire.read_head()?;
                wire.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n5\r\nhello\r\n"))?;
                seen.pass()?;
                wire.reset()
            }
        })
        .unwrap();
        let gateway = TestGateway::before(&upstream.url());
        let mut wire = gateway.connect();
        wire.send(format!("GET /_api/{}/dev/x HTTP/{http}\r\nHost: x\r\n\r\n", gateway.api)).unwrap();
        let head = wire.read_head().unwrap();
        wire.read_until(b"hello").unwrap();
        seen.open();
        assert!(wire.read_body(&head).is_err(), "{framing} to HTTP/{http}");
        assert!(wait_until(PATIENCE, || gateway.ended("upstream_invalid_response") == 1));
    }
}

#[test]
fn an_upstream_that_does_not_answer_in_time_is_504_and_dropped() {
    let dropped = Arc::new(Gate::default());
    let upstream = Upstream::start({
        let dropped = dropped.clone();
        move |mut wire| {
            wire.read_head()?;
            if wire.closed_by_peer() {
                dropped.open();
            }
            Ok(())
        }
    })
    .unwrap();
    let mut api = open_api(&upstream.url());
    for resource in api.resources.values_mut() {
        for method in resource.methods.values_mut() {
            method.integration.as_mut().unwrap().timeout_in_millis = 100;
        }
    }
    let gateway = TestGateway::start(api, StageSettings::default(), |_| {});
    let mut wire = gateway.connect();
    wire.send(gateway.request("GET", "/x", "")).unwrap();
    let answer = read_answer(&mut wire);
    assert_eq!(answer.status(), 504);
    assert_eq!(answer.text(), r#"{"message":"Endpoint request timed out"}"#);
    assert_eq!(answer.header("x-tollgate-reason"), Some("upstream_timeout"));
    dropped.pass().unwrap();
    wire.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(read_answer(&mut wire).status(), 200, "the client's connection goes on");
}

#[test]
fn an_upstream_that_refuses_connections_is_504() {
    let port = testkit::free_port().unwrap();
    let gateway = TestGateway::before(&format!("http://127.0.0.1:{port}"));
    let answer = gateway.call("GET", "/x", "");
    assert_eq!((answer.status(), answer.header("x-tollgate-reason")), (504, Some("upstream_unreachable")));
}

#[test]
fn an_address_that_is_not_allowed_is_never_connected_to() {
    let upstream = Upstream::start(answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")).unwrap();
    let gateway = TestGateway::start(open_api(&upstream.url()), StageSettings::default(), |config| {
        config.upstream.allow.clear();
    });
    for _ in 0..2 {
        let answer = gateway.call("GET", "/x", "");
        assert_eq!((answer.status(), answer.header("x-tollgate-reason")), (504, Some("upstream_blocked")));
    }
    assert_eq!(upstream.connections(), 0);
    let by_name = format!("http://localhost:{}", upstream.address().port());
    let gateway = TestGateway::start(open_api(&by_name), StageSettings::default(), |config| {
        config.upstream.allow.clear();
    });
    assert_eq!(gateway.call("GET", "/x", "").header("x-tollgate-reason"), Some("upstream_blocked"));
    assert_eq!(upstream.connections(), 0);
}

/// An upstream that answers the first request of each connection, waits for the second and then closes.
fn closes_on_reuse() -> (Upstream, Arc<AtomicUsize>) {
    let requests = Arc::new(AtomicUsize::new(0));
    let upstream = Upstream::start({
        let requests = requests.clone();
        move |mut wire| {
            wire.read_head()?;
            requests.fetch_add(1, Ordering::SeqCst);
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
            wire.read_head()?;
            requests.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    });
    (upstream.unwrap(), requests)
}

#[test]
fn a_pooled_connection_that_dies_is_replaced_once_for_a_repeatable_request() {
    let (upstream, requests) = closes_on_reuse();
    let gateway = TestGateway::before(&upstream.url());
    assert_eq!(gateway.call("GET", "/x", "").status(), 200);
    assert_eq!(gateway.call("GET", "/x", "").status(), 200);
    assert_eq!((upstream.connections(), requests.load(Ordering::SeqCst)), (2, 3));
}

#[test]
fn a_request_that_may_have_had_an_effect_is_never_repeated() {
    let (upstream, requests) = closes_on_reuse();
    let gateway = TestGateway::before(&upstream.url());
    assert_eq!(gateway.call("GET", "/x", "").status(), 200);
    assert_eq!(gateway.call("POST", "/x", "Content-Length: 0\r\n").status(), 504);
    assert_eq!((upstream.connections(), requests.load(Ordering::SeqCst)), (1, 2));
}

#[test]
fn a_connection_the_upstream_has_closed_meanwhile_is_not_used() {
    let closed = Arc::new(AtomicUsize::new(0));
    let upstream = Upstream::start({
        let closed = closed.clone();
        move |mut wire| {
            wire.read_head()?;
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
            drop(wire);
            closed.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    })
    .unwrap();
    let gateway = TestGateway::before(&upstream.url());
    for at in 0..5 {
        assert_eq!(gateway.call("POST", "/x", "Content-Length: 0\r\n").status(), 200);
        assert!(wait_until(PATIENCE, || closed.load(Ordering::SeqCst) == at + 1));
        // One turn of the gateway's reactor, so that it has seen the end.
        assert_eq!(gateway.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").status(), 200);
    }
}

#[test]
fn bytes_after_a_response_are_not_taken_for_the_next_one() {
    let upstream = Upstream::start(|mut wire| {
        wire.read_head()?;
        wire.send(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        )?;
        wire.closed_by_peer();
        Ok(())
    })
    .unwrap();
    let gateway = TestGateway::before(&upstream.url());
    for _ in 0..3 {
        assert_eq!(gateway.call("GET", "/x", "").text(), "ok");
    }
    assert_eq!(upstream.connections(), 3);
}

/// An API whose methods must have answered within `millis`.
fn hurried(upstream: &str, millis: u32) -> apidef::Api {
    let mut api = open_api(upstream);
    for method in api.resources.values_mut().flat_map(|resource| resource.methods.values_mut()) {
        method.integration.as_mut().unwrap().timeout_in_millis = millis;
    }
    api
}

fn assert_timed_out(answer: &Answer, reason: &str) {
    assert_eq!(
        (answer.status(), answer.text().as_str()),
        (504, r#"{"message":"Endpoint request timed out"}"#)
    );
    assert_eq!(answer.header("x-tollgate-reason"), Some(reason));
}

#[test]
fn the_integrations_time_covers_the_making_of_the_connection() {
    let upstream = Upstream::start(|mut wire| {
        wire.closed_by_peer();
        Ok(())
    })
    .unwrap();
    // The upstream never answers the handshake; the time for making connections alone is 5 s.
    let silent = upstream.url().replace("http:", "https:");
    let gateway = TestGateway::start(hurried(&silent, 200), StageSettings::default(), |_| {});
    assert_timed_out(&gateway.call("GET", "/x", ""), "upstream_unreachable");
}
