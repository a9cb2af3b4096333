//! The role `metering`: API keys, usage plans, quota leases, usage records and their sums.
//!
//! Owns its database and the usage store. Knows no HTTP edge and no price; asks the role `apis` whether a stage exists.

mod config;
pub mod domain;
mod jobs;
mod service;
mod store;

use std::sync::Arc;

use common::vault::Vault;
use common::{Clock, Error, Result};
use contracts::{Client, Endpoints, Role};
use database::Database;
use database::changes::Feed;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

pub use config::{ClickHouseConfig, Config, Limits};
pub use jobs::{run_jobs, run_once, verify_ledger};
pub use service::Service;
pub use service::ledger::LedgerState;

use service::{api_keys, batches, gateways, leases, ledger, quotas, retention, spending, usage, usage_plans};
use store::usage::UsageStore;
use store::usage::clickhouse::ClickHouseUsage;
use store::usage::sqlite::SqliteUsage;

/// Batches stored at once.
const APPENDS: usize = 4;

/// What the role needs from the process it runs in.
#[derive(Debug)]
pub struct Dependencies {
    /// Its migrated database.
    pub database: Database,
    /// Where keys' values are kept.
    pub vault: Vault,
    /// Reaches the role `apis`.
    pub client: Client,
    /// The date.
    pub clock: Clock,
}

/// The role, ready to answer. With ClickHouse configured, its tables must have been brought to this version by
/// [`migrate_usage_store`].
pub fn build(config: Config, dependencies: Dependencies) -> Result<Arc<Service>> {
    let Dependencies { database, vault, client, clock } = dependencies;
    let usage: Arc<dyn UsageStore> = match &config.clickhouse {
        Some(clickhouse) => Arc::new(ClickHouseUsage::new(clickhouse)),
        None if database.is_sqlite() => Arc::new(SqliteUsage::new(database.clone())),
        None => {
            return Err(Error::invalid("metering.clickhouse", "must be set when the database is PostgreSQL"));
        }
    };
    let feed = Feed::new(database.clone());
    let appends = Semaphore::new(APPENDS);
    let ledger = Mutex::default();
    Ok(Arc::new(Service { config, database, feed, vault, client, clock, usage, appends, ledger }))
}

/// Brings ClickHouse's tables to this version, if ClickHouse is configured. May be run again.
pub async fn migrate_usage_store(config: &Config) -> Result<()> {
    match &config.clickhouse {
        Some(clickhouse) => ClickHouseUsage::new(clickhouse).migrate().await,
        None => Ok(()),
    }
}

/// Why the usage store cannot be used right now; nothing when it can.
pub async fn usage_store_fault(service: &Service) -> Option<String> {
    service.usage.fault().await
}

/// What the last hourly comparison of the ledger found.
pub fn ledger_state(service: &Service) -> LedgerState {
    service.ledger.lock().clone()
}

/// The role's answers.
pub fn endpoints(service: &Arc<Service>) -> Endpoints {
    use contracts::lease::{
        AppendBatch, GatewayForget, GatewayRegister, GatewayStop, LeaseGrant, LeaseSettle, ReportWatermark,
    };
    use contracts::ledger::{GetRecordRetention, PutRecordRetention, VerifyLedger};
    use contracts::metering::{
        CreateApiKey, CreateUsagePlan, DeleteApiKey, DeleteUsagePlan, ExportRequestLog, ExtendQuota,
        FollowAccess, GetApiKey, GetQuotaStatus, GetSpendStatus, GetUsagePlan, ListApiKeys, ListGateways,
        ListUsagePlans, PutSpendCap, QueryRequestLog, QueryUsage, RevealApiKey, RevokeApiKey, RotateApiKey,
        SumRequestLog, UpdateApiKey, UpdateUsagePlan,
    };
    Endpoints::new(Role::Metering)
        .with::<CreateUsagePlan, _, _, _>(service, usage_plans::create)
        .with::<UpdateUsagePlan, _, _, _>(service, usage_plans::update)
        .with::<DeleteUsagePlan, _, _, _>(service, usage_plans::delete)
        .with::<GetUsagePlan, _, _, _>(service, usage_plans::get)
        .with::<ListUsagePlans, _, _, _>(service, usage_plans::list)
        .with::<CreateApiKey, _, _, _>(service, api_keys::create)
        .with::<UpdateApiKey, _, _, _>(service, api_keys::update)
        .with::<RotateApiKey, _, _, _>(service, api_keys::rotate)
        .with::<RevokeApiKey, _, _, _>(service, api_keys::revoke)
        .with::<DeleteApiKey, _, _, _>(service, api_keys::delete)
        .with::<GetApiKey, _, _, _>(service, api_keys::get)
        .with::<ListApiKeys, _, _, _>(service, api_keys::list)
        .with::<RevealApiKey, _, _, _>(service, api_keys::reveal)
        .with::<GetQuotaStatus, _, _, _>(service, quotas::status)
        .with::<ExtendQuota, _, _, _>(service, quotas::extend)
        .with::<PutSpendCap, _, _, _>(service, spending::put)
        .with::<GetSpendStatus, _, _, _>(service, spending::status)
        .with::<LeaseGrant, _, _, _>(service, leases::grant)
        .with::<LeaseSettle, _, _, _>(service, leases::settle)
        .with::<GatewayRegister, _, _, _>(service, gateways::register)
        .with::<GatewayStop, _, _, _>(service, gateways::stop)
        .with::<GatewayForget, _, _, _>(service, gateways::forget)
        .with::<ListGateways, _, _, _>(service, gateways::list)
        .with::<ReportWatermark, _, _, _>(service, gateways::report)
        .with::<FollowAccess, _, _, _>(service, gateways::follow)
        .with::<AppendBatch, _, _, _>(service, batches::append)
        .with::<VerifyLedger, _, _, _>(service, ledger::verify)
        .with::<GetRecordRetention, _, _, _>(service, retention::get)
        .with::<PutRecordRetention, _, _, _>(service, retention::put)
        .with::<QueryUsage, _, _, _>(service, usage::query)
        .with::<QueryRequestLog, _, _, _>(service, usage::request_log)
        .with::<SumRequestLog, _, _, _>(service, usage::sum_log)
        .with::<ExportRequestLog, _, _, _>(service, usage::export)
}
