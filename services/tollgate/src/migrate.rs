//! Bringing databases to this version.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use migrations::Schema;
use secrecy::ExposeSecret;

use crate::config::{Config, Database, Purpose};

/// `tollgate migrate`: every database of the configuration, then ClickHouse's tables.
pub(crate) fn run(file: Option<&Path>) -> Result<()> {
    let config = Config::read(file, Purpose::Migrate)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stores = [
            (Schema::Tenants, &config.tenants.database),
            (Schema::Apis, &config.apis.database),
            (Schema::Metering, &config.metering.database),
            (Schema::Billing, &config.billing.database),
            (Schema::Portal, &config.portal.database),
        ];
        for (schema, database) in stores {
            migrate(schema, database).await?;
        }
        metering::migrate_usage_store(&config.metering.settings)
            .await
            .map_err(|error| anyhow!("cannot migrate the usage store: {error}{}", cause(&error)))
    })
}

/// Brings one role's database to this version.
pub(crate) async fn migrate(schema: Schema, database: &Database) -> Result<()> {
    let name = schema.as_str();
    let url = database.url.expose_secret();
    let owner = match database.migration_url.expose_secret() {
        "" => url,
        owner => owner,
    };
    let connection = database::Database::open(owner, name, 1).await;
    let connection =
        connection.map_err(|error| anyhow!("cannot open the database of {name}{}", cause(&error)))?;
    let application = url::Url::parse(url).ok().map(|url| url.username().to_owned());
    let application = application.filter(|user| !user.is_empty());
    migrations::run(schema, connection.connection(), application.as_deref())
        .await
        .with_context(|| format!("cannot migrate the database of {name}"))?;
    connection.close().await?;
    Ok(())
}

fn cause(error: &common::Error) -> String {
    error.cause.as_deref().map(|cause| format!(": {cause}")).unwrap_or_default()
}
