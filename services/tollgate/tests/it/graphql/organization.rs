//! An organization with one of everything, and all that can be read of it.

use std::collections::{BTreeMap, BTreeSet};

use common::id::{
    ApiId, GatewayId, IncarnationId, KeyId, PlanId, RequestId, SubscriptionId, TenantId, UsagePlanId,
};
use contracts::Permission;
use contracts::lease::AppendBatch;
use contracts::record::{
    BatchName, Flags, MAX_RECORD, Outcome, Reason, Subject, UsageRecord, day_of, encode, frame, seal,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::cases::{cases, document};
use super::edge::{Edge, Owner};
use super::served::Served;
use super::{is_refused, refusal};

/// The organization and the ids of what it has, by what they name.
pub(super) struct Organization<'a> {
    pub(super) owner: Owner<'a>,
    ids: BTreeMap<&'static str, String>,
}

impl<'a> Organization<'a> {
    /// Makes it, with one of everything; `name` is in whatever can be named.
    pub(super) async fn found(edge: &'a Edge, name: &str) -> Self {
        let owner = edge.sign_up(name).await;
        let mut made = Self { owner, ids: BTreeMap::new() };
        let token = made.owner.token_for(&[Permission::ApisRead], None).await;
        made.ids.insert("token", token.id);
        let create = json!({ "query": "mutation { accessKeyCreate { accessKeyId } }" });
        let access_key = made.owner.run(&create).await["data"]["accessKeyCreate"]["accessKeyId"].take();
        made.ids.insert("accessKey", access_key.as_str().unwrap().to_owned());
        made.publish(name).await;
        made.sell(name).await;
        made.call().await;
        made
    }

    async fn make(&mut self, kind: &'static str, field: &str, input: Value, selection: &str) -> Value {
        let payload = self.owner.change(field, input, selection).await;
        let (object, _) = selection.split_once(' ').unwrap();
        self.ids.insert(kind, payload[object]["id"].as_str().unwrap().to_owned());
        payload
    }

    async fn publish(&mut self, name: &str) {
        let import = json!({ "document": document(name), "upstreamUrl": format!("http://{name}.example"),
            "stage": "live", "secretHeaders": [{ "name": "x-origin", "value": format!("secret of {name}") }] });
        let imported = self.make("api", "apiImport", import, "api { id } deployment { id }").await;
        self.ids.insert("deployment", imported["deployment"]["id"].as_str().unwrap().to_owned());
    }

    async fn sell(&mut self, name: &str) {
        let stages = json!([{ "apiId": self.id("api"), "stage": "live" }]);
        let quota = json!({ "limit": 1000, "period": "MONTH" });
        let plan = json!({ "name": format!("limits of {name}"), "quotas": [quota], "stages": stages });
        self.make("usagePlan", "usagePlanCreate", plan, "usagePlan { id }").await;
        let spare = json!({ "name": format!("spare limits of {name}") });
        self.make("spareUsagePlan", "usagePlanCreate", spare, "usagePlan { id }").await;
        let key = json!({ "name": format!("key of {name}"), "usagePlanIds": [self.id("usagePlan")] });
        self.make("key", "apiKeyCreate", key, "apiKey { id }").await;
        let spare = json!({ "name": format!("spare key of {name}") });
        self.make("spareKey", "apiKeyCreate", spare, "apiKey { id }").await;
        let product = json!({ "name": format!("product of {name}"), "apiIds": [self.id("api")] });
        self.make("product", "productCreate", product, "product { id }").await;
        let plan = json!({ "productId": self.id("product"), "name": format!("plan of {name}"),
            "unitPriceMicros": 1000, "usagePlanId": self.id("usagePlan") });
        self.make("plan", "planCreate", plan, "plan { id }").await;
        let developer = json!({ "email": format!("dev@{name}.example"), "name": format!("Dev of {name}") });
        self.make("developer", "developerCreate", developer, "developer { id }").await;
        for (kind, app) in [("app", "app"), ("spareApp", "spare app")] {
            let app = json!({ "developerId": self.id("developer"), "name": format!("{app} of {name}") });
            self.make(kind, "appCreate", app, "app { id }").await;
        }
        let subscription = json!({ "planId": self.id("plan"), "appId": self.id("app"),
            "keyName": format!("subscribed key of {name}") });
        self.make("subscription", "subscriptionCreate", subscription, "subscription { id }").await;
    }

    /// Has a call to its API recorded.
    async fn call(&mut self) {
        let request = RequestId::from_uuid(Uuid::new_v4());
        self.ids.insert("request", request.to_string());
        self.record(request, self).await;
    }

    /// Has a call recorded for this organization, to the API and with the key of `other`.
    pub(super) async fn record(&self, request_id: RequestId, other: &Self) {
        let edge = self.owner.edge;
        let tenant = self.owner.run(&json!({ "query": "{ tenant { id } }" })).await;
        let tenant: TenantId = tenant["data"]["tenant"]["id"].as_str().unwrap().parse().unwrap();
        let now = edge.clock.now();
        let record = UsageRecord {
            request_id,
            tenant,
            api_id: other.id("api").parse::<ApiId>().unwrap(),
            stage: "live",
            deployment: None,
            method: "GET",
            route: "/pets",
            path: "/pets",
            client_ip: None,
            subject: Subject {
                key: Some(other.id("key").parse::<KeyId>().unwrap()),
                usage_plan: Some(other.id("usagePlan").parse::<UsagePlanId>().unwrap()),
                plan: Some(other.id("plan").parse::<PlanId>().unwrap()),
                subscription: Some(other.id("subscription").parse::<SubscriptionId>().unwrap()),
            },
            started_at: now.timestamp_micros() - 60_000_000,
            outcome: Outcome {
                status: 200,
                reason: Reason::Ok,
                flags: Flags::default(),
                quota_units: 1,
                billable_units: 1,
                spend_micros: 0,
                lease: None,
                latency_us: 1_500,
                upstream_us: 700,
                bytes_in: 10,
                bytes_out: 1_000,
            },
        };
        let mut buffer = [0; MAX_RECORD];
        let length = encode(&record, &mut buffer).unwrap();
        let body = [frame(&buffer[..length]).as_slice(), &buffer[..length]].concat();
        let (gateway, incarnation) = (GatewayId::new(now), IncarnationId::new(now));
        let name = BatchName { gateway, incarnation, stream: 0, sequence: 1 };
        let header = seal(&name, day_of(record.started_at), record.started_at, 1, &body);
        let bytes = [header.as_slice(), &body].concat().into();
        edge.as_gateway(AppendBatch { gateway, incarnation, stream: 0, sequence: 1, bytes }).await;
    }

    /// The id of what it has.
    pub(super) fn id(&self, kind: &str) -> &str {
        self.ids.get(kind).unwrap_or_else(|| panic!("nothing is called {kind}"))
    }

    /// An id like that of what it has, of nobody.
    pub(super) fn unknown(&self, kind: &str) -> String {
        match self.id(kind).split_once('_') {
            None if kind == "accessKey" => {
                format!("AKIA{}", &Uuid::new_v4().simple().to_string()[..16].to_uppercase())
            }
            Some((prefix, _)) => format!("{prefix}_{}", Uuid::new_v4().simple()),
            None => ApiId::random().to_string(),
        }
    }

    /// Everything that its owner can read.
    pub(super) async fn everything(&self, served: &Served) -> Value {
        let mut answers = Vec::new();
        for case in cases().iter().filter(|case| served.is_query(case.field)) {
            let arguments = case.arguments(|reference| self.id(&reference.kind).to_owned());
            let answer = self.owner.ask_all(served, case.field, &arguments).await;
            assert!(!is_refused(&answer), "{}: {}: {answer}", case.field, refusal(&answer));
            answers.push(json!({ "field": case.field, "arguments": arguments, "answer": answer }));
        }
        answers.into()
    }
}

/// Compares two readings of everything, and names the first answer that differs.
pub(super) fn assert_same(before: &Value, after: &Value) {
    let answers = |all: &Value| all.as_array().unwrap().clone();
    for (before, after) in answers(before).into_iter().zip(answers(after)) {
        assert_eq!(before, after, "{} changed", before["field"]);
    }
}

/// The texts in a value.
pub(super) fn texts(value: &Value) -> BTreeSet<&str> {
    match value {
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::String(text) => [text.as_str()].into(),
        _ => BTreeSet::new(),
    }
}
