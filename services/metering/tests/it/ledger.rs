//! The ledger compared with itself: nothing is found where nothing is wrong, and what was planted is named.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use common::id::{IncarnationId, KeyId};
use contracts::lease::{GatewayForget, GatewayRegister, ReportWatermark};
use contracts::ledger::{LedgerDifference, VerifiedLedger, VerifyLedger};
use contracts::record::{Flags, Reason};
use contracts::{Ctx, Role};
use database::Tx;
use sea_orm::ConnectionTrait;

use crate::batches::{calls, forget_acknowledgement, stream};
use crate::on_both_stores;
use crate::quotas::Scene;
use crate::records::{Seen, batch};
use crate::world::{World, micros};

on_both_stores![
    a_ledger_that_adds_up_has_no_difference,
    a_missing_record_is_named_by_its_minute_and_key,
    a_doubled_row_of_sums_is_named_whichever_its_width,
    a_call_counted_for_another_dimension_is_named,
    a_wrong_settled_number_is_named_by_its_key_and_period,
    units_written_off_and_open_leases_are_no_difference,
    records_on_their_way_are_no_difference,
    the_running_day_is_compared_once_nothing_moves,
    nothing_is_found_while_batches_are_stored,
    the_hourly_comparison_names_the_first_minute,
    a_range_compares_whole_rows_alone,
];

pub(crate) async fn verify(world: &World, from: Option<&str>, to: Option<&str>) -> VerifiedLedger {
    let at = |text: &str| -> DateTime<Utc> { text.parse().unwrap() };
    let ctx = Ctx::service(Role::Admin, world.clock.now());
    let mut request = VerifyLedger { from: from.map(at), to: to.map(at), after: None };
    let mut all = VerifiedLedger::default();
    loop {
        let part = world.client.call(&ctx, request.clone()).await.unwrap();
        all.checked += part.checked;
        all.differences.extend(part.differences);
        let Some(next) = part.next else { return all };
        request.after = Some(next);
    }
}

/// Changes what is stored, behind the product's back.
async fn plant(world: &World, statement: &str) {
    let Some(clickhouse) = &world.clickhouse else {
        world.database.connection().execute_unprepared(statement).await.unwrap();
        return;
    };
    clickhouse.client().query(statement).execute().await.unwrap();
}

/// Doubles a row of sums of a key.
async fn double(world: &World, table: &str, key: KeyId) {
    if world.clickhouse.is_some() {
        return plant(world, &format!("INSERT INTO {table} SELECT * FROM {table} WHERE key_id = '{key}'"))
            .await;
    }
    let set = "requests = 2 * requests, quota_units = 2 * quota_units, fingerprint = 2 * fingerprint";
    plant(world, &format!("UPDATE {table} SET {set} WHERE key_id = '{key}'")).await;
}

fn sums(difference: &LedgerDifference) -> (String, DateTime<Utc>, String, u64, u64) {
    let LedgerDifference::Sums { rollup, time, key, records, sums, .. } = difference else {
        panic!("{difference:?}")
    };
    (rollup.clone(), *time, key.clone(), records.requests, sums.requests)
}

/// Calls of two keys in three minutes of one hour, all stored, and the day is over.
async fn a_day_of_calls(world: &World) -> Vec<Seen> {
    let owner = world.owner();
    let start = world.clock.now();
    let mut seen = Vec::new();
    for minute in 0..3 {
        for key in [1_u128, 2] {
            let mut some = calls(world, &owner, 4);
            for call in &mut some {
                call.at = micros(start + TimeDelta::minutes(minute));
                call.subject.key = Some(KeyId::from_uuid(uuid::Uuid::from_u128(key)));
                call.flags = Flags::default();
            }
            seen.extend(some);
        }
    }
    (seen[1].status, seen[1].reason) = (429, Reason::Throttled);
    let mut stream = stream(world, 0);
    for part in seen.chunks(5) {
        world.call(stream.next(part)).await.unwrap();
    }
    world.advance(TimeDelta::days(1));
    seen
}

async fn a_ledger_that_adds_up_has_no_difference(world: World) {
    a_day_of_calls(&world).await;
    let verified = verify(&world, None, None).await;
    assert_eq!((verified.checked, verified.differences), (5, vec![]));
}

async fn a_missing_record_is_named_by_its_minute_and_key(world: World) {
    let seen = a_day_of_calls(&world).await;
    // Of the second minute, the first key.
    plant(&world, &format!("DELETE FROM usage_records WHERE request_id = '{}'", seen[8].request_id)).await;
    let found = verify(&world, None, None).await.differences;
    let key = seen[8].subject.key.unwrap().to_string();
    let minute = DateTime::from_timestamp_micros(seen[8].at).unwrap();
    let mut named: Vec<_> = found.iter().map(sums).collect();
    named.sort_by_key(|(rollup, ..)| rollup.clone());
    let midnight = "2026-11-20T00:00:00Z".parse().unwrap();
    let hour = "2026-11-20T10:00:00Z".parse().unwrap();
    let expected = [
        ("day".to_owned(), midnight, key.clone(), 10, 11),
        ("hour".to_owned(), hour, key.clone(), 10, 11),
        ("minute".to_owned(), minute, key, 3, 4),
    ];
    assert_eq!(named, expected);
}

async fn a_doubled_row_of_sums_is_named_whichever_its_width(world: World) {
    let seen = a_day_of_calls(&world).await;
    let key = seen[4].subject.key.unwrap();
    for (table, rollup, calls, rows) in
        [("usage_minutes", "minute", 4, 3), ("usage_hours", "hour", 12, 1), ("usage_days", "day", 12, 1)]
    {
        double(&world, table, key).await;
        let found = verify(&world, None, None).await.differences;
        let found: Vec<_> =
            found.iter().map(sums).filter(|(found_in, ..)| found_in.as_str() == rollup).collect();
        assert_eq!(found.len(), rows, "{table}");
        for (_, _, named, records, sums) in found {
            assert_eq!((named, records, sums), (key.to_string(), calls, 2 * calls));
        }
    }
}

/// Sums over all calls of a minute stay the same, and so do those of each key.
async fn a_call_counted_for_another_dimension_is_named(world: World) {
    let seen = a_day_of_calls(&world).await;
    let change = match world.clickhouse {
        Some(_) => {
            "INSERT INTO usage_hours SELECT * REPLACE ('PUT /pets' AS method) FROM usage_hours WHERE status_class = '4xx'"
        }
        None => "UPDATE usage_hours SET method = 'PUT /pets' WHERE status_class = '4xx'",
    };
    plant(&world, change).await;
    if world.clickhouse.is_some() {
        let remove = "DELETE FROM usage_hours WHERE status_class = '4xx' AND method != 'PUT /pets'";
        plant(&world, remove).await;
    }
    let found: Vec<_> = verify(&world, None, None).await.differences.iter().map(sums).collect();
    let key = seen[1].subject.key.unwrap().to_string();
    let hour: DateTime<Utc> = "2026-11-20T10:00:00Z".parse().unwrap();
    let mut counted: Vec<_> = found.iter().map(|(.., records, sums)| (*records, *sums)).collect();
    counted.sort_unstable();
    assert_eq!(counted, [(0, 1), (1, 0)]);
    assert!(
        found.iter().all(|(rollup, time, named, ..)| (rollup.as_str(), *time, named) == ("hour", hour, &key))
    );
}

/// A key that took ten units from its quota of the day, in calls that are stored.
async fn ten_units(world: World) -> Scene {
    let scene = Scene::new(world, 1_000, 0).await;
    let want = scene.want(1, 100);
    scene.ask(&want).await;
    scene.close(want.lease, 10).await;
    store_calls(&scene, 10).await;
    scene
}

async fn store_calls(scene: &Scene, count: usize) {
    let world = &scene.world;
    let mut taken = calls(world, &world.owner(), count);
    for call in &mut taken {
        call.subject.key = Some(scene.key);
        call.subject.usage_plan = Some(scene.plan);
    }
    let mut stream = stream(world, 0);
    world.call(stream.next(&taken)).await.unwrap();
}

async fn a_wrong_settled_number_is_named_by_its_key_and_period(world: World) {
    let scene = ten_units(world).await;
    assert_eq!(verify(&scene.world, None, None).await.differences, []);
    for (settled, over) in [(11, false), (9, true)] {
        let update =
            format!("UPDATE quota_periods SET settled = {settled} WHERE holder_id = '{}'", scene.key);
        let tx = scene.world.database.system("a fault is planted").await.unwrap();
        tx.conn().execute_unprepared(&update).await.unwrap();
        tx.commit().await.unwrap();
        let found = verify(&scene.world, None, None).await.differences;
        let [LedgerDifference::Budget { holder, budget, time, charged, settled: named, .. }] =
            found.as_slice()
        else {
            panic!("{found:?}")
        };
        assert_eq!((holder, budget.as_str()), (&scene.key.to_string(), "day"));
        assert_eq!((*charged, *named), (10, settled));
        assert_eq!(*time, "2026-11-20T00:00:00Z".parse::<DateTime<Utc>>().unwrap());
        assert_eq!(charged > named, over);
    }
}

async fn units_written_off_and_open_leases_are_no_difference(world: World) {
    let scene = ten_units(world).await;
    let want = scene.want(1, 50);
    scene.ask(&want).await;
    store_calls(&scene, 3).await;
    assert_eq!(verify(&scene.world, None, None).await.differences, []);
    // The gateway comes back without its disk: of its open lease nobody knows what was spent.
    scene.register(IncarnationId::new(scene.world.clock.now() + TimeDelta::seconds(1)), vec![]).await;
    scene.world.advance(TimeDelta::days(2));
    assert_eq!(verify(&scene.world, None, None).await.differences, []);
}

async fn records_on_their_way_are_no_difference(world: World) {
    let gateway = world.gateway();
    let (start, incarnation) = (world.clock.now(), IncarnationId::new(world.clock.now()));
    world.call(GatewayRegister { gateway, incarnation, previous: vec![] }).await.unwrap();
    let scene = Scene::new(world, 1_000, 0).await;
    let want = scene.want(1, 100);
    scene.ask(&want).await;
    scene.close(want.lease, 10).await;
    store_calls(&scene, 4).await;
    let world = &scene.world;
    world.advance(TimeDelta::minutes(5));
    assert_eq!(verify(world, None, None).await.differences, [], "six records are in the spool");
    let watermark = micros(start + TimeDelta::minutes(6));
    world.call(ReportWatermark { gateway, incarnation, watermark }).await.unwrap();
    let found = verify(world, None, None).await.differences;
    assert!(
        matches!(found.as_slice(), [LedgerDifference::Budget { charged: 4, settled: 10, .. }]),
        "{found:?}"
    );
    world.call(GatewayForget { gateway }).await.unwrap();
}

async fn the_running_day_is_compared_once_nothing_moves(world: World) {
    let owner = world.owner();
    let seen = calls(&world, &owner, 3);
    let stream = stream(&world, 0);
    let stored = batch(&stream, 1, &seen);
    world.call(stored.clone()).await.unwrap();
    let remove = format!("DELETE FROM usage_records WHERE request_id = '{}'", seen[0].request_id);
    plant(&world, &remove).await;
    let widths = |verified: VerifiedLedger| -> Vec<String> {
        verified.differences.iter().map(|difference| sums(difference).0).collect()
    };
    assert_eq!(widths(verify(&world, None, None).await).len(), 3);
    // A batch in doubt may be there in part: its minute, hour and day are left alone.
    forget_acknowledgement(&world, &stored).await;
    let left = widths(verify(&world, None, None).await);
    assert_eq!(left.len(), if world.clickhouse.is_some() { 0 } else { 3 });
}

async fn nothing_is_found_while_batches_are_stored(world: World) {
    let owner = world.owner();
    let gateway = world.gateway();
    let incarnation = IncarnationId::new(world.clock.now());
    world.call(GatewayRegister { gateway, incarnation, previous: vec![] }).await.unwrap();
    let stop = AtomicBool::new(false);
    let shipping = (0..3).map(|at| {
        let (world, owner, stop) = (&world, &owner, &stop);
        async move {
            let mut stream = stream(world, at);
            while !stop.load(Ordering::Relaxed) {
                world.call(stream.next(&calls(world, owner, 20))).await.unwrap();
            }
        }
    });
    let verifying = async {
        for _ in 0..8 {
            let verified = verify(&world, None, None).await;
            assert_eq!(verified.differences, []);
        }
        stop.store(true, Ordering::Relaxed);
    };
    futures_util::future::join(futures_util::future::join_all(shipping), verifying).await;
    world.call(GatewayForget { gateway }).await.unwrap();
    let verified = verify(&world, None, None).await;
    assert_eq!((verified.checked, verified.differences), (3, vec![]));
}

async fn the_hourly_comparison_names_the_first_minute(world: World) {
    let seen = a_day_of_calls(&world).await;
    let state = metering::verify_ledger(&world.service).await.unwrap();
    assert_eq!((state.differences, state.first), (0, None));
    double(&world, "usage_minutes", seen[4].subject.key.unwrap()).await;
    metering::verify_ledger(&world.service).await.unwrap();
    let state = metering::ledger_state(&world.service);
    assert_eq!((state.differences, state.first), (3, DateTime::from_timestamp_micros(seen[4].at)));
    assert_eq!(state.verified_at, Some(world.clock.now()));
}

async fn a_range_compares_whole_rows_alone(world: World) {
    let seen = a_day_of_calls(&world).await;
    double(&world, "usage_days", seen[0].subject.key.unwrap()).await;
    let hour = verify(&world, Some("2026-11-20T10:00:00Z"), Some("2026-11-20T11:00:00Z")).await;
    assert_eq!((hour.checked, hour.differences), (4, vec![]));
    let part = verify(&world, Some("2026-11-20T10:00:01Z"), Some("2026-11-20T10:02:30Z")).await;
    assert_eq!((part.checked, part.differences), (1, vec![]));
}
