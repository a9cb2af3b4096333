//! ClickHouse killed during appends, and what crashes leave behind, made good.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use clickhouse::Client;
use contracts::metering::UsageStep;
use rand::Rng;
use testkit::{TestClickHouse, TestPostgres, eventually};

use crate::batches::{calls, forget_acknowledgement, stream, total};
use crate::records::Stream;
use crate::world::{Member, World};

const ROLLUPS: [&str; 3] = ["usage_minutes", "usage_hours", "usage_days"];

/// Records, distinct records, and the sums of each rollup: all must be the same number.
async fn counts(client: &Client) -> Vec<u64> {
    let mut counts = Vec::new();
    for sql in ["SELECT count() FROM usage_records", "SELECT uniqExact(request_id) FROM usage_records"] {
        counts.push(client.query(sql).fetch_one::<u64>().await.unwrap());
    }
    for table in ROLLUPS {
        let sql = format!("SELECT sum(requests) FROM {table}");
        counts.push(client.query(&sql).fetch_one::<u64>().await.unwrap());
    }
    counts
}

/// Fingerprints by minute of the records, and of the rollup: equal when the same calls are in both.
async fn fingerprints(client: &Client, sql: &str) -> Vec<(u32, u64)> {
    client.query(sql).fetch_all().await.unwrap()
}

async fn assert_exact(world: &World, expected: &BTreeSet<String>) {
    let client = world.clickhouse.as_ref().unwrap().client();
    assert_eq!(counts(&client).await, vec![expected.len() as u64; 5]);
    let ids = "SELECT request_id FROM usage_records ORDER BY request_id";
    let ids: Vec<String> = client.query(ids).fetch_all().await.unwrap();
    assert!(ids.iter().eq(expected.iter()), "the records are not the calls that were made");
    let records = "SELECT toUnixTimestamp(toStartOfMinute(started_at)) AS m, sum(fingerprint) FROM usage_records GROUP BY m ORDER BY m";
    let records = fingerprints(&client, records).await;
    let minutes =
        "SELECT toUnixTimestamp(minute) AS m, sum(fingerprint) FROM usage_minutes GROUP BY m ORDER BY m";
    assert_eq!(fingerprints(&client, minutes).await, records);
}

/// Sends batches of one stream until told to stop; every batch again until it is acknowledged, as a gateway does.
async fn ship(
    world: &World,
    owner: &Member,
    mut stream: Stream,
    stop: &AtomicBool,
    acknowledged: &AtomicU64,
) -> BTreeSet<String> {
    let mut sent = BTreeSet::new();
    while !stop.load(Ordering::Relaxed) {
        let calls = calls(world, owner, 40);
        sent.extend(calls.iter().map(|call| call.request_id.to_string()));
        let batch = stream.next(&calls);
        let stored = eventually(Duration::from_secs(60), async || {
            world.call(batch.clone()).await.is_ok_and(|answer| answer.acked_through >= batch.sequence)
        });
        assert!(stored.await, "a batch was never taken");
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifteen_kills_of_clickhouse_under_appends_lose_and_double_nothing() {
    let clickhouse = TestClickHouse::dedicated().await.unwrap();
    let world = World::on(TestPostgres::new().unwrap(), clickhouse).await;
    let owner = world.owner();
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
    let killing = async {
        let engine = world.clickhouse.as_ref().unwrap();
        for _ in 0..15 {
            let (before, more) = (acknowledged.load(Ordering::Relaxed), rand::rng().random_range(1..5));
            let goes_on = async || acknowledged.load(Ordering::Relaxed) >= before + more;
            assert!(eventually(Duration::from_secs(60), goes_on).await, "appends stand still");
            let mut left = rand::rng().random_range(0..8);
            eventually(Duration::from_secs(1), async || {
                left -= 1;
                left < 0
            })
            .await;
            engine.kill_9().unwrap();
            engine.restart().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    };
    let streams = [0, 1, 2].map(|worker| ship(&world, &owner, stream(&world, worker), &stop, &acknowledged));
    let [first, second, third] = streams;
    let (sent, second, third, ()) = tokio::join!(first, second, third, killing);
    let sent: BTreeSet<String> = sent.into_iter().chain(second).chain(third).collect();
    assert_exact(&world, &sent).await;
    assert_eq!(total(&owner, &world, UsageStep::Total).await.unwrap().requests, sent.len() as u64);
}

/// A batch whose acknowledgement was lost, and the state in which the engine was when it died.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_crash_left_of_a_batch_its_repeat_makes_exact() {
    let world = World::production().await;
    let owner = world.owner();
    let client = world.clickhouse.as_ref().unwrap().client();
    let mut expected = BTreeSet::new();
    let (mut shipped, mut other) = (stream(&world, 0), stream(&world, 1));
    let left_behind = [
        // Nothing of it, though its token was noted.
        vec!["usage_records", "usage_minutes", "usage_hours", "usage_days"],
        // Its records alone, or with some of the sums.
        vec!["usage_minutes", "usage_hours", "usage_days"],
        vec!["usage_hours"],
        // Sums without records.
        vec!["usage_records"],
        // All of it.
        vec![],
    ];
    for missing in left_behind {
        let others = calls(&world, &owner, 3);
        expected.extend(others.iter().map(|call| call.request_id.to_string()));
        world.call(other.next(&others)).await.unwrap();
        let before = parts(&client).await;
        let doubtful = calls(&world, &owner, 5);
        expected.extend(doubtful.iter().map(|call| call.request_id.to_string()));
        let batch = shipped.next(&doubtful);
        world.call(batch.clone()).await.unwrap();
        forget_acknowledgement(&world, &batch).await;
        for (table, part) in parts(&client).await.difference(&before) {
            if missing.contains(&table.as_str()) {
                let drop = format!("ALTER TABLE {table} DROP PART '{part}'");
                client.query(&drop).execute().await.unwrap();
            }
        }
        assert_eq!(world.call(batch.clone()).await.unwrap().acked_through, batch.sequence);
        assert_exact(&world, &expected).await;
    }
}

/// Active parts by table, merges held back.
async fn parts(client: &Client) -> BTreeSet<(String, String)> {
    for table in ["usage_records", "usage_minutes", "usage_hours", "usage_days"] {
        client.query(&format!("SYSTEM STOP MERGES {table}")).execute().await.unwrap();
    }
    let parts = "SELECT table, name FROM system.parts WHERE database = currentDatabase() AND active";
    client.query(parts).fetch_all::<(String, String)>().await.unwrap().into_iter().collect()
}

/// With sums doubled by hand, a batch in doubt of that day puts them right again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sums_that_differ_from_their_records_are_made_anew() {
    let world = World::production().await;
    let owner = world.owner();
    let client = world.clickhouse.as_ref().unwrap().client();
    let mut shipped = stream(&world, 0);
    let seen = calls(&world, &owner, 4);
    let batch = shipped.next(&seen);
    world.call(batch.clone()).await.unwrap();
    for table in ROLLUPS {
        let double = format!("INSERT INTO {table} SELECT * FROM {table}");
        client.query(&double).with_setting("insert_deduplicate", "0").execute().await.unwrap();
    }
    forget_acknowledgement(&world, &batch).await;
    world.call(batch).await.unwrap();
    assert_exact(&world, &seen.iter().map(|call| call.request_id.to_string()).collect()).await;
    let row = total(&owner, &world, UsageStep::Total).await.unwrap();
    assert!((row.p50_ms / 1.5 - 1.0).abs() <= 0.02, "{row:?}");
}
