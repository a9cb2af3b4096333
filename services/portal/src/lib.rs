//! The role `portal`: app developers, their apps, and the portal they use.
//!
//! Owns developers' passwords, sessions and apps. What is sold is `billing`'s, keys and usage are `metering`'s, documents
//! `apis`': the portal asks them by calls, after it has checked whose things they are.

mod edge;
mod jobs;
mod service;
mod store;
pub mod web;

use std::sync::Arc;

use common::mail::Mailer;
use common::origin::TrustedProxies;
use common::sign_in::{self, SignIns};
use common::{Clock, Error, Result};
use contracts::portal as calls;
use contracts::{Client, Endpoints, Role};
use database::Database;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

pub use edge::configure;

/// Settings of this role.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where portals answer: a URL with `{slug}`, the organization's short name, as a label of its host, for example
    /// `https://{slug}.portal.example.com`; without it there is one portal, the default one. Mails link to it.
    pub portal_url: String,
    /// Short name of the organization whose portal answers at every other host.
    pub default_tenant: Option<String>,
    /// Networks of reverse proxies that tell the client's address and the host; none by default.
    pub trusted_proxies: TrustedProxies,
    /// Marks the session cookie `Secure`: set it where the portal is served over HTTPS.
    pub secure_cookies: bool,
    /// Days after which a session ends: fixed at sign-in, not prolonged by use.
    pub session_days: u32,
    /// Failures to sign in to one account from one address within 15 minutes.
    pub sign_in_attempts: u32,
    /// Failures from one address at whatever account; for IPv6 from its /64.
    pub sign_in_attempts_per_address: u32,
    /// Failures at one account from wherever. A stranger can use it up, so it is generous.
    pub sign_in_attempts_per_account: u32,
    /// Accounts made from one address within 15 minutes.
    pub sign_up_attempts: u32,
    /// How much one organization may have.
    pub limits: Limits,
}

/// How much one organization may have.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// App developers.
    pub developers: u64,
    /// Apps of a developer.
    pub apps_per_developer: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { developers: 10_000, apps_per_developer: 100 }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            portal_url: "http://{slug}.localhost:8082".to_owned(),
            default_tenant: None,
            trusted_proxies: TrustedProxies::default(),
            secure_cookies: false,
            session_days: 30,
            sign_in_attempts: 10,
            sign_in_attempts_per_address: 100,
            sign_in_attempts_per_account: 100,
            sign_up_attempts: 100,
            limits: Limits::default(),
        }
    }
}

/// What this role runs on.
#[derive(Debug)]
pub struct Deps {
    /// Its own database, migrated.
    pub database: Database,
    /// The time of requests at the HTTP edge and of jobs; calls carry theirs.
    pub clock: Clock,
    /// Sends welcome mails and invitations.
    pub mailer: Mailer,
    /// Reaches the other roles, and this one from the HTTP edge.
    pub client: Client,
}

/// The running role.
#[derive(Debug)]
pub struct State {
    config: Config,
    database: Database,
    clock: Clock,
    mailer: Mailer,
    client: Client,
    sign_ins: SignIns,
}

/// Starts the role on its dependencies.
pub async fn build(config: Config, deps: Deps) -> Result<Arc<State>> {
    if config.session_days == 0 {
        return Err(Error::invalid("portal.session_days", "must be at least 1"));
    }
    let limits = sign_in::Limits {
        account_and_address: config.sign_in_attempts,
        address: config.sign_in_attempts_per_address,
        account: config.sign_in_attempts_per_account,
        sign_ups: config.sign_up_attempts,
    };
    Ok(Arc::new(State {
        sign_ins: SignIns::new(limits).await?,
        database: deps.database,
        clock: deps.clock,
        mailer: deps.mailer,
        client: deps.client,
        config,
    }))
}

/// The calls this role answers.
pub fn endpoints(state: &Arc<State>) -> Endpoints {
    Endpoints::new(Role::Portal)
        .with::<calls::CreateDeveloper, _, _, _>(state, service::developers::create)
        .with::<calls::ListDevelopers, _, _, _>(state, service::developers::list)
        .with::<calls::SignUpDeveloper, _, _, _>(state, service::developers::sign_up)
        .with::<calls::SetDeveloperPassword, _, _, _>(state, service::developers::set_password)
        .with::<calls::SignInDeveloper, _, _, _>(state, service::sessions::sign_in)
        .with::<calls::SignOutDeveloper, _, _, _>(state, service::sessions::sign_out)
        .with::<calls::AuthenticateDeveloper, _, _, _>(state, service::sessions::authenticate)
        .with::<calls::CreateApp, _, _, _>(state, service::apps::create)
        .with::<calls::EnsureApp, _, _, _>(state, service::apps::ensure)
        .with::<calls::GetApp, _, _, _>(state, service::apps::get)
        .with::<calls::ListApps, _, _, _>(state, service::apps::list)
}

/// Runs the role's jobs until `stop`.
pub async fn run_jobs(state: Arc<State>, stop: CancellationToken) {
    tokio::join!(jobs::deliver::run(&state, &stop), jobs::purge::run(&state, &stop));
}
