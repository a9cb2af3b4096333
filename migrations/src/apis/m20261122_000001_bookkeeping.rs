//! Outbox, audit log, idempotency keys, change stream.

use crate::shared::{self, SqlMigration};

pub(super) fn migration() -> SqlMigration {
    SqlMigration {
        name: "m20261122_000001_bookkeeping",
        statements: |backend| {
            let mut statements = shared::bookkeeping(backend);
            statements.extend(shared::change_stream());
            statements
        },
    }
}
