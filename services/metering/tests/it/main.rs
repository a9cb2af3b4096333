//! Guarantees of the role on both pairs of stores: SQLite alone, and PostgreSQL with ClickHouse.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod batches;
mod crashes;
mod extensions;
mod gateways;
mod ledger;
mod periods;
mod plan_changes;
mod quotas;
mod records;
mod retention;
mod spending;
mod usage;
mod world;

/// Runs each test on the embedded and on the production stores.
#[macro_export]
macro_rules! on_both_stores {
    ($($name:ident),* $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::world::World::embedded().await).await; })*
        }
        mod production {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::world::World::production().await).await; })*
        }
    };
}
