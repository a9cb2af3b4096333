//! Rows of the SQLite usage tables: written many at a time, read back as records and sums.

use common::{Error, Result};
use contracts::metering::LoggedRequest;
use contracts::record::{Flags, UsageRecord};
use database::SystemTx;
use sea_orm::{QueryResult, Value};

use crate::domain::latency::Histogram;
use crate::domain::rollup::{
    DIMENSIONS, MEASURE_COLUMNS, MEASURES, RollupKey, Rows, Sums, Width, fingerprint, method, status_class,
    text,
};
use crate::store::sql::{column, execute, parsed, query, signed, time, unsigned};

/// SQLite takes at most 32,766 values per statement.
const MAX_VALUES: usize = 32_766;

const RECORD_COLUMNS: &str = "request_id, tenant_id, api_id, stage, deployment_id, verb, route, method, path, client_ip, key_id, \
     usage_plan_id, plan_id, subscription_id, started_at, status, status_class, reason, flags, quota_units, billable_units, \
     spend_micros, lease_id, latency_us, upstream_us, bytes_in, bytes_out, fingerprint";
const RECORD_WIDTH: usize = 28;

/// Tenant, time and dimensions.
const KEY_WIDTH: usize = 10;
/// Beside them the sums and the histogram.
const ROW_WIDTH: usize = KEY_WIDTH + MEASURES + 1;
/// Rollup rows read and written at once.
const ROWS_AT_ONCE: usize = 200;

/// Columns that [`logged`] reads.
pub(super) const LOG_COLUMNS: &str = "request_id, started_at, api_id, stage, verb, route, path, key_id, usage_plan_id, plan_id, \
     subscription_id, status, reason, quota_units, billable_units, latency_us, upstream_us, bytes_in, bytes_out, client_ip, flags";

/// Inserts the records.
pub(super) async fn insert_records(tx: &SystemTx, records: &[UsageRecord<'_>]) -> Result<()> {
    for some in records.chunks(MAX_VALUES / RECORD_WIDTH) {
        let mut values = Vec::with_capacity(some.len() * RECORD_WIDTH);
        for record in some {
            push_record(&mut values, record)?;
        }
        let insert = format!(
            "INSERT INTO usage_records ({RECORD_COLUMNS}) VALUES {}",
            rows_of_places(some.len(), RECORD_WIDTH)
        );
        execute(tx, &insert, values).await?;
    }
    Ok(())
}

fn push_record(values: &mut Vec<Value>, record: &UsageRecord<'_>) -> Result<()> {
    let outcome = &record.outcome;
    let row: [Value; RECORD_WIDTH] = [
        record.request_id.to_string().into(),
        record.tenant.to_string().into(),
        record.api_id.as_str().into(),
        record.stage.into(),
        text(record.deployment).into(),
        record.method.into(),
        record.route.into(),
        method(record).into(),
        record.path.into(),
        text(record.client_ip).into(),
        text(record.subject.key).into(),
        text(record.subject.usage_plan).into(),
        text(record.subject.plan).into(),
        text(record.subject.subscription).into(),
        record.started_at.into(),
        i32::from(outcome.status).into(),
        status_class(outcome.status).into(),
        outcome.reason.as_str().into(),
        i32::from(outcome.flags.bits()).into(),
        signed(outcome.quota_units)?.into(),
        signed(outcome.billable_units)?.into(),
        signed(outcome.spend_micros)?.into(),
        text(outcome.lease).into(),
        signed(outcome.latency_us)?.into(),
        signed(outcome.upstream_us)?.into(),
        signed(outcome.bytes_in)?.into(),
        signed(outcome.bytes_out)?.into(),
        i64::from(fingerprint(record)).into(),
    ];
    values.extend(row);
    Ok(())
}

/// Adds sums to a rollup.
pub(super) async fn merge(tx: &SystemTx, width: Width, mut rows: Rows) -> Result<()> {
    while !rows.is_empty() {
        let rest = rows.keys().nth(ROWS_AT_ONCE).cloned().map(|key| rows.split_off(&key));
        merge_some(tx, width, rows).await?;
        rows = rest.unwrap_or_default();
    }
    Ok(())
}

async fn merge_some(tx: &SystemTx, width: Width, mut rows: Rows) -> Result<()> {
    let (table, time, measures) = (width.table(), width.column(), MEASURE_COLUMNS.join(", "));
    let key = format!("tenant_id, {time}, {DIMENSIONS}");
    let keys = rows.keys().flat_map(key_values);
    let select = format!(
        "WITH wanted ({key}) AS (VALUES {}) SELECT {key}, {measures}, latency FROM wanted CROSS JOIN {table} USING ({key})",
        rows_of_places(rows.len(), KEY_WIDTH)
    );
    for row in query(tx, &select, keys.collect::<Vec<_>>()).await? {
        let key = rollup_key(&row, width)?;
        if let Some(sums) = rows.get_mut(&key) {
            sums.merge(&read_sums(&row)?);
        }
    }
    let mut values = Vec::with_capacity(rows.len() * ROW_WIDTH);
    for (key, sums) in &rows {
        values.extend(key_values(key));
        for number in sums.numbers() {
            values.push(signed(number)?.into());
        }
        values.push(sums.latency.to_bytes().into());
    }
    let replace = format!(
        "INSERT OR REPLACE INTO {table} ({key}, {measures}, latency) VALUES {}",
        rows_of_places(rows.len(), ROW_WIDTH)
    );
    execute(tx, &replace, values).await?;
    Ok(())
}

fn key_values(key: &RollupKey) -> [Value; KEY_WIDTH] {
    [
        key.tenant.as_str().into(),
        key.time.into(),
        key.api.as_str().into(),
        key.stage.as_str().into(),
        key.method.as_str().into(),
        key.key.as_str().into(),
        key.usage_plan.as_str().into(),
        key.plan.as_str().into(),
        key.subscription.as_str().into(),
        key.status_class.into(),
    ]
}

fn rollup_key(row: &QueryResult, width: Width) -> Result<RollupKey> {
    let class: String = column(row, "status_class")?;
    let status_class = ["1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().find(|known| *known == class);
    Ok(RollupKey {
        tenant: column(row, "tenant_id")?,
        time: column(row, width.column())?,
        api: column(row, "api_id")?,
        stage: column(row, "stage")?,
        method: column(row, "method")?,
        key: column(row, "key_id")?,
        usage_plan: column(row, "usage_plan_id")?,
        plan: column(row, "plan_id")?,
        subscription: column(row, "subscription_id")?,
        status_class: status_class.unwrap_or("none"),
    })
}

/// The sums of a row of the rollup.
pub(super) fn read_sums(row: &QueryResult) -> Result<Sums> {
    let latency: Vec<u8> = column(row, "latency")?;
    let latency = Histogram::from_bytes(&latency);
    let latency = latency.ok_or_else(|| Error::internal("a latency histogram is unreadable"))?;
    Ok(Sums::from_numbers(read_numbers(row)?, latency))
}

/// The sums of a row, the histogram apart.
pub(super) fn read_numbers(row: &QueryResult) -> Result<[u64; MEASURES]> {
    let mut numbers = [0; MEASURES];
    for (number, name) in numbers.iter_mut().zip(MEASURE_COLUMNS) {
        *number = unsigned(column(row, name)?)?;
    }
    Ok(numbers)
}

/// A record as the request log shows it.
pub(super) fn logged(row: &QueryResult) -> Result<LoggedRequest> {
    let optional = |name| -> Result<Option<String>> {
        let text: String = column(row, name)?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    };
    let number = |name| -> Result<u64> { unsigned(column(row, name)?) };
    let flags: i32 = column(row, "flags")?;
    let flags = u16::try_from(flags).ok().and_then(Flags::from_bits).unwrap_or_default();
    Ok(LoggedRequest {
        request_id: parsed(&column::<String>(row, "request_id")?)?,
        time: time(column(row, "started_at")?),
        api: optional("api_id")?.as_deref().map(parsed).transpose()?,
        stage: column(row, "stage")?,
        method: column(row, "verb")?,
        route: column(row, "route")?,
        path: column(row, "path")?,
        key: optional("key_id")?.as_deref().map(parsed).transpose()?,
        usage_plan: optional("usage_plan_id")?.as_deref().map(parsed).transpose()?,
        plan: optional("plan_id")?.as_deref().map(parsed).transpose()?,
        subscription: optional("subscription_id")?.as_deref().map(parsed).transpose()?,
        status: u16::try_from(column::<i32>(row, "status")?).map_err(Error::internal)?,
        reason: column(row, "reason")?,
        quota_units: small(number("quota_units")?),
        billable_units: small(number("billable_units")?),
        latency_ms: small(number("latency_us")? / 1_000),
        upstream_ms: small(number("upstream_us")? / 1_000),
        bytes_in: number("bytes_in")?,
        bytes_out: number("bytes_out")?,
        client_ip: column(row, "client_ip")?,
        throttle: flags.throttle(),
        interrupted: flags.contains(Flags::INTERRUPTED),
    })
}

/// A number for a narrower field; the largest one where it does not fit.
pub(super) fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn rows_of_places(rows: usize, width: usize) -> String {
    let row = format!("({})", vec!["?"; width].join(", "));
    vec![row; rows].join(", ")
}
