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
call!(GetApp => App, Portal, Tenant(SubscriptionsRead), from [Admin, Portal, Billing]);

/// Apps, newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListApps {
    /// Which page.
    pub page: PageArgs,
    /// Only this developer's.
    pub developer: Option<DeveloperId>,
}
call!(ListApps => Page<App>, Portal, Tenant(SubscriptionsRead), from [Admin, Portal]);

/// Signs an app developer up to the tenant's portal and in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignUpDeveloper {
    /// E-mail address, not yet known to this tenant.
    pub email: String,
    /// At least 10 characters, at most 200.
    pub password: String,
    /// Name on screen: 1 to 100 characters.
    pub name: String,
}
call!(SignUpDeveloper => SignedInDeveloper, Portal, Service, from [Portal]);

/// A signed-in app developer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignedInDeveloper {
    /// The session's secret, for the cookie. Shown once.
    pub session_secret: String,
    /// When the session ends.
    pub expires_at: DateTime<Utc>,
    /// Whose session it is.
    pub developer: Developer,
}

/// Signs an app developer in. Wrong address and wrong password look alike and take equally long.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignInDeveloper {
    /// E-mail address.
    pub email: String,
    /// Password.
    pub password: String,
}
call!(SignInDeveloper => SignedInDeveloper, Portal, Service, from [Portal]);

/// Sets the password of an app developer who was added by the provider, and signs in. The token works once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SetDeveloperPassword {
    /// The token from the mail.
    pub token: String,
    /// At least 10 characters, at most 200.
    pub password: String,
}
call!(SetDeveloperPassword => SignedInDeveloper, Portal, Service, from [Portal]);

/// Whose session it is, in the caller's tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuthenticateDeveloper {
    /// The value of the session cookie.
    pub session_secret: String,
}
call!(AuthenticateDeveloper => Developer, Portal, Service, from [Portal]);

/// Ends a session. A session that is gone already is no error.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignOutDeveloper {
    /// The session's secret.
    pub session_secret: String,
}
call!(SignOutDeveloper => (), Portal, Service, from [Portal]);

/// The signed-in developer's app of this name, made when missing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EnsureApp {
    /// 1 to 100 characters.
    pub name: String,
}
call!(EnsureApp => App, Portal, Developer, from [Portal]);
