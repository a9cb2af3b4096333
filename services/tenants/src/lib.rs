//! The role `tenants`: organizations, their members, and what proves who somebody is.
//!
//! Owns people's passwords, sessions, bearer tokens and access keys. Knows nothing of APIs, keys of app developers, or
//! HTTP: edges pass what they received and get an identity back.

mod domain;
mod jobs;
mod service;
mod store;

use std::sync::Arc;

use common::mail::Mailer;
use common::sign_in::{Limits, SignIns};
use common::vault::Vault;
use common::{Clock, Error, Result};
use contracts::tenants as calls;
use contracts::{Endpoints, Role};
use database::Database;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// Settings of this role.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address of the dashboard, for mails.
    pub console_url: String,
    /// Days after which a session ends: fixed at sign-in, not prolonged by use.
    pub session_days: u32,
    /// Failures to sign in to one account from one address within 15 minutes.
    pub sign_in_attempts: u32,
    /// Failures from one address at whatever account; for IPv6 from its /64.
    pub sign_in_attempts_per_address: u32,
    /// Failures at one account from wherever. A stranger can use it up, so it is generous.
    pub sign_in_attempts_per_account: u32,
    /// Organizations made from one address within 15 minutes.
    pub sign_up_attempts: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            console_url: "http://127.0.0.1:8081".to_owned(),
            session_days: 30,
            sign_in_attempts: 10,
            sign_in_attempts_per_address: 100,
            sign_in_attempts_per_account: 100,
            sign_up_attempts: 100,
        }
    }
}

/// What this role runs on.
#[derive(Debug)]
pub struct Deps {
    /// Its own database, migrated.
    pub database: Database,
    /// Where jobs take the time from; calls carry theirs.
    pub clock: Clock,
    /// Keeps secrets that are needed again.
    pub vault: Vault,
    /// Sends the welcome mail.
    pub mailer: Mailer,
}

/// The running role.
#[derive(Debug)]
pub struct State {
    config: Config,
    database: Database,
    clock: Clock,
    vault: Vault,
    mailer: Mailer,
    sign_ins: SignIns,
}

/// Starts the role on its dependencies.
pub async fn build(config: Config, deps: Deps) -> Result<Arc<State>> {
    if config.session_days == 0 {
        return Err(Error::invalid("tenants.session_days", "must be at least 1"));
    }
    let limits = Limits {
        account_and_address: config.sign_in_attempts,
        address: config.sign_in_attempts_per_address,
        account: config.sign_in_attempts_per_account,
        sign_ups: config.sign_up_attempts,
    };
    Ok(Arc::new(State {
        sign_ins: SignIns::new(limits).await?,
        database: deps.database,
        clock: deps.clock,
        vault: deps.vault,
        mailer: deps.mailer,
        config,
    }))
}

/// The calls this role answers.
pub fn endpoints(state: &Arc<State>) -> Endpoints {
    Endpoints::new(Role::Tenants)
        .with::<calls::SignUp, _, _, _>(state, service::tenants::sign_up)
        .with::<calls::GetTenant, _, _, _>(state, service::tenants::get)
        .with::<calls::FindTenant, _, _, _>(state, service::tenants::find)
        .with::<calls::SignIn, _, _, _>(state, service::sessions::sign_in)
        .with::<calls::SignOut, _, _, _>(state, service::sessions::sign_out)
        .with::<calls::Authenticate, _, _, _>(state, service::sessions::authenticate)
        .with::<calls::CreateToken, _, _, _>(state, service::tokens::create)
        .with::<calls::ListTokens, _, _, _>(state, service::tokens::list)
        .with::<calls::RevokeToken, _, _, _>(state, service::tokens::revoke)
        .with::<calls::CreateAccessKey, _, _, _>(state, service::access_keys::create)
        .with::<calls::ListAccessKeys, _, _, _>(state, service::access_keys::list)
        .with::<calls::RevokeAccessKey, _, _, _>(state, service::access_keys::revoke)
}

/// Runs the role's jobs until `stop`.
pub async fn run_jobs(state: Arc<State>, stop: CancellationToken) {
    jobs::purge(&state, &stop).await;
}
