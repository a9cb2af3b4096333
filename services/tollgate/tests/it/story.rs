//! The main job from beginning to end, on both wirings: publish an API, sell it by key, enforce, meter, see it.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{HttpBin, wait_until};
use ureq::Agent;

use crate::installation::{Admin, Installation, agent, call};

/// Within which a revocation is enforced everywhere.
const REVOKED_WITHIN: Duration = Duration::from_secs(1);
/// Within which a call is in usage answers of the split deployment.
const COUNTED_WITHIN: Duration = Duration::from_secs(5);

#[test]
fn the_main_job_works_in_one_process() {
    let installation = Installation::up(&[]).unwrap();
    tell(&installation);
}

#[test]
fn the_main_job_works_split_over_real_services_with_two_gateways() {
    let installation = Installation::split().unwrap();
    assert_eq!(installation.gateways().len(), 2);
    tell(&installation);
}

/// A document of a backend that Tollgate did not write.
const DOCUMENT: &str = r#"
openapi: 3.0.3
info: { title: Requests, version: '1' }
servers: [{ url: 'https://requests.example' }]
paths:
  /get: { get: { responses: { '200': { description: What was asked. } } } }
  /status/{code}:
    parameters: [{ name: code, in: path, required: true, schema: { type: integer } }]
    get: { responses: { default: { description: The status asked for. } } }
"#;

struct Story<'a> {
    installation: &'a Installation,
    admin: Admin,
    agent: Agent,
    api: String,
}

impl Story<'_> {
    /// The stage's address at each gateway.
    fn urls(&self, path: &str) -> Vec<String> {
        let base = |gateway: &String| format!("{gateway}/_api/{}/live{path}", self.api);
        self.installation.gateways().iter().map(base).collect()
    }

    fn usage_plan(&self, name: &str, throttle: &Value, limit: u64) -> String {
        let input = json!({
            "name": name,
            "throttle": throttle,
            "quotas": [{ "limit": limit, "period": "MONTH", "offset": 0 }],
            "stages": [{ "apiId": self.api, "stage": "live" }],
        });
        let payload = self.admin.mutate("usagePlanCreate", input, "usagePlan { id } status");
        assert_eq!(payload["status"], "LIVE");
        payload["usagePlan"]["id"].as_str().unwrap().to_owned()
    }

    fn key(&self, usage_plan: &str) -> (String, String) {
        let input = json!({ "name": "story", "usagePlanIds": [usage_plan] });
        let payload = self.admin.mutate("apiKeyCreate", input, "apiKey { id } value status");
        assert_eq!(payload["status"], "LIVE");
        (payload["apiKey"]["id"].as_str().unwrap().to_owned(), payload["value"].as_str().unwrap().to_owned())
    }

    /// Calls and quota units of a key so far.
    fn counted(&self, key: &str) -> (u64, u64) {
        let now = chrono::DateTime::from_timestamp_micros(common::Clock::System.micros()).unwrap();
        let range = json!({ "from": now - chrono::TimeDelta::hours(1), "to": now + chrono::TimeDelta::minutes(1), "key": key });
        let query = "query($from: DateTime!, $to: DateTime!, $key: ID!) {
            usage(from: $from, to: $to, filter: { key: [$key] }) { rows { requests quotaUnits } asOf complete }
        }";
        let usage = &self.admin.data(query, range)["usage"];
        let sum = |field: &str| {
            usage["rows"].as_array().unwrap().iter().map(|row| row[field].as_u64().unwrap()).sum()
        };
        (sum("requests"), sum("quotaUnits"))
    }
}

fn tell(installation: &Installation) {
    let agent = agent();
    let (story_token, api) = publish(installation, &agent);
    let admin = Admin::new(installation.text("/graphql"), &story_token);
    let story = Story { installation, admin, agent, api };

    a_developer_buys_a_key_and_calls(&story);
    without_a_key_that_opens_the_stage_a_call_is_refused(&story);
    the_throttle_refuses_what_is_above_it(&story);
    the_quota_holds_to_the_unit_and_usage_equals_the_calls_made(&story);
    a_rotated_key_changes_its_value_and_a_revoked_one_ends_within_a_second(&story);
}

/// Signs a provider up and imports an API; answers a token and the API.
fn publish(installation: &Installation, agent: &Agent) -> (String, String) {
    let console = installation.text("/console");
    let sign_up = json!({ "organization": "Story", "email": "story@provider.example", "password": "a long enough password" });
    let mut answer = agent
        .post(format!("{console}/api/signup"))
        .header("x-tollgate-csrf", "1")
        .send_json(&sign_up)
        .unwrap();
    let cookie = answer.headers().get("set-cookie").expect("a session").to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    assert_eq!(answer.status(), 200, "{:?}", answer.body_mut().read_to_string());

    let create =
        json!({ "query": "mutation { tokenCreate(input: { name: \"story\" }) { secret userErrors } }" });
    let request =
        agent.post(installation.text("/graphql")).header("cookie", cookie).header("x-tollgate-csrf", "1");
    let token: Value = request.send_json(&create).unwrap().body_mut().read_json().unwrap();
    let token =
        token["data"]["tokenCreate"]["secret"].as_str().unwrap_or_else(|| panic!("{token}")).to_owned();

    let backend = HttpBin::shared().unwrap().url();
    let import = json!({ "name": "Requests", "document": DOCUMENT, "upstreamUrl": backend, "stage": "live" });
    let admin = Admin::new(installation.text("/graphql"), &token);
    let imported = admin.mutate("apiImport", import, "api { id } invokeUrl warnings status");
    assert_eq!(imported["status"], "LIVE", "{imported}");
    (token, imported["api"]["id"].as_str().unwrap().to_owned())
}

fn a_developer_buys_a_key_and_calls(story: &Story<'_>) {
    let Story { admin, agent, api, .. } = story;
    let product = json!({ "name": "Requests", "description": "Echoes.", "apiIds": [api], "published": true });
    let product = admin.mutate("productCreate", product, "product { id }")["product"]["id"].clone();
    let plan = json!({
        "productId": product,
        "name": "Free",
        "throttle": { "rateLimit": 100.0, "burstLimit": 100 },
        "quotas": [{ "limit": 1000, "period": "MONTH" }],
        "stages": [{ "apiId": api, "stage": "live" }],
    });
    let plan = admin.mutate("planCreate", plan, "plan { id } status")["plan"]["id"].clone();
    admin.mutate("developerCreate", json!({ "email": "dev@app.example", "name": "Dev" }), "developer { id }");
    let subscribe = json!({ "planId": plan, "developerEmail": "dev@app.example", "appName": "Widget" });
    let subscribed = admin.mutate("subscriptionCreate", subscribe, "subscription { id status } value status");
    assert_eq!(subscribed["subscription"]["status"], "ACTIVE", "{subscribed}");
    let value = subscribed["value"].as_str().unwrap();
    for url in story.urls("/get") {
        let answer = call(agent, &url, Some(value));
        assert_eq!(answer.status, 200, "{url}: {}", answer.body);
        assert!(!answer.body.contains(value), "the key reached the backend: {}", answer.body);
    }
}

fn without_a_key_that_opens_the_stage_a_call_is_refused(story: &Story<'_>) {
    let foreign = story.installation.text("/sample/api_key");
    let cases = [
        ("/get", None, "key_missing", "Forbidden"),
        ("/get", Some("no-such-key-no-such-key"), "key_unknown", "Forbidden"),
        ("/get", Some(foreign), "key_unknown", "Forbidden"),
        ("/no/such/path", None, "no_route", "Missing Authentication Token"),
    ];
    for (path, key, reason, message) in cases {
        for url in story.urls(path) {
            let answer = call(&story.agent, &url, key);
            assert_eq!(answer.status, 403, "{url} {reason}");
            assert_eq!(answer.header("x-tollgate-reason"), reason, "{url}");
            assert_eq!(answer.body, format!("{{\"message\":\"{message}\"}}"));
            assert!(!answer.header("x-amzn-requestid").is_empty());
        }
    }
}

fn the_throttle_refuses_what_is_above_it(story: &Story<'_>) {
    let plan = story.usage_plan("throttled", &json!({ "rateLimit": 0.01, "burstLimit": 3 }), 1000);
    let (key, value) = story.key(&plan);
    let url = &story.urls("/get")[0];
    let (mut made, mut accepted) = (0, 0);
    // One of two gateways lets its share of the burst through at once, the rest when it knows that the other needs none.
    let reached = wait_until(Duration::from_secs(10), || {
        made += 1;
        accepted += usize::from(call(&story.agent, url, Some(&value)).status == 200);
        accepted == 3
    });
    assert!(reached, "{accepted} of 3 after {made} calls");
    for _ in 0..3 {
        made += 1;
        let refused = call(&story.agent, url, Some(&value));
        assert_eq!(refused.status, 429);
        assert_eq!(refused.body, "{\"message\":\"Too Many Requests\",\"limit\":\"key\"}");
        assert_eq!(refused.header("x-tollgate-reason"), "throttled");
        let wait = refused.header("retry-after").parse::<u64>();
        assert!(wait.is_ok_and(|seconds| (1..=100).contains(&seconds)));
    }
    assert!(wait_until(COUNTED_WITHIN, || story.counted(&key) == (made, 3)), "{:?}", story.counted(&key));
}

fn the_quota_holds_to_the_unit_and_usage_equals_the_calls_made(story: &Story<'_>) {
    let plan = story.usage_plan("quota", &json!({ "rateLimit": 1000.0, "burstLimit": 1000 }), 20);
    let (key, value) = story.key(&plan);
    let urls = story.urls("/get");
    let (mut made, mut accepted) = (0, 0);
    // Gateways hand units back and forth near the end, so demand reaches the quota within a bound, never beyond it.
    let reached = wait_until(Duration::from_secs(20), || {
        let answer = call(&story.agent, &urls[made % urls.len()], Some(&value));
        made += 1;
        match answer.status {
            200 => accepted += 1,
            429 => {
                assert_eq!(answer.body, "{\"message\":\"Limit Exceeded\"}");
                assert_eq!(answer.header("x-tollgate-reason"), "quota_exhausted");
            }
            _ => panic!("{} {} {}", answer.status, answer.header("x-tollgate-reason"), answer.body),
        }
        accepted >= 20
    });
    assert!(reached, "{accepted} of 20 units after {made} calls");
    for url in &urls {
        assert_eq!(call(&story.agent, url, Some(&value)).status, 429);
        made += 1;
    }
    let expected = (made as u64, 20);
    assert!(
        wait_until(COUNTED_WITHIN, || story.counted(&key) == expected),
        "counted {:?}, made {expected:?}",
        story.counted(&key)
    );
}

fn a_rotated_key_changes_its_value_and_a_revoked_one_ends_within_a_second(story: &Story<'_>) {
    let plan = story.usage_plan("rotated", &json!({ "rateLimit": 1000.0, "burstLimit": 1000 }), 1000);
    let (key, first) = story.key(&plan);
    let urls = story.urls("/get");
    let everywhere = |value: &str, status: u16| {
        urls.iter().all(|url| call(&story.agent, url, Some(value)).status == status)
    };
    assert!(everywhere(&first, 200));

    let rotate = |grace: u32| {
        let payload =
            story.admin.mutate("apiKeyRotate", json!({ "id": key, "graceSeconds": grace }), "value");
        payload["value"].as_str().unwrap().to_owned()
    };
    let second = rotate(3600);
    assert!(everywhere(&second, 200) && everywhere(&first, 200), "both values hold during the grace time");
    let third = rotate(0);
    assert!(wait_until(REVOKED_WITHIN, || everywhere(&second, 403) && everywhere(&third, 200)));

    let revoked = story
        .admin
        .data("mutation($id: ID!) { apiKeyRevoke(id: $id) { status userErrors } }", json!({ "id": key }));
    assert_eq!(revoked["apiKeyRevoke"]["userErrors"], json!([]));
    assert!(wait_until(REVOKED_WITHIN, || everywhere(&third, 403)));
    let refused = call(&story.agent, &urls[0], Some(&third));
    assert_eq!(refused.body, "{\"message\":\"Forbidden\"}");
}
