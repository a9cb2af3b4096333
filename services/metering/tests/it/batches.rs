//! Batches: stored exactly once, whatever is repeated, reordered or lost.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use common::id::{IncarnationId, KeyId};
use common::{Code, PageArgs};
use contracts::lease::AppendBatch;
use contracts::metering::{QueryRequestLog, QueryUsage, RequestFilter, SumRequestLog, UsageRow, UsageStep};

use crate::on_both_stores;
use crate::records::{Seen, Stream, batch};
use crate::world::{Member, World, micros};

on_both_stores![
    a_batch_is_stored_once_however_often_it_is_sent,
    a_gap_is_not_taken_and_the_answer_names_what_is_there,
    the_same_batch_sent_many_times_at_once_counts_once,
    a_damaged_or_misnamed_batch_changes_nothing,
    a_batch_replayed_after_10_000_later_ones_changes_nothing,
    a_large_batch_is_stored_whole,
];

pub(crate) fn stream(world: &World, stream: u32) -> Stream {
    Stream::new(world.gateway(), IncarnationId::new(world.clock.now()), stream)
}

/// Calls of one key in the minute of the clock.
pub(crate) fn calls(world: &World, member: &Member, count: usize) -> Vec<Seen> {
    let key = KeyId::new(world.clock.now());
    let start = micros(world.clock.now());
    (0..count as i64).map(|at| Seen::new(member.tenant(), world.api, key, start + at)).collect()
}

pub(crate) async fn total(member: &Member, world: &World, step: UsageStep) -> Option<UsageRow> {
    let now = world.clock.now();
    let query = QueryUsage {
        from: now - TimeDelta::days(2),
        to: now + TimeDelta::days(2),
        step,
        group_by: vec![],
        filter: BTreeMap::new(),
    };
    let rows = member.call(query).await.unwrap().rows;
    assert!(rows.len() <= 1, "{rows:?}");
    rows.into_iter().next()
}

/// How many single calls since a time are there.
pub(crate) async fn logged_since(member: &Member, world: &World, from: DateTime<Utc>) -> u64 {
    let to = Some(world.clock.now() + TimeDelta::hours(1));
    let filter = RequestFilter { from: Some(from), to, ..RequestFilter::default() };
    member.call(SumRequestLog { filter }).await.unwrap().requests
}

/// How many calls since a time were counted.
pub(crate) async fn total_since(member: &Member, world: &World, from: DateTime<Utc>) -> u64 {
    let to = world.clock.now() + TimeDelta::hours(1);
    let query = QueryUsage { from, to, step: UsageStep::Total, group_by: vec![], filter: BTreeMap::new() };
    member.call(query).await.unwrap().rows.iter().map(|row| row.requests).sum()
}

/// Every call of the log.
pub(crate) async fn logged(member: &Member, world: &World) -> Vec<String> {
    let mut page = PageArgs { first: Some(100), after: None };
    let mut ids = Vec::new();
    loop {
        let to = Some(world.clock.now() + TimeDelta::hours(1));
        let filter = RequestFilter { to, ..RequestFilter::default() };
        let query = QueryRequestLog { filter, page: page.clone() };
        let answer = member.call(query).await.unwrap();
        ids.extend(answer.items.iter().map(|call| call.request_id.to_string()));
        let Some(next) = answer.next else { return ids };
        page.after = Some(next);
    }
}

async fn append(world: &World, batch: &AppendBatch) -> u64 {
    world.call(batch.clone()).await.unwrap().acked_through
}

async fn a_batch_is_stored_once_however_often_it_is_sent(world: World) {
    let owner = world.owner();
    let mut stream = stream(&world, 0);
    let first = stream.next(&calls(&world, &owner, 3));
    let second = stream.next(&calls(&world, &owner, 2));
    assert_eq!(append(&world, &first).await, 1);
    assert_eq!(append(&world, &first).await, 1);
    assert_eq!(append(&world, &second).await, 2);
    assert_eq!(append(&world, &first).await, 2);
    let row = total(&owner, &world, UsageStep::Total).await.unwrap();
    assert_eq!((row.requests, row.quota_units, row.billable_units), (5, 5, 10));
    assert_eq!((row.bytes_in, row.bytes_out), (50, 5_000));
    assert_eq!(logged(&owner, &world).await.len(), 5);
}

async fn a_gap_is_not_taken_and_the_answer_names_what_is_there(world: World) {
    let owner = world.owner();
    let mut stream = stream(&world, 0);
    let batches: Vec<_> = (0..3).map(|_| stream.next(&calls(&world, &owner, 1))).collect();
    assert_eq!(append(&world, &batches[1]).await, 0);
    assert_eq!(append(&world, &batches[0]).await, 1);
    assert_eq!(append(&world, &batches[2]).await, 1);
    assert_eq!(append(&world, &batches[1]).await, 2);
    assert_eq!(append(&world, &batches[2]).await, 3);
    assert_eq!(total(&owner, &world, UsageStep::Total).await.unwrap().requests, 3);
}

async fn the_same_batch_sent_many_times_at_once_counts_once(world: World) {
    let owner = world.owner();
    let mut streams = [stream(&world, 0), stream(&world, 1)];
    for _ in 0..3 {
        let batches =
            [streams[0].next(&calls(&world, &owner, 50)), streams[1].next(&calls(&world, &owner, 50))];
        let sends = batches.iter().cycle().take(12).map(|batch| world.call(batch.clone()));
        for answer in futures_util::future::join_all(sends).await {
            match answer {
                Ok(answer) => assert_eq!(answer.acked_through, streams[0].sequence),
                // One of them has the stream, and the others need not wait for it.
                Err(error) => assert_eq!(error.code, Code::Unavailable, "{error:?}"),
            }
        }
        for batch in &batches {
            assert_eq!(append(&world, batch).await, batch.sequence);
        }
    }
    assert_eq!(total(&owner, &world, UsageStep::Total).await.unwrap().requests, 300);
    let ids = logged(&owner, &world).await;
    assert_eq!((ids.len(), ids.into_iter().collect::<BTreeSet<_>>().len()), (300, 300));
}

async fn a_damaged_or_misnamed_batch_changes_nothing(world: World) {
    let owner = world.owner();
    let mut stream = stream(&world, 0);
    let good = stream.next(&calls(&world, &owner, 1));
    let mut bytes = good.bytes.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let damaged = AppendBatch { bytes: bytes.into(), ..good.clone() };
    let misnamed = AppendBatch { sequence: 2, ..good.clone() };
    for broken in [damaged, misnamed] {
        let error = world.call(broken).await.unwrap_err();
        assert_eq!((error.code, error.reason.as_ref()), (Code::Invalid, "batch_damaged"));
    }
    assert_eq!(append(&world, &good).await, 1);
    assert_eq!(total(&owner, &world, UsageStep::Total).await.unwrap().requests, 1);
}

/// Later batches on the embedded store, and on ClickHouse with `TOLLGATE_TEST_WHOLE_WINDOW` set: as many as its tables
/// remember tokens of inserts. That takes minutes there, so that by default the window is narrowed.
const LATER: usize = 10_000;
const NARROW: usize = 100;

async fn a_batch_replayed_after_10_000_later_ones_changes_nothing(world: World) {
    const AT_ONCE: usize = 20;
    let owner = world.owner();
    let narrowed = world.clickhouse.is_some() && std::env::var_os("TOLLGATE_TEST_WHOLE_WINDOW").is_none();
    let later = if narrowed { 2 * NARROW } else { LATER };
    if narrowed {
        narrow_token_window(&world).await;
    }
    let mut replayed = stream(&world, 0);
    let first = replayed.next(&calls(&world, &owner, 2));
    append(&world, &first).await;
    // Stored, but the acknowledgement is lost in a crash: it is in doubt until it is sent again.
    let mut doubtful = stream(&world, 1);
    let in_doubt = doubtful.next(&calls(&world, &owner, 4));
    append(&world, &in_doubt).await;
    forget_acknowledgement(&world, &in_doubt).await;

    let streams = (0..AT_ONCE).map(|at| {
        let mut stream = stream(&world, 2 + at as u32);
        let (world, owner) = (&world, &owner);
        async move {
            for _ in 0..later / AT_ONCE {
                append(world, &stream.next(&calls(world, owner, 1))).await;
            }
        }
    });
    futures_util::future::join_all(streams).await;

    assert_eq!(append(&world, &first).await, 1);
    assert_eq!(append(&world, &in_doubt).await, 1);
    let expected = (2 + 4 + later) as u64;
    for step in [UsageStep::Total, UsageStep::Day] {
        assert_eq!(total(&owner, &world, step).await.unwrap().requests, expected);
    }
    assert_eq!(logged(&owner, &world).await.len() as u64, expected);
}

async fn narrow_token_window(world: &World) {
    let Some(clickhouse) = &world.clickhouse else { return };
    for table in ["usage_records", "usage_minutes", "usage_hours", "usage_days"] {
        let narrow =
            format!("ALTER TABLE {table} MODIFY SETTING non_replicated_deduplication_window = {NARROW}");
        clickhouse.client().query(&narrow).execute().await.unwrap();
    }
}

/// What a crash between storing and acknowledging leaves behind. In SQLite there is no such moment.
pub(crate) async fn forget_acknowledgement(world: &World, batch: &AppendBatch) {
    use sea_orm::ConnectionTrait;
    if world.clickhouse.is_none() {
        return;
    }
    let update = format!(
        "UPDATE batch_streams SET acknowledged = acknowledged - 1 WHERE incarnation_id = '{}' AND stream = {}",
        batch.incarnation, batch.stream
    );
    world.database.connection().execute_unprepared(&update).await.unwrap();
}

async fn a_large_batch_is_stored_whole(world: World) {
    const CALLS: usize = 30_000;
    let owner = world.owner();
    let large = batch(&stream(&world, 0), 1, &calls(&world, &owner, CALLS));
    append(&world, &large).await;
    let row = total(&owner, &world, UsageStep::Total).await.unwrap();
    assert_eq!(row.requests, CALLS as u64);
    if let Some(clickhouse) = &world.clickhouse {
        let parts = "SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = 'usage_records' AND active";
        let parts: u64 = clickhouse.client().query(parts).fetch_one().await.unwrap();
        assert_eq!(parts, 1, "one batch is one block, so that its token covers it whole");
    }
}
