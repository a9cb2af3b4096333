//! App developers and their apps.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use contracts::portal::{self, CreateApp, CreateDeveloper, GetApp, ListApps, ListDevelopers};

use super::call::{call, id, optional_id, page};
use super::connection::Connection;
use super::cost;
use super::refusal::{Refusal, refusable, settle};

/// A person who consumes APIs.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct Developer {
    /// The id.
    id: ID,
    /// E-mail address, unique within the organization.
    email: String,
    /// Name on screen.
    name: String,
    /// When the person signed up or was added.
    created_at: DateTime<Utc>,
}

impl From<portal::Developer> for Developer {
    fn from(developer: portal::Developer) -> Self {
        Self {
            id: developer.id.into(),
            email: developer.email,
            name: developer.name,
            created_at: developer.created_at,
        }
    }
}

/// What an app developer builds.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct App {
    /// Its id.
    id: ID,
    /// Its owner.
    developer_id: ID,
    /// Name on screen.
    name: String,
    /// When it was made.
    created_at: DateTime<Utc>,
}

impl From<portal::App> for App {
    fn from(app: portal::App) -> Self {
        Self {
            id: app.id.into(),
            developer_id: app.developer.into(),
            name: app.name,
            created_at: app.created_at,
        }
    }
}

/// A new app developer.
#[derive(InputObject)]
pub(crate) struct DeveloperCreateInput {
    /// E-mail address.
    email: String,
    /// Name on screen; the e-mail address when absent.
    name: Option<String>,
    /// Password; when absent the developer sets one by mail.
    password: Option<String>,
}

/// A new app developer.
#[derive(Debug, Default, SimpleObject)]
pub(crate) struct DeveloperPayload {
    /// The developer; absent when nothing was made.
    developer: Option<Developer>,
    #[graphql(flatten)]
    refusal: Refusal,
}

/// A new app.
#[derive(InputObject)]
pub(crate) struct AppCreateInput {
    /// The owner.
    developer_id: ID,
    /// 1 to 100 characters.
    name: String,
}

/// A new app.
#[derive(Debug, Default, SimpleObject)]
pub(crate) struct AppPayload {
    /// The app; absent when nothing was made.
    app: Option<App>,
    #[graphql(flatten)]
    refusal: Refusal,
}

refusable!(DeveloperPayload, AppPayload);

#[derive(Default)]
pub(crate) struct DeveloperQuery;

#[Object]
impl DeveloperQuery {
    /// The organization's app developers, newest first.
    #[graphql(complexity = "cost::page(first, child_complexity)")]
    async fn developers(
        &self,
        ctx: &Context<'_>,
        first: Option<u32>,
        after: Option<String>,
    ) -> Result<Connection<Developer>> {
        Ok(call(ctx, ListDevelopers { page: page(first, after)? }).await?.into())
    }

    /// Apps, newest first.
    #[graphql(complexity = "cost::page(first, child_complexity)")]
    async fn apps(
        &self,
        ctx: &Context<'_>,
        first: Option<u32>,
        after: Option<String>,
        #[graphql(desc = "Only this developer's.")] developer_id: Option<ID>,
    ) -> Result<Connection<App>> {
        let developer = optional_id("developerId", developer_id.as_ref())?;
        Ok(call(ctx, ListApps { page: page(first, after)?, developer }).await?.into())
    }

    /// One app.
    async fn app(&self, ctx: &Context<'_>, #[graphql(name = "id")] app: ID) -> Result<Option<App>> {
        Ok(Some(call(ctx, GetApp { id: id("id", &app)? }).await?.into()))
    }
}

#[derive(Default)]
pub(crate) struct DeveloperMutation;

#[Object]
impl DeveloperMutation {
    /// Adds an app developer.
    async fn developer_create(
        &self,
        ctx: &Context<'_>,
        input: DeveloperCreateInput,
    ) -> Result<DeveloperPayload> {
        settle(async {
            let name = input.name.unwrap_or_else(|| input.email.clone());
            let request = CreateDeveloper { email: input.email, name, password: input.password };
            let developer = call(ctx, request).await?;
            Ok(DeveloperPayload { developer: Some(developer.into()), ..Default::default() })
        })
        .await
    }

    /// Makes an app for a developer.
    async fn app_create(&self, ctx: &Context<'_>, input: AppCreateInput) -> Result<AppPayload> {
        settle(async {
            let developer = id("developerId", &input.developer_id)?;
            let app = call(ctx, CreateApp { developer, name: input.name }).await?;
            Ok(AppPayload { app: Some(app.into()), ..Default::default() })
        })
        .await
    }
}
