//! What of a message travels on: the head towards the upstream, and which header lines never pass.
//!
//! Owns the rules of RFC 9110 section 7.6 for an intermediary. Heads are written as bytes, once, into a buffer of the
//! worker.

use apidef::resolve::Target;

use crate::phases::{Cx, KEY_HEADER, Route};
use crate::snapshot::Upstream;
use crate::upstream::{Framing, list_contains};

/// True for header lines that belong to one connection (RFC 9110 section 7.6.1), whatever the case of `name`.
/// `Trailer` is one of them because trailers are dropped.
pub(super) fn is_hop_by_hop(name: &[u8]) -> bool {
    let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
    match name.len() {
        2 => is("te"),
        7 => is("upgrade") || is("trailer"),
        10 => is("connection") || is("keep-alive"),
        16 => is("proxy-connection"),
        17 => is("transfer-encoding"),
        18 => is("proxy-authenticate"),
        19 => is("proxy-authorization"),
        _ => false,
    }
}

/// Header lines of the client that the gateway replaces by its own, or keeps to itself.
fn is_replaced(name: &str) -> bool {
    matches!(
        name,
        "host"
            | "content-length"
            | "expect"
            | "via"
            | "forwarded"
            | "x-forwarded-for"
            | "x-forwarded-host"
            | "x-forwarded-proto"
            | "x-forwarded-port"
    ) || name == KEY_HEADER
}

/// What the request's body looks like to the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outgoing<'a> {
    /// As the client sent it.
    AsSent(Option<Framing>),
    /// A body made by a template, and its media type.
    Mapped { length: u64, media_type: &'a str },
}

/// Writes the head of the upstream's request.
pub(super) fn write_request_head(
    out: &mut Vec<u8>,
    cx: &Cx<'_>,
    route: &Route<'_>,
    upstream: &Upstream,
    target: &Target,
    body: Outgoing<'_>,
) {
    let method = match upstream.resolver.verb() {
        Some(verb) => verb.as_str(),
        None => cx.method(),
    };
    out.extend_from_slice(method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.path_and_query.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let is_host = |name: &str| name.eq_ignore_ascii_case("host");
    let mapped_host = target.headers.iter().find(|(name, value)| is_host(name) && !value.is_empty());
    let host = mapped_host.map_or(&upstream.authority, |(_, value)| value);
    line(out, "host", host.as_bytes());

    let secrets: &[(String, String)] =
        if upstream.resolver.is_to_upstream() { &route.stage.secret_headers } else { &[] };
    let set_by_us = |name: &str| {
        let mapped = target.headers.iter().any(|(set, _)| set.eq_ignore_ascii_case(name));
        // Also where the secret does not travel: a caller must not be able to send it.
        mapped || route.stage.secret_headers.iter().any(|(set, _)| set.eq_ignore_ascii_case(name))
    };
    let is_mapped_body = matches!(body, Outgoing::Mapped { .. });
    let headers = &cx.request.head().headers;
    let connection = cx.header("connection");
    let mut has_length = false;
    for (name, value) in headers {
        let name = name.as_str();
        has_length |= name == "content-length";
        let named_by_connection = connection.is_some()
            && headers.get_all("connection").any(|list| list_contains(list.as_bytes(), name.as_bytes()));
        let dropped = is_hop_by_hop(name.as_bytes())
            || is_replaced(name)
            || named_by_connection
            || set_by_us(name)
            || (is_mapped_body && matches!(name, "content-type" | "content-encoding"));
        if !dropped {
            line(out, name, value.as_bytes());
        }
    }
    write_trace(out, cx);
    for (name, value) in target.headers.iter().filter(|(name, _)| !is_host(name)).chain(secrets) {
        line(out, name, value.as_bytes());
    }
    match body {
        Outgoing::AsSent(Some(Framing::Length(length))) | Outgoing::Mapped { length, .. } => {
            write_length(out, length);
        }
        Outgoing::AsSent(Some(Framing::Chunked | Framing::Close)) => {
            line(out, "transfer-encoding", b"chunked");
        }
        Outgoing::AsSent(None) if has_length => write_length(out, 0),
        Outgoing::AsSent(None) => {}
    }
    if let Outgoing::Mapped { media_type, .. } = body {
        line(out, "content-type", media_type.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// Says which way the request came: what earlier proxies said stays in lists, single values are the gateway's own.
fn write_trace(out: &mut Vec<u8>, cx: &Cx<'_>) {
    let host = cx.host().as_bytes();
    let is_http_11 = cx.request.version() >= actix_http::Version::HTTP_11;
    append(out, cx, "via", &[if is_http_11 { b"1.1 tollgate" } else { b"1.0 tollgate" }]);
    append(out, cx, "x-forwarded-for", &[cx.peer.text().as_bytes()]);
    line(out, "x-forwarded-host", host);
    line(out, "x-forwarded-proto", b"http");
    append(out, cx, "forwarded", &[cx.peer.forwarded().as_bytes(), b";host=\"", host, b"\";proto=http"]);
}

/// Writes a list header: the client's members, then ours, which is given in parts.
fn append(out: &mut Vec<u8>, cx: &Cx<'_>, name: &str, own: &[&[u8]]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    for earlier in cx.request.head().headers.get_all(name) {
        if !earlier.as_bytes().trim_ascii().is_empty() {
            out.extend_from_slice(earlier.as_bytes());
            out.extend_from_slice(b", ");
        }
    }
    for part in own {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(b"\r\n");
}

fn write_length(out: &mut Vec<u8>, length: u64) {
    line(out, "content-length", itoa::Buffer::new().format(length).as_bytes());
}

fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_connection_are_known_in_any_case() {
        for name in [
            "Connection",
            "keep-alive",
            "Proxy-Connection",
            "TE",
            "Trailer",
            "Transfer-Encoding",
            "Upgrade",
            "Proxy-Authenticate",
            "PROXY-AUTHORIZATION",
        ] {
            assert!(is_hop_by_hop(name.as_bytes()), "{name}");
        }
        for name in ["host", "date", "content-length", "accept", "authorization", "set-cookie", "x-te"] {
            assert!(!is_hop_by_hop(name.as_bytes()), "{name}");
        }
    }
}
