//! Use cases: the role's answers to its calls. Each validates, opens a transaction, applies the domain's rules, stores and
//! publishes what changed.

pub(crate) mod api_keys;
pub(crate) mod batches;
pub(crate) mod gateways;
pub(crate) mod leases;
pub(crate) mod ledger;
mod plan_changes;
pub(crate) mod quotas;
pub(crate) mod retention;
pub(crate) mod spending;
pub(crate) mod usage;
pub(crate) mod usage_plans;

use std::sync::Arc;

use common::vault::Vault;
use common::{Clock, Result};
use contracts::Client;
use contracts::metering::AccessEntry;
use database::changes::{self, Feed};
use database::{Database, Tx};

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::store::usage::UsageStore;
use ledger::LedgerState;

/// The role `metering`, ready to answer.
#[derive(Debug)]
pub struct Service {
    pub(crate) config: Config,
    pub(crate) database: Database,
    pub(crate) feed: Feed,
    pub(crate) vault: Vault,
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) usage: Arc<dyn UsageStore>,
    /// Batches being stored: fewer than connections, so that leases are granted while the usage store is slow.
    pub(crate) appends: Semaphore,
    /// What the last hourly comparison of the ledger found.
    pub(crate) ledger: Mutex<LedgerState>,
}

impl Service {
    /// Publishes a usage plan or key, or its end, within `tx`.
    pub(crate) async fn publish(
        &self,
        tx: &(impl Tx + Sync),
        key: &str,
        entry: Option<&AccessEntry>,
    ) -> Result<u64> {
        changes::publish(tx, key, entry).await
    }
}
