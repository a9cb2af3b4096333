//! Targets, methods, pipelining, and the life of a connection.

use std::sync::Arc;

use testkit::{Gate, Upstream};

use crate::gateway::{TestGateway, answers, echoes_head, read_answer};

/// An upstream whose answers tell which path was asked for.
fn by_path() -> Upstream {
    Upstream::start(|mut wire| {
        while let Ok(head) = wire.read_head() {
            let path = head.start_line().split(' ').nth(1).unwrap_or_default().to_owned();
            let is_head = head.start_line().starts_with("HEAD");
            let body = if is_head { "" } else { &path };
            wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", path.len()))?;
        }
        Ok(())
    })
    .unwrap()
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let upstream = by_path();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    let requests: String = (0..10).map(|at| gateway.request("GET", &format!("/{at}"), "")).collect();
    wire.send(requests).unwrap();
    for at in 0..10 {
        assert_eq!(read_answer(&mut wire).text(), format!("/{at}"));
    }
}

#[test]
fn a_pipelined_head_request_changes_nothing_about_its_neighbours() {
    let upstream = by_path();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    let request = |method, path| gateway.request(method, path, "");
    wire.send(request("GET", "/first") + &request("HEAD", "/second") + &request("GET", "/third")).unwrap();
    assert_eq!(read_answer(&mut wire).text(), "/first");
    assert_eq!(wire.read_head().unwrap().header("content-length"), Some("7"));
    assert_eq!(read_answer(&mut wire).text(), "/third");
}

#[test]
fn a_pipelined_close_closes_after_its_own_answer_only() {
    let upstream = by_path();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    let last = gateway.request("GET", "/last", "Connection: close\r\n");
    wire.send(gateway.request("GET", "/first", "") + &last).unwrap();
    let first = read_answer(&mut wire);
    assert_eq!((first.text().as_str(), first.header("connection")), ("/first", None));
    let last = read_answer(&mut wire);
    assert_eq!((last.text().as_str(), last.header("connection")), ("/last", Some("close")));
    assert!(wire.closed_by_peer());
}

#[test]
fn a_refused_request_with_a_short_body_does_not_cost_the_connection() {
    let upstream = by_path();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    wire.send("POST /_api/aaaaaaaaaa/dev/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello").unwrap();
    assert_eq!(read_answer(&mut wire).status(), 403);
    wire.send(gateway.request("GET", "/next", "")).unwrap();
    assert_eq!(read_answer(&mut wire).text(), "/next");
}

#[test]
fn an_absolute_target_decides_over_the_host_line() {
    let upstream = Upstream::start(echoes_head).unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let host = format!("{}.execute-api.localhost", gateway.api);
    let answer = gateway.send(format!("GET http://{host}:1/dev/a?b=c HTTP/1.1\r\nHost: other.test\r\n\r\n"));
    assert_eq!(answer.status(), 200);
    assert!(answer.text().starts_with("GET /a?b=c HTTP/1.1\r\n"), "{}", answer.text());
    assert!(answer.text().contains(&format!("x-forwarded-host: {host}:1\r\n")), "{}", answer.text());
}

#[test]
fn an_api_answers_by_its_host_name() {
    let upstream = Upstream::start(echoes_head).unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let answer =
        gateway.send(format!("GET /dev/a HTTP/1.1\r\nHost: {}.execute-api.localhost\r\n\r\n", gateway.api));
    assert!(answer.text().starts_with("GET /a HTTP/1.1\r\n"));
}

#[test]
fn unknown_apis_stages_and_paths_look_alike() {
    let gateway = TestGateway::before("http://127.0.0.1:9");
    for target in [
        "/_api/aaaaaaaaaa/dev/x".to_owned(),
        format!("/_api/{}/prod/x", gateway.api),
        format!("/_api/{}", gateway.api),
        "/nothing".to_owned(),
        "/ping".to_owned(),
    ] {
        let answer = gateway.send(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(answer.status(), 403, "{target}");
        assert_eq!(answer.text(), r#"{"message":"Missing Authentication Token"}"#);
        assert_eq!(answer.header("x-amzn-errortype"), Some("MissingAuthenticationTokenException"));
        assert_eq!(answer.header("x-tollgate-reason"), Some("no_route"));
        assert!(answer.header("x-amzn-requestid").is_some_and(|id| id.starts_with("req_")));
    }
}

#[test]
fn tunnels_and_traces_are_refused_and_options_of_the_server_answered() {
    let gateway = TestGateway::before("http://127.0.0.1:9");
    let send = |line: &str| gateway.send(format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n"));
    for line in ["CONNECT example.com:443".to_owned(), format!("TRACE /_api/{}/dev/x", gateway.api)] {
        let answer = send(&line);
        assert_eq!(answer.status(), 405, "{line}");
        assert!(answer.header("allow").is_some());
    }
    let options = send("OPTIONS *");
    assert_eq!(options.status(), 204);
    assert!(options.header("allow").unwrap().contains("GET"));
}

#[test]
fn a_path_that_could_mean_another_is_refused() {
    let gateway = TestGateway::before("http://127.0.0.1:9");
    for path in ["/a/../b", "/a/%2e%2e/b", "/a/..%2fb", "/a%zz"] {
        let answer = gateway.call("GET", path, "");
        assert_eq!(
            (answer.status(), answer.header("x-tollgate-reason")),
            (400, Some("bad_request")),
            "{path}"
        );
    }
}

#[test]
fn empty_lines_before_a_request_are_passed_over() {
    let upstream = by_path();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    wire.send(format!("\r\n{}", gateway.request("GET", "/a", ""))).unwrap();
    assert_eq!(read_answer(&mut wire).text(), "/a");
}

#[test]
fn what_is_not_http_is_refused() {
    let gateway = TestGateway::before("http://127.0.0.1:9");
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..],
        b"SSH-2.0-x\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let answer = gateway.send(bytes);
        assert_eq!((answer.status(), answer.header("connection")), (400, Some("close")));
        assert_eq!(answer.text(), r#"{"message":"Bad Request"}"#);
    }
}

#[test]
fn a_stop_answers_the_call_in_flight_and_ends_idle_connections() {
    let (asked, may_answer) = (Arc::new(Gate::default()), Arc::new(Gate::default()));
    let upstream = Upstream::start({
        let (asked, may_answer) = (asked.clone(), may_answer.clone());
        move |mut wire| {
            wire.read_head()?;
            asked.open();
            may_answer.pass()?;
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        }
    })
    .unwrap();
    let mut gateway = TestGateway::before(&upstream.url());
    let mut idle = gateway.connect();
    idle.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(read_answer(&mut idle).status(), 200);
    let mut busy = gateway.connect();
    busy.send(gateway.request("GET", "/x", "")).unwrap();
    asked.pass().unwrap();
    let client = std::thread::spawn(move || {
        assert!(idle.closed_by_peer());
        may_answer.open();
        read_answer(&mut busy)
    });
    gateway.stop();
    assert_eq!(client.join().unwrap().text(), "ok");
}

#[test]
fn health_answers_where_no_api_does_and_metrics_do_not() {
    let upstream = Upstream::start(answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")).unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let get = |path: &str| gateway.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
    for prefix in ["", "/_tollgate"] {
        assert_eq!(get(&format!("{prefix}/livez")).text(), "ok\n");
        let ready = get(&format!("{prefix}/readyz"));
        assert_eq!(ready.status(), 200, "{}", ready.text());
    }
    gateway.call("GET", "/x", "");
    assert_eq!(gateway.ended("ok"), 1);
}
