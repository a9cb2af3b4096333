//! How the ClickHouse usage store compares its records with their sums: by queries that answer a number per minute, hour or
//! day, so that a day of ten million records is compared in seconds.
//!
//! A row's dimensions are hashed into one number, and its sums are multiplied with it and with a number for each sum. Summed
//! up modulo 2^64 that gives the same for records and rollup only when each row of the rollup says what its records add up
//! to, but for one case in 10^19. Only where it does not, rows are compared one by one.

use ::clickhouse::{Client, Row};
use common::Result;
use serde::Deserialize;

use super::clickhouse_rows::{RECORD_MEASURES, fault, numbers, rollup_measures, start_of};
use super::{ChargedUnits, Charges};
use crate::domain::ledger::{Account, Compared, RowDifference, Stretch};
use crate::domain::retention::Tenants;
use crate::domain::rollup::{DAY, DIMENSIONS, MEASURE_COLUMNS, MEASURES, Width};
use crate::domain::usage::segments;

/// Most differing rows of a minute, hour or day that are told.
const TOLD: usize = 100;

/// A number for each sum, all odd and without order.
const WEIGHTS: [u64; MEASURES] = [
    0x9E37_79B9_7F4A_7C15,
    0xBF58_476D_1CE4_E5B9,
    0x94D0_49BB_1331_11EB,
    0xD6E8_FEB8_6659_FD93,
    0xA076_1D64_78BD_642F,
    0xE703_7ED1_A0B4_28DB,
    0x8EBC_6AF0_9C88_C6E3,
    0x5899_65CC_7537_4CC3,
    0x1D8E_4E27_C47D_124F,
    0xEB44_ACCA_B455_D165,
];

/// What one record adds to each sum.
const OF_A_RECORD: [&str; MEASURES] = [
    "1",
    "quota_units",
    "if(bitTest(flags, 3), quota_units, 0)",
    "if(bitTest(flags, 4), quota_units, 0)",
    "if(bitTest(flags, 5), quota_units, 0)",
    "billable_units",
    "spend_micros",
    "bytes_in",
    "bytes_out",
    "fingerprint",
];

/// The number that rows of records and of sums must agree on.
fn checksum(measures: [&str; MEASURES]) -> String {
    let terms: Vec<_> = measures
        .iter()
        .zip(WEIGHTS)
        .map(|(measure, weight)| format!("toUInt64({measure}) * toUInt64({weight})"))
        .collect();
    format!("sum(cityHash64(tenant_id, {DIMENSIONS}) * ({}))", terms.join(" + "))
}

#[derive(Debug, Row, Deserialize)]
struct ComparedRow {
    checked: u64,
    differing: Vec<i64>,
}

pub(super) async fn compare(client: &Client, stretch: &Stretch, intact: &Tenants) -> Result<Compared> {
    let width = stretch.width;
    let (table, time, start_of) = (width.table(), width.column(), start_of(width));
    let sql = format!(
        "SELECT count() AS checked, arraySort(groupArrayIf(at, records != sums)) AS differing FROM (\
         SELECT at, sum(of_records) AS records, sum(of_sums) AS sums FROM (\
         SELECT toInt64(toUnixTimestamp({start_of}(started_at))) AS at, {} AS of_records, toUInt64(0) AS of_sums \
         FROM usage_records WHERE toYYYYMMDD(started_at) = toYYYYMMDD(toDate(?)) \
         AND started_at >= fromUnixTimestamp64Micro(?, 'UTC') AND started_at < fromUnixTimestamp64Micro(?, 'UTC') AND {tenants} \
         GROUP BY at UNION ALL \
         SELECT toInt64(toUnixTimestamp({time})) AS at, toUInt64(0) AS of_records, {} AS of_sums \
         FROM {table} WHERE toYYYYMMDD({time}) = toYYYYMMDD(toDate(?)) \
         AND {time} >= toDateTime(?, 'UTC') AND {time} < toDateTime(?, 'UTC') AND {tenants} GROUP BY at) GROUP BY at)",
        checksum(OF_A_RECORD),
        checksum(MEASURE_COLUMNS),
        tenants = intact.sql(),
    );
    let (day, from, to) = (stretch.day(), stretch.from, stretch.to);
    let query = client.query(&sql).bind(day).bind(from).bind(to);
    let query = query.bind(day).bind(from / 1_000_000).bind(to / 1_000_000);
    let row: ComparedRow = query.fetch_one().await.map_err(fault)?;
    let differing = row.differing.into_iter().map(|at| at * 1_000_000).collect();
    Ok(Compared { checked: row.checked, differing })
}

#[derive(Debug, Row, Deserialize)]
struct DifferenceRow {
    tenant: String,
    key: String,
    api: String,
    stage_name: String,
    method_name: String,
    class: String,
    records: Vec<u64>,
    sums: Vec<u64>,
}

pub(super) async fn differences(
    client: &Client,
    width: Width,
    at: i64,
    intact: &Tenants,
) -> Result<Vec<RowDifference>> {
    let (table, time) = (width.table(), width.column());
    let nothing = ["toUInt64(0)"; MEASURES].join(", ");
    let sql = format!(
        "SELECT toString(tenant_id) AS tenant, toString(key_id) AS key, toString(api_id) AS api, toString(stage) AS stage_name, \
         toString(method) AS method_name, toString(status_class) AS class, sumForEach(of_records) AS records, \
         sumForEach(of_sums) AS sums FROM (\
         SELECT tenant_id, {DIMENSIONS}, [{}] AS of_records, [{nothing}] AS of_sums FROM usage_records \
         WHERE toYYYYMMDD(started_at) = toYYYYMMDD(toDate(?)) AND started_at >= fromUnixTimestamp64Micro(?, 'UTC') \
         AND started_at < fromUnixTimestamp64Micro(?, 'UTC') AND {tenants} GROUP BY tenant_id, {DIMENSIONS} UNION ALL \
         SELECT tenant_id, {DIMENSIONS}, [{nothing}] AS of_records, [{}] AS of_sums FROM {table} \
         WHERE toYYYYMMDD({time}) = toYYYYMMDD(toDate(?)) AND {time} = toDateTime(?, 'UTC') AND {tenants} \
         GROUP BY tenant_id, {DIMENSIONS}) GROUP BY tenant_id, {DIMENSIONS} HAVING records != sums \
         ORDER BY tenant, key, api, stage_name, method_name, class LIMIT {TOLD}",
        RECORD_MEASURES.join(", "),
        rollup_measures().join(", "),
        tenants = intact.sql(),
    );
    let day = at.div_euclid(DAY);
    let query = client.query(&sql).bind(day).bind(at).bind(at + width.micros());
    let query = query.bind(day).bind(at / 1_000_000);
    let rows: Vec<DifferenceRow> = query.fetch_all().await.map_err(fault)?;
    let read = |row: DifferenceRow| {
        Ok(RowDifference {
            tenant: row.tenant,
            key: row.key,
            api: row.api,
            stage: row.stage_name,
            method: row.method_name,
            status_class: row.class,
            records: numbers(row.records)?,
            sums: numbers(row.sums)?,
        })
    };
    rows.into_iter().map(read).collect()
}

#[derive(Debug, Row, Deserialize)]
struct ChargedRow {
    holder: String,
    plan: String,
    units: u64,
}

pub(super) async fn charged(
    client: &Client,
    charges: &Charges,
    accounts: &[&Account],
) -> Result<ChargedUnits> {
    let (holder, plan) = charges.holder();
    let whose = format!("tenant_id IN ? AND {holder} IN ?");
    let named = format!("SELECT toString({holder}) AS of_holder, toString({plan}) AS of_plan");
    let mut parts = Vec::new();
    let whole = charges.whole_minutes().map(|(from, to)| segments(Width::Day, from, to)).unwrap_or_default();
    for segment in &whole {
        let (table, time, taken) = (segment.width.table(), segment.width.column(), charges.column());
        parts.push(format!(
            "{named}, {taken} AS taken FROM {table} WHERE {whose} \
             AND {time} >= toDateTime(?, 'UTC') AND {time} < toDateTime(?, 'UTC')"
        ));
    }
    let (taken, flag) = charges.of_records();
    let flagged = flag.map(|flag| format!(" AND bitTest(flags, {})", flag.bits().trailing_zeros()));
    for _ in charges.ragged_ends() {
        parts.push(format!(
            "{named}, {taken} AS taken FROM usage_records WHERE {whose} \
             AND started_at >= fromUnixTimestamp64Micro(?, 'UTC') AND started_at < fromUnixTimestamp64Micro(?, 'UTC'){}",
            flagged.as_deref().unwrap_or_default()
        ));
    }
    if parts.is_empty() {
        return Ok(ChargedUnits::new());
    }
    let sql = format!(
        "SELECT of_holder AS holder, of_plan AS plan, sum(taken) AS units FROM ({}) WHERE taken > 0 GROUP BY of_holder, of_plan",
        parts.join(" UNION ALL ")
    );
    let mut tenants: Vec<_> = accounts.iter().map(|account| account.tenant.to_string()).collect();
    tenants.sort_unstable();
    tenants.dedup();
    let holders: Vec<_> = accounts.iter().map(|account| account.name.holder.as_str()).collect();
    let mut query = client.query(&sql);
    for segment in &whole {
        query =
            query.bind(&tenants).bind(&holders).bind(segment.from / 1_000_000).bind(segment.to / 1_000_000);
    }
    for (from, to) in charges.ragged_ends() {
        query = query.bind(&tenants).bind(&holders).bind(from).bind(to);
    }
    let rows: Vec<ChargedRow> = query.fetch_all().await.map_err(fault)?;
    Ok(rows.into_iter().map(|row| ((row.holder, row.plan), row.units)).collect())
}
