//! The role as a test uses it.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use common::id::{TenantId, TokenId};
use common::mail::Mailer;
use common::{Clock, Result};
use contracts::portal::{SignUpDeveloper, SignedInDeveloper};
use contracts::tenants::Tenant;
use contracts::{Call, Client, Ctx, Permission, Principal};
use migrations::Schema;
use portal::{Config, Deps, State};
use tempfile::TempDir;
use testkit::{Store, TestDatabase};
use tokio::runtime::Handle;

use crate::peers::Peers;

pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct Role {
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) mails: TempDir,
    pub(crate) peers: Arc<Peers>,
    pub(crate) state: Arc<State>,
    _store: TestDatabase,
}

impl Role {
    pub(crate) async fn start(store: Store) -> Self {
        Self::configured(store, Config { default_tenant: Some("acme".into()), ..Config::default() }).await
    }

    pub(crate) async fn configured(store: Store, config: Config) -> Self {
        let store = TestDatabase::new(store, Schema::Portal).await.unwrap();
        let clock = Clock::manual(DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        let mails = tempfile::tempdir().unwrap();
        let client = Client::unconnected();
        let deps = Deps {
            database: store.database.clone(),
            clock: clock.clone(),
            mailer: Mailer::files(mails.path(), "Tollgate <noreply@localhost>").unwrap(),
            client: client.clone(),
        };
        let state = portal::build(config, deps).await.unwrap();
        let peers = Peers::new();
        let mut routes = Client::builder().local(Arc::new(portal::endpoints(&state)), Handle::current());
        for peer in peers.endpoints() {
            routes = routes.local(Arc::new(peer), Handle::current());
        }
        client.connect(routes);
        Self { client, clock, mails, peers, state, _store: store }
    }

    /// A provider who may do everything in a new tenant.
    pub(crate) fn provider(&self, slug: &str) -> Ctx {
        let now = self.clock.now();
        let tenant = Tenant {
            id: TenantId::new(now),
            name: slug.to_uppercase(),
            slug: slug.into(),
            account_id: "123456789012".into(),
            created_at: now,
        };
        self.peers.tenants.lock().push(tenant.clone());
        let principal = Principal::Token { token: TokenId::new(now), permissions: Permission::ALL.to_vec() };
        Ctx { tenant: Some(tenant.id), principal, ..Ctx::anonymous(now) }
    }

    pub(crate) async fn call<C: Call>(&self, ctx: &Ctx, call: C) -> Result<C::Output> {
        self.client.call(ctx, call).await
    }

    pub(crate) async fn sign_up(&self, provider: &Ctx, email: &str) -> SignedInDeveloper {
        self.call(&edge(provider), sign_up(email)).await.unwrap()
    }

    pub(crate) fn advance(&self, by: TimeDelta) {
        self.clock.set(self.clock.now() + by);
    }

    /// The text of the only mail.
    pub(crate) fn mail(&self) -> String {
        let mut files = std::fs::read_dir(self.mails.path()).unwrap();
        let mail = std::fs::read_to_string(files.next().unwrap().unwrap().path()).unwrap();
        assert!(files.next().is_none(), "one mail");
        // Long lines are folded with a trailing equals sign.
        mail.replace("=\r\n", "").replace("=3D", "=")
    }
}

/// The portal's edge in the provider's tenant.
pub(crate) fn edge(provider: &Ctx) -> Ctx {
    provider.as_service(contracts::Role::Portal)
}

/// A signed-in developer of the provider's tenant.
pub(crate) fn developer(provider: &Ctx, signed_in: &SignedInDeveloper) -> Ctx {
    let principal = Principal::Developer { developer: signed_in.developer.id };
    Ctx { principal, ..provider.clone() }
}

pub(crate) fn sign_up(email: &str) -> SignUpDeveloper {
    SignUpDeveloper { email: email.into(), password: PASSWORD.into(), name: "Ann".into() }
}
