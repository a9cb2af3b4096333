//! Measures the usage store of production: `ledger_load fill|query|drain CLICKHOUSE_URL DATABASE [RECORDS]`.
//!
//! `fill` has the engine make that many records, in the real tables and through the real views; `query` asks the dashboard's
//! questions of them through metering; `drain` stores that many records from sealed batches, as a gateway with a backlog ships
//! them. Prints one JSON value.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use chrono::{DateTime, TimeDelta, Utc};
use common::clock::monotonic;
use common::id::{
    ApiId, GatewayId, IncarnationId, KeyId, LeaseId, PlanId, RequestId, SubscriptionId, TenantId, UsagePlanId,
};
use common::vault::Vault;
use common::{Clock, Error};
use contracts::lease::AppendBatch;
use contracts::metering::{QueryUsage, UsageDimension, UsageStep};
use contracts::record::{
    BatchName, Flags, MAX_RECORD, Outcome, Reason, Subject, UsageRecord, day_of, encode, frame, seal,
};
use contracts::{Client, Ctx, Role};
use database::Database;
use metering::{ClickHouseConfig, Config, Dependencies};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use uuid::Uuid;

/// First day of the records; there are [`DAYS`] of them.
const FIRST_DAY: &str = "2026-10-01T00:00:00Z";
const DAYS: u64 = 30;
/// Tenants; half of the calls are those of the first.
const TENANTS: u64 = 1_001;
/// Records of one statement of `fill`, all of one day.
const AT_ONCE: u64 = 500_000;
/// How often each question is asked.
const ROUNDS: usize = 20;
/// Bytes of a batch's records: what a gateway with a backlog seals.
const BATCH_BYTES: usize = 8 << 20;
/// Streams that ship at once.
const STREAMS: u32 = 4;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |name: &str| arguments.next().with_context(|| format!("no {name} given"));
    let (action, url, database) = (next("action")?, next("address")?, next("database")?);
    let records: u64 = arguments.next().map_or(Ok(0), |count| count.parse())?;
    let scene = Scene::new(&url, &database).await?;
    let printed = match action.as_str() {
        "fill" => scene.fill(records).await?,
        "query" => scene.query().await?,
        "drain" => scene.drain(records).await?,
        other => return Err(anyhow!("{other} is none of fill, query and drain")),
    };
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{printed}")?;
    Ok(())
}

/// Metering on ClickHouse.
struct Scene {
    client: Client,
    clickhouse: clickhouse::Client,
    _files: tempfile::TempDir,
}

impl Scene {
    async fn new(url: &str, name: &str) -> Result<Self> {
        let server = clickhouse::Client::default().with_url(url);
        server.query(&format!("CREATE DATABASE IF NOT EXISTS {name}")).execute().await?;
        let files = tempfile::tempdir()?;
        let file = files.path().join("metering.db");
        let database = Database::open(&format!("sqlite://{}?mode=rwc", file.display()), "metering", 8).await;
        let database = database.map_err(fault)?;
        migrations::run(migrations::Schema::Metering, database.connection(), None).await?;
        let clickhouse =
            ClickHouseConfig { url: url.to_owned(), database: name.to_owned(), user: None, password: None };
        let config = Config { clickhouse: Some(clickhouse), ..Config::default() };
        metering::migrate_usage_store(&config).await.map_err(fault)?;
        let client = Client::unconnected();
        let vault = Vault::from_keys(&[Vault::generate_key("load").into()]).map_err(fault)?;
        let dependencies = Dependencies { database, vault, client: client.clone(), clock: Clock::System };
        let service = metering::build(config, dependencies).map_err(fault)?;
        client.connect(Client::builder().local(Arc::new(metering::endpoints(&service)), Handle::current()));
        Ok(Self { client, clickhouse: server.with_database(name), _files: files })
    }

    async fn fill(&self, records: u64) -> Result<Value> {
        let started = monotonic();
        let there: u64 = self.clickhouse.query("SELECT count() FROM usage_records").fetch_one().await?;
        for part in 0..records.div_ceil(AT_ONCE) {
            let first = there + part * AT_ONCE;
            let count = AT_ONCE.min(records - part * AT_ONCE);
            let day = first / AT_ONCE % DAYS;
            self.clickhouse.query(&generate(first, count, day)).execute().await?;
        }
        let total: u64 = self.clickhouse.query("SELECT count() FROM usage_records").fetch_one().await?;
        Ok(json!({ "records": total, "seconds": started.elapsed().as_secs() }))
    }

    async fn query(&self) -> Result<Value> {
        let total: u64 = self.clickhouse.query("SELECT count() FROM usage_records").fetch_one().await?;
        let end: DateTime<Utc> = FIRST_DAY.parse::<DateTime<Utc>>()? + TimeDelta::days(DAYS.cast_signed());
        let ranges = [
            ("1 h", TimeDelta::hours(1), UsageStep::Minute),
            ("24 h", TimeDelta::days(1), UsageStep::Hour),
            ("30 d", TimeDelta::days(30), UsageStep::Day),
        ];
        let groups = [
            ("api", vec![UsageDimension::Api]),
            ("key", vec![UsageDimension::Key]),
            ("method", vec![UsageDimension::Method]),
            ("status", vec![UsageDimension::StatusClass]),
            ("total", vec![]),
        ];
        let mut answers = Vec::new();
        for (whose, tenant) in [("half of all calls", tenant(0)), ("one of a thousand", tenant(77))] {
            for (range, length, step) in &ranges {
                for (by, group_by) in &groups {
                    // By key there is one row per key: the dashboard asks for the range's total.
                    let step = if *by == "key" { UsageStep::Total } else { *step };
                    let ask = QueryUsage {
                        from: end - *length,
                        to: end,
                        step,
                        group_by: group_by.clone(),
                        filter: BTreeMap::new(),
                    };
                    let (p95, rows) = self.ask(tenant, &ask).await?;
                    answers.push(
                        json!({ "tenant": whose, "range": range, "by": by, "p95_ms": p95, "rows": rows }),
                    );
                }
            }
        }
        let worst = answers.iter().filter_map(|answer| answer["p95_ms"].as_f64()).fold(0.0, f64::max);
        Ok(json!({ "records": total, "worst_p95_ms": worst, "answers": answers }))
    }

    async fn ask(&self, tenant: TenantId, ask: &QueryUsage) -> Result<(f64, usize)> {
        let (mut took, mut rows) = (Vec::new(), 0);
        for _ in 0..ROUNDS {
            let ctx = Ctx::service(Role::Admin, Clock::System.now()).in_tenant(tenant);
            let started = monotonic();
            rows = self.client.call(&ctx, ask.clone()).await.map_err(fault)?.rows.len();
            took.push(started.elapsed());
        }
        took.sort_unstable();
        let p95 = took[(took.len() * 95).div_ceil(100) - 1];
        Ok((p95.as_secs_f64() * 1_000.0, rows))
    }

    async fn drain(&self, records: u64) -> Result<Value> {
        let now = Clock::System.now();
        let mut streams: Vec<Vec<AppendBatch>> = Vec::new();
        let mut made = 0;
        for stream in 0..STREAMS {
            let (mut batches, incarnation) = (Vec::new(), IncarnationId::new(now));
            while made < records * u64::from(stream + 1) / u64::from(STREAMS) {
                let sequence = batches.len() as u64 + 1;
                let (batch, count) = batch(stream, incarnation, sequence, made, now)?;
                made += count;
                batches.push(batch);
            }
            streams.push(batches);
        }
        let batches: usize = streams.iter().map(Vec::len).sum();
        let started = monotonic();
        let shipping = streams.into_iter().map(|batches| self.ship(batches));
        futures_util::future::try_join_all(shipping).await?;
        let took: Duration = started.elapsed();
        Ok(json!({
            "records": made,
            "batches": batches,
            "streams": STREAMS,
            "seconds": took.as_secs_f64(),
            "records_per_second": (made as f64 / took.as_secs_f64()).round(),
        }))
    }

    /// Ships a stream's batches, one after the other.
    async fn ship(&self, batches: Vec<AppendBatch>) -> Result<()> {
        for batch in batches {
            let sequence = batch.sequence;
            let deadline: Instant = monotonic() + Duration::from_secs(60);
            loop {
                let ctx = Ctx::service(Role::Gateway, Clock::System.now());
                match self.client.call(&ctx, batch.clone()).await {
                    Ok(answer) if answer.acked_through == sequence => break,
                    Ok(answer) => return Err(anyhow!("acknowledged {} of {sequence}", answer.acked_through)),
                    Err(error) if monotonic() < deadline => {
                        tracing::debug!(%error, "sent again");
                    }
                    Err(error) => return Err(fault(error)),
                }
            }
        }
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn fault(error: Error) -> anyhow::Error {
    anyhow!("{error}: {}", error.cause.clone().unwrap_or_default())
}

fn tenant(number: u64) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(u128::from(number)))
}

/// Makes records of one day. Each key calls one API with two methods, one call in forty is refused.
fn generate(first: u64, count: u64, day: u64) -> String {
    let day_start = format!("toDateTime64('{}', 6, 'UTC')", FIRST_DAY.replace(['T', 'Z'], " ").trim());
    let step = 86_400_000_000 / AT_ONCE;
    format!(
        "INSERT INTO usage_records (tenant_id, started_at, request_id, api_id, stage, deployment_id, verb, route, method, path, \
         client_ip, key_id, usage_plan_id, plan_id, subscription_id, status, status_class, reason, flags, quota_units, \
         billable_units, spend_micros, lease_id, latency_us, latency_bucket, upstream_us, bytes_in, bytes_out, fingerprint, \
         gateway_id, incarnation_id, stream, sequence) \
         SELECT concat('ten_', lower(leftPad(hex(t), 32, '0'))), \
         {day_start} + toIntervalDay({day}) + toIntervalMicrosecond((number - {first}) * {step}), \
         concat('req_', lower(leftPad(hex(number), 32, '0'))), concat('abcdefgh', toString(10 + k % if(t = 0, 10, 1))), 'prod', \
         'dep_0198c0de4f5e7a40b1c2d3e4f5a6b7c8', 'GET', concat('/pets/', toString((k + m) % 20)) AS r, concat('GET ', r), r, \
         '192.0.2.7', concat('key_', lower(leftPad(hex(t * 10000 + k), 32, '0'))), \
         concat('upl_', lower(leftPad(hex(t), 32, '0'))), concat('pln_', lower(leftPad(hex(t), 32, '0'))), \
         concat('sub_', lower(leftPad(hex(t * 10000 + k), 32, '0'))), if(rand(2) % 40 = 0, 429, 200) AS s, \
         if(s = 200, '2xx', '4xx'), if(s = 200, 'ok', 'throttled'), 8, s = 200, s = 200, 0, \
         'lse_0198c0de4f5e7a40b1c2d3e4f5a6b7c8', 1000 + rand(3) % 50000, 176 + rand(4) % 40, 900, 10, 1000, rand(5), \
         'gwy_0198c0de4f5e7a40b1c2d3e4f5a6b7c8', 'inc_0198c0de4f5e7a40b1c2d3e4f5a6b7c8', 0, 1 FROM (\
         SELECT number, if(rand(6) % 2 = 0, 0, 1 + rand(7) % {}) AS t, rand(8) % if(t = 0, 2000, 10) AS k, rand(9) % 2 AS m \
         FROM numbers({first}, {count}))",
        TENANTS - 1
    )
}

/// A sealed batch of calls as a busy gateway makes them: a thousand keys, a few methods each, over some seconds.
fn batch(
    stream: u32,
    incarnation: IncarnationId,
    sequence: u64,
    first: u64,
    now: DateTime<Utc>,
) -> Result<(AppendBatch, u64)> {
    let gateway = GatewayId::from_uuid(Uuid::from_u128(1));
    let id = |number: u64| Uuid::from_u128(u128::from(number));
    let api: ApiId = "abcdefghij".parse().map_err(|_| anyhow!("no API id"))?;
    let routes: Vec<_> = (0..20).map(|route| format!("/pets/{{id}}/toys/{route}")).collect();
    let (mut body, mut buffer, mut count) = (Vec::with_capacity(BATCH_BYTES), [0; MAX_RECORD], 0);
    let begun = now.timestamp_micros() - 60_000_000;
    while body.len() + 400 < BATCH_BYTES {
        let number = first + count;
        // Some keys call more than others.
        let key = (number * 7_919 % 1_000).min(number * 104_729 % 1_000);
        let served = !number.is_multiple_of(40);
        let path = format!("/pets/{}/toys/{}", number * 31 % 100_000, key % 20);
        let units = u64::from(served);
        let record = UsageRecord {
            request_id: RequestId::from_uuid(Uuid::new_v4()),
            tenant: tenant(key % 50),
            api_id: api,
            stage: "prod",
            deployment: None,
            method: if number.is_multiple_of(3) { "POST" } else { "GET" },
            route: &routes[(key % 20) as usize],
            path: &path,
            client_ip: Some([192, 0, 2, 7].into()),
            subject: Subject {
                key: Some(KeyId::from_uuid(id(key))),
                usage_plan: Some(UsagePlanId::from_uuid(id(key % 50))),
                plan: Some(PlanId::from_uuid(id(key % 50))),
                subscription: Some(SubscriptionId::from_uuid(id(key))),
            },
            started_at: begun + (count * 200).cast_signed(),
            outcome: Outcome {
                status: if served { 200 } else { 429 },
                reason: if served { Reason::Ok } else { Reason::Throttled },
                flags: Flags::CHARGED_MONTH,
                quota_units: units,
                billable_units: units,
                spend_micros: 0,
                lease: Some(LeaseId::from_uuid(id(key))),
                latency_us: 800 + number * 37 % 40_000,
                upstream_us: 500,
                bytes_in: 100,
                bytes_out: 2_000,
            },
        };
        let length = encode(&record, &mut buffer)?;
        body.extend_from_slice(&frame(&buffer[..length]));
        body.extend_from_slice(&buffer[..length]);
        count += 1;
    }
    let name = BatchName { gateway, incarnation, stream, sequence };
    let header = seal(&name, day_of(begun), begun, u32::try_from(count)?, &body);
    let bytes = [header.as_slice(), &body].concat().into();
    Ok((AppendBatch { gateway, incarnation, stream, sequence, bytes }, count))
}
