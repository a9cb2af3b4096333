//! Operations that are promised to work as written.

use serde_json::Value;

use crate::edge::run;

/// Whether the operation is valid: without credentials a valid one gets as far as being refused for that.
async fn is_valid(operation: &str) -> Result<(), Value> {
    let body = run(operation).await;
    if body["errors"][0]["extensions"]["code"] == "unauthenticated" { Ok(()) } else { Err(body) }
}

#[actix_web::test]
async fn the_operations_of_the_guides_are_valid() {
    let operations = [
        r#"mutation { apiImport(input: {name: "Pets", document: "openapi: 3.1.0", upstreamUrl: "http://127.0.0.1:1", stage: "dev"})
            { api { id } invokeUrl warnings userErrors } }"#,
        r#"mutation { apiDeploy(input: {apiId: "abcdefghij", stage: "dev"}) { stage { name } status userErrors } }"#,
        r#"mutation { usagePlanCreate(input: {name: "free", throttle: {rateLimit: 10, burstLimit: 20},
            quotas: [{limit: 1000, period: MONTH, offset: 0}], stages: [{apiId: "abcdefghij", stage: "dev"}]})
            { usagePlan { id } status userErrors } }"#,
        r#"mutation { apiKeyCreate(input: {name: "first", value: "abcdefghijklmnopqrst", usagePlanIds: []}) { apiKey { id } value } }"#,
        r#"mutation { apiKeyUpdate(input: {id: "key_0198c0de4f5e7a40b1c2d3e4f5a6b7c8", enabled: false}) { apiKey { enabled } } }"#,
        r#"mutation { productCreate(input: {name: "Pets"}) { product { id } } }"#,
        r#"mutation { planCreate(input: {productId: "prd_0198c0de4f5e7a40b1c2d3e4f5a6b7c8", name: "Free",
            usagePlanId: "upl_0198c0de4f5e7a40b1c2d3e4f5a6b7c8"}) { plan { id } } }"#,
        r#"mutation { subscriptionCreate(input: {planId: "pln_0198c0de4f5e7a40b1c2d3e4f5a6b7c8",
            developerEmail: "dev@example.com", appName: "App"}) { subscription { id status } apiKey { id } value } }"#,
        r#"{ usage(from: "2026-11-01T00:00:00Z", to: "2026-12-01T00:00:00Z", step: DAY, groupBy: [API, STATUS_CLASS],
            filter: {stage: ["dev"]}) { rows { time group requests quotaUnits billableUnits p95Ms } asOf complete } }"#,
        r#"{ requestLog(requestId: "req_0198c0de4f5e7a40b1c2d3e4f5a6b7c8") { nodes { requestId status reason } } }"#,
    ];
    for operation in operations {
        is_valid(operation).await.unwrap_or_else(|body| panic!("{operation}\n{body}"));
    }
}

#[actix_web::test]
async fn fields_of_json_may_be_asked_with_a_selection() {
    let operation = r#"mutation { apiImport(input: {document: "{}"}) { ...Outcome userErrors { field message code } } }
        fragment Outcome on ApiImportPayload { warnings { pointer line message } }"#;
    is_valid(operation).await.unwrap();
}

#[actix_web::test]
async fn tools_can_read_the_schema_without_credentials() {
    let of_type = "ofType { kind name ".repeat(9);
    let end = " }".repeat(9);
    let body = run(&format!(
        "{{ __schema {{ queryType {{ name }} types {{ name fields {{ name args {{ name type {{ kind name {of_type}{end} }} }} }} }} }} }}"
    ))
    .await;
    assert_eq!(body["data"]["__schema"]["queryType"]["name"], "Query", "{body}");
}
