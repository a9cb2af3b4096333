//! Deployments. Nothing here changes one; the oldest go where there are too many.

use common::id::{ApiId, DeploymentId};
use common::{Page, PageArgs, Result};
use contracts::apis::Deployment;
use database::error::store;
use database::{SystemTx, TenantTx, Tx};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Select,
    Statement,
};

use super::entities::deployments::{ActiveModel, Column, Entity};
use super::{column, id, no_cursor, revision, time};

#[derive(FromQueryResult)]
struct Row {
    id: String,
    revision: i64,
    description: Option<String>,
    created_at: i64,
}

impl Row {
    const COLUMNS: [Column; 4] = [Column::Id, Column::Revision, Column::Description, Column::CreatedAt];

    fn read(self) -> Result<Deployment> {
        Ok(Deployment {
            id: id(&self.id)?,
            revision: revision(self.revision)?,
            description: self.description,
            created_at: time(self.created_at)?,
        })
    }
}

/// An API's deployments, without documents.
fn rows(tx: &TenantTx, api: ApiId) -> Select<Entity> {
    Entity::find()
        .select_only()
        .columns(Row::COLUMNS)
        .filter(Column::ApiId.eq(api.as_str()))
        .filter(Column::TenantId.eq(tx.tenant().to_string()))
}

/// Stores a deployment with its document.
pub(crate) async fn insert(
    tx: &TenantTx,
    api: ApiId,
    deployment: &Deployment,
    document: String,
) -> Result<()> {
    let row = ActiveModel {
        id: Set(deployment.id.to_string()),
        tenant_id: Set(tx.tenant().to_string()),
        api_id: Set(api.to_string()),
        revision: Set(column(deployment.revision)?),
        description: Set(deployment.description.clone()),
        document: Set(document),
        created_at: Set(deployment.created_at.timestamp_micros()),
    };
    Entity::insert(row).exec_without_returning(tx.conn()).await.map_err(store)?;
    Ok(())
}

/// Removes the oldest deployments of an API beyond `most`, less one for that which comes next. One that a stage serves
/// stays, and also that which a stage leaves for the next: a gateway may be asking for it.
pub(crate) async fn make_room(tx: &TenantTx, api: ApiId, most: u64) -> Result<()> {
    let delete = "DELETE FROM deployments WHERE api_id = $1 AND tenant_id = $2 \
                  AND id <= (SELECT id FROM deployments WHERE api_id = $1 AND tenant_id = $2 \
                             ORDER BY id DESC LIMIT 1 OFFSET $3) \
                  AND id NOT IN (SELECT deployment_id FROM stages WHERE api_id = $1 AND tenant_id = $2)";
    let values = [api.to_string().into(), tx.tenant().to_string().into(), column(most - 1)?.into()];
    let statement = Statement::from_sql_and_values(tx.conn().get_database_backend(), delete, values);
    tx.conn().execute_raw(statement).await.map_err(store)?;
    Ok(())
}

/// One deployment of an API.
pub(crate) async fn get(tx: &TenantTx, api: ApiId, deployment: DeploymentId) -> Result<Option<Deployment>> {
    let query = rows(tx, api).filter(Column::Id.eq(deployment.to_string()));
    query.into_model::<Row>().one(tx.conn()).await.map_err(store)?.map(Row::read).transpose()
}

/// A page of an API's deployments, newest first.
pub(crate) async fn list(tx: &TenantTx, api: ApiId, page: &PageArgs) -> Result<Page<Deployment>> {
    let limit = page.limit()?;
    let mut query = rows(tx, api);
    if let Some(after) = &page.after {
        let after: DeploymentId = after.parse().map_err(|_| no_cursor())?;
        query = query.filter(Column::Id.lt(after.to_string()));
    }
    let query = query.order_by_desc(Column::Id).limit(limit + 1);
    let found = query.into_model::<Row>().all(tx.conn()).await.map_err(store)?;
    let deployments = found.into_iter().map(Row::read).collect::<Result<Vec<_>>>()?;
    Ok(Page::from_overfetch(deployments, limit, |deployment| deployment.id.to_string()))
}

/// The document's text of an API's deployment.
pub(crate) async fn own_document(
    tx: &TenantTx,
    api: ApiId,
    deployment: DeploymentId,
) -> Result<Option<String>> {
    let query = Entity::find()
        .select_only()
        .column(Column::Document)
        .filter(Column::Id.eq(deployment.to_string()))
        .filter(Column::ApiId.eq(api.as_str()))
        .filter(Column::TenantId.eq(tx.tenant().to_string()));
    query.into_tuple().one(tx.conn()).await.map_err(store)
}

/// The document's text of any tenant's deployment.
pub(crate) async fn document(tx: &SystemTx, deployment: DeploymentId) -> Result<Option<String>> {
    let query =
        Entity::find().select_only().column(Column::Document).filter(Column::Id.eq(deployment.to_string()));
    query.into_tuple().one(tx.conn()).await.map_err(store)
}

/// Removes an API's deployments, with the API.
pub(super) async fn delete_all(tx: &TenantTx, api: ApiId) -> Result<()> {
    let delete = Entity::delete_many()
        .filter(Column::ApiId.eq(api.as_str()))
        .filter(Column::TenantId.eq(tx.tenant().to_string()));
    delete.exec(tx.conn()).await.map_err(store)?;
    Ok(())
}
