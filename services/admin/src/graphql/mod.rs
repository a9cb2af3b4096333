//! The GraphQL admin API: views of what the roles answer, and the limits of a request.
//!
//! Knows no store and no rule: each field is a call of a role, which authorizes, validates and does the work.

use async_graphql::{EmptySubscription, MergedObject, SDLExportOptions, Schema};

mod api_keys;
mod apis;
mod call;
mod connection;
mod cost;
mod developers;
pub(crate) mod endpoint;
mod leaves;
mod limits;
mod organization;
mod products;
mod publish;
mod quotas;
mod references;
mod refusal;
mod requests;
mod scalar;
mod spending;
mod subscriptions;
mod terms;
mod usage;
mod usage_plans;

/// Everything that can be read.
#[derive(Default, MergedObject)]
#[graphql(name = "Query")]
pub(crate) struct Query(
    organization::OrganizationQuery,
    apis::ApiQuery,
    usage_plans::UsagePlanQuery,
    api_keys::ApiKeyQuery,
    quotas::QuotaQuery,
    products::ProductQuery,
    subscriptions::SubscriptionQuery,
    developers::DeveloperQuery,
    usage::UsageQuery,
    requests::RequestQuery,
);

/// Everything that can be changed.
#[derive(Default, MergedObject)]
#[graphql(name = "Mutation")]
pub(crate) struct Mutation(
    organization::OrganizationMutation,
    publish::PublishMutation,
    usage_plans::UsagePlanMutation,
    api_keys::ApiKeyMutation,
    quotas::QuotaMutation,
    products::ProductMutation,
    subscriptions::SubscriptionMutation,
    spending::SpendingMutation,
    developers::DeveloperMutation,
    requests::RequestMutation,
);

/// The schema; who asks comes with each request.
pub(crate) type AdminSchema = Schema<Query, Mutation, EmptySubscription>;

/// Makes the schema.
pub(crate) fn schema() -> AdminSchema {
    Schema::build(Query::default(), Mutation::default(), EmptySubscription)
        .limit_complexity(cost::MAX)
        .limit_recursive_depth(limits::MAX_NESTING)
        .finish()
}

/// The schema in GraphQL's schema language, as it is committed in `schema.graphql`.
pub fn sdl() -> String {
    let mut sdl = schema().sdl_with_options(SDLExportOptions::new().prefer_single_line_descriptions());
    sdl.truncate(sdl.trim_end().len());
    sdl.push('\n');
    sdl
}
