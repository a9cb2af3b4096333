//! Bounds of what a client may send.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::id::{ApiId, DeploymentId, TenantId};
use contracts::apis::{StageEntry, StageSettings};
use testkit::{Gate, PATIENCE, Upstream, Wire};

use crate::gateway::{Answer, TestGateway, echoes_body, open_api, read_answer};

fn gateway() -> (Upstream, TestGateway) {
    let upstream = Upstream::start(echoes_body).unwrap();
    let gateway = TestGateway::before(&upstream.url());
    (upstream, gateway)
}

/// Sends a chunked body of `length` bytes as far as the gateway takes it, and reads the answer.
fn upload(gateway: &TestGateway, length: usize) -> Answer {
    let mut wire: Wire = gateway.connect();
    wire.send(gateway.request("POST", "/x", "Transfer-Encoding: chunked\r\n")).unwrap();
    let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
    let mut left = length;
    while left >= 0x10000 {
        wire.send(&chunk).unwrap();
        left -= 0x10000;
    }
    if left > 0 {
        wire.send(format!("{left:x}\r\n{}\r\n", "x".repeat(left))).unwrap();
    }
    wire.send("0\r\n\r\n").unwrap();
    read_answer(&mut wire)
}

#[test]
fn a_chunked_body_over_ten_megabytes_is_refused_while_it_streams() {
    let (_upstream, gateway) = gateway();
    let answer = upload(&gateway, 11 * 1024 * 1024);
    assert_eq!((answer.status(), answer.text().as_str()), (413, r#"{"message":"Request Too Long"}"#));
    assert_eq!(answer.header("x-amzn-errortype"), Some("RequestTooLargeException"));
    assert_eq!(answer.header("x-tollgate-reason"), Some("payload_too_large"));
}

#[test]
fn a_body_of_exactly_the_limit_passes() {
    let (_upstream, gateway) = gateway();
    let answer = upload(&gateway, 10 * 1024 * 1024);
    assert_eq!((answer.status(), answer.body.len()), (200, 10 * 1024 * 1024));
}

#[test]
fn an_announced_body_over_the_limit_is_refused_before_the_upstream_is_called() {
    let (upstream, gateway) = gateway();
    let answer = gateway.call("POST", "/x", "Content-Length: 10485761\r\n");
    assert_eq!((answer.status(), answer.header("connection")), (413, Some("close")));
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn a_stage_sets_its_own_payload_limit() {
    let upstream = Upstream::start(echoes_body).unwrap();
    let settings = StageSettings { payload_limit: Some(10), ..StageSettings::default() };
    let gateway = TestGateway::start(open_api(&upstream.url()), settings, |_| {});
    let call = |body: &str| {
        let head = gateway.request("POST", "/x", &format!("Content-Length: {}\r\n", body.len()));
        gateway.send(head + body).status()
    };
    assert_eq!(call("0123456789"), 200);
    assert_eq!(call("0123456789a"), 413);
}

#[test]
fn header_lines_over_10240_bytes_answer_431() {
    let (upstream, gateway) = gateway();
    let line = |length: usize| format!("X-Long: {}\r\n", "a".repeat(length));
    assert_eq!(gateway.call("GET", "/x", &line(10_000)).status(), 200);
    assert_eq!(gateway.call("GET", "/x", &line(10_240)).status(), 431);
    assert_eq!(gateway.call("GET", "/x", &line(200_000)).status(), 431);
    assert_eq!(gateway.call("GET", "/x", &"A: b\r\n".repeat(3_000)).status(), 431);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_target_over_10240_bytes_answers_414() {
    let (upstream, gateway) = gateway();
    assert_eq!(gateway.call("GET", &format!("/{}", "a".repeat(10_000)), "").status(), 200);
    assert_eq!(gateway.call("GET", &format!("/{}", "a".repeat(10_240)), "").status(), 414);
    assert_eq!(gateway.call("GET", &format!("/{}", "a".repeat(100_000)), "").status(), 414);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn many_short_header_lines_within_the_limit_do_not_break_the_gateway() {
    let (_upstream, gateway) = gateway();
    assert_eq!(gateway.call("GET", "/x", &"A: b\r\n".repeat(90)).status(), 200);
    let status = gateway.call("GET", "/x", &"A: b\r\n".repeat(500)).status();
    assert_eq!(status, 431);
}

#[test]
fn a_head_that_does_not_come_answers_408_and_silence_is_ended_silently() {
    let upstream = Upstream::start(echoes_body).unwrap();
    let gateway = TestGateway::start(open_api(&upstream.url()), StageSettings::default(), |config| {
        config.limits.head_seconds = 1;
    });
    let mut slow = gateway.connect();
    let mut silent = gateway.connect();
    slow.send("GET / HT").unwrap();
    assert_eq!(read_answer(&mut slow).status(), 408);
    assert!(silent.closed_by_peer());
}

#[test]
fn a_body_that_stalls_answers_408() {
    let upstream = Upstream::start(echoes_body).unwrap();
    let gateway = TestGateway::start(open_api(&upstream.url()), StageSettings::default(), |config| {
        config.limits.body_stall_seconds = 1;
    });
    let mut wire = gateway.connect();
    wire.send(gateway.request("POST", "/x", "Content-Length: 10\r\n") + "half").unwrap();
    let answer = read_answer(&mut wire);
    assert_eq!((answer.status(), answer.header("x-tollgate-reason")), (408, Some("request_timeout")));
}

#[test]
fn a_body_that_trickles_answers_408_although_it_never_stalls() {
    let upstream = Upstream::start(echoes_body).unwrap();
    let gateway = TestGateway::start(open_api(&upstream.url()), StageSettings::default(), |config| {
        config.limits.body_grace_seconds = 1;
        config.limits.body_bytes_per_second = 1_000;
    });
    let mut wire = gateway.connect();
    wire.send(gateway.request("POST", "/x", "Content-Length: 1000000\r\n")).unwrap();
    let began = common::clock::monotonic();
    while wire.is_silent_for(Duration::from_millis(50)).unwrap() && began.elapsed() < PATIENCE {
        wire.send("x").unwrap();
    }
    let answer = read_answer(&mut wire);
    assert_eq!((answer.status(), answer.header("x-tollgate-reason")), (408, Some("request_timeout")));
}

#[test]
fn a_body_that_waits_for_the_upstream_does_not_trickle() {
    let may_read = Arc::new(Gate::default());
    let upstream = Upstream::start({
        let may_read = may_read.clone();
        move |mut wire| {
            let head = wire.read_head()?;
            may_read.pass()?;
            let body = wire.read_body(&head)?;
            wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()))?;
            wire.send(body)
        }
    })
    .unwrap();
    let gateway = TestGateway::start(open_api(&upstream.url()), StageSettings::default(), |config| {
        config.limits.body_grace_seconds = 2;
        config.limits.body_bytes_per_second = 100_000_000;
    });
    let body = vec![b'x'; 10 * 1024 * 1024];
    let mut wire = gateway.connect();
    wire.send(gateway.request("POST", "/x", &format!("Content-Length: {}\r\n", body.len()))).unwrap();
    let mut watching = gateway.connect();
    std::thread::scope(|scope| {
        scope.spawn(|| wire.send(&body).unwrap());
        // Longer than the grace, while the upstream reads nothing.
        assert!(watching.is_silent_for(Duration::from_millis(2_500)).unwrap());
        may_read.open();
    });
    assert_eq!(read_answer(&mut wire).status(), 200);
}

#[test]
fn chunk_extensions_and_trailers_without_end_are_refused() {
    let (_upstream, gateway) = gateway();
    for (begin, more) in [("1;", "x".repeat(1_000)), ("0\r\n", "a: b\r\n".repeat(200))] {
        let mut wire: Wire = gateway.connect();
        wire.send(gateway.request("POST", "/x", "Transfer-Encoding: chunked\r\n") + begin).unwrap();
        // Refused long before this: what is sent after the answer may fail.
        let sent = (0..200).take_while(|_| wire.send(&more).is_ok()).count();
        let answer = read_answer(&mut wire);
        assert_eq!(
            (answer.status(), answer.header("x-tollgate-reason")),
            (400, Some("bad_request")),
            "{sent}"
        );
    }
}

#[test]
fn one_tenant_cannot_take_all_of_a_workers_calls() {
    let (asked, over) = (Arc::new(Gate::default()), Arc::new(Gate::default()));
    let seen = Arc::new(AtomicUsize::new(0));
    let upstream = Upstream::start({
        let (asked, over, seen) = (asked.clone(), over.clone(), seen.clone());
        move |mut wire| {
            wire.read_head()?;
            if seen.fetch_add(1, Ordering::SeqCst) == 1 {
                asked.open();
            }
            over.pass()?;
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        }
    })
    .unwrap();
    let gateway = TestGateway::start(open_api(&upstream.url()), StageSettings::default(), |config| {
        config.spool.slots_per_worker = 4;
        config.tenant_slots_percent = 50;
        config.tenant_waiting_percent = 50;
    });
    let quick = Upstream::start(echoes_body).unwrap();
    let other = ApiId::random();
    gateway.owners.put_stage(StageEntry {
        tenant: TenantId::new(chrono::DateTime::UNIX_EPOCH),
        api: other,
        stage: "dev".to_owned(),
        deployment: DeploymentId::new(chrono::DateTime::UNIX_EPOCH),
        document: Arc::new(open_api(&quick.url())),
        settings: StageSettings::default(),
        secret_headers: Vec::new(),
    });
    gateway.settle();
    let mut waiting: Vec<Wire> = (0..2).map(|_| gateway.connect()).collect();
    for wire in &mut waiting {
        wire.send(gateway.request("GET", "/slow", "")).unwrap();
    }
    asked.pass().unwrap();
    let refused = gateway.call("GET", "/x", "");
    assert_eq!((refused.status(), refused.header("x-tollgate-reason")), (503, Some("overloaded")));
    let others = format!("GET /_api/{other}/dev/x HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(gateway.send(&others).status(), 200, "there is room for everybody else");
    over.open();
    for wire in &mut waiting {
        assert_eq!(read_answer(wire).status(), 200);
    }
    assert_eq!(gateway.call("GET", "/x", "").status(), 200, "ended calls make room");
}

#[test]
fn a_kept_connection_that_stays_idle_is_closed() {
    let upstream = Upstream::start(echoes_body).unwrap();
    let gateway = TestGateway::start(open_api(&upstream.url()), StageSettings::default(), |config| {
        config.limits.keep_alive_seconds = 1;
    });
    let mut wire = gateway.connect();
    wire.send(gateway.request("GET", "/x", "")).unwrap();
    assert_eq!(read_answer(&mut wire).status(), 200);
    assert!(wire.closed_by_peer());
}
