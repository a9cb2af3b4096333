//! Bounds of what a client may send.

use contracts::apis::StageSettings;
use testkit::{Upstream, Wire};

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
