//! APIs. Documents are read only where they are needed: they can be megabytes.

use apidef::Api;
use chrono::{DateTime, Utc};
use common::id::ApiId;
use common::{Code, Error, Page, PageArgs, Result};
use database::error::{store, unless_taken};
use database::limits::Limit;
use database::{TenantTx, Tx};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, Func, LikeExpr};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Select,
};

use super::entities::apis::{ActiveModel, Column, Entity};
use super::{column, id, no_cursor, revision, time};

/// An API without its document.
#[derive(Debug, Clone)]
pub(crate) struct ApiRow {
    pub(crate) id: ApiId,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) revision: u64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// An API with its document's text.
#[derive(Debug)]
pub(crate) struct DocumentRow {
    pub(crate) api: ApiRow,
    pub(crate) document: String,
    pub(crate) secret_headers_sealed: Option<String>,
}

/// An API to store.
pub(crate) struct NewApi<'a> {
    pub(crate) id: ApiId,
    pub(crate) document: &'a Api,
    pub(crate) text: String,
}

#[derive(FromQueryResult)]
struct Row {
    id: String,
    name: String,
    description: Option<String>,
    revision: i64,
    created_at: i64,
    updated_at: i64,
}

impl Row {
    const COLUMNS: [Column; 6] = [
        Column::Id,
        Column::Name,
        Column::Description,
        Column::Revision,
        Column::CreatedAt,
        Column::UpdatedAt,
    ];

    fn read(self) -> Result<ApiRow> {
        Ok(ApiRow {
            id: id(&self.id)?,
            name: self.name,
            description: self.description,
            revision: revision(self.revision)?,
            created_at: time(self.created_at)?,
            updated_at: time(self.updated_at)?,
        })
    }
}

/// The tenant's APIs, without documents.
fn rows(tx: &TenantTx) -> Select<Entity> {
    Entity::find().select_only().columns(Row::COLUMNS).filter(Column::TenantId.eq(tx.tenant().to_string()))
}

/// Refuses one more API where the tenant has as many as it may have.
pub(crate) async fn check_room(tx: &TenantTx, most: u64) -> Result<()> {
    Limit { name: "apis", most, table: "apis", only: "TRUE" }.check(tx).await
}

/// Stores a new API. Fails when its id is taken: ids are unique over the installation.
pub(crate) async fn insert(tx: &TenantTx, new: NewApi<'_>, now: DateTime<Utc>) -> Result<()> {
    let row = ActiveModel {
        id: Set(new.id.to_string()),
        tenant_id: Set(tx.tenant().to_string()),
        name: Set(new.document.name.clone()),
        description: Set(new.document.description.clone()),
        document: Set(new.text),
        revision: Set(1),
        secret_headers_sealed: Set(None),
        created_at: Set(now.timestamp_micros()),
        updated_at: Set(now.timestamp_micros()),
    };
    let taken = || Error::new(Code::Conflict, "api_id_taken", "the new id was taken; try again");
    unless_taken(Entity::insert(row).exec_without_returning(tx.conn()).await)?.map(drop).ok_or_else(taken)
}

/// A page of the tenant's APIs, newest first.
pub(crate) async fn list(tx: &TenantTx, page: &PageArgs, search: Option<&str>) -> Result<Page<ApiRow>> {
    let limit = page.limit()?;
    let mut query = rows(tx);
    if let Some(search) = search.map(str::to_lowercase).filter(|search| !search.is_empty()) {
        let escaped = search.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let pattern = LikeExpr::new(format!("%{escaped}%")).escape('\\');
        query = query.filter(Expr::expr(Func::lower(Expr::col(Column::Name))).like(pattern));
    }
    if let Some(after) = &page.after {
        let (created_at, id) = after.split_once(':').ok_or_else(no_cursor)?;
        let created_at: i64 = created_at.parse().map_err(|_| no_cursor())?;
        let same_time = Condition::all().add(Column::CreatedAt.eq(created_at)).add(Column::Id.lt(id));
        query = query.filter(Condition::any().add(Column::CreatedAt.lt(created_at)).add(same_time));
    }
    let query = query.order_by_desc(Column::CreatedAt).order_by_desc(Column::Id).limit(limit + 1);
    let found = query.into_model::<Row>().all(tx.conn()).await.map_err(store)?;
    let rows = found.into_iter().map(Row::read).collect::<Result<Vec<_>>>()?;
    Ok(Page::from_overfetch(rows, limit, |row| format!("{}:{}", row.created_at.timestamp_micros(), row.id)))
}

/// Those of the APIs that the tenant has.
pub(crate) async fn find(tx: &TenantTx, ids: &[ApiId]) -> Result<Vec<ApiRow>> {
    let query = rows(tx).filter(Column::Id.is_in(ids.iter().map(ApiId::as_str)));
    let found = query.into_model::<Row>().all(tx.conn()).await.map_err(store)?;
    found.into_iter().map(Row::read).collect()
}

/// One API, held against other changes until the transaction ends.
pub(crate) async fn lock(tx: &TenantTx, api: ApiId) -> Result<Option<ApiRow>> {
    let query = rows(tx).filter(Column::Id.eq(api.as_str())).lock_exclusive();
    query.into_model::<Row>().one(tx.conn()).await.map_err(store)?.map(Row::read).transpose()
}

/// One API with its document.
pub(crate) async fn get(tx: &TenantTx, api: ApiId) -> Result<Option<DocumentRow>> {
    let query = Entity::find_by_id(api.to_string()).filter(Column::TenantId.eq(tx.tenant().to_string()));
    let Some(row) = query.one(tx.conn()).await.map_err(store)? else { return Ok(None) };
    let api = Row {
        id: row.id,
        name: row.name,
        description: row.description,
        revision: row.revision,
        created_at: row.created_at,
        updated_at: row.updated_at,
    };
    Ok(Some(DocumentRow {
        api: api.read()?,
        document: row.document,
        secret_headers_sealed: row.secret_headers_sealed,
    }))
}

/// Replaces the document if it still has the revision `found`; its revision grows by one. Answers whether it did.
pub(crate) async fn replace(
    tx: &TenantTx,
    api: ApiId,
    found: u64,
    document: &Api,
    text: String,
    now: DateTime<Utc>,
) -> Result<bool> {
    let update = Entity::update_many()
        .col_expr(Column::Name, Expr::value(document.name.clone()))
        .col_expr(Column::Description, Expr::value(document.description.clone()))
        .col_expr(Column::Document, Expr::value(text))
        .col_expr(Column::Revision, Expr::value(column(found + 1)?))
        .col_expr(Column::UpdatedAt, Expr::value(now.timestamp_micros()))
        .filter(Column::Id.eq(api.as_str()))
        .filter(Column::TenantId.eq(tx.tenant().to_string()))
        .filter(Column::Revision.eq(column(found)?));
    Ok(update.exec(tx.conn()).await.map_err(store)?.rows_affected == 1)
}

/// The API's sealed secret headers.
pub(crate) async fn secret_headers(tx: &TenantTx, api: ApiId) -> Result<Option<String>> {
    let query = Entity::find()
        .select_only()
        .column(Column::SecretHeadersSealed)
        .filter(Column::Id.eq(api.as_str()))
        .filter(Column::TenantId.eq(tx.tenant().to_string()));
    let found: Option<Option<String>> = query.into_tuple().one(tx.conn()).await.map_err(store)?;
    Ok(found.flatten())
}

/// Replaces the API's sealed secret headers.
pub(crate) async fn set_secret_headers(tx: &TenantTx, api: ApiId, sealed: Option<String>) -> Result<()> {
    let update = Entity::update_many()
        .col_expr(Column::SecretHeadersSealed, Expr::value(sealed))
        .filter(Column::Id.eq(api.as_str()))
        .filter(Column::TenantId.eq(tx.tenant().to_string()));
    update.exec(tx.conn()).await.map_err(store)?;
    Ok(())
}

/// Removes an API with its stages and deployments.
pub(crate) async fn delete(tx: &TenantTx, api: ApiId) -> Result<()> {
    super::stages::delete_all(tx, api).await?;
    super::deployments::delete_all(tx, api).await?;
    let delete = Entity::delete_many()
        .filter(Column::Id.eq(api.as_str()))
        .filter(Column::TenantId.eq(tx.tenant().to_string()));
    delete.exec(tx.conn()).await.map_err(store)?;
    Ok(())
}
