//! How bodies are framed towards the client, and that they arrive as they are.

use std::sync::Arc;

use testkit::{Gate, Upstream};

use crate::gateway::{TestGateway, answers, echoes_body, read_answer};

#[test]
fn a_head_answer_keeps_the_length_and_has_no_body() {
    let upstream =
        Upstream::start(answers("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nContent-Type: a/b\r\n\r\n"))
            .unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    for _ in 0..2 {
        wire.send(gateway.request("HEAD", "/x", "")).unwrap();
        let head = wire.read_head().unwrap();
        assert_eq!((head.status(), head.header("content-length")), (Some(200), Some("1000")));
        assert_eq!(head.header("transfer-encoding"), None);
    }
    assert_eq!(upstream.connections(), 1, "both connections go on after a HEAD");
}

#[test]
fn a_refused_head_request_has_no_body() {
    let gateway = TestGateway::before("http://127.0.0.1:9");
    let mut wire = gateway.connect();
    wire.send("HEAD /_api/aaaaaaaaaa/dev/x HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let head = wire.read_head().unwrap();
    assert_eq!(head.status(), Some(403));
    wire.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(read_answer(&mut wire).text(), "ok\n");
}

#[test]
fn answers_without_content_have_no_framing_that_promises_some() {
    for (answer, status) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204),
        ("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", 304),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", 304),
    ] {
        let upstream = Upstream::start(answers(answer)).unwrap();
        let gateway = TestGateway::before(&upstream.url());
        let mut wire = gateway.connect();
        for _ in 0..2 {
            wire.send(gateway.request("GET", "/x", "")).unwrap();
            let head = wire.read_head().unwrap();
            assert_eq!(head.status(), Some(status));
            assert_eq!(head.header("transfer-encoding"), None);
            assert!(status == 304 || head.header("content-length").is_none());
        }
        assert_eq!(upstream.connections(), 1, "{answer}");
    }
}

#[test]
fn an_empty_answer_keeps_its_length_of_zero() {
    let upstream = Upstream::start(answers("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).unwrap();
    let gateway = TestGateway::before(&upstream.url());
    assert_eq!(gateway.call("GET", "/x", "").header("content-length"), Some("0"));
}

#[test]
fn a_chunked_answer_arrives_whole_and_the_connections_go_on() {
    let upstream = Upstream::start(answers(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n,\r\n6\r\n world\r\n0\r\nX-T: 1\r\n\r\n",
    ))
    .unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    for _ in 0..3 {
        wire.send(gateway.request("GET", "/x", "")).unwrap();
        let answer = read_answer(&mut wire);
        assert_eq!(answer.text(), "hello, world");
        assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
        assert_eq!(answer.header("x-t"), None, "trailers are dropped");
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn an_answer_that_ends_with_its_connection_becomes_chunked() {
    let upstream = Upstream::start(|mut wire| {
        wire.read_head()?;
        wire.send("HTTP/1.1 200 OK\r\n\r\nuntil the end")
    })
    .unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    for _ in 0..2 {
        wire.send(gateway.request("GET", "/x", "")).unwrap();
        let answer = read_answer(&mut wire);
        assert_eq!(answer.text(), "until the end");
        assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    }
}

#[test]
fn an_http_1_0_client_gets_no_chunks_and_the_end_by_closing() {
    let upstream = Upstream::start(answers(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ))
    .unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    wire.send(format!("GET /_api/{}/dev/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", gateway.api)).unwrap();
    let head = wire.read_head().unwrap();
    assert_eq!((head.header("transfer-encoding"), head.header("connection")), (None, Some("close")));
    assert_eq!(wire.read_to_end().unwrap(), b"hello");
}

#[test]
fn an_http_1_0_client_may_keep_its_connection_where_the_length_is_known() {
    let upstream = Upstream::start(answers("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")).unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    for _ in 0..2 {
        wire.send(format!("GET /_api/{}/dev/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", gateway.api))
            .unwrap();
        let answer = read_answer(&mut wire);
        assert_eq!((answer.text().as_str(), answer.header("connection")), ("hello", Some("keep-alive")));
    }
}

#[test]
fn request_bodies_arrive_by_either_framing() {
    let upstream = Upstream::start(echoes_body).unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    wire.send(gateway.request("POST", "/x", "Content-Length: 5\r\n") + "hello").unwrap();
    assert_eq!(read_answer(&mut wire).text(), "hello");
    let chunks = "5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n";
    wire.send(gateway.request("POST", "/x", "Transfer-Encoding: chunked\r\n") + chunks).unwrap();
    assert_eq!(read_answer(&mut wire).text(), "hello, world");
    wire.send(gateway.request("POST", "/x", "Content-Length: 0\r\n")).unwrap();
    assert_eq!(read_answer(&mut wire).text(), "");
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_body_that_trickles_arrives_whole() {
    let upstream = Upstream::start(echoes_body).unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    for byte in
        (gateway.request("POST", "/x", "Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n0\r\n\r\n").bytes()
    {
        wire.send([byte]).unwrap();
    }
    assert_eq!(read_answer(&mut wire).text(), "abc");
}

#[test]
fn a_head_is_passed_on_before_the_body_has_begun() {
    let seen = Arc::new(Gate::default());
    let upstream = Upstream::start({
        let seen = seen.clone();
        move |mut wire| {
            wire.read_head()?;
            wire.send(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            )?;
            seen.pass()?;
            wire.send("5\r\nevent\r\n")?;
            seen.pass()?;
            wire.send("0\r\n\r\n")
        }
    })
    .unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    wire.send(gateway.request("GET", "/events", "")).unwrap();
    assert_eq!(wire.read_head().unwrap().status(), Some(200));
    seen.open();
    assert_eq!(wire.read_until(b"event").unwrap(), b"5\r\nevent");
}

#[test]
fn a_large_answer_arrives_byte_for_byte_by_every_framing() {
    let payload: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    for framing in ["length", "chunked", "close"] {
        let body = payload.clone();
        let upstream = Upstream::start(move |mut wire| {
            wire.read_head()?;
            match framing {
                "length" => {
                    wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()))?;
                    wire.send(&body)
                }
                "chunked" => {
                    wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                    for chunk in body.chunks(70_001) {
                        wire.send(format!("{:x}\r\n", chunk.len()))?;
                        wire.send(chunk)?;
                        wire.send("\r\n")?;
                    }
                    wire.send("0\r\n\r\n")
                }
                _ => {
                    wire.send("HTTP/1.1 200 OK\r\n\r\n")?;
                    wire.send(&body)
                }
            }
        })
        .unwrap();
        let gateway = TestGateway::before(&upstream.url());
        assert!(gateway.call("GET", "/large", "").body == payload, "{framing}");
    }
}
