//! What the edge decides by itself: verbs, bodies, credentials, limits.

use actix_web::body::to_bytes;
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, web};
use chrono::DateTime;
use common::Clock;
use contracts::Client;
use serde_json::{Value, json};

/// Sends one request to an edge that reaches no role.
pub(crate) async fn send(request: TestRequest) -> (StatusCode, Option<String>, Value) {
    let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let state = admin::State::build(admin::Config::default(), Client::unconnected(), Clock::manual(now));
    let configure = |config: &mut web::ServiceConfig| admin::configure(config, &state);
    let app = init_service(App::new().configure(configure)).await;
    let response: ServiceResponse = call_service(&app, request.to_request()).await;
    let status = response.status();
    let id = response.headers().get("x-request-id").map(|id| id.to_str().unwrap().to_owned());
    let body = to_bytes(response.into_body()).await.unwrap();
    (status, id, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

/// Runs one operation without credentials.
pub(crate) async fn run(query: &str) -> Value {
    let (status, _, body) =
        send(TestRequest::post().uri("/graphql").set_json(json!({ "query": query }))).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

fn code(body: &Value) -> &str {
    body["errors"][0]["extensions"]["code"].as_str().unwrap_or_default()
}

#[actix_web::test]
async fn a_link_runs_no_operation() {
    let (status, id, body) = send(TestRequest::get().uri("/graphql?query=%7Bviewer%7Bid%7D%7D")).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(body["errors"][0]["extensions"]["requestId"].as_str(), id.as_deref());
}

#[actix_web::test]
async fn a_form_of_another_origin_runs_no_operation() {
    let text = r#"{"query":"{ viewer { id } }"}"#;
    let plain =
        TestRequest::post().uri("/graphql").insert_header((CONTENT_TYPE, "text/plain")).set_payload(text);
    let (status, _, body) = send(plain).await;
    assert_eq!((status, code(&body)), (StatusCode::BAD_REQUEST, "invalid"));
}

#[actix_web::test]
async fn a_body_over_the_limit_is_refused_as_too_large() {
    let query = format!("{{ viewer {{ id }} }} #{}", "x".repeat(8 << 20));
    let (status, _, body) =
        send(TestRequest::post().uri("/graphql").set_json(json!({ "query": query }))).await;
    assert_eq!((status, code(&body)), (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large"));
}

#[actix_web::test]
async fn malformed_credentials_answer_401_and_the_cookie_alone_403() {
    let basic = TestRequest::post().uri("/graphql").insert_header(("authorization", "Basic dTpw"));
    let (status, id, body) = send(basic.set_json(json!({ "query": "{ viewer { id } }" }))).await;
    assert_eq!((status, code(&body)), (StatusCode::UNAUTHORIZED, "unauthenticated"));
    assert!(id.is_some());

    let cookie = TestRequest::post().uri("/graphql").insert_header(("cookie", "tollgate_session=s"));
    let (status, _, body) = send(cookie.set_json(json!({ "query": "{ viewer { id } }" }))).await;
    assert_eq!((status, code(&body)), (StatusCode::FORBIDDEN, "forbidden"));
    assert_eq!(body["errors"][0]["extensions"]["reason"], "csrf_header_missing");
}

#[actix_web::test]
async fn an_unreachable_role_is_a_fault_of_ours_and_says_nothing_more() {
    let token = TestRequest::post().uri("/graphql").insert_header(("authorization", "Bearer tgt_x"));
    let (status, id, body) = send(token.set_json(json!({ "query": "{ viewer { id } }" }))).await;
    assert_eq!((status, code(&body)), (StatusCode::INTERNAL_SERVER_ERROR, "internal"));
    assert!(!body.to_string().contains("route"), "{body}");
    assert_eq!(body["errors"][0]["extensions"]["requestId"].as_str(), id.as_deref());
}

#[actix_web::test]
async fn session_errors_are_problem_documents() {
    for request in [
        TestRequest::get().uri("/api/session"),
        TestRequest::post().uri("/api/session").set_json(json!({ "email": "a@example.com" })),
        TestRequest::post().uri("/api/signup").set_payload("organization=acme"),
    ] {
        let (status, id, body) = send(request).await;
        assert_eq!(body["status"], status.as_u16(), "{body}");
        assert!(status.is_client_error() && body["detail"].is_string(), "{body}");
        assert_eq!(body["request_id"].as_str(), id.as_deref());
    }
}

#[actix_web::test]
async fn signing_out_without_a_session_is_no_error() {
    let (status, id, _) = send(TestRequest::delete().uri("/api/session")).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert!(id.is_some());
}

#[actix_web::test]
async fn without_credentials_a_body_of_32_kb_is_the_largest() {
    let query = |size: usize| json!({ "query": format!("{{ viewer {{ id }} }} #{}", "x".repeat(size)) });
    let (status, _, body) = send(TestRequest::post().uri("/graphql").set_json(query((32 << 10) - 100))).await;
    assert_eq!((status, code(&body)), (StatusCode::OK, "unauthenticated"));
    let (status, _, body) = send(TestRequest::post().uri("/graphql").set_json(query(32 << 10))).await;
    assert_eq!((status, code(&body)), (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large"));
}

#[actix_web::test]
async fn lists_of_an_object_multiply_what_is_asked_of_their_items() {
    let plans = |levels: usize| {
        let open = "product { plans { id ".repeat(levels);
        format!("{{ products(first: 1) {{ nodes {{ plans {{ {open} {} }} }} }} }}", "} }".repeat(levels))
    };
    assert_eq!(code(&run(&plans(1)).await), "unauthenticated");
    assert_eq!(run(&plans(2)).await["errors"][0]["message"], "Query is too complex.");
}

#[actix_web::test]
async fn a_handful_of_documents_or_sums_of_usage_fit_a_request() {
    let aliased = |count: usize, field: &str| {
        let fields: String = (0..count).map(|at| format!("a{at}: {field} ")).collect();
        format!("{{ {fields} }}")
    };
    let usage =
        r#"usage(from: "2026-11-01T00:00:00Z", to: "2026-12-01T00:00:00Z") { rows { requests } asOf }"#;
    for field in [r#"api(id: "abcdefghij") { document }"#, usage] {
        assert_eq!(code(&run(&aliased(4, field)).await), "unauthenticated", "{field}");
        let refused = run(&aliased(7, field)).await;
        assert_eq!(refused["errors"][0]["message"], "Query is too complex.", "{field}");
    }
}

#[actix_web::test]
async fn pages_are_priced_by_their_size() {
    let page = |first: u32| {
        format!(
            "{{ apiKeys(first: {first}) {{ nodes {{ usagePlans {{ stages {{ api {{ deployments(first: {first}) {{
                nodes {{ id }} }} }} }} }} }} }} }}"
        )
    };
    assert_eq!(code(&run(&page(1)).await), "unauthenticated");
    let refused = run(&page(100)).await;
    assert_eq!(refused["errors"][0]["message"], "Query is too complex.");
}
