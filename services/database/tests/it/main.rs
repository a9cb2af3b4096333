//! Guarantees of transactions and change streams, on SQLite and on PostgreSQL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use common::Clock;
use common::id::GatewayId;
use contracts::stream::{Follow, Liveness};
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
#[tokio::test]
async fn locks_of_a_client_that_vanished_are_not_held_for_hours_on_postgres() {
    let server = TestPostgres::new().unwrap();
    let database = postgres(&server).await;
    let expected = [
        ("search_path", SCHEMA),
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
        ("idle_in_transaction_session_timeout", "5min"),
    ];
    for (setting, value) in expected {
        let show = Statement::from_string(database.backend(), format!("SHOW {setting}"));
        let row = database.connection().query_one_raw(show).await.unwrap().unwrap();
        assert_eq!(row.try_get::<String>("", setting).unwrap().replace('"', ""), value, "{setting}");
    }
}

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
            let changes = feed
                .follow::<usize>(&Follow { gateway, applied, after: None, wait_ms: 1_000 })
                .await
                .unwrap();
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

/// A follower at revision 100 of an owner that was restored from a backup to revision 90.
async fn a_follower_ahead_is_told_and_not_taken_for_live(database: Database) {
    let feed = Feed::new(database.clone());
    let gateway = GatewayId::new(Clock::System.now());
    let publish_one = async |number: usize| {
        let tx = database.system("a test").await.unwrap();
        let revision = publish(&tx, &format!("thing/{number}"), Some(&number)).await.unwrap();
        tx.commit().await.unwrap();
        revision
    };
    let newest = publish_one(1).await;
    let ahead = Follow { gateway, applied: newest + 10, after: None, wait_ms: 5_000 };
    let told = tokio::time::timeout(std::time::Duration::from_secs(4), feed.follow::<usize>(&ahead));
    let told = told.await.expect("told at once").unwrap();
    assert_eq!((told.changes.len(), told.revision, told.more), (0, newest, false));
    assert_eq!(feed.wait_live(publish_one(2).await).await.unwrap(), Liveness::Pending);

    let anew = Follow { gateway, applied: 0, after: Some(newest), wait_ms: 0 };
    let read = feed.follow::<usize>(&anew).await.unwrap();
    assert_eq!((read.changes.len(), read.revision), (1, newest + 1));
    assert_eq!(feed.wait_live(newest + 1).await.unwrap(), Liveness::Pending, "read is not applied");

    feed.follow::<usize>(&Follow { gateway, applied: newest + 1, after: None, wait_ms: 0 }).await.unwrap();
    assert_eq!(feed.wait_live(newest + 1).await.unwrap(), Liveness::Live);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_ahead_of_a_restored_owner_is_told_and_not_taken_for_live_on_sqlite() {
    a_follower_ahead_is_told_and_not_taken_for_live(sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_ahead_of_a_restored_owner_is_told_and_not_taken_for_live_on_postgres() {
    let server = TestPostgres::new().unwrap();
    a_follower_ahead_is_told_and_not_taken_for_live(postgres(&server).await).await;
}
