//! Requests that two readers could understand differently never reach an upstream.

use testkit::Upstream;

use crate::gateway::{TestGateway, echoes_body, read_answer};

/// Sends a request with these lines (each ended by CRLF by the caller) and this body; answers the status and how many
/// connections the upstream saw.
fn outcome(lines: &str, body: &str) -> (u16, usize) {
    raw_outcome(|api| format!("POST /_api/{api}/dev/x HTTP/1.1\r\nHost: gateway.test\r\n{lines}\r\n{body}"))
}

fn raw_outcome(request: impl FnOnce(&str) -> String) -> (u16, usize) {
    let upstream = Upstream::start(echoes_body).unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    wire.send(request(gateway.api.as_str())).unwrap();
    let answer = read_answer(&mut wire);
    if answer.status() >= 400 {
        assert_eq!(answer.header("connection"), Some("close"));
        wire.half_close().unwrap();
        assert!(wire.closed_by_peer(), "nothing after a refused request is answered");
    }
    (answer.status(), upstream.connections())
}

#[test]
fn content_length_beside_transfer_encoding_is_refused() {
    let smuggled = "0\r\n\r\nGET /admin HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(outcome("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", smuggled), (400, 0));
    assert_eq!(outcome("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", smuggled), (400, 0));
}

#[test]
fn two_content_lengths_are_refused_even_when_they_agree() {
    assert_eq!(outcome("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"), (400, 0));
    assert_eq!(outcome("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), (400, 0));
    assert_eq!(outcome("Content-Length: 5, 6\r\n", "hello!"), (400, 0));
}

#[test]
fn a_content_length_that_is_no_plain_number_is_refused() {
    for value in ["+5", "-5", "0x5", "5 5", "5;", "five", "", "18446744073709551616", "5\u{b}"] {
        assert_eq!(outcome(&format!("Content-Length: {value}\r\n"), "hello"), (400, 0), "{value:?}");
    }
}

#[test]
fn a_transfer_encoding_other_than_chunked_alone_is_refused() {
    for value in [
        "chunked, identity",
        "identity, chunked",
        "identity",
        "gzip, chunked",
        "chunked, chunked",
        "xchunked",
        "chunked;q=1",
        "\"chunked\"",
        "chunked\u{b}",
        "chunked,",
        "",
    ] {
        assert_eq!(outcome(&format!("Transfer-Encoding: {value}\r\n"), "0\r\n\r\n"), (400, 0), "{value:?}");
    }
    assert_eq!(
        outcome("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"),
        (400, 0)
    );
}

#[test]
fn spelling_and_spacing_of_transfer_encoding_do_not_hide_it() {
    for line in [
        "tRaNsFeR-eNcOdInG: cHuNkEd\r\n",
        "Transfer-Encoding:\tchunked \r\n",
        "Transfer-Encoding:chunked\r\n",
    ] {
        assert_eq!(outcome(line, "5\r\nhello\r\n0\r\n\r\n"), (200, 1), "{line:?}");
    }
}

#[test]
fn a_space_before_the_colon_is_refused() {
    assert_eq!(outcome("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), (400, 0));
    assert_eq!(outcome("Content-Length : 5\r\n", "hello"), (400, 0));
    assert_eq!(outcome("Content-Length\t: 5\r\n", "hello"), (400, 0));
}

#[test]
fn folded_header_lines_are_refused() {
    assert_eq!(outcome("X-A: a\r\n b\r\nContent-Length: 5\r\n", "hello"), (400, 0));
    assert_eq!(outcome("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), (400, 0));
    assert_eq!(
        raw_outcome(|api| format!("GET /_api/{api}/dev/x HTTP/1.1\r\n X: y\r\nHost: x\r\n\r\n")),
        (400, 0)
    );
}

#[test]
fn a_bare_line_feed_ends_no_line() {
    assert_eq!(outcome("X-A: a\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), (400, 0));
    assert_eq!(raw_outcome(|api| format!("GET /_api/{api}/dev/x HTTP/1.1\nHost: x\n\n")), (400, 0));
}

#[test]
fn control_characters_in_a_head_are_refused() {
    for line in [
        "X-A: a\0b\r\n",
        "X-A: a\u{1}b\r\n",
        "X-A: a\rb\r\n",
        "X\0A: b\r\n",
        "X-A\r: b\r\n",
        ": b\r\n",
        "X A: b\r\n",
        "no colon\r\n",
    ] {
        assert_eq!(outcome(line, ""), (400, 0), "{line:?}");
    }
}

#[test]
fn malformed_chunks_are_refused() {
    for body in [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "g\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5;\0\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
    ] {
        let (status, _) = outcome("Transfer-Encoding: chunked\r\n", body);
        assert_eq!(status, 400, "{body:?}");
    }
}

#[test]
fn chunk_extensions_and_trailers_are_dropped() {
    let body = "5;name=\"va;lue\"\r\nhello\r\n0\r\nX-Trailer: y\r\nContent-Length: 3\r\n\r\n";
    assert_eq!(outcome("Transfer-Encoding: chunked\r\n", body), (200, 1));
}

#[test]
fn transfer_encoding_in_http_1_0_is_refused() {
    let request = |api: &str| {
        format!("POST /_api/{api}/dev/x HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    };
    assert_eq!(raw_outcome(request), (400, 0));
}

#[test]
fn a_second_or_malformed_or_missing_host_is_refused() {
    let with =
        |lines: &'static str| move |api: &str| format!("GET /_api/{api}/dev/x HTTP/1.1\r\n{lines}\r\n");
    assert_eq!(raw_outcome(with("Host: a\r\nHost: b\r\n")), (400, 0));
    assert_eq!(raw_outcome(with("Host: a\r\nHost: a\r\n")), (400, 0));
    assert_eq!(raw_outcome(with("")), (400, 0));
    for host in ["a b", "a,b", "a/b", "a@b", "a?b", "a\\b", "a\"b"] {
        let gateway = TestGateway::before("http://127.0.0.1:9");
        let request = format!("GET /_api/{}/dev/x HTTP/1.1\r\nHost: {host}\r\n\r\n", gateway.api);
        assert_eq!(gateway.send(request).status(), 400, "{host}");
    }
}

#[test]
fn a_body_beside_an_upgrade_is_refused() {
    assert_eq!(
        outcome("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n", "hello"),
        (400, 0)
    );
}

#[test]
fn bytes_after_an_upgrade_that_is_not_served_are_no_request() {
    let upstream = Upstream::start(echoes_body).unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let mut wire = gateway.connect();
    let upgrade = gateway.request("GET", "/x", "Connection: Upgrade\r\nUpgrade: websocket\r\n");
    wire.send(upgrade + &gateway.request("GET", "/smuggled", "")).unwrap();
    let answer = read_answer(&mut wire);
    assert_eq!((answer.status(), answer.header("connection")), (200, Some("close")));
    wire.half_close().unwrap();
    assert!(wire.closed_by_peer());
}
