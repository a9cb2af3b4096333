//! People. They belong to no tenant, so every query here runs across tenants.

use chrono::{DateTime, Utc};
use common::Result;
use common::id::UserId;
use database::error::{store, unless_taken};
use database::{SystemTx, Tx};
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter};

use super::entities::users::{ActiveModel, Column, Entity, Model};
use super::{Taken, id};

/// A person.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) email: String,
    pub(crate) password_hash: String,
}

/// Stores a new person, unless the address is taken.
pub(crate) async fn insert(
    tx: &SystemTx,
    user: UserId,
    email: &str,
    password_hash: &str,
    now: DateTime<Utc>,
) -> Result<Result<(), Taken>> {
    let row = ActiveModel {
        id: Set(user.to_string()),
        email: Set(email.to_owned()),
        password_hash: Set(password_hash.to_owned()),
        created_at: Set(now.timestamp_micros()),
    };
    Ok(unless_taken(row.insert(tx.conn()).await)?.map(drop).ok_or(Taken))
}

/// The person with this normalized address.
pub(crate) async fn find_by_email(tx: &SystemTx, email: &str) -> Result<Option<User>> {
    let row = Entity::find().filter(Column::Email.eq(email)).one(tx.conn()).await.map_err(store)?;
    row.map(read).transpose()
}

/// The person with this id.
pub(super) async fn get(tx: &SystemTx, user: &str) -> Result<Option<User>> {
    let row = Entity::find_by_id(user.to_owned()).one(tx.conn()).await.map_err(store)?;
    row.map(read).transpose()
}

fn read(row: Model) -> Result<User> {
    Ok(User { id: id(&row.id)?, email: row.email, password_hash: row.password_hash })
}
