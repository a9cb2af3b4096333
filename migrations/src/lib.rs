//! The tables of every role, one folder per role, dated files, the same for SQLite and PostgreSQL.
//!
//! A migration that has been released is never edited. New code must run on the tables before and after a migration:
//! expand, backfill, contract.

mod apis;
mod billing;
mod metering;
mod portal;
pub mod shared;
mod tenants;

use std::collections::BTreeSet;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

/// The tables of the usage store on ClickHouse: name and statements (ended by `;` at the end of a line) of each migration,
/// oldest first. Every statement may be run again.
pub const CLICKHOUSE: &[(&str, &str)] =
    &[("20261122_000001_usage", include_str!("../clickhouse/20261122_000001_usage.sql"))];

/// A role that owns tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// Organizations, members, credentials.
    Tenants,
    /// API documents, deployments, stages.
    Apis,
    /// Keys, usage plans, leases, and on SQLite the usage records.
    Metering,
    /// Products, plans, subscriptions.
    Billing,
    /// App developers and apps.
    Portal,
}

impl Schema {
    /// Every schema.
    pub const ALL: [Self; 5] = [Self::Tenants, Self::Apis, Self::Metering, Self::Billing, Self::Portal];

    /// Name of the role, of its PostgreSQL schema and of its SQLite file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tenants => "tenants",
            Self::Apis => "apis",
            Self::Metering => "metering",
            Self::Billing => "billing",
            Self::Portal => "portal",
        }
    }
}

/// Brings the schema to this version.
///
/// On PostgreSQL `connection` belongs to the tables' owner, its search path is the
/// schema, and `application_role` is the role that services connect as: it gets rights on rows, not on tables.
///
/// Fails without a change when the schema has migrations this version does not know.
pub async fn run(
    schema: Schema,
    connection: &DatabaseConnection,
    application_role: Option<&str>,
) -> Result<(), DbErr> {
    if connection.get_database_backend() == DbBackend::Postgres {
        let create = format!("CREATE SCHEMA IF NOT EXISTS {}", schema.as_str());
        connection.execute_unprepared(&create).await?;
    }
    match schema {
        Schema::Tenants => up::<tenants::Migrator>(connection).await?,
        Schema::Apis => up::<apis::Migrator>(connection).await?,
        Schema::Metering => up::<metering::Migrator>(connection).await?,
        Schema::Billing => up::<billing::Migrator>(connection).await?,
        Schema::Portal => up::<portal::Migrator>(connection).await?,
    }
    match application_role {
        Some(role) => grant(schema, connection, role).await,
        None => Ok(()),
    }
}

/// Names of the schema's migrations that were not run yet: with any, the role cannot work. Needs no right to change tables.
///
/// Fails when there is no table of migrations, so that none was ever run.
pub async fn missing(schema: Schema, connection: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let known = match schema {
        Schema::Tenants => tenants::Migrator::migrations(),
        Schema::Apis => apis::Migrator::migrations(),
        Schema::Metering => metering::Migrator::migrations(),
        Schema::Billing => billing::Migrator::migrations(),
        Schema::Portal => portal::Migrator::migrations(),
    };
    let select = "SELECT version FROM seaql_migrations";
    let statement = Statement::from_string(connection.get_database_backend(), select);
    let rows = connection.query_all_raw(statement).await?;
    let applied: BTreeSet<String> =
        rows.iter().map(|row| row.try_get("", "version")).collect::<Result<_, _>>()?;
    let names = known.iter().map(|migration| migration.name().to_owned());
    Ok(names.filter(|name| !applied.contains(name)).collect())
}

async fn up<M: MigratorTrait>(connection: &DatabaseConnection) -> Result<(), DbErr> {
    let applied: Vec<String> = match M::get_migration_models(connection).await {
        Ok(models) => models.into_iter().map(|model| model.version).collect(),
        Err(error) => return Err(error),
    };
    let known: BTreeSet<String> =
        M::migrations().iter().map(|migration| migration.name().to_owned()).collect();
    if let Some(unknown) = applied.iter().find(|name| !known.contains(*name)) {
        return Err(DbErr::Migration(format!("made by a newer version of Tollgate (it has {unknown})")));
    }
    M::up(connection, None).await
}

async fn grant(schema: Schema, connection: &DatabaseConnection, role: &str) -> Result<(), DbErr> {
    if connection.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let (schema, role) = (schema.as_str(), role.replace('"', "\"\""));
    let statements = [
        format!("GRANT USAGE ON SCHEMA {schema} TO \"{role}\""),
        format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO \"{role}\""),
        format!("GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO \"{role}\""),
    ];
    for statement in statements {
        connection.execute_unprepared(&statement).await?;
    }
    Ok(())
}
