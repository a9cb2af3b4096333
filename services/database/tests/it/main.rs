//! Guarantees of transactions and change streams, on SQLite and on PostgreSQL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use common::Clock;
use common::id::GatewayId;
use contracts::stream::Follow;
use database::changes::{Feed, publish};
use database::{Database, Tx};
use futures_util::future::join_all;
use migrations::Schema;
use rand::Rng;
use sea_orm::{ConnectionTrait, Statement};
use testkit::{DatabaseRole, TestPostgres};

const SCHEMA: &str = Schema::Metering.as_str();

async fn sqlite() -> Database {
    let file = testkit::scratch_dir("database").unwrap().join("test.db");
    let url = format!("sqlite://{}?mode=rwc", file.display());
    let database = Database::open(&url, SCHEMA, 8).await.unwrap();
    migrations::run(Schema::Metering, database.connection(), None).await.unwrap();
    database
}

async fn postgres(server: &TestPostgres) -> Database {
    let owner = Database::open(&server.url(DatabaseRole::Owner), SCHEMA, 2).await.unwrap();
    migrations::run(Schema::Metering, owner.connection(), Some("tollgate_app")).await.unwrap();
    owner.close().await.unwrap();
    Database::open(&server.url(DatabaseRole::App), SCHEMA, 20).await.unwrap()
}

/// Lets other tasks run for a while of no particular length.
async fn dawdle() {
    let turns = rand::rng().random_range(0..200);
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

/// Reads a number and writes the next one, as two statements.
async fn count_up(database: &Database, locked: &str) {
    let tx = database.system("a test").await.unwrap();
    let statement = |sql: String| Statement::from_string(database.backend(), sql);
    let read = format!("SELECT revision FROM change_counter WHERE id = 1{locked}");
    let row = tx.conn().query_one_raw(statement(read)).await.unwrap().unwrap();
    let revision: i64 = row.try_get("", "revision").unwrap();
    dawdle().await;
    let write = format!("UPDATE change_counter SET revision = {} WHERE id = 1", revision + 1);
    tx.conn().execute_raw(statement(write)).await.unwrap();
    tx.commit().await.unwrap();
}

async fn counted(database: &Database) -> i64 {
    let read = Statement::from_string(database.backend(), "SELECT revision FROM change_counter WHERE id = 1");
    let row = database.connection().query_one_raw(read).await.unwrap().unwrap();
    row.try_get("", "revision").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_transactions_that_read_then_write_all_succeed_on_sqlite() {
    let database = sqlite().await;
    join_all((0..32).map(|_| count_up(&database, ""))).await;
    assert_eq!(counted(&database).await, 32);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_transactions_that_lock_read_then_write_all_succeed_on_postgres() {
    let server = TestPostgres::new().unwrap();
    let database = postgres(&server).await;
    join_all((0..32).map(|_| count_up(&database, " FOR UPDATE"))).await;
    assert_eq!(counted(&database).await, 32);
}

/// Publishers begin, publish and end in no order, and some give up; a follower reads all the while.
async fn followers_miss_nothing(database: Database) {
    const PUBLISHERS: usize = 60;
    let feed = Feed::new(database.clone());
    let publisher = async |number: usize| {
        dawdle().await;
        let tx = database.system("a test").await.unwrap();
        dawdle().await;
        let revision = publish(&tx, &format!("thing/{number}"), Some(&number)).await.unwrap();
        dawdle().await;
        if number.is_multiple_of(5) {
            return None;
        }
        tx.commit().await.unwrap();
        feed.announce();
        Some((revision, number))
    };
    let follower = async {
        let gateway = GatewayId::new(Clock::System.now());
        let (mut applied, mut seen) = (0, BTreeMap::new());
        while seen.len() < PUBLISHERS - PUBLISHERS / 5 {
            let changes = feed.follow::<usize>(&Follow { gateway, applied, wait_ms: 1_000 }).await.unwrap();
            for change in changes.changes {
                assert!(change.revision > applied, "revisions must grow");
                applied = change.revision;
                seen.insert(change.revision, change.state.unwrap());
            }
        }
        seen
    };
    let followed = tokio::time::timeout(testkit::PATIENCE, async {
        tokio::join!(join_all((0..PUBLISHERS).map(publisher)), follower)
    });
    let (published, seen) = followed.await.expect("the follower waits for a change that it skipped");
    assert_eq!(seen, published.into_iter().flatten().collect::<BTreeMap<_, _>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_misses_nothing_whatever_the_order_of_commits_on_sqlite() {
    followers_miss_nothing(sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_misses_nothing_whatever_the_order_of_commits_on_postgres() {
    let server = TestPostgres::new().unwrap();
    followers_miss_nothing(postgres(&server).await).await;
}
