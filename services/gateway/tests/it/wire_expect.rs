//! `Expect: 100-continue`: the gateway asks for a body only once it knows that it will use it.

use std::time::Duration;

use contracts::apis::StageSettings;
use testkit::{Gate, Upstream};

use crate::gateway::{TestGateway, answers, echoes_body, open_api, read_answer};

const SILENCE: Duration = Duration::from_millis(150);

#[test]
fn a_body_is_asked_for_after_the_call_was_let_through() {
    let upstream = Upstream::start(echoes_body).unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    wire.send(gateway.request("POST", "/x", "Content-Length: 5\r\nExpect: 100-continue\r\n")).unwrap();
    assert_eq!(wire.read_head().unwrap().status(), Some(100));
    wire.send("hello").unwrap();
    let answer = read_answer(&mut wire);
    assert_eq!((answer.status(), answer.text().as_str()), (200, "hello"));
}

#[test]
fn without_a_key_no_body_is_asked_for() {
    let upstream = Upstream::start(echoes_body).unwrap();
    let mut api = open_api(&upstream.url());
    for resource in api.resources.values_mut() {
        resource.methods.values_mut().for_each(|method| method.api_key_required = true);
    }
    let gateway = TestGateway::start(api, StageSettings::default(), |_| {});
    let answer = gateway.call("POST", "/x", "Content-Length: 5\r\nExpect: 100-continue\r\n");
    assert_eq!(answer.status(), 403);
    assert_eq!(answer.header("x-tollgate-reason"), Some("key_missing"));
    assert_eq!(answer.header("connection"), Some("close"), "the body may or may not follow");
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn an_announced_body_over_the_limit_is_refused_without_being_asked_for() {
    let upstream = Upstream::start(echoes_body).unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let answer = gateway.call("POST", "/x", "Content-Length: 10485761\r\nExpect: 100-continue\r\n");
    assert_eq!(answer.status(), 413);
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn a_body_that_comes_unasked_is_taken() {
    let upstream = Upstream::start(echoes_body).unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    let head = gateway.request("POST", "/x", "Content-Length: 5\r\nExpect: 100-continue\r\n");
    wire.send(head + "hello").unwrap();
    assert_eq!(read_answer(&mut wire).text(), "hello");
}

#[test]
fn an_unknown_expectation_is_refused() {
    let gateway = TestGateway::before("http://127.0.0.1:9");
    assert_eq!(gateway.call("GET", "/x", "Expect: something\r\n").status(), 417);
}

#[test]
fn an_http_1_0_client_is_never_sent_an_interim_response() {
    let upstream = Upstream::start(echoes_body).unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    let head = format!(
        "POST /_api/{}/dev/x HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        gateway.api
    );
    wire.send(head).unwrap();
    assert!(wire.is_silent_for(SILENCE).unwrap());
    wire.send("hello").unwrap();
    assert_eq!(read_answer(&mut wire).text(), "hello");
}

#[test]
fn the_upstream_sees_neither_the_expectation_nor_a_late_interim_response_of_its_own_reaches_the_client() {
    let upstream = Upstream::start(|mut wire| {
        let head = wire.read_head()?;
        assert_eq!(head.header("expect"), None);
        wire.read_body(&head)?;
        wire.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")?;
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    })
    .unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let answer = gateway.call("GET", "/x", "");
    assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"));
    assert_eq!(upstream.failures(), [""; 0]);
}

#[test]
fn an_upstream_may_answer_while_the_body_is_still_coming() {
    let refused = std::sync::Arc::new(Gate::default());
    let upstream = Upstream::start({
        let refused = refused.clone();
        move |mut wire| {
            wire.read_head()?;
            wire.send("HTTP/1.1 409 Conflict\r\nContent-Length: 4\r\n\r\nstop")?;
            refused.pass()
        }
    })
    .unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    wire.send(gateway.request("POST", "/x", "Content-Length: 100000\r\n")).unwrap();
    wire.send("begin").unwrap();
    let answer = read_answer(&mut wire);
    assert_eq!((answer.status(), answer.text().as_str()), (409, "stop"));
    assert_eq!(answer.header("connection"), Some("close"));
    refused.open();
}

#[test]
fn a_second_request_follows_on_the_same_connection() {
    let upstream = Upstream::start(answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")).unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    for _ in 0..3 {
        wire.send(gateway.request("POST", "/x", "Content-Length: 5\r\nExpect: 100-continue\r\n")).unwrap();
        assert_eq!(wire.read_head().unwrap().status(), Some(100));
        wire.send("hello").unwrap();
        assert_eq!(read_answer(&mut wire).text(), "ok");
    }
    assert_eq!(upstream.connections(), 1, "upstream connections are reused");
}
