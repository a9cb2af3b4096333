//! The role as a test uses it.

use std::sync::Arc;

use apis::{Config, Deps};
use chrono::{DateTime, TimeDelta};
use common::id::{GatewayId, TenantId, TokenId};
use common::vault::Vault;
use common::{Clock, Result};
use contracts::apis::{FollowStages, ImportApi, ImportedApi, StageEntry};
use contracts::stream::{Changes, Follow};
use contracts::{Call, Client, Ctx, Permission, Principal};
use migrations::Schema;
use testkit::{Store, TestDatabase};

/// Two operations; line 9 names the first.
pub(crate) const PETS: &str = r#"{
  "openapi": "3.0.3",
  "info": {
    "title": "Pets",
    "version": "1"
  },
  "servers": [{"url": "https://pets.example.com/v1"}],
  "paths": {
    "/pets": {"get": {"operationId": "listPets", "responses": {"200": {"description": "All pets"}}}},
    "/pets/{petId}": {
      "get": {
        "operationId": "getPet",
        "parameters": [{"name": "petId", "in": "path", "required": true, "schema": {"type": "string"}}],
        "responses": {"200": {"description": "A pet"}}
      }
    }
  }
}"#;

pub(crate) struct Role {
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) store: TestDatabase,
}

impl Role {
    pub(crate) async fn start(store: Store) -> Self {
        Self::configured(store, Config::default()).await
    }

    pub(crate) async fn configured(store: Store, config: Config) -> Self {
        let store = TestDatabase::new(store, Schema::Apis).await.unwrap();
        let clock = Clock::manual(DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        let deps = Deps {
            database: store.database.clone(),
            clock: clock.clone(),
            vault: Vault::from_keys(&[Vault::generate_key("test").into()]).unwrap(),
        };
        let state = apis::build(config, deps).await.unwrap();
        let endpoints = Arc::new(apis::endpoints(&state));
        let client = Client::builder().local(endpoints, tokio::runtime::Handle::current()).build();
        Self { client, clock, store }
    }

    /// A caller of a new tenant who may do everything.
    pub(crate) fn tenant(&self) -> Ctx {
        let now = self.clock.now();
        let principal = Principal::Token { token: TokenId::new(now), permissions: Permission::ALL.to_vec() };
        Ctx { tenant: Some(TenantId::new(now)), principal, ..Ctx::anonymous(now) }
    }

    pub(crate) async fn call<C: Call>(&self, ctx: &Ctx, call: C) -> Result<C::Output> {
        self.client.call(ctx, call).await
    }

    /// Imports the pets and deploys them to `v1`.
    pub(crate) async fn import(&self, ctx: &Ctx) -> ImportedApi {
        self.call(ctx, pets()).await.unwrap()
    }

    /// What a gateway sees that has applied everything up to `applied`.
    pub(crate) async fn follow(&self, gateway: GatewayId, applied: u64) -> Changes<StageEntry> {
        let ctx = Ctx::service(contracts::Role::Gateway, self.clock.now());
        let follow = Follow { gateway, applied, after: None, wait_ms: 0 };
        self.call(&ctx, FollowStages { follow }).await.unwrap()
    }

    pub(crate) fn gateway(&self) -> GatewayId {
        GatewayId::new(self.clock.now())
    }

    pub(crate) fn advance(&self) {
        self.clock.set(self.clock.now() + TimeDelta::seconds(1));
    }
}

pub(crate) fn pets() -> ImportApi {
    ImportApi {
        api: None,
        name: None,
        document: PETS.to_owned(),
        upstream_url: Some("http://127.0.0.1:9/backend".to_owned()),
        secret_headers: Vec::new(),
        require_api_key: None,
        stage: Some("v1".to_owned()),
    }
}
