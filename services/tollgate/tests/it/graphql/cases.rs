//! One operation for each field of the admin API, with the permissions it needs.

use contracts::Permission::{self, *};

/// How one field is asked.
pub(super) struct Case {
    /// The field of `Query` or `Mutation`.
    pub(super) field: &'static str,
    /// Asks it, with ids of nobody.
    pub(super) operation: &'static str,
    /// The permissions it needs, each of them; none = any credentials will do.
    pub(super) needs: &'static [Permission],
}

const fn case(field: &'static str, operation: &'static str, needs: &'static [Permission]) -> Case {
    Case { field, operation, needs }
}

macro_rules! key {
    () => {
        "key_0198c0de4f5e7a40b1c2d3e4f5a6b7c8"
    };
}

/// Every field, queries first.
pub(super) const CASES: &[Case] = &[
    case("viewer", "{ viewer { id } }", &[]),
    case("tenant", "{ tenant { id } }", &[OrganizationRead]),
    case("tokens", "{ tokens { id } }", &[OrganizationRead]),
    case("apis", "{ apis { nodes { id } } }", &[ApisRead]),
    case("api", r#"{ api(id: "abcdefghij") { id } }"#, &[ApisRead]),
    case("deployments", r#"{ deployments(apiId: "abcdefghij") { nodes { id } } }"#, &[ApisRead]),
    case("usagePlans", "{ usagePlans { nodes { id } } }", &[UsagePlansRead]),
    case(
        "usagePlan",
        r#"{ usagePlan(id: "upl_0198c0de4f5e7a40b1c2d3e4f5a6b7c8") { id } }"#,
        &[UsagePlansRead],
    ),
    case("apiKeys", "{ apiKeys { nodes { id } } }", &[KeysRead]),
    case("apiKey", concat!(r#"{ apiKey(id: ""#, key!(), r#"") { id } }"#), &[KeysRead]),
    case("quotaStatus", concat!(r#"{ quotaStatus(key: ""#, key!(), r#"") { limit } }"#), &[UsageRead]),
    case("products", "{ products { nodes { id } } }", &[ProductsRead]),
    case("product", r#"{ product(id: "prd_0198c0de4f5e7a40b1c2d3e4f5a6b7c8") { id } }"#, &[ProductsRead]),
    case("subscriptions", "{ subscriptions { nodes { id } } }", &[SubscriptionsRead]),
    case(
        "subscription",
        r#"{ subscription(id: "sub_0198c0de4f5e7a40b1c2d3e4f5a6b7c8") { id } }"#,
        &[SubscriptionsRead],
    ),
    case("developers", "{ developers { nodes { id } } }", &[SubscriptionsRead]),
    case("apps", "{ apps { nodes { id } } }", &[SubscriptionsRead]),
    case("app", r#"{ app(id: "app_0198c0de4f5e7a40b1c2d3e4f5a6b7c8") { id } }"#, &[SubscriptionsRead]),
    case(
        "usage",
        r#"{ usage(from: "2023-11-01T00:00:00Z", to: "2023-11-02T00:00:00Z") { complete } }"#,
        &[UsageRead],
    ),
    case("requestLog", "{ requestLog { nodes { requestId } } }", &[RequestLogRead]),
    case(
        "tokenCreate",
        r#"mutation { tokenCreate(input: {name: "t"}) { token { id } errors { code } } }"#,
        &[TokensWrite],
    ),
    case(
        "tokenRevoke",
        r#"mutation { tokenRevoke(id: "tok_0198c0de4f5e7a40b1c2d3e4f5a6b7c8") { revokedId errors { code } } }"#,
        &[TokensWrite],
    ),
    case("accessKeyCreate", "mutation { accessKeyCreate { accessKeyId errors { code } } }", &[TokensWrite]),
    case(
        "apiImport",
        r#"mutation { apiImport(input: {documentUrl: "http://127.0.0.1:1/"}) { api { id } errors { code } } }"#,
        &[ApisWrite],
    ),
    case(
        "apiEdit",
        r#"mutation { apiEdit(input: {apiId: "abcdefghij", edits: []}) { api { id } errors { code } } }"#,
        &[ApisWrite],
    ),
    case(
        "apiDeploy",
        r#"mutation { apiDeploy(input: {apiId: "abcdefghij", stage: "dev"}) { stage { name } errors { code } } }"#,
        &[ApisWrite],
    ),
    case(
        "apiRollback",
        r#"mutation { apiRollback(input: {apiId: "abcdefghij", stage: "dev", deploymentId:
            "dep_0198c0de4f5e7a40b1c2d3e4f5a6b7c8"}) { stage { name } errors { code } } }"#,
        &[ApisWrite],
    ),
    case(
        "stageUpdate",
        r#"mutation { stageUpdate(input: {apiId: "abcdefghij", stage: "dev"}) { stage { name } errors { code } } }"#,
        &[ApisRead, ApisWrite],
    ),
    case(
        "apiDelete",
        r#"mutation { apiDelete(id: "abcdefghij") { deletedId errors { code } } }"#,
        &[ApisWrite],
    ),
    case(
        "usagePlanCreate",
        r#"mutation { usagePlanCreate(input: {name: "p"}) { usagePlan { id } errors { code } } }"#,
        &[UsagePlansWrite],
    ),
    case(
        "usagePlanUpdate",
        r#"mutation { usagePlanUpdate(input: {id: "upl_0198c0de4f5e7a40b1c2d3e4f5a6b7c8"}) { usagePlan { id }
            errors { code } } }"#,
        &[UsagePlansRead, UsagePlansWrite],
    ),
    case(
        "usagePlanDelete",
        r#"mutation { usagePlanDelete(id: "upl_0198c0de4f5e7a40b1c2d3e4f5a6b7c8") { deletedId errors { code } } }"#,
        &[UsagePlansWrite],
    ),
    case(
        "apiKeyCreate",
        r#"mutation { apiKeyCreate(input: {name: "k"}) { value errors { code } } }"#,
        &[KeysWrite],
    ),
    case(
        "apiKeyUpdate",
        concat!(
            r#"mutation { apiKeyUpdate(input: {id: ""#,
            key!(),
            r#""}) { apiKey { id } errors { code } } }"#
        ),
        &[KeysWrite],
    ),
    case(
        "apiKeyRotate",
        concat!(r#"mutation { apiKeyRotate(input: {id: ""#, key!(), r#""}) { value errors { code } } }"#),
        &[KeysWrite],
    ),
    case(
        "apiKeyRevoke",
        concat!(r#"mutation { apiKeyRevoke(id: ""#, key!(), r#"") { apiKey { id } errors { code } } }"#),
        &[KeysWrite],
    ),
    case(
        "apiKeyReveal",
        concat!(r#"mutation { apiKeyReveal(id: ""#, key!(), r#"") { value errors { code } } }"#),
        &[KeysReveal],
    ),
    case(
        "productCreate",
        r#"mutation { productCreate(input: {name: "p"}) { product { id } errors { code } } }"#,
        &[ProductsWrite],
    ),
    case(
        "productUpdate",
        r#"mutation { productUpdate(input: {id: "prd_0198c0de4f5e7a40b1c2d3e4f5a6b7c8"}) { product { id }
            errors { code } } }"#,
        &[ProductsWrite],
    ),
    case(
        "planCreate",
        r#"mutation { planCreate(input: {productId: "prd_0198c0de4f5e7a40b1c2d3e4f5a6b7c8", name: "p", stages: []})
            { plan { id } errors { code } } }"#,
        &[ProductsWrite, UsagePlansWrite],
    ),
    case(
        "subscriptionCreate",
        r#"mutation { subscriptionCreate(input: {planId: "pln_0198c0de4f5e7a40b1c2d3e4f5a6b7c8", developerEmail:
            "dev@example.com", appName: "a"}) { value errors { code } } }"#,
        &[SubscriptionsRead, SubscriptionsWrite],
    ),
    case(
        "subscriptionCancel",
        r#"mutation { subscriptionCancel(id: "sub_0198c0de4f5e7a40b1c2d3e4f5a6b7c8") { subscription { id }
            errors { code } } }"#,
        &[SubscriptionsWrite],
    ),
    case(
        "developerCreate",
        r#"mutation { developerCreate(input: {email: "d@example.com"}) { developer { id } errors { code } } }"#,
        &[SubscriptionsWrite],
    ),
    case(
        "appCreate",
        r#"mutation { appCreate(input: {developerId: "dev_0198c0de4f5e7a40b1c2d3e4f5a6b7c8", name: "a"}) { app { id }
            errors { code } } }"#,
        &[SubscriptionsWrite],
    ),
];
