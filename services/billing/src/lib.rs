//! The role `billing`: products, plans, and who subscribed to what.
//!
//! Owns what is sold and the promise that a subscription has its key. Keys and limits themselves are `metering`'s, app
//! developers and apps `portal`'s: both are asked by calls.

mod domain;
mod jobs;
mod service;
mod store;

use std::sync::Arc;

use common::{Clock, Result};
use contracts::billing as calls;
use contracts::{Client, Endpoints, Role};
use database::Database;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// Settings of this role.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How much one organization may have.
    pub limits: Limits,
}

/// How much one organization may have.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Products.
    pub products: u64,
    /// Plans of a product.
    pub plans_per_product: u64,
    /// Subscriptions that are not cancelled.
    pub subscriptions: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { products: 500, plans_per_product: 50, subscriptions: 10_000 }
    }
}

/// What this role runs on.
#[derive(Debug)]
pub struct Deps {
    /// Its own database, migrated.
    pub database: Database,
    /// Where jobs take the time from; calls carry theirs.
    pub clock: Clock,
    /// Reaches `metering`, `portal` and `apis`.
    pub client: Client,
}

/// The running role.
#[derive(Debug)]
pub struct State {
    config: Config,
    database: Database,
    clock: Clock,
    client: Client,
}

/// Starts the role on its dependencies.
pub async fn build(config: Config, deps: Deps) -> Result<Arc<State>> {
    Ok(Arc::new(State { config, database: deps.database, clock: deps.clock, client: deps.client }))
}

/// The calls this role answers.
pub fn endpoints(state: &Arc<State>) -> Endpoints {
    Endpoints::new(Role::Billing)
        .with::<calls::CreateProduct, _, _, _>(state, service::products::create)
        .with::<calls::UpdateProduct, _, _, _>(state, service::products::update)
        .with::<calls::GetProduct, _, _, _>(state, service::products::get)
        .with::<calls::ListProducts, _, _, _>(state, service::products::list)
        .with::<calls::CreatePlan, _, _, _>(state, service::plans::create)
        .with::<calls::GetPlan, _, _, _>(state, service::plans::get)
        .with::<calls::FindPlansOfUsagePlan, _, _, _>(state, service::plans::of_usage_plan)
        .with::<calls::CreateSubscription, _, _, _>(state, service::subscriptions::create)
        .with::<calls::CancelSubscription, _, _, _>(state, service::subscriptions::cancel)
        .with::<calls::SetSpendCap, _, _, _>(state, service::spending::set)
        .with::<calls::GetSubscription, _, _, _>(state, service::subscriptions::get)
        .with::<calls::ListSubscriptions, _, _, _>(state, service::subscriptions::list)
}

/// Runs the role's jobs until `stop`.
pub async fn run_jobs(state: Arc<State>, stop: CancellationToken) {
    tokio::join!(jobs::deliver::run(&state, &stop), jobs::purge::run(&state, &stop));
}
