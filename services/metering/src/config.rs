//! The section `[metering]` of the configuration.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// How metering runs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Days for which single records are kept, today not counted; sums are kept for ever.
    pub record_retention_days: u32,
    /// Where usage records live; absent = in metering's own database, which is SQLite then.
    pub clickhouse: Option<ClickHouseConfig>,
    /// How much one organization may have.
    pub limits: Limits,
}

/// How much one organization may have (limits.md of the API Gateway guide where it has a number).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Usage plans.
    pub usage_plans: u64,
    /// Stages that a usage plan opens.
    pub stages_per_usage_plan: u64,
    /// API keys, those of subscriptions apart.
    pub api_keys: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { usage_plans: 300, stages_per_usage_plan: 100, api_keys: 10_000 }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self { record_retention_days: 30, clickhouse: None, limits: Limits::default() }
    }
}

/// Where ClickHouse is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClickHouseConfig {
    /// Address of its HTTP interface, for example `http://127.0.0.1:8123`.
    pub url: String,
    /// The database; it must exist.
    pub database: String,
    /// The user; absent = the server's default.
    #[serde(default)]
    pub user: Option<String>,
    /// Its password.
    #[serde(default)]
    pub password: Option<SecretString>,
}

impl ClickHouseConfig {
    /// A client of the database.
    pub(crate) fn client(&self) -> clickhouse::Client {
        let mut client = clickhouse::Client::default().with_url(&self.url).with_database(&self.database);
        if let Some(user) = &self.user {
            client = client.with_user(user);
        }
        if let Some(password) = &self.password {
            client = client.with_password(password.expose_secret());
        }
        client
    }
}
