use std::io::ErrorKind;
use std::sync::Arc;

use testkit::{Gate, PATIENCE, Upstream, Wire, wait_until};

#[test]
fn an_upstream_sees_and_sends_the_bytes_of_its_script() {
    let upstream = Upstream::start(|mut wire| {
        let request = wire.read_head()?;
        let body = wire.read_body(&request)?;
        wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()))?;
        wire.send(body)
    })
    .unwrap();

    let mut client = Wire::connect(upstream.address()).unwrap();
    client
        .send("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        .unwrap();
    let head = client.read_head().unwrap();

    assert_eq!(head.text, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(head.header("content-length"), Some("5"));
    assert_eq!(client.read_body(&head).unwrap(), b"abcde");
    assert!(client.closed_by_peer());
    assert_eq!((upstream.connections(), upstream.failures()), (1, vec![]));
}

#[test]
fn a_reset_is_a_reset_and_not_an_end() {
    let upstream = Upstream::start(|mut wire| {
        wire.read_exact(1)?;
        wire.reset()
    })
    .unwrap();

    let mut client = Wire::connect(upstream.address()).unwrap();
    client.send("x").unwrap();

    assert_eq!(client.read_exact(1).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_half_closed_client_still_gets_its_answer() {
    let upstream = Upstream::start(|mut wire| {
        let all = wire.read_to_end()?;
        wire.send(all)
    })
    .unwrap();

    let mut client = Wire::connect(upstream.address()).unwrap();
    client.send("question").unwrap();
    client.half_close().unwrap();

    assert_eq!(client.read_to_end().unwrap(), b"question");
}

#[test]
fn an_answer_waits_for_the_gate() {
    let gate = Arc::new(Gate::default());
    let upstream = Upstream::start({
        let gate = gate.clone();
        move |mut wire| {
            gate.pass()?;
            wire.send("now")
        }
    })
    .unwrap();
    let mut client = Wire::connect(upstream.address()).unwrap();

    assert!(client.is_silent_for(std::time::Duration::from_millis(50)).unwrap());
    gate.open();

    assert_eq!(client.read_to_end().unwrap(), b"now");
}

#[test]
fn a_script_that_fails_says_so() {
    let upstream = Upstream::start(|mut wire| wire.read_exact(10).map(drop)).unwrap();

    let mut client = Wire::connect(upstream.address()).unwrap();
    client.send("abc").unwrap();
    client.half_close().unwrap();

    assert!(wait_until(PATIENCE, || upstream.failures() == ["closed after \"abc\""]));
}
