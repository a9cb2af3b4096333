//! Tables of the role `tenants`.

mod m20261122_000001_bookkeeping;
mod m20261122_000002_tenants;

use sea_orm_migration::prelude::*;

/// The role's migrations, oldest first.
pub(crate) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_bookkeeping::migration()),
            Box::new(m20261122_000002_tenants::migration()),
        ]
    }
}
