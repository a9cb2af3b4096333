use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr};
use testkit::{DatabaseRole, PATIENCE, TestPostgres};

async fn try_connect(
    postgres: &TestPostgres,
    role: DatabaseRole,
    patience: Duration,
) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(postgres.url(role));
    options.acquire_timeout(patience);
    Database::connect(options).await
}

async fn connect(postgres: &TestPostgres, role: DatabaseRole) -> DatabaseConnection {
    try_connect(postgres, role, PATIENCE).await.expect("connect")
}

async fn count(connection: &DatabaseConnection, table: &str) -> Result<i64, DbErr> {
    let rows = connection.query_one_raw(sea_orm::Statement::from_string(
        connection.get_database_backend(),
        format!("SELECT count(*) AS n FROM {table}"),
    ));
    rows.await?.expect("one row").try_get("", "n")
}

#[tokio::test]
async fn every_test_has_a_database_of_its_own() {
    let (one, other) = (TestPostgres::new().unwrap(), TestPostgres::new().unwrap());
    connect(&one, DatabaseRole::Owner).await.execute_unprepared("CREATE TABLE t (id int)").await.unwrap();

    let seen_by_other = count(&connect(&other, DatabaseRole::Owner).await, "t").await;

    assert_ne!(one.url(DatabaseRole::Owner), other.url(DatabaseRole::Owner));
    assert!(seen_by_other.unwrap_err().to_string().contains("does not exist"));
}

#[tokio::test]
async fn the_services_role_does_what_it_was_granted_and_no_more() {
    let postgres = TestPostgres::new().unwrap();
    let owner = connect(&postgres, DatabaseRole::Owner).await;
    owner
        .execute_unprepared("CREATE TABLE t (x int); GRANT SELECT, INSERT ON t TO tollgate_app")
        .await
        .unwrap();
    let app = connect(&postgres, DatabaseRole::App).await;

    app.execute_unprepared("INSERT INTO t (x) VALUES (1), (2)").await.unwrap();
    let refused = app.execute_unprepared("ALTER TABLE t ADD COLUMN y int").await;

    assert_eq!(count(&app, "t").await.unwrap(), 2);
    assert!(refused.unwrap_err().to_string().contains("must be owner"));
}

#[tokio::test]
async fn forced_row_level_security_binds_the_services_role() {
    let postgres = TestPostgres::new().unwrap();
    let owner = connect(&postgres, DatabaseRole::Owner).await;
    owner
        .execute_unprepared(
            "CREATE TABLE t (tenant text);
             ALTER TABLE t ENABLE ROW LEVEL SECURITY;
             ALTER TABLE t FORCE ROW LEVEL SECURITY;
             CREATE POLICY own ON t USING (tenant = current_setting('app.tenant', true));
             GRANT SELECT, INSERT ON t TO tollgate_app",
        )
        .await
        .unwrap();
    let app = connect(&postgres, DatabaseRole::App).await;

    let refused = app.execute_unprepared("INSERT INTO t VALUES ('a')").await;

    assert!(refused.unwrap_err().to_string().contains("row-level security"));
    assert_eq!(count(&app, "t").await.unwrap(), 0);
}

#[tokio::test]
async fn a_killed_server_comes_back_with_every_committed_row() {
    let postgres = TestPostgres::dedicated().unwrap();
    let owner = connect(&postgres, DatabaseRole::Owner).await;
    owner.execute_unprepared("CREATE TABLE t (id int); INSERT INTO t VALUES (1), (2), (3)").await.unwrap();

    postgres.kill_9().unwrap();
    assert!(try_connect(&postgres, DatabaseRole::Owner, Duration::from_millis(200)).await.is_err());
    postgres.restart().unwrap();

    assert_eq!(count(&connect(&postgres, DatabaseRole::Owner).await, "t").await.unwrap(), 3);
}
