//! Calls of the role `portal`: app developers and their apps.

use chrono::{DateTime, Utc};
use common::id::{AppId, DeveloperId};
use common::{Page, PageArgs};
use serde::{Deserialize, Serialize};

use crate::call;

/// A person who consumes APIs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Developer {
    /// The id.
    pub id: DeveloperId,
    /// E-mail address, unique within the tenant.
    pub email: String,
    /// Name on screen.
    pub name: String,
    /// When the person signed up or was added.
    pub created_at: DateTime<Utc>,
}

/// What an app developer builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Its id.
    pub id: AppId,
    /// Its owner.
    pub developer: DeveloperId,
    /// 1 to 100 characters.
    pub name: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Adds an app developer on the provider's behalf.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreateDeveloper {
    /// E-mail address.
    pub email: String,
    /// Name on screen.
    pub name: String,
    /// Password; absent = the developer sets one by mail.
    pub password: Option<String>,
}
call!(CreateDeveloper => Developer, Portal, Tenant(SubscriptionsWrite));

/// The organization's app developers, newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListDevelopers {
    /// Which page.
    pub page: PageArgs,
}
call!(ListDevelopers => Page<Developer>, Portal, Tenant(SubscriptionsRead));

/// Makes an app for a developer on the provider's behalf.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreateApp {
    /// The owner.
    pub developer: DeveloperId,
    /// 1 to 100 characters.
    pub name: String,
}
call!(CreateApp => App, Portal, Tenant(SubscriptionsWrite));

/// One app.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GetApp {
    /// The app.
    pub id: AppId,
}
call!(GetApp => App, Portal, Tenant(SubscriptionsRead));

/// Apps, newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListApps {
    /// Which page.
    pub page: PageArgs,
    /// Only this developer's.
    pub developer: Option<DeveloperId>,
}
call!(ListApps => Page<App>, Portal, Tenant(SubscriptionsRead));
