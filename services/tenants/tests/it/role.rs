//! The role as a test uses it.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use common::mail::Mailer;
use common::vault::Vault;
use common::{Clock, Result};
use contracts::tenants::{SignUp, SignedIn};
use contracts::{Call, Client, Ctx};
use migrations::Schema;
use tempfile::TempDir;
use tenants::{Config, Deps};
use testkit::{Store, TestDatabase};

pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct Role {
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) mails: TempDir,
    pub(crate) store: TestDatabase,
}

impl Role {
    pub(crate) async fn start(store: Store) -> Self {
        Self::configured(store, Config::default()).await
    }

    pub(crate) async fn configured(store: Store, config: Config) -> Self {
        let store = TestDatabase::new(store, Schema::Tenants).await.unwrap();
        let clock = Clock::manual(DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        let mails = tempfile::tempdir().unwrap();
        let deps = Deps {
            database: store.database.clone(),
            clock: clock.clone(),
            vault: Vault::from_keys(&[Vault::generate_key("test").into()]).unwrap(),
            mailer: Mailer::files(mails.path(), "Tollgate <noreply@localhost>").unwrap(),
        };
        let state = tenants::build(config, deps).await.unwrap();
        let endpoints = Arc::new(tenants::endpoints(&state));
        let client = Client::builder().local(endpoints, tokio::runtime::Handle::current()).build();
        Self { client, clock, mails, store }
    }

    pub(crate) fn anonymous(&self) -> Ctx {
        Ctx::anonymous(self.clock.now())
    }

    pub(crate) fn edge(&self) -> Ctx {
        Ctx::service(contracts::Role::Admin, self.clock.now())
    }

    pub(crate) async fn call<C: Call>(&self, ctx: &Ctx, call: C) -> Result<C::Output> {
        self.client.call(ctx, call).await
    }

    /// Signs an organization up; answers its owner's context.
    pub(crate) async fn owner(&self, organization: &str) -> Ctx {
        let signed_in = self.sign_up(organization).await;
        self.context(&signed_in)
    }

    pub(crate) async fn sign_up(&self, organization: &str) -> SignedIn {
        self.call(&self.anonymous(), sign_up(organization)).await.unwrap()
    }

    pub(crate) fn context(&self, signed_in: &SignedIn) -> Ctx {
        let identity = &signed_in.identity;
        Ctx {
            tenant: Some(identity.tenant.id),
            principal: identity.principal.clone(),
            ..Ctx::anonymous(self.clock.now())
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(crate) fn advance(&self, by: TimeDelta) {
        self.clock.set(self.clock.now() + by);
    }
}

pub(crate) fn sign_up(organization: &str) -> SignUp {
    let label: String = organization.chars().filter(char::is_ascii_alphanumeric).collect();
    SignUp {
        organization: organization.to_owned(),
        email: format!("Owner@{label}.Example"),
        password: PASSWORD.to_owned(),
    }
}
