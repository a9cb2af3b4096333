//! One GraphQL operation over HTTP.

use std::io::Write as _;
use std::time::Duration;

use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::rt::TokioExecutor;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::profile::Access;
use super::{Connection, Failure};

/// Longest wait for an answer: an import of a large document takes seconds.
const DEADLINE: Duration = Duration::from_secs(60);

/// Runs one operation and answers its `data`.
pub(super) async fn run(connection: &Connection, query: &str, variables: Value) -> Result<Value, Failure> {
    send(&Access::of(connection)?, query, variables).await
}

/// Writes a file that the console makes to standard output, part by part.
pub(super) async fn download(connection: &Connection, path: &str, query: &str) -> Result<(), Failure> {
    let access = Access::of(connection)?;
    let address = format!("{}{path}?{query}", access.address.trim_end_matches('/'));
    let broken = |cause: String| Failure::failed(format!("{}: {cause}", access.address));
    let request = Request::get(&address)
        .header(header::AUTHORIZATION, format!("Bearer {}", access.token.expose_secret()))
        .body(Full::new(Bytes::new()))
        .map_err(|error| Failure::arguments(format!("{address}: {error}")))?;
    let connector = HttpsConnectorBuilder::new()
        .with_native_roots()
        .map_err(|error| Failure::failed(format!("no root certificates: {error}")))?
        .https_or_http()
        .enable_http1()
        .build();
    let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector);
    let late = |_| broken(format!("nothing within {} seconds", DEADLINE.as_secs()));
    let response = tokio::time::timeout(DEADLINE, client.request(request)).await.map_err(late)?;
    let response = response.map_err(|error| broken(innermost(&error)))?;
    let status = response.status();
    let mut body = response.into_body();
    if status != StatusCode::OK {
        let body = body.collect().await.map_err(|error| broken(innermost(&error)))?.to_bytes();
        return Err(problem(status, &body));
    }
    let mut out = std::io::stdout().lock();
    loop {
        let frame = tokio::time::timeout(DEADLINE, body.frame()).await.map_err(late)?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| broken(format!("the file is cut off: {}", innermost(&error))))?;
        let Some(bytes) = frame.data_ref() else { continue };
        out.write_all(bytes).map_err(|error| Failure::failed(format!("cannot write: {error}")))?;
    }
    out.flush().map_err(|error| Failure::failed(format!("cannot write: {error}")))
}

/// Why there is no file.
fn problem(status: StatusCode, body: &[u8]) -> Failure {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let detail = problem["detail"].as_str().unwrap_or_default();
    let message = format!("status {}: {detail}", status.as_u16());
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::credentials(message),
        status if status.is_client_error() => Failure::refused(message),
        _ => Failure::failed(message),
    }
}

async fn send(access: &Access, query: &str, variables: Value) -> Result<Value, Failure> {
    let address = format!("{}/graphql", access.address.trim_end_matches('/'));
    let unreachable = |cause: String| Failure::failed(format!("{address} does not answer: {cause}"));
    let request = Request::post(&address)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {}", access.token.expose_secret()))
        .body(Full::new(Bytes::from(json!({ "query": query, "variables": variables }).to_string())))
        .map_err(|error| Failure::arguments(format!("{address}: {error}")))?;
    let connector = HttpsConnectorBuilder::new()
        .with_native_roots()
        .map_err(|error| Failure::failed(format!("no root certificates: {error}")))?
        .https_or_http()
        .enable_http1()
        .build();
    let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector);
    let exchange = async {
        let response = client.request(request).await.map_err(|error| unreachable(innermost(&error)))?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| unreachable(innermost(&error)))?;
        Ok((status, body.to_bytes()))
    };
    let answer = tokio::time::timeout(DEADLINE, exchange).await;
    let (status, body) =
        answer.map_err(|_| unreachable(format!("nothing within {} seconds", DEADLINE.as_secs())))??;
    read(status, &body).map_err(|failure| match failure {
        Some(failure) => failure,
        None => Failure::failed(format!("{address} is no console of Tollgate: status {}", status.as_u16())),
    })
}

/// The data of an answer. `None` when it is no answer of Tollgate.
fn read(status: StatusCode, body: &[u8]) -> Result<Value, Option<Failure>> {
    let Ok(mut answer) = serde_json::from_slice::<Value>(body) else { return Err(None) };
    if let Some(error) = answer["errors"].get(0) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let extensions = &error["extensions"];
        let message = format!("{} (request {})", text(&error["message"]), text(&extensions["requestId"]));
        return Err(Some(match extensions["code"].as_str() {
            Some("unauthenticated" | "forbidden") => Failure::credentials(message),
            Some("invalid" | "not_found") => Failure::refused(message),
            _ => Failure::failed(message),
        }));
    }
    if status != StatusCode::OK || !answer["data"].is_object() {
        return Err(None);
    }
    Ok(answer["data"].take())
}

/// The payload of a mutation, unless its user errors refuse it.
pub(super) fn payload(mut data: Value, field: &str) -> Result<Value, Failure> {
    let payload = data[field].take();
    let errors = payload["errors"].as_array().filter(|errors| !errors.is_empty());
    let Some(errors) = errors else { return Ok(payload) };
    let lines = errors.iter().map(|error| {
        let message = error["message"].as_str().unwrap_or_default();
        match error["field"].as_str() {
            Some(field) => format!("{field}: {message}"),
            None => message.to_owned(),
        }
    });
    Err(Failure::refused(lines.collect::<Vec<_>>().join("\n")))
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(status: StatusCode, answer: &Value) -> Option<u8> {
        read(status, answer.to_string().as_bytes())
            .err()
            .map(|failure| failure.map_or(0, |failure| failure.code))
    }

    #[test]
    fn the_exit_code_says_whose_turn_it_is() {
        let error = |code: &str| json!({ "data": null, "errors": [{ "message": "m", "extensions": { "code": code } }] });
        assert_eq!(code(StatusCode::UNAUTHORIZED, &error("unauthenticated")), Some(4));
        assert_eq!(code(StatusCode::OK, &error("forbidden")), Some(4));
        assert_eq!(code(StatusCode::OK, &error("invalid")), Some(3));
        assert_eq!(code(StatusCode::OK, &error("unavailable")), Some(1));
        assert_eq!(code(StatusCode::OK, &json!({ "hello": "world" })), Some(0));
        assert_eq!(code(StatusCode::OK, &json!({ "data": {} })), None);
    }

    #[tokio::test]
    async fn an_operation_is_sent_with_the_token_and_its_data_read() {
        let console = testkit::Upstream::start(|mut wire| {
            let head = wire.read_head()?;
            let sent = wire.read_body(&head)?;
            let sent: Value = serde_json::from_slice(&sent)?;
            assert_eq!(head.start_line(), "POST /graphql HTTP/1.1");
            let token = head.header("authorization").unwrap_or_default();
            let answer = json!({ "data": { "token": token, "from": sent["variables"]["from"] } }).to_string();
            wire.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len()))
        })
        .unwrap();
        let access = Access { address: format!("{}/", console.url()), token: "tgt_1".to_owned().into() };
        let data = send(&access, "{ viewer { id } }", json!({ "from": "now" })).await.unwrap();
        assert_eq!(data, json!({ "token": "Bearer tgt_1", "from": "now" }));
        drop(console);
        let failure = send(&access, "{ viewer { id } }", json!({})).await.unwrap_err();
        assert_eq!(failure.code, 1, "{failure}");
    }

    #[test]
    fn every_user_error_is_shown_with_its_field() {
        let data = json!({ "apiImport": { "errors": [
            { "field": "document", "message": "line 3: no such thing" }, { "field": null, "message": "too many apis" },
        ] } });
        let failure = payload(data, "apiImport").unwrap_err();
        assert_eq!(
            (failure.code, failure.to_string().as_str()),
            (3, "document: line 3: no such thing\ntoo many apis")
        );
    }
}
