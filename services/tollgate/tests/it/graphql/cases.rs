//! Ways to ask each field of the admin API, with the permissions it needs.
//!
//! Texts that begin with `$` stand for an id: `$api` is that of an organization's API.

use std::collections::BTreeSet;

use contracts::Permission::{self, *};
use serde_json::{Value, json};

/// One way to ask one field.
pub(super) struct Case {
    /// The field of `Query` or `Mutation`.
    pub(super) field: &'static str,
    arguments: Value,
    /// The permissions it needs, each of them; none = any credentials will do.
    pub(super) needs: &'static [Permission],
}

/// An id in the arguments of a case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reference {
    /// Where, as `input.stages.0.apiId`.
    pub(super) path: String,
    /// What it names, as `api`.
    pub(super) kind: String,
}

impl Reference {
    /// The same without the places in lists.
    pub(super) fn schema_path(&self) -> String {
        let parts = self.path.split('.').filter(|part| part.parse::<usize>().is_err());
        parts.collect::<Vec<_>>().join(".")
    }
}

impl Case {
    /// The ids in the arguments.
    pub(super) fn references(&self) -> Vec<Reference> {
        let mut found = Vec::new();
        fill(&self.arguments, "", &mut |reference| {
            found.push(reference.clone());
            String::new()
        });
        found
    }

    /// The arguments with these ids.
    pub(super) fn arguments(&self, mut id: impl FnMut(&Reference) -> String) -> Value {
        fill(&self.arguments, "", &mut id)
    }

    /// What to put another organization's id in: each reference alone, then all at once.
    pub(super) fn swaps(&self) -> Vec<BTreeSet<Reference>> {
        let references = self.references();
        let mut swaps: Vec<BTreeSet<_>> = references.iter().map(|one| [one.clone()].into()).collect();
        if references.len() > 1 {
            swaps.push(references.into_iter().collect());
        }
        swaps
    }
}

fn fill(value: &Value, path: &str, id: &mut impl FnMut(&Reference) -> String) -> Value {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), fill(value, &below(name), id))).collect()
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.map(|(index, value)| fill(value, &below(&index.to_string()), id)).collect()
        }
        Value::String(text) => match text.strip_prefix('$') {
            Some(kind) => Value::String(id(&Reference { path: path.to_owned(), kind: kind.to_owned() })),
            None => value.clone(),
        },
        _ => value.clone(),
    }
}

fn case(field: &'static str, arguments: Value, needs: &'static [Permission]) -> Case {
    Case { field, arguments, needs }
}

/// A document that can be imported.
pub(super) fn document(title: &str) -> String {
    json!({
        "openapi": "3.1.0", "info": { "title": title, "version": "1" },
        "paths": { "/pets": { "get": { "responses": { "200": { "description": format!("pets of {title}") } } } } },
    })
    .to_string()
}

/// Queries: asking them changes nothing.
fn queries() -> Vec<Case> {
    let day = json!({ "from": "2023-11-14T00:00:00Z", "to": "2023-11-15T00:00:00Z" });
    let usage = |more: Value| {
        let mut arguments = day.clone();
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    let groups = |names: &[&str]| usage(json!({ "groupBy": names }));
    let filter = json!({ "api": ["$api"], "key": ["$key"], "usagePlan": ["$usagePlan"], "plan": ["$plan"],
        "subscription": ["$subscription"] });
    vec![
        case("viewer", json!({}), &[]),
        case("tenant", json!({}), &[OrganizationRead]),
        case("tokens", json!({}), &[OrganizationRead]),
        case("accessKeys", json!({}), &[OrganizationRead]),
        case("apis", json!({}), &[ApisRead]),
        case("api", json!({ "id": "$api" }), &[ApisRead]),
        case("deployments", json!({ "apiId": "$api" }), &[ApisRead]),
        case("usagePlans", json!({}), &[UsagePlansRead]),
        case("usagePlan", json!({ "id": "$usagePlan" }), &[UsagePlansRead]),
        case("apiKeys", json!({}), &[KeysRead]),
        case("apiKeys", json!({ "usagePlanId": "$usagePlan" }), &[KeysRead]),
        case("apiKeys", json!({ "subscriptionId": "$subscription" }), &[KeysRead]),
        case("apiKey", json!({ "id": "$key" }), &[KeysRead]),
        case("quotaStatus", json!({ "key": "$key" }), &[UsageRead]),
        case("products", json!({}), &[ProductsRead]),
        case("product", json!({ "id": "$product" }), &[ProductsRead]),
        case("subscriptions", json!({}), &[SubscriptionsRead]),
        case("subscriptions", json!({ "developerId": "$developer" }), &[SubscriptionsRead]),
        case("subscriptions", json!({ "planId": "$plan" }), &[SubscriptionsRead]),
        case("subscription", json!({ "id": "$subscription" }), &[SubscriptionsRead]),
        case("developers", json!({}), &[SubscriptionsRead]),
        case("apps", json!({}), &[SubscriptionsRead]),
        case("apps", json!({ "developerId": "$developer" }), &[SubscriptionsRead]),
        case("app", json!({ "id": "$app" }), &[SubscriptionsRead]),
        case("usage", groups(&["API", "STAGE", "METHOD", "KEY"]), &[UsageRead]),
        case("usage", groups(&["USAGE_PLAN", "PLAN", "SUBSCRIPTION", "STATUS_CLASS"]), &[UsageRead]),
        case("usage", usage(json!({ "filter": filter })), &[UsageRead]),
        case("requestLog", json!({}), &[RequestLogRead]),
        case("requestLog", json!({ "key": "$key" }), &[RequestLogRead]),
        case("requestLog", json!({ "api": "$api" }), &[RequestLogRead]),
        case("requestLog", json!({ "requestId": "$request" }), &[RequestLogRead]),
        case("requestLog", json!({ "filter": { "calls": filter } }), &[RequestLogRead]),
        case("requestLog", json!({ "filter": { "requestId": "$request" } }), &[RequestLogRead]),
        case("requestSums", json!({ "filter": { "calls": filter } }), &[RequestLogRead]),
        case("requestSums", json!({ "filter": { "requestId": "$request" } }), &[RequestLogRead]),
        case("recordRetention", json!({}), &[UsageRead]),
    ]
}

/// Mutations, in an order in which each of them works on one organization.
fn mutations() -> Vec<Case> {
    let input = |input: Value| json!({ "input": input });
    let stages = json!([{ "apiId": "$api", "stage": "live" }]);
    let import = json!({ "apiId": "$api", "document": document("again"), "upstreamUrl": "http://127.0.0.1:1",
        "stage": "live" });
    vec![
        case("recordRetentionUpdate", input(json!({ "days": 90 })), &[OrganizationWrite]),
        case("tokenCreate", input(json!({ "name": "t" })), &[TokensWrite]),
        case("tokenRevoke", json!({ "id": "$token" }), &[TokensWrite]),
        case("accessKeyCreate", json!({}), &[TokensWrite]),
        case("accessKeyRevoke", json!({ "accessKeyId": "$accessKey" }), &[TokensWrite]),
        case("apiImport", input(import), &[ApisWrite]),
        case("apiEdit", input(json!({ "apiId": "$api", "edits": [] })), &[ApisWrite]),
        case("apiDeploy", input(json!({ "apiId": "$api", "stage": "live" })), &[ApisWrite]),
        case(
            "apiRollback",
            input(json!({ "apiId": "$api", "stage": "live", "deploymentId": "$deployment" })),
            &[ApisWrite],
        ),
        case(
            "stageUpdate",
            input(json!({ "apiId": "$api", "stage": "live", "payloadLimit": 1000, "methodThrottles": [] })),
            &[ApisWrite],
        ),
        case(
            "usagePlanCreate",
            input(json!({ "name": "p", "throttleMode": "EXACT", "stages": stages })),
            &[UsagePlansWrite],
        ),
        case(
            "usagePlanUpdate",
            input(json!({ "id": "$usagePlan", "name": "q", "stages": stages })),
            &[UsagePlansWrite],
        ),
        case("usagePlanDelete", json!({ "id": "$spareUsagePlan" }), &[UsagePlansWrite]),
        case("apiKeyCreate", input(json!({ "name": "k", "usagePlanIds": ["$usagePlan"] })), &[KeysWrite]),
        case(
            "apiKeyUpdate",
            input(json!({ "id": "$key", "enabled": false, "usagePlanIds": ["$usagePlan"] })),
            &[KeysWrite],
        ),
        case(
            "quotaExtend",
            input(json!({ "apiKeyId": "$key", "usagePlanId": "$usagePlan", "period": "MONTH", "units": 1 })),
            &[KeysWrite],
        ),
        case("apiKeyRotate", input(json!({ "id": "$key" })), &[KeysWrite]),
        case("apiKeyReveal", json!({ "id": "$key" }), &[KeysReveal]),
        case("apiKeyRevoke", json!({ "id": "$key" }), &[KeysWrite]),
        case("apiKeyDelete", json!({ "id": "$spareKey" }), &[KeysWrite]),
        case("productCreate", input(json!({ "name": "p", "apiIds": ["$api"] })), &[ApisRead, ProductsWrite]),
        case(
            "productUpdate",
            input(json!({ "id": "$product", "name": "q", "apiIds": ["$api"] })),
            &[ApisRead, ProductsWrite],
        ),
        case(
            "planCreate",
            input(json!({ "productId": "$product", "name": "p", "usagePlanId": "$usagePlan" })),
            &[ProductsWrite, UsagePlansRead],
        ),
        case(
            "planCreate",
            input(json!({ "productId": "$product", "name": "p", "stages": stages })),
            &[ProductsWrite, UsagePlansWrite, UsagePlansRead],
        ),
        case(
            "subscriptionCreate",
            input(json!({ "planId": "$plan", "appId": "$spareApp" })),
            &[SubscriptionsRead, SubscriptionsWrite],
        ),
        case(
            "subscriptionCreate",
            input(json!({ "planId": "$plan", "developerId": "$developer", "appName": "new" })),
            &[SubscriptionsRead, SubscriptionsWrite],
        ),
        case(
            "spendCapSet",
            input(json!({ "subscriptionId": "$subscription", "limit": { "micros": 1, "currency": "EUR" } })),
            &[SubscriptionsWrite],
        ),
        case("subscriptionCancel", json!({ "id": "$subscription" }), &[SubscriptionsWrite]),
        case("developerCreate", input(json!({ "email": "d@new.example" })), &[SubscriptionsWrite]),
        case("appCreate", input(json!({ "developerId": "$developer", "name": "a" })), &[SubscriptionsWrite]),
        case("apiDelete", json!({ "id": "$api" }), &[ApisWrite]),
    ]
}

/// Every field, queries first.
pub(super) fn cases() -> Vec<Case> {
    queries().into_iter().chain(mutations()).collect()
}
