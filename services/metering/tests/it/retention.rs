//! How long single records are kept: as long as each organization chose, and the sums for ever.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::ledger::{GetRecordRetention, PutRecordRetention, RecordRetention};

use crate::batches::{calls, logged_since, stream, total_since};
use crate::ledger::verify;
use crate::on_both_stores;
use crate::world::{Member, World, reason};

on_both_stores![
    each_organizations_records_go_when_its_own_days_are_over,
    records_that_are_gone_are_no_difference,
    days_out_of_bounds_are_refused,
];

async fn put(member: &Member, days: Option<u32>) -> RecordRetention {
    member.call(PutRecordRetention { days }).await.unwrap()
}

async fn each_organizations_records_go_when_its_own_days_are_over(world: World) {
    let [short, long, default] = [world.owner(), world.stranger(), world.stranger()];
    assert_eq!(put(&short, Some(2)).await.days, 2);
    assert!(put(&long, Some(60)).await.chosen);
    let shown = default.call(GetRecordRetention {}).await.unwrap();
    let unchosen = RecordRetention { days: 30, default_days: 30, chosen: false, removed_before: None };
    assert_eq!(shown, unchosen);
    let start = world.clock.now();
    let members = [&short, &long, &default];
    let mut stream = stream(&world, 0);
    for member in members {
        world.call(stream.next(&calls(&world, member, 3))).await.unwrap();
    }
    for (days, left) in [(2, [3, 3, 3]), (3, [0, 3, 3]), (31, [0, 3, 0]), (61, [0, 0, 0])] {
        world.clock.set(start + TimeDelta::days(days));
        metering::run_once(&world.service).await.unwrap();
        for (member, left) in members.into_iter().zip(left) {
            assert_eq!(logged_since(member, &world, start).await, left, "after {days} days");
            assert_eq!(total_since(member, &world, start).await, 3);
        }
        assert_eq!(verify(&world, Some("2026-11-20T00:00:00Z"), None).await.differences, []);
    }
    let shown = short.call(GetRecordRetention {}).await.unwrap();
    let gone: DateTime<Utc> = "2027-01-18T00:00:00Z".parse().unwrap();
    assert_eq!(shown.removed_before, Some(gone));
}

async fn records_that_are_gone_are_no_difference(world: World) {
    let (owner, other) = (world.owner(), world.stranger());
    put(&owner, Some(1)).await;
    let mut stream = stream(&world, 0);
    for member in [&owner, &other] {
        world.call(stream.next(&calls(&world, member, 3))).await.unwrap();
    }
    world.advance(TimeDelta::days(3));
    metering::run_once(&world.service).await.unwrap();
    // Whoever keeps records longer from now on does not get the old ones back.
    put(&owner, Some(90)).await;
    let verified = verify(&world, Some("2026-11-20T00:00:00Z"), None).await;
    assert_eq!((verified.checked, verified.differences), (3, vec![]));
}

async fn days_out_of_bounds_are_refused(world: World) {
    let owner = world.owner();
    for days in [0, 401] {
        assert_eq!(reason(owner.call(PutRecordRetention { days: Some(days) }).await), "invalid");
    }
    assert_eq!(put(&owner, Some(400)).await.days, 400);
    assert_eq!(put(&owner, None).await.days, 30);
}
