-- Usage records and their rollups.
--
-- Every table is partitioned by UTC day, and a batch holds records of one day: an insert makes one part per table.
-- Every table remembers the tokens of the last 10,000 inserts, so that an insert repeated while its first attempt is still
-- running, or right after it, is stored once. What tokens cannot tell (a crash between noting the token and storing the
-- part, a repeat after more inserts) is found out by comparing, see the module store::usage::clickhouse of metering.
-- Parts are written through to the disk before an insert is answered.
--
-- The bits of `flags` are those of contracts::record::Flags: 3, 4 and 5 say that the quota units were taken from the quota per
-- day, week and month.

CREATE TABLE IF NOT EXISTS usage_records (
    tenant_id       LowCardinality(String),
    started_at      DateTime64(6, 'UTC'),
    request_id      String,
    api_id          LowCardinality(String),
    stage           LowCardinality(String),
    deployment_id   LowCardinality(String),
    verb            LowCardinality(String),
    route           LowCardinality(String),
    method          LowCardinality(String),
    path            String,
    client_ip       String,
    key_id          String,
    usage_plan_id   LowCardinality(String),
    plan_id         LowCardinality(String),
    subscription_id String,
    status          UInt16,
    status_class    LowCardinality(String),
    reason          LowCardinality(String),
    flags           UInt16,
    quota_units     UInt64,
    billable_units  UInt64,
    spend_micros    UInt64,
    lease_id        String,
    latency_us      UInt64,
    latency_bucket  UInt16,
    upstream_us     UInt64,
    bytes_in        UInt64,
    bytes_out       UInt64,
    fingerprint     UInt32,
    gateway_id      LowCardinality(String),
    incarnation_id  LowCardinality(String),
    stream          UInt32,
    sequence        UInt64,
    INDEX request request_id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX key key_id TYPE bloom_filter(0.01) GRANULARITY 4
) ENGINE = MergeTree
PARTITION BY toYYYYMMDD(started_at)
ORDER BY (tenant_id, started_at, request_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS usage_minutes (
    tenant_id       LowCardinality(String),
    minute          DateTime('UTC'),
    api_id          LowCardinality(String),
    stage           LowCardinality(String),
    method          LowCardinality(String),
    key_id          String,
    usage_plan_id   LowCardinality(String),
    plan_id         LowCardinality(String),
    subscription_id String,
    status_class    LowCardinality(String),
    requests        UInt64,
    quota_units     UInt64,
    day_units       UInt64,
    week_units      UInt64,
    month_units     UInt64,
    billable_units  UInt64,
    spend_micros    UInt64,
    bytes_in        UInt64,
    bytes_out       UInt64,
    fingerprint     UInt64,
    latencyMap      Nested(bucket UInt16, calls UInt64)
) ENGINE = SummingMergeTree
PARTITION BY toYYYYMMDD(minute)
ORDER BY (tenant_id, minute, api_id, stage, method, key_id, usage_plan_id, plan_id, subscription_id, status_class)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Where a day of usage_minutes is made anew before it replaces the day's partition.
CREATE TABLE IF NOT EXISTS usage_minutes_rebuilt (
    tenant_id       LowCardinality(String),
    minute          DateTime('UTC'),
    api_id          LowCardinality(String),
    stage           LowCardinality(String),
    method          LowCardinality(String),
    key_id          String,
    usage_plan_id   LowCardinality(String),
    plan_id         LowCardinality(String),
    subscription_id String,
    status_class    LowCardinality(String),
    requests        UInt64,
    quota_units     UInt64,
    day_units       UInt64,
    week_units      UInt64,
    month_units     UInt64,
    billable_units  UInt64,
    spend_micros    UInt64,
    bytes_in        UInt64,
    bytes_out       UInt64,
    fingerprint     UInt64,
    latencyMap      Nested(bucket UInt16, calls UInt64)
) ENGINE = SummingMergeTree
PARTITION BY toYYYYMMDD(minute)
ORDER BY (tenant_id, minute, api_id, stage, method, key_id, usage_plan_id, plan_id, subscription_id, status_class)
SETTINGS non_replicated_deduplication_window = 0, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS usage_minutes_view TO usage_minutes AS
SELECT tenant_id, toDateTime(toStartOfMinute(started_at), 'UTC') AS minute, api_id, stage, method, key_id, usage_plan_id, plan_id, subscription_id, status_class,
       count() AS requests, sum(quota_units) AS quota_units, sumIf(usage_records.quota_units, bitTest(flags, 3)) AS day_units,
       sumIf(usage_records.quota_units, bitTest(flags, 4)) AS week_units, sumIf(usage_records.quota_units, bitTest(flags, 5)) AS month_units,
       sum(billable_units) AS billable_units, sum(spend_micros) AS spend_micros,
       sum(bytes_in) AS bytes_in, sum(bytes_out) AS bytes_out, sum(fingerprint) AS fingerprint,
       sumMap([latency_bucket], [toUInt64(1)]).1 AS `latencyMap.bucket`,
       sumMap([latency_bucket], [toUInt64(1)]).2 AS `latencyMap.calls`
FROM usage_records
GROUP BY tenant_id, minute, api_id, stage, method, key_id, usage_plan_id, plan_id, subscription_id, status_class;

CREATE TABLE IF NOT EXISTS usage_hours (
    tenant_id       LowCardinality(String),
    hour            DateTime('UTC'),
    api_id          LowCardinality(String),
    stage           LowCardinality(String),
    method          LowCardinality(String),
    key_id          String,
    usage_plan_id   LowCardinality(String),
    plan_id         LowCardinality(String),
    subscription_id String,
    status_class    LowCardinality(String),
    requests        UInt64,
    quota_units     UInt64,
    day_units       UInt64,
    week_units      UInt64,
    month_units     UInt64,
    billable_units  UInt64,
    spend_micros    UInt64,
    bytes_in        UInt64,
    bytes_out       UInt64,
    fingerprint     UInt64,
    latencyMap      Nested(bucket UInt16, calls UInt64)
) ENGINE = SummingMergeTree
PARTITION BY toYYYYMMDD(hour)
ORDER BY (tenant_id, hour, api_id, stage, method, key_id, usage_plan_id, plan_id, subscription_id, status_class)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Where a day of usage_hours is made anew before it replaces the day's partition.
CREATE TABLE IF NOT EXISTS usage_hours_rebuilt (
    tenant_id       LowCardinality(String),
    hour            DateTime('UTC'),
    api_id          LowCardinality(String),
    stage           LowCardinality(String),
    method          LowCardinality(String),
    key_id          String,
    usage_plan_id   LowCardinality(String),
    plan_id         LowCardinality(String),
    subscription_id String,
    status_class    LowCardinality(String),
    requests        UInt64,
    quota_units     UInt64,
    day_units       UInt64,
    week_units      UInt64,
    month_units     UInt64,
    billable_units  UInt64,
    spend_micros    UInt64,
    bytes_in        UInt64,
    bytes_out       UInt64,
    fingerprint     UInt64,
    latencyMap      Nested(bucket UInt16, calls UInt64)
) ENGINE = SummingMergeTree
PARTITION BY toYYYYMMDD(hour)
ORDER BY (tenant_id, hour, api_id, stage, method, key_id, usage_plan_id, plan_id, subscription_id, status_class)
SETTINGS non_replicated_deduplication_window = 0, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS usage_hours_view TO usage_hours AS
SELECT tenant_id, toDateTime(toStartOfHour(started_at), 'UTC') AS hour, api_id, stage, method, key_id, usage_plan_id, plan_id, subscription_id, status_class,
       count() AS requests, sum(quota_units) AS quota_units, sumIf(usage_records.quota_units, bitTest(flags, 3)) AS day_units,
       sumIf(usage_records.quota_units, bitTest(flags, 4)) AS week_units, sumIf(usage_records.quota_units, bitTest(flags, 5)) AS month_units,
       sum(billable_units) AS billable_units, sum(spend_micros) AS spend_micros,
       sum(bytes_in) AS bytes_in, sum(bytes_out) AS bytes_out, sum(fingerprint) AS fingerprint,
       sumMap([latency_bucket], [toUInt64(1)]).1 AS `latencyMap.bucket`,
       sumMap([latency_bucket], [toUInt64(1)]).2 AS `latencyMap.calls`
FROM usage_records
GROUP BY tenant_id, hour, api_id, stage, method, key_id, usage_plan_id, plan_id, subscription_id, status_class;

CREATE TABLE IF NOT EXISTS usage_days (
    tenant_id       LowCardinality(String),
    day             DateTime('UTC'),
    api_id          LowCardinality(String),
    stage           LowCardinality(String),
    method          LowCardinality(String),
    key_id          String,
    usage_plan_id   LowCardinality(String),
    plan_id         LowCardinality(String),
    subscription_id String,
    status_class    LowCardinality(String),
    requests        UInt64,
    quota_units     UInt64,
    day_units       UInt64,
    week_units      UInt64,
    month_units     UInt64,
    billable_units  UInt64,
    spend_micros    UInt64,
    bytes_in        UInt64,
    bytes_out       UInt64,
    fingerprint     UInt64,
    latencyMap      Nested(bucket UInt16, calls UInt64)
) ENGINE = SummingMergeTree
PARTITION BY toYYYYMMDD(day)
ORDER BY (tenant_id, day, api_id, stage, method, key_id, usage_plan_id, plan_id, subscription_id, status_class)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Where a day of usage_days is made anew before it replaces the day's partition.
CREATE TABLE IF NOT EXISTS usage_days_rebuilt (
    tenant_id       LowCardinality(String),
    day             DateTime('UTC'),
    api_id          LowCardinality(String),
    stage           LowCardinality(String),
    method          LowCardinality(String),
    key_id          String,
    usage_plan_id   LowCardinality(String),
    plan_id         LowCardinality(String),
    subscription_id String,
    status_class    LowCardinality(String),
    requests        UInt64,
    quota_units     UInt64,
    day_units       UInt64,
    week_units      UInt64,
    month_units     UInt64,
    billable_units  UInt64,
    spend_micros    UInt64,
    bytes_in        UInt64,
    bytes_out       UInt64,
    fingerprint     UInt64,
    latencyMap      Nested(bucket UInt16, calls UInt64)
) ENGINE = SummingMergeTree
PARTITION BY toYYYYMMDD(day)
ORDER BY (tenant_id, day, api_id, stage, method, key_id, usage_plan_id, plan_id, subscription_id, status_class)
SETTINGS non_replicated_deduplication_window = 0, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS usage_days_view TO usage_days AS
SELECT tenant_id, toDateTime(toStartOfDay(started_at), 'UTC') AS day, api_id, stage, method, key_id, usage_plan_id, plan_id, subscription_id, status_class,
       count() AS requests, sum(quota_units) AS quota_units, sumIf(usage_records.quota_units, bitTest(flags, 3)) AS day_units,
       sumIf(usage_records.quota_units, bitTest(flags, 4)) AS week_units, sumIf(usage_records.quota_units, bitTest(flags, 5)) AS month_units,
       sum(billable_units) AS billable_units, sum(spend_micros) AS spend_micros,
       sum(bytes_in) AS bytes_in, sum(bytes_out) AS bytes_out, sum(fingerprint) AS fingerprint,
       sumMap([latency_bucket], [toUInt64(1)]).1 AS `latencyMap.bucket`,
       sumMap([latency_bucket], [toUInt64(1)]).2 AS `latencyMap.calls`
FROM usage_records
GROUP BY tenant_id, day, api_id, stage, method, key_id, usage_plan_id, plan_id, subscription_id, status_class;
