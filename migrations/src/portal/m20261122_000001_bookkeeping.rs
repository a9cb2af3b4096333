//! Outbox, audit log, idempotency keys.

use crate::shared::{self, SqlMigration};

pub(super) fn migration() -> SqlMigration {
    SqlMigration { name: "m20261122_000001_bookkeeping", statements: shared::bookkeeping }
}
