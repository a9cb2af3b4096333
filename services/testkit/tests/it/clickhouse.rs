use clickhouse::{Client, Row};
use serde::{Deserialize, Serialize};
use testkit::TestClickHouse;

#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
struct Record {
    id: u64,
    text: String,
}

impl Record {
    fn new(id: u64, text: &str) -> Self {
        Self { id, text: text.to_owned() }
    }
}

/// Raw records, and a sum of them that a materialized view keeps. Both know the last 100 inserts by their token.
async fn create_tables(client: &Client) {
    let deduplicated = "SETTINGS non_replicated_deduplication_window = 100";
    for statement in [
        format!("CREATE TABLE raw (id UInt64, text String) ENGINE = MergeTree ORDER BY id {deduplicated}"),
        format!("CREATE TABLE total (n UInt64) ENGINE = SummingMergeTree ORDER BY tuple() {deduplicated}"),
        "CREATE MATERIALIZED VIEW raw_to_total TO total AS SELECT count() AS n FROM raw".to_owned(),
    ] {
        client.query(&statement).execute().await.expect("statement");
    }
}

async fn insert(client: &Client, records: &[Record]) -> clickhouse::error::Result<()> {
    let mut insert = client.insert::<Record>("raw").await?;
    for record in records {
        insert.write(record).await?;
    }
    insert.end().await
}

async fn insert_once(client: &Client, token: &str, records: &[Record]) -> clickhouse::error::Result<()> {
    let client = client
        .clone()
        .with_setting("async_insert", "0")
        .with_setting("insert_deduplication_token", token)
        .with_setting("deduplicate_blocks_in_dependent_materialized_views", "1");
    insert(&client, records).await
}

async fn counts(client: &Client) -> (u64, u64) {
    let raw = client.query("SELECT count() FROM raw").fetch_one().await.expect("count of raw");
    let total = client.query("SELECT sum(n) FROM total").fetch_one().await.expect("sum of total");
    (raw, total)
}

#[tokio::test]
async fn rows_go_in_and_come_out_compressed() {
    let clickhouse = TestClickHouse::new().await.unwrap();
    let client = clickhouse.client().with_compression(clickhouse::Compression::Lz4);
    create_tables(&client).await;
    let records: Vec<Record> = (0..20_000).map(|id| Record::new(id, "öffne 'die' \\ Tür\n")).collect();

    insert(&client, &records).await.unwrap();

    let read: Vec<Record> = client.query("SELECT ?fields FROM raw ORDER BY id").fetch_all().await.unwrap();
    assert_eq!(read, records);
}

#[tokio::test]
async fn bound_values_and_parameters_keep_every_character() {
    let clickhouse = TestClickHouse::new().await.unwrap();
    let client = clickhouse.client();
    let odd = "it's \\ \"quoted\"\n\ttab ü";

    let bound: String = client.query("SELECT ?").bind(odd).fetch_one().await.unwrap();
    let parameter: String = client.query("SELECT {x:String}").param("x", odd).fetch_one().await.unwrap();
    let numbers: u64 = client
        .query("SELECT arraySum({n:Array(UInt64)})")
        .param("n", vec![1_u64, 2, 3])
        .fetch_one()
        .await
        .unwrap();

    assert_eq!((bound.as_str(), parameter.as_str(), numbers), (odd, odd, 6));
}

#[tokio::test]
async fn a_batch_sent_twice_under_one_token_counts_once_in_records_and_views() {
    let clickhouse = TestClickHouse::new().await.unwrap();
    let client = clickhouse.client().with_compression(clickhouse::Compression::Lz4);
    create_tables(&client).await;
    let batch = [Record::new(1, "a"), Record::new(2, "b")];

    insert_once(&client, "gateway-1/7", &batch).await.unwrap();
    insert_once(&client, "gateway-1/7", &batch).await.unwrap();
    insert_once(&client, "gateway-1/8", &batch).await.unwrap();

    assert_eq!(counts(&client).await, (4, 4));
}

#[tokio::test]
async fn a_killed_engine_comes_back_with_its_rows_and_its_tokens() {
    let clickhouse = TestClickHouse::dedicated().await.unwrap();
    let client = clickhouse.client();
    create_tables(&client).await;
    let batch = [Record::new(1, "a"), Record::new(2, "b")];
    insert_once(&client, "gateway-1/7", &batch).await.unwrap();

    clickhouse.kill_9().unwrap();
    assert!(insert_once(&client, "gateway-1/8", &batch).await.is_err());
    clickhouse.restart().unwrap();
    insert_once(&client, "gateway-1/7", &batch).await.unwrap();
    insert_once(&client, "gateway-1/8", &batch).await.unwrap();

    assert_eq!(counts(&client).await, (4, 4));
}

#[tokio::test]
async fn errors_carry_the_engines_code() {
    let clickhouse = TestClickHouse::new().await.unwrap();
    let client = clickhouse.client();

    let unknown_table = client.query("SELECT 1 FROM nowhere").execute().await.unwrap_err().to_string();
    let unknown_setting = client
        .clone()
        .with_setting("nonsense", "1")
        .query("SELECT 1")
        .execute()
        .await
        .unwrap_err()
        .to_string();

    assert!(unknown_table.contains("Code: 60."), "{unknown_table}");
    assert!(unknown_setting.contains("Code: 115."), "{unknown_setting}");
}

#[tokio::test]
async fn a_setting_ends_with_its_query() {
    let clickhouse = TestClickHouse::new().await.unwrap();
    let client = clickhouse.client();
    let limited = client.clone().with_setting("max_result_rows", "1");

    assert!(limited.query("SELECT number FROM numbers(9)").fetch_all::<u64>().await.is_err());
    assert_eq!(client.query("SELECT number FROM numbers(9)").fetch_all::<u64>().await.unwrap().len(), 9);
}

#[tokio::test]
async fn databases_are_apart() {
    let (one, other) = (TestClickHouse::new().await.unwrap(), TestClickHouse::new().await.unwrap());
    create_tables(&one.client()).await;

    assert!(other.client().query("SELECT count() FROM raw").fetch_one::<u64>().await.is_err());
}
