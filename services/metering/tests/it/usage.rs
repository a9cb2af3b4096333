//! Usage and the request log, on both stores with the same answers.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use common::PageArgs;
use common::id::{ApiId, KeyId};
use contracts::metering::{
    ExportRequestLog, QueryRequestLog, QueryUsage, RequestFilter, SumRequestLog, Usage, UsageDimension,
    UsageStep,
};
use contracts::record::{Reason, ThrottleScope};

use crate::batches::{calls, stream};
use crate::on_both_stores;
use crate::records::{Seen, Stream};
use crate::world::{Member, World, micros, reason};

on_both_stores![
    sums_are_split_by_step_and_group,
    every_dimension_filters_and_groups,
    wide_ranges_add_days_hours_and_minutes_once,
    percentiles_are_within_two_percent,
    usage_and_log_show_the_callers_tenant_alone,
    the_log_filters_and_pages_newest_first,
    a_query_out_of_bounds_is_refused,
    old_records_go_and_their_sums_stay,
    every_number_of_usage_leads_to_its_calls,
    an_export_in_parts_has_every_call_once,
];

async fn store(world: &World, stream: &mut Stream, calls: &[Seen]) {
    world.call(stream.next(calls)).await.unwrap();
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn query(from: &str, to: &str, step: UsageStep, group_by: &[UsageDimension]) -> QueryUsage {
    QueryUsage { from: at(from), to: at(to), step, group_by: group_by.to_vec(), filter: BTreeMap::new() }
}

fn requests(usage: &Usage) -> Vec<(DateTime<Utc>, Vec<&str>, u64)> {
    let rows = usage.rows.iter();
    rows.map(|row| (row.time, row.group.values().map(String::as_str).collect(), row.requests)).collect()
}

fn calls_at(owner: &Member, world: &World, time: &str, count: usize) -> Vec<Seen> {
    let key = KeyId::new(world.clock.now());
    (0..count).map(|_| Seen::new(owner.tenant(), world.api, key, micros(at(time)))).collect()
}

async fn sums_are_split_by_step_and_group(world: World) {
    let owner = world.owner();
    let mut stream = stream(&world, 0);
    let mut refused = calls_at(&owner, &world, "2026-11-20T10:01:00Z", 3);
    for call in &mut refused {
        (call.status, call.reason) = (429, Reason::QuotaExhausted);
    }
    store(&world, &mut stream, &calls_at(&owner, &world, "2026-11-20T10:00:59.999999Z", 2)).await;
    store(&world, &mut stream, &refused).await;
    store(&world, &mut stream, &calls_at(&owner, &world, "2026-11-20T10:01:30Z", 1)).await;
    let range = ("2026-11-20T10:00:00Z", "2026-11-20T10:02:00Z");
    let by_minute = query(range.0, range.1, UsageStep::Minute, &[UsageDimension::StatusClass]);
    let usage = owner.call(by_minute).await.unwrap();
    let expected = vec![
        (at("2026-11-20T10:00:00Z"), vec!["2xx"], 2),
        (at("2026-11-20T10:01:00Z"), vec!["2xx"], 1),
        (at("2026-11-20T10:01:00Z"), vec!["4xx"], 3),
    ];
    assert_eq!(requests(&usage), expected);
    assert_eq!((usage.rows[2].quota_units, usage.rows[2].billable_units), (0, 0));
    let first_minute =
        owner.call(query(range.0, "2026-11-20T10:00:30Z", UsageStep::Total, &[])).await.unwrap();
    assert_eq!(requests(&first_minute), vec![(at(range.0), vec![], 2)]);
}

async fn every_dimension_filters_and_groups(world: World) {
    let owner = world.owner();
    let mut mixed = calls_at(&owner, &world, "2026-11-20T10:00:00Z", 4);
    mixed[0].api = ApiId::random();
    mixed[1].subject.key = None;
    mixed[1].subject.plan = None;
    mixed[2].route = "";
    mixed[3].status = 503;
    store(&world, &mut stream(&world, 0), &mixed).await;
    for dimension in [
        UsageDimension::Api,
        UsageDimension::Stage,
        UsageDimension::Method,
        UsageDimension::Key,
        UsageDimension::UsagePlan,
        UsageDimension::Plan,
        UsageDimension::Subscription,
        UsageDimension::StatusClass,
    ] {
        let range = ("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z");
        let grouped = owner.call(query(range.0, range.1, UsageStep::Total, &[dimension])).await.unwrap();
        assert_eq!(grouped.rows.iter().map(|row| row.requests).sum::<u64>(), 4, "{dimension:?}");
        for row in &grouped.rows {
            let mut filtered = query(range.0, range.1, UsageStep::Hour, &[]);
            filtered.filter.insert(dimension, vec![row.group[&dimension].clone()]);
            let answer = owner.call(filtered).await.unwrap();
            assert_eq!(answer.rows[0].requests, row.requests, "{dimension:?}");
        }
    }
    let range = ("2026-11-20T10:00:00Z", "2026-11-20T10:01:00Z");
    let methods = owner.call(query(range.0, range.1, UsageStep::Minute, &[UsageDimension::Method])).await;
    let methods = methods.unwrap();
    assert_eq!(methods.rows[1].group[&UsageDimension::Method], "GET /pets/{id}");
    assert_eq!(methods.rows[0].group[&UsageDimension::Method], "GET");
}

async fn wide_ranges_add_days_hours_and_minutes_once(world: World) {
    let owner = world.owner();
    let mut stream = stream(&world, 0);
    let times = [
        "2026-11-16T23:59:00Z",
        "2026-11-17T00:00:00Z",
        "2026-11-17T12:30:00Z",
        "2026-11-18T23:59:59Z",
        "2026-11-19T05:59:00Z",
        "2026-11-19T06:00:00Z",
        "2026-11-19T06:07:00Z",
    ];
    for time in times {
        store(&world, &mut stream, &calls_at(&owner, &world, time, 1)).await;
    }
    let range = ("2026-11-16T23:58:00Z", "2026-11-19T06:08:00Z");
    for (step, rows) in
        [(UsageStep::Total, 1), (UsageStep::Day, 4), (UsageStep::Hour, 6), (UsageStep::Minute, 7)]
    {
        let usage = owner.call(query(range.0, range.1, step, &[])).await.unwrap();
        assert_eq!(usage.rows.iter().map(|row| row.requests).sum::<u64>(), 7, "{step:?}");
        assert_eq!(usage.rows.len(), rows, "{step:?}");
    }
    let inner =
        owner.call(query("2026-11-17T00:00:00Z", "2026-11-19T06:00:00Z", UsageStep::Day, &[])).await.unwrap();
    assert_eq!(inner.rows.iter().map(|row| row.requests).collect::<Vec<_>>(), [2, 1, 1]);
}

async fn percentiles_are_within_two_percent(world: World) {
    let owner = world.owner();
    let mut calls = calls_at(&owner, &world, "2026-11-20T10:00:00Z", 1_000);
    for (at, call) in (1_u64..).zip(&mut calls) {
        call.latency_us = at * at * 7;
    }
    let mut stream = stream(&world, 0);
    for part in calls.chunks(300) {
        store(&world, &mut stream, part).await;
    }
    let usage = owner
        .call(query("2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z", UsageStep::Hour, &[]))
        .await
        .unwrap();
    let row = &usage.rows[0];
    for (answered, rank) in [(row.p50_ms, 500_u64), (row.p95_ms, 950), (row.p99_ms, 990)] {
        let exact = (rank * rank * 7) as f64 / 1_000.0;
        assert!((answered / exact - 1.0).abs() <= 0.02, "{answered} for {exact}");
    }
}

/// The calls up to an hour from now that a filter means.
fn log(world: &World, filter: RequestFilter) -> QueryRequestLog {
    let to = filter.to.or(Some(world.clock.now() + TimeDelta::hours(1)));
    QueryRequestLog { filter: RequestFilter { to, ..filter }, page: PageArgs::default() }
}

fn everything() -> RequestFilter {
    RequestFilter::default()
}

fn only(dimension: UsageDimension, value: &(impl ToString + ?Sized)) -> RequestFilter {
    RequestFilter { dimensions: [(dimension, vec![value.to_string()])].into(), ..everything() }
}

async fn usage_and_log_show_the_callers_tenant_alone(world: World) {
    let (owner, stranger) = (world.owner(), world.stranger());
    let mut mixed = calls(&world, &owner, 3);
    let theirs = calls(&world, &stranger, 2);
    mixed.extend(theirs.clone());
    store(&world, &mut stream(&world, 0), &mixed).await;
    let range = ("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z");
    let total = query(range.0, range.1, UsageStep::Total, &[]);
    assert_eq!(stranger.call(total).await.unwrap().rows[0].requests, 2);
    assert_eq!(owner.call(log(&world, everything())).await.unwrap().items.len(), 3);
    let foreign = RequestFilter { request_id: Some(theirs[0].request_id), ..everything() };
    let foreign = log(&world, foreign);
    assert_eq!(owner.call(foreign.clone()).await.unwrap().items, []);
    assert_eq!(stranger.call(foreign).await.unwrap().items.len(), 1);
    let by_key = log(&world, only(UsageDimension::Key, &theirs[0].key.unwrap()));
    assert_eq!(owner.call(by_key).await.unwrap().items, []);
}

async fn the_log_filters_and_pages_newest_first(world: World) {
    let owner = world.owner();
    let mut seen = calls(&world, &owner, 7);
    seen[2].at = seen[3].at;
    seen[4].status = 429;
    seen[4].reason = Reason::Throttled;
    seen[5].subject.key = None;
    store(&world, &mut stream(&world, 0), &seen).await;
    let mut page = PageArgs { first: Some(2), after: None };
    let mut listed = Vec::new();
    loop {
        let answer =
            owner.call(QueryRequestLog { page: page.clone(), ..log(&world, everything()) }).await.unwrap();
        listed.extend(answer.items);
        let Some(next) = answer.next else { break };
        page.after = Some(next);
    }
    let mut expected: Vec<_> = seen.iter().map(|call| (call.at, call.request_id)).collect();
    expected.sort_by_key(|(at, id)| (*at, id.to_string()));
    expected.reverse();
    let listed: Vec<_> = listed.iter().map(|call| (micros(call.time), call.request_id)).collect();
    assert_eq!(listed, expected);
    let refused = owner.call(log(&world, only(UsageDimension::StatusClass, "4xx"))).await.unwrap().items;
    assert_eq!((refused.len(), refused[0].reason.as_str(), refused[0].status), (1, "throttled", 429));
    assert_eq!(refused[0].throttle, Some(ThrottleScope::Stage));
    assert_eq!((refused[0].method.as_str(), refused[0].route.as_str()), ("GET", "/pets/{id}"));
    assert_eq!((refused[0].client_ip.as_str(), refused[0].path.as_str()), ("192.0.2.7", "/pets/7"));
    let by_key = log(&world, only(UsageDimension::Key, &seen[0].key.unwrap()));
    assert_eq!(owner.call(by_key).await.unwrap().items.len(), 6);
    let by_id = log(&world, RequestFilter { request_id: Some(seen[0].request_id), ..everything() });
    assert_eq!(owner.call(by_id).await.unwrap().items[0].latency_ms, 1);
    let cursor = PageArgs { first: None, after: Some("nonsense".into()) };
    assert_eq!(
        reason(owner.call(QueryRequestLog { page: cursor, ..log(&world, everything()) }).await),
        "invalid"
    );
}

async fn a_query_out_of_bounds_is_refused(world: World) {
    let owner = world.owner();
    let long = query("2025-01-01T00:00:00Z", "2026-11-20T00:00:00Z", UsageStep::Day, &[]);
    assert_eq!(reason(owner.call(long).await), "invalid");
    let many = query("2026-10-01T00:00:00Z", "2026-11-20T00:00:00Z", UsageStep::Minute, &[]);
    assert_eq!(reason(owner.call(many).await), "too_many_usage_rows");
    let groups = [
        UsageDimension::Api,
        UsageDimension::Stage,
        UsageDimension::Method,
        UsageDimension::Key,
        UsageDimension::Plan,
    ];
    let grouped = query("2026-11-19T00:00:00Z", "2026-11-20T00:00:00Z", UsageStep::Day, &groups);
    assert_eq!(reason(owner.call(grouped).await), "invalid");
}

async fn old_records_go_and_their_sums_stay(world: World) {
    let owner = world.owner();
    let mut stream = stream(&world, 0);
    store(&world, &mut stream, &calls_at(&owner, &world, "2026-11-20T10:00:00Z", 3)).await;
    world.advance(TimeDelta::days(31));
    store(&world, &mut stream, &calls(&world, &owner, 2)).await;
    metering::run_once(&world.service).await.unwrap();
    let since = RequestFilter { from: Some(at("2026-11-01T00:00:00Z")), ..everything() };
    assert_eq!(owner.call(log(&world, since)).await.unwrap().items.len(), 2);
    let range = ("2026-11-01T00:00:00Z", "2026-12-31T00:00:00Z");
    let total = owner.call(query(range.0, range.1, UsageStep::Total, &[])).await.unwrap();
    assert_eq!(total.rows[0].requests, 5);
}

async fn every_number_of_usage_leads_to_its_calls(world: World) {
    use UsageDimension::{Api, Key, Method, Plan, Stage, StatusClass, Subscription, UsagePlan};
    let owner = world.owner();
    let mut seen = calls_at(&owner, &world, "2026-11-20T10:00:59.999999Z", 4);
    seen.extend(calls_at(&owner, &world, "2026-11-20T10:01:00Z", 5));
    seen[0].subject = Default::default();
    (seen[1].status, seen[1].reason) = (429, Reason::Throttled);
    seen[2].route = "";
    (seen[5].latency_us, seen[6].status) = (250_000, 0);
    store(&world, &mut stream(&world, 0), &seen).await;
    let range = ("2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z");
    for groups in
        [vec![], vec![Key, Method], vec![Api, Stage, StatusClass], vec![UsagePlan, Plan, Subscription]]
    {
        for (step, width) in [(UsageStep::Minute, 60), (UsageStep::Hour, 3_600)] {
            let usage = owner.call(query(range.0, range.1, step, &groups)).await.unwrap();
            assert!(!usage.rows.is_empty());
            for row in usage.rows {
                let dimensions = row.group.into_iter().map(|(dimension, value)| (dimension, vec![value]));
                let filter = RequestFilter {
                    dimensions: dimensions.collect(),
                    from: Some(row.time),
                    to: Some(row.time + TimeDelta::seconds(width)),
                    ..everything()
                };
                let sums = owner.call(SumRequestLog { filter: filter.clone() }).await.unwrap();
                assert_eq!((sums.requests, sums.quota_units), (row.requests, row.quota_units));
                assert_eq!((sums.billable_units, sums.bytes_out), (row.billable_units, row.bytes_out));
                let listed = owner.call(log(&world, filter)).await.unwrap().items;
                assert_eq!(listed.len() as u64, row.requests);
            }
        }
    }
    let count = async |filter: RequestFilter| owner.call(log(&world, filter)).await.unwrap().items.len();
    assert_eq!(count(RequestFilter { min_latency_ms: Some(250), ..everything() }).await, 1);
    assert_eq!(count(RequestFilter { reasons: vec![Reason::Throttled], ..everything() }).await, 1);
    assert_eq!(count(RequestFilter { statuses: vec![0, 429], ..everything() }).await, 2);
    let none = RequestFilter { dimensions: [(Key, vec![])].into(), ..everything() };
    assert_eq!(count(none).await, 0);
}

async fn an_export_in_parts_has_every_call_once(world: World) {
    let owner = world.owner();
    let mut stream = stream(&world, 0);
    for part in calls_at(&owner, &world, "2026-11-20T10:00:00Z", 5_003).chunks(2_000) {
        store(&world, &mut stream, part).await;
    }
    let filter = log(&world, everything()).filter;
    let (mut ids, mut after) = (std::collections::BTreeSet::new(), None);
    loop {
        let part = owner.call(ExportRequestLog { filter: filter.clone(), after }).await.unwrap();
        for call in part.items {
            assert!(ids.insert(call.request_id));
        }
        after = part.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(ids.len(), 5_003);
}
