//! Real documents, as their makers publish them, imported and called through the gateway.

use std::process::Command;
use std::time::Duration;

use common::clock::monotonic;
use serde_json::{Value, json};
use testkit::{HttpBin, Process, free_port};

use crate::installation::{Admin, Installation, agent, call};

/// Longest an import may take.
const IMPORTED_WITHIN: Duration = Duration::from_secs(2);
/// Operations called per document, spread over it.
const CALLS: usize = 12;

const DOCUMENTS: [&str; 7] = [
    "redocly-museum.yaml",
    "oai-petstore-expanded.yaml",
    "oai-uspto.yaml",
    "box-v2025.json",
    "twilio-messaging-v1.json",
    "discord-v10.json",
    "slack-web-swagger2.json",
];

struct Imported {
    url: String,
    key: String,
    document: Value,
}

impl Imported {
    /// Paths of `GET` operations with their parameters filled in, at most [`CALLS`], spread over the document.
    fn paths(&self) -> Vec<String> {
        let resources = self.document["resources"].as_object().unwrap();
        let paths: Vec<String> = resources
            .iter()
            .filter(|(_, resource)| resource.pointer("/resourceMethods/GET").is_some())
            .map(|(path, _)| filled(path))
            // httpbin answers `/anything`, but not `/anything/`.
            .filter(|path| path != "/")
            .collect();
        let step = paths.len().div_ceil(CALLS).max(1);
        paths.into_iter().step_by(step).collect()
    }
}

/// `/pets/{id}` as `/pets/1`.
fn filled(path: &str) -> String {
    path.split('/')
        .map(|segment| if segment.contains('{') { "1" } else { segment })
        .collect::<Vec<_>>()
        .join("/")
}

fn import(installation: &Installation, name: &str, upstream: &str) -> Imported {
    let path = testkit::repository().join("services/apidef/tests/fixtures").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let admin = Admin::new(installation.text("/graphql"), installation.text("/token"));
    let started = monotonic();
    let input = json!({ "name": name, "document": text, "upstreamUrl": upstream, "stage": "live" });
    let payload = admin.mutate("apiImport", input, "api { id document } invokeUrl warnings status");
    let took = started.elapsed();
    assert!(took < IMPORTED_WITHIN, "{name} took {took:?}");
    assert_eq!(payload["status"], "LIVE", "{name}");
    for warning in payload["warnings"].as_array().unwrap() {
        assert!(warning["pointer"].is_string() && warning["message"].is_string(), "{name}: {warning}");
    }
    let plan = json!({ "name": name, "stages": [{ "apiId": payload["api"]["id"], "stage": "live" }] });
    let plan = admin.mutate("usagePlanCreate", plan, "usagePlan { id }")["usagePlan"]["id"].clone();
    let key = admin.mutate("apiKeyCreate", json!({ "name": name, "usagePlanIds": [plan] }), "value");
    Imported {
        url: payload["invokeUrl"].as_str().unwrap().to_owned(),
        key: key["value"].as_str().unwrap().to_owned(),
        document: payload["api"]["document"].clone(),
    }
}

#[test]
fn every_document_imports_quickly_and_its_operations_reach_the_backend() {
    let installation = Installation::up(&[]).unwrap();
    // Answers any path with what arrived.
    let backend = format!("{}/anything", HttpBin::shared().unwrap().url());
    let agent = agent();
    for name in DOCUMENTS {
        let api = import(&installation, name, &backend);
        let paths = api.paths();
        assert!(!paths.is_empty(), "{name} has operations to call");
        for path in paths {
            let answer = call(&agent, &format!("{}{path}", api.url), Some(&api.key));
            assert_eq!(answer.status, 200, "{name} {path}: {}", answer.body);
            let arrived: Value = serde_json::from_str(&answer.body).unwrap();
            let at = arrived["url"].as_str().unwrap();
            assert!(at.ends_with(&format!("/anything{path}")), "{name} {path} arrived at {at}");
            assert_eq!(
                call(&agent, &format!("{}{path}", api.url), None).status,
                403,
                "{name} {path} without a key"
            );
        }
    }
}

#[test]
fn a_mock_server_made_from_a_document_answers_the_same_through_the_gateway() {
    let installation = Installation::up(&[]).unwrap();
    // Answers of the mock server are drawn from the document's examples, so both ways must agree.
    for name in
        ["redocly-museum.yaml", "oai-petstore-expanded.yaml", "oai-uspto.yaml", "twilio-messaging-v1.json"]
    {
        let (_mock, direct) = mock_server(name);
        let api = import(&installation, name, &direct);
        let agent = agent();
        for path in api.paths() {
            let through = call(&agent, &format!("{}{path}", api.url), Some(&api.key));
            let alone = call(&agent, &format!("{direct}{path}"), None);
            assert_eq!(through.status, alone.status, "{name} {path}: {}", through.body);
            assert_eq!(through.header("content-type"), alone.header("content-type"), "{name} {path}");
        }
    }
}

/// Prism, serving the document's examples.
fn mock_server(name: &str) -> (Process, String) {
    let prism = testkit::repository().join("infra/dev/mock-server/node_modules/.bin/prism");
    assert!(prism.exists(), "the mock server is not installed: run infra/dev/install");
    let port = free_port().unwrap();
    let document = testkit::repository().join("services/apidef/tests/fixtures").join(name);
    let mut command = Command::new(prism);
    command.args(["mock", "-h", "127.0.0.1", "-p", &port.to_string()]).arg(document);
    let mut process = Process::spawn("mock-server", &command).unwrap();
    process.wait_ready(|process| process.stdout().contains("Prism is listening")).unwrap();
    (process, format!("http://127.0.0.1:{port}"))
}

#[test]
fn a_broken_document_names_line_and_reason_and_changes_nothing() {
    let installation = Installation::up(&[]).unwrap();
    let admin = Admin::new(installation.text("/graphql"), installation.text("/token"));
    let apis = || admin.data("{ apis { nodes { id revision } } }", json!({}))["apis"]["nodes"].clone();
    let before = apis();
    let broken = "openapi: 3.0.3\ninfo: { title: Broken, version: '1' }\npaths:\n  /a:\n    get: [not, an, operation]\n";
    let query = "mutation($input: ApiImportInput!) { apiImport(input: $input) { api { id } userErrors } }";
    let input = json!({ "input": { "name": "Broken", "document": broken, "upstreamUrl": "http://127.0.0.1:9", "stage": "live" } });
    let payload = &admin.data(query, input)["apiImport"];
    assert_eq!(payload["api"], Value::Null);
    let message = payload["userErrors"][0]["message"].as_str().unwrap();
    assert!(message.contains("line 5") && message.contains("/paths/~1a/get"), "{message}");
    assert_eq!(apis(), before);
}
