//! Stages.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use common::id::{ApiId, DeploymentId};
use common::{Error, Result};
use contracts::apis::StageSettings;
use database::error::store;
use database::{TenantTx, Tx};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select, UpdateMany,
};

use super::entities::deployments;
use super::entities::stages::{ActiveModel, Column, Entity};
use super::{id, revision, time};

/// A stage with the revision it serves.
#[derive(Debug, Clone)]
pub(crate) struct StageRow {
    pub(crate) api: ApiId,
    pub(crate) name: String,
    pub(crate) deployment: DeploymentId,
    pub(crate) deployed_revision: u64,
    pub(crate) settings: StageSettings,
    pub(crate) updated_at: DateTime<Utc>,
}

fn own(tx: &TenantTx) -> Select<Entity> {
    Entity::find().filter(Column::TenantId.eq(tx.tenant().to_string()))
}

/// The stages of APIs, by name.
pub(crate) async fn of_apis(tx: &TenantTx, apis: &[ApiId]) -> Result<Vec<StageRow>> {
    let query = own(tx).filter(Column::ApiId.is_in(apis.iter().map(ApiId::as_str)));
    read(tx, query.order_by_asc(Column::Name)).await
}

/// One stage.
pub(crate) async fn get(tx: &TenantTx, api: ApiId, name: &str) -> Result<Option<StageRow>> {
    let query = own(tx).filter(Column::ApiId.eq(api.as_str())).filter(Column::Name.eq(name));
    Ok(read(tx, query).await?.pop())
}

/// How many stages an API has.
pub(crate) async fn count(tx: &TenantTx, api: ApiId) -> Result<u64> {
    own(tx).filter(Column::ApiId.eq(api.as_str())).count(tx.conn()).await.map_err(store)
}

/// Stores a new stage with default settings.
pub(crate) async fn insert(
    tx: &TenantTx,
    api: ApiId,
    name: &str,
    deployment: DeploymentId,
    now: DateTime<Utc>,
) -> Result<()> {
    let row = ActiveModel {
        api_id: Set(api.to_string()),
        name: Set(name.to_owned()),
        tenant_id: Set(tx.tenant().to_string()),
        deployment_id: Set(deployment.to_string()),
        settings: Set(serde_json::to_string(&StageSettings::default()).map_err(Error::internal)?),
        updated_at: Set(now.timestamp_micros()),
    };
    Entity::insert(row).exec_without_returning(tx.conn()).await.map_err(store)?;
    Ok(())
}

/// Points a stage at a deployment; answers whether the stage is there.
pub(crate) async fn set_deployment(
    tx: &TenantTx,
    api: ApiId,
    name: &str,
    deployment: DeploymentId,
    now: DateTime<Utc>,
) -> Result<bool> {
    let update =
        update(tx, api, name, now).col_expr(Column::DeploymentId, Expr::value(deployment.to_string()));
    Ok(update.exec(tx.conn()).await.map_err(store)?.rows_affected == 1)
}

/// Replaces a stage's settings; answers whether the stage is there.
pub(crate) async fn set_settings(
    tx: &TenantTx,
    api: ApiId,
    name: &str,
    settings: &StageSettings,
    now: DateTime<Utc>,
) -> Result<bool> {
    let text = serde_json::to_string(settings).map_err(Error::internal)?;
    let update = update(tx, api, name, now).col_expr(Column::Settings, Expr::value(text));
    Ok(update.exec(tx.conn()).await.map_err(store)?.rows_affected == 1)
}

/// Removes an API's stages, with the API.
pub(super) async fn delete_all(tx: &TenantTx, api: ApiId) -> Result<()> {
    let delete = Entity::delete_many()
        .filter(Column::ApiId.eq(api.as_str()))
        .filter(Column::TenantId.eq(tx.tenant().to_string()));
    delete.exec(tx.conn()).await.map_err(store)?;
    Ok(())
}

fn update(tx: &TenantTx, api: ApiId, name: &str, now: DateTime<Utc>) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::UpdatedAt, Expr::value(now.timestamp_micros()))
        .filter(Column::ApiId.eq(api.as_str()))
        .filter(Column::Name.eq(name))
        .filter(Column::TenantId.eq(tx.tenant().to_string()))
}

async fn read(tx: &TenantTx, query: Select<Entity>) -> Result<Vec<StageRow>> {
    let rows = query.all(tx.conn()).await.map_err(store)?;
    let deployed = deployments::Entity::find()
        .select_only()
        .columns([deployments::Column::Id, deployments::Column::Revision])
        .filter(deployments::Column::Id.is_in(rows.iter().map(|row| row.deployment_id.as_str())))
        .filter(deployments::Column::TenantId.eq(tx.tenant().to_string()));
    let deployed: Vec<(String, i64)> = deployed.into_tuple().all(tx.conn()).await.map_err(store)?;
    let revisions: HashMap<String, i64> = deployed.into_iter().collect();
    let mut stages = Vec::with_capacity(rows.len());
    for row in rows {
        let deployed_revision = revisions.get(&row.deployment_id).copied().unwrap_or_default();
        stages.push(StageRow {
            api: id(&row.api_id)?,
            name: row.name,
            deployment: id(&row.deployment_id)?,
            deployed_revision: revision(deployed_revision)?,
            settings: serde_json::from_str(&row.settings).map_err(Error::internal)?,
            updated_at: time(row.updated_at)?,
        });
    }
    Ok(stages)
}
