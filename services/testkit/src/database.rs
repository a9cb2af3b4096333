//! A role's migrated database on either store, and suites that run on both.

use anyhow::Result;
use database::Database;
use migrations::Schema;
use tempfile::TempDir;

use crate::postgres::{DatabaseRole, TestPostgres};

/// Connections of a test's pool: enough for tests that race.
const CONNECTIONS: u32 = 8;

/// One of the stores every suite runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// A file in a temporary directory.
    Sqlite,
    /// A database on a real server, used as the role without rights on tables.
    Postgres,
}

/// A migrated database of its own; dropping it drops the data.
#[derive(Debug)]
pub struct TestDatabase {
    /// Connected as services connect.
    pub database: Database,
    _place: Place,
}

#[derive(Debug)]
enum Place {
    Sqlite { _directory: TempDir },
    Postgres { _server: TestPostgres },
}

impl TestDatabase {
    /// An empty database with the schema's tables.
    pub async fn new(store: Store, schema: Schema) -> Result<Self> {
        let name = schema.as_str();
        match store {
            Store::Sqlite => {
                let directory = tempfile::tempdir()?;
                let file = directory.path().join(format!("{name}.db"));
                let url = format!("sqlite://{}?mode=rwc", file.display());
                let database = Database::open(&url, name, CONNECTIONS).await?;
                migrations::run(schema, database.connection(), None).await?;
                Ok(Self { database, _place: Place::Sqlite { _directory: directory } })
            }
            Store::Postgres => {
                let server = TestPostgres::new()?;
                let owner = Database::open(&server.url(DatabaseRole::Owner), name, 1).await?;
                migrations::run(schema, owner.connection(), Some("tollgate_app")).await?;
                owner.close().await?;
                let database = Database::open(&server.url(DatabaseRole::App), name, CONNECTIONS).await?;
                Ok(Self { database, _place: Place::Postgres { _server: server } })
            }
        }
    }
}

/// Runs each of the named `async fn(Store)` once per store.
#[macro_export]
macro_rules! on_both_stores {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::Store::Sqlite).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::Store::Postgres).await;
            })+
        }
    };
}
