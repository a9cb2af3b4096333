//! Tables of the role `metering`.

mod m20261122_000001_bookkeeping;
mod m20261122_000002_access;
mod m20261122_000003_quotas;
mod m20261122_000004_usage;
mod m20261122_000007_spending;

use sea_orm_migration::prelude::*;

/// The role's migrations, oldest first.
pub(crate) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_bookkeeping::migration()),
            Box::new(m20261122_000002_access::migration()),
            Box::new(m20261122_000003_quotas::migration()),
            Box::new(m20261122_000004_usage::migration()),
            Box::new(m20261122_000007_spending::migration()),
        ]
    }
}
