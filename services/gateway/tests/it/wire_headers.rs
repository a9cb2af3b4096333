//! Which header lines pass, in both directions.

use contracts::apis::StageSettings;
use testkit::{Head, Upstream};

use crate::gateway::{TestGateway, answers, echoes_head, open_api};

/// The head the upstream got for a request with these lines.
fn forwarded(lines: &str) -> Head {
    let upstream = Upstream::start(echoes_head).unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let answer = gateway.call("GET", "/a/b?x=1&y=%20", lines);
    assert_eq!(answer.status(), 200);
    Head { text: answer.text() }
}

fn values(head: &Head, name: &str) -> Vec<String> {
    let named = head.headers().filter(|(found, _)| found.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.to_owned()).collect()
}

#[test]
fn the_upstream_sees_its_own_host_and_the_path_below_the_stage() {
    let upstream = Upstream::start(echoes_head).unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let head = Head { text: gateway.call("GET", "/a/b?x=1&y=%20", "").text() };
    assert_eq!(head.start_line(), "GET /a/b?x=1&y=%20 HTTP/1.1");
    assert_eq!(values(&head, "host"), [upstream.address().to_string()]);
    assert_eq!(head.header("x-forwarded-host"), Some("gateway.test"));
}

#[test]
fn lines_of_the_clients_connection_do_not_pass() {
    let head = forwarded(
        "Connection: keep-alive, X-Private, x-other\r\nX-Private: 1\r\nX-Other: 2\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: keep-alive\r\nTE: trailers\r\nTrailer: X-T\r\nUpgrade: h2c\r\n\
         Proxy-Authorization: Basic eA==\r\nX-Public: 3\r\n",
    );
    for name in [
        "connection",
        "x-private",
        "x-other",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        "proxy-authorization",
    ] {
        assert_eq!(values(&head, name), [""; 0], "{name}");
    }
    assert_eq!(head.header("x-public"), Some("3"));
}

#[test]
fn naming_a_line_in_connection_cannot_remove_what_the_gateway_adds() {
    let head = forwarded("Connection: x-origin-secret, host, x-forwarded-for, via\r\n");
    for name in ["x-origin-secret", "host", "x-forwarded-for", "via"] {
        assert_eq!(values(&head, name).len(), 1, "{name}");
    }
}

#[test]
fn earlier_proxies_stay_listed_and_the_client_is_appended() {
    let head = forwarded(
        "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\nForwarded: for=10.0.0.1\r\nVia: 1.0 old\r\n\
         X-Forwarded-Proto: gopher\r\nX-Forwarded-Host: evil.test\r\n",
    );
    assert_eq!(values(&head, "x-forwarded-for"), ["10.0.0.1, 10.0.0.2, 127.0.0.1"]);
    assert_eq!(values(&head, "forwarded"), ["for=10.0.0.1, for=127.0.0.1;host=\"gateway.test\";proto=http"]);
    assert_eq!(values(&head, "via"), ["1.0 old, 1.1 tollgate"]);
    assert_eq!(values(&head, "x-forwarded-proto"), ["http"], "what the client claims of itself is replaced");
    assert_eq!(values(&head, "x-forwarded-host"), ["gateway.test"]);
}

#[test]
fn the_key_stays_with_the_gateway_and_the_secret_header_is_its_own() {
    let head = forwarded("x-api-key: top-secret\r\nX-Origin-Secret: forged\r\n");
    assert_eq!(values(&head, "x-api-key"), [""; 0]);
    assert_eq!(values(&head, "x-origin-secret"), ["s3cret"]);
}

#[test]
fn repeated_and_binary_values_pass_unchanged() {
    let head =
        forwarded("Cookie: a=1\r\nCookie: b=2\r\nX-Empty:\r\nUser-Agent: x\r\nAccept-Encoding: br\r\n");
    assert_eq!(values(&head, "cookie"), ["a=1", "b=2"]);
    assert_eq!(values(&head, "x-empty"), [""]);
    assert_eq!(values(&head, "user-agent"), ["x"]);
    assert_eq!(values(&head, "accept-encoding"), ["br"]);
}

#[test]
fn lines_of_the_upstreams_connection_do_not_pass_and_the_gateways_own_cannot_be_forged() {
    let upstream = Upstream::start(answers(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, X-Private\r\nX-Private: 1\r\n\
         Keep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nX-Amzn-RequestId: forged\r\n\
         X-Tollgate-Reason: throttled\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nServer: up\r\nDate: then\r\n\r\nok",
    ))
    .unwrap();
    let gateway = TestGateway::before(&upstream.url());
    let answer = gateway.call("GET", "/x", "");
    for name in ["connection", "x-private", "keep-alive", "proxy-authenticate", "x-tollgate-reason"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    let ids = values(&answer.head, "x-amzn-requestid");
    assert!(ids.len() == 1 && ids[0].starts_with("req_"), "{ids:?}");
    assert_eq!(values(&answer.head, "set-cookie"), ["a=1", "b=2"]);
    assert_eq!(values(&answer.head, "server"), ["up"]);
    assert_eq!(values(&answer.head, "date"), ["then"], "a date is added only where none is");
}

#[test]
fn answers_carry_cors_headers_unless_the_upstream_has_its_own() {
    let plain = Upstream::start(answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")).unwrap();
    let own = Upstream::start(answers(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nAccess-Control-Allow-Origin: https://own.test\r\n\r\nok",
    ))
    .unwrap();
    let gateway = TestGateway::before(&plain.url());
    let answer = gateway.call("GET", "/x", "Origin: https://a.test\r\n");
    assert_eq!(values(&answer.head, "access-control-allow-origin"), ["*"]);
    let gateway = TestGateway::before(&own.url());
    let answer = gateway.call("GET", "/x", "Origin: https://a.test\r\n");
    assert_eq!(values(&answer.head, "access-control-allow-origin"), ["https://own.test"]);
}

#[test]
fn refusals_carry_cors_headers_and_preflights_need_no_key() {
    let upstream = Upstream::start(echoes_head).unwrap();
    let mut api = open_api(&upstream.url());
    for resource in api.resources.values_mut() {
        resource.methods.values_mut().for_each(|method| method.api_key_required = true);
    }
    let gateway = TestGateway::start(api, StageSettings::default(), |_| {});
    let refused = gateway.call("GET", "/x", "Origin: https://a.test\r\n");
    assert_eq!((refused.status(), refused.text().as_str()), (403, r#"{"message":"Forbidden"}"#));
    assert_eq!(refused.header("x-amzn-errortype"), Some("ForbiddenException"));
    assert_eq!(refused.header("access-control-allow-origin"), Some("*"));

    let preflight = gateway.call(
        "OPTIONS",
        "/x",
        "Origin: https://a.test\r\nAccess-Control-Request-Method: PUT\r\n\
         Access-Control-Request-Headers: x-api-key, content-type\r\n",
    );
    assert_eq!(preflight.status(), 204);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
    assert_eq!(preflight.header("access-control-allow-headers"), Some("x-api-key, content-type"));
    assert!(preflight.header("access-control-allow-methods").unwrap().contains("PUT"));
    assert_eq!(upstream.connections(), 0);
}
