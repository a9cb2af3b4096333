//! Integrations that map: HTTP and mock.

use std::sync::Arc;

use apidef::Api;
use apidef::model::{
    Integration, IntegrationResponse, IntegrationType, Method, Resource, Upstream as ApiUpstream, Verb,
};
use contracts::apis::StageSettings;
use testkit::{Gate, Head, Upstream};

use crate::gateway::{TestGateway, answers, echoes_head};

fn api(upstream: &str, integration: Integration) -> Api {
    let mut api = Api::new("test");
    api.upstream = Some(ApiUpstream { url: upstream.to_owned(), ..ApiUpstream::default() });
    let mut resource = Resource::default();
    resource.methods.insert(Verb::Post, Method { integration: Some(integration), ..Method::default() });
    api.resources.insert("/things/{id}".to_owned(), resource);
    api
}

fn response(status: &str, pattern: Option<&str>, template: &str) -> IntegrationResponse {
    let mut response = IntegrationResponse {
        status_code: status.to_owned(),
        selection_pattern: pattern.map(str::to_owned),
        ..IntegrationResponse::default()
    };
    response.response_templates.insert("application/json".to_owned(), template.to_owned());
    response
        .response_parameters
        .insert("method.response.header.X-Made-By".to_owned(), "'template'".to_owned());
    response
}

fn post(gateway: &TestGateway, body: &str) -> crate::gateway::Answer {
    let lines = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    gateway.send(gateway.request("POST", "/things/7?q=x", &lines) + body)
}

#[test]
fn a_mock_answers_from_its_templates_alone() {
    let mut mock = Integration { kind: IntegrationType::Mock, ..Integration::default() };
    mock.request_templates.insert("application/json".to_owned(), r#"{"statusCode": 201}"#.to_owned());
    let template = r#"{"id":"$input.params('id')","stage":"$context.stage"}"#;
    mock.integration_responses.insert("201".to_owned(), response("201", Some("201"), template));
    let gateway = TestGateway::start(api("http://127.0.0.1:9", mock), StageSettings::default(), |_| {});
    let answer = post(&gateway, "{}");
    assert_eq!((answer.status(), answer.text().as_str()), (201, r#"{"id":"7","stage":"dev"}"#));
    assert_eq!(answer.header("x-made-by"), Some("template"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[test]
fn an_http_integration_maps_the_request() {
    let mut http = Integration { kind: IntegrationType::Http, ..Integration::http_proxy("/v2/{id}") };
    http.http_method = Some("PUT".to_owned());
    http.request_templates
        .insert("application/json".to_owned(), r#"{"wrapped":$input.json('$')}"#.to_owned());
    http.integration_responses.insert("200".to_owned(), response("200", None, "$input.body"));
    let upstream = Upstream::start(echoes_head).unwrap();
    let gateway = TestGateway::start(api(&upstream.url(), http), StageSettings::default(), |_| {});
    let answer = post(&gateway, r#"{"a":1}"#);
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let head = Head { text: answer.text() };
    assert_eq!(head.start_line(), "PUT /v2/7 HTTP/1.1");
    assert_eq!(head.header("content-length"), Some("19"));
}

#[test]
fn an_http_integration_maps_the_answer_by_its_status() {
    let mut http = Integration { kind: IntegrationType::Http, ..Integration::http_proxy("/x") };
    http.integration_responses
        .insert("404".to_owned(), response("410", Some("4\\d\\d"), r#"{"was":$input.json('$')}"#));
    let upstream =
        Upstream::start(answers("HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n\"missing\"")).unwrap();
    let gateway = TestGateway::start(api(&upstream.url(), http.clone()), StageSettings::default(), |_| {});
    let answer = post(&gateway, "{}");
    assert_eq!((answer.status(), answer.text().as_str()), (410, r#"{"was":"missing"}"#));
    let fine = Upstream::start(answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")).unwrap();
    let gateway = TestGateway::start(api(&fine.url(), http), StageSettings::default(), |_| {});
    let answer = post(&gateway, "{}");
    assert_eq!((answer.status(), answer.text().as_str()), (500, r#"{"message":"Internal server error"}"#));
    assert_eq!(answer.header("x-tollgate-reason"), Some("configuration_invalid"));
}

#[test]
fn a_template_that_multiplies_a_body_is_the_apis_fault() {
    let mut mock = Integration { kind: IntegrationType::Mock, ..Integration::default() };
    mock.request_templates.insert("application/json".to_owned(), r#"{"statusCode": 200}"#.to_owned());
    let template = "$input.body".repeat(1_000);
    mock.integration_responses.insert("200".to_owned(), response("200", None, &template));
    let gateway = TestGateway::start(api("http://127.0.0.1:9", mock), StageSettings::default(), |_| {});
    assert_eq!(post(&gateway, &"x".repeat(1_000)).status(), 200);
    let answer = post(&gateway, &"x".repeat(11_000));
    assert_eq!(answer.status(), 500);
    assert_eq!(answer.header("x-tollgate-reason"), Some("configuration_invalid"));
}

#[test]
fn a_body_that_is_held_has_at_most_ten_megabytes_whatever_the_stage_allows() {
    let mut mock = Integration { kind: IntegrationType::Mock, ..Integration::default() };
    mock.request_templates.insert("application/json".to_owned(), r#"{"statusCode": 200}"#.to_owned());
    mock.integration_responses.insert("200".to_owned(), response("200", None, "{}"));
    let settings = StageSettings { payload_limit: Some(1 << 30), ..StageSettings::default() };
    let gateway = TestGateway::start(api("http://127.0.0.1:9", mock), settings, |_| {});
    assert_eq!(post(&gateway, &"x".repeat((10 << 20) + 1)).status(), 413);
    assert_eq!(post(&gateway, &"x".repeat(10 << 20)).status(), 200);
}

#[test]
fn a_tenants_mapping_cannot_split_an_answer_or_speak_for_the_gateway() {
    let mut mock = Integration { kind: IntegrationType::Mock, ..Integration::default() };
    mock.request_templates.insert("application/json".to_owned(), r#"{"statusCode": 200}"#.to_owned());
    let mut made = response("200", None, "whole");
    for (name, value) in [
        ("Transfer-Encoding", "chunked"),
        ("Content-Length", "1"),
        ("Connection", "close"),
        ("X-Amzn-RequestId", "req_forged"),
        ("X-Tollgate-Reason", "throttled"),
    ] {
        made.response_parameters.insert(format!("method.response.header.{name}"), format!("'{value}'"));
    }
    mock.integration_responses.insert("200".to_owned(), made);
    let gateway = TestGateway::start(api("http://127.0.0.1:9", mock), StageSettings::default(), |_| {});
    let answer = post(&gateway, "{}");
    let of = |name: &str| answer.head.headers().filter(|(found, _)| found.eq_ignore_ascii_case(name)).count();
    assert_eq!((answer.status(), answer.text().as_str()), (200, "whole"), "{}", answer.head.text);
    assert_eq!((of("content-length"), of("transfer-encoding"), of("connection")), (1, 0, 0));
    assert_eq!((of("x-amzn-requestid"), of("x-tollgate-reason")), (1, 0));
    assert_ne!(answer.header("x-amzn-requestid"), Some("req_forged"));
    assert_eq!(answer.header("x-made-by"), Some("template"));
}

#[test]
fn a_mapped_media_type_cannot_split_an_answer() {
    let mut mock = Integration { kind: IntegrationType::Mock, ..Integration::default() };
    mock.request_templates.insert("application/json".to_owned(), r#"{"statusCode": 200}"#.to_owned());
    let mut made = IntegrationResponse { status_code: "200".to_owned(), ..IntegrationResponse::default() };
    made.response_templates.insert("text/x\r\nx-split: 1".to_owned(), "whole".to_owned());
    mock.integration_responses.insert("200".to_owned(), made);
    let gateway = TestGateway::start(api("http://127.0.0.1:9", mock), StageSettings::default(), |_| {});
    let answer = post(&gateway, "{}");
    assert_eq!((answer.text().as_str(), answer.header("x-split")), ("whole", None), "{}", answer.head.text);
}

#[test]
fn a_mapped_host_replaces_the_upstreams() {
    let mut proxy = Integration::http_proxy("/v2/{id}");
    for name in ["Host", "host"] {
        proxy
            .request_parameters
            .insert(format!("integration.request.header.{name}"), "'tenant.example'".to_owned());
    }
    let upstream = Upstream::start(echoes_head).unwrap();
    let gateway = TestGateway::start(api(&upstream.url(), proxy), StageSettings::default(), |_| {});
    let head = Head { text: post(&gateway, "{}").text() };
    let hosts: Vec<_> = head.headers().filter(|(name, _)| name.eq_ignore_ascii_case("host")).collect();
    assert_eq!(hosts, [("host", "tenant.example")]);
}

#[test]
fn a_mapped_call_whose_upstream_reads_nothing_ends_with_the_integrations_time() {
    let over = Arc::new(Gate::default());
    let upstream = Upstream::start({
        let over = over.clone();
        move |mut wire| {
            wire.read_head()?;
            over.pass()
        }
    })
    .unwrap();
    let http =
        Integration { kind: IntegrationType::Http, timeout_in_millis: 300, ..Integration::http_proxy("/x") };
    let gateway = TestGateway::start(api(&upstream.url(), http), StageSettings::default(), |_| {});
    let answer = post(&gateway, &"x".repeat(10 * 1024 * 1024));
    over.open();
    assert_eq!(
        (answer.status(), answer.text().as_str()),
        (504, r#"{"message":"Endpoint request timed out"}"#)
    );
    assert_eq!(answer.header("x-tollgate-reason"), Some("upstream_timeout"));
}

#[test]
fn a_mapped_answer_that_trickles_ends_with_the_integrations_time() {
    let upstream = Upstream::start(|mut wire| {
        wire.read_head()?;
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")?;
        while wire.is_silent_for(std::time::Duration::from_millis(50))? {
            wire.send("x")?;
        }
        Ok(())
    })
    .unwrap();
    let mut http =
        Integration { kind: IntegrationType::Http, timeout_in_millis: 300, ..Integration::http_proxy("/x") };
    http.integration_responses.insert("200".to_owned(), response("200", None, "$input.body"));
    let gateway = TestGateway::start(api(&upstream.url(), http), StageSettings::default(), |_| {});
    let answer = post(&gateway, "");
    assert_eq!((answer.status(), answer.header("x-tollgate-reason")), (504, Some("upstream_timeout")));
}
