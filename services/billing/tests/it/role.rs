//! The role as a test uses it.

use std::sync::Arc;

use billing::{Config, Deps, Limits, State};
use chrono::{DateTime, TimeDelta};
use common::id::{TenantId, TokenId, UsagePlanId};
use common::money::Money;
use common::{Clock, Result};
use contracts::billing::{CreatePlan, CreateProduct, Plan, Product};
use contracts::{Call, Client, Ctx, Permission, Principal};
use migrations::Schema;
use testkit::{Store, TestDatabase};
use tokio::runtime::Handle;

use crate::peers::Peers;

pub(crate) struct Role {
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) peers: Arc<Peers>,
    pub(crate) state: Arc<State>,
    pub(crate) store: TestDatabase,
}

impl Role {
    pub(crate) async fn start(store: Store) -> Self {
        Self::limited(store, Limits::default()).await
    }

    pub(crate) async fn limited(store: Store, limits: Limits) -> Self {
        let store = TestDatabase::new(store, Schema::Billing).await.unwrap();
        let clock = Clock::manual(DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        let peers = Peers::new();
        let client = Client::unconnected();
        let deps = Deps { database: store.database.clone(), clock: clock.clone(), client: client.clone() };
        let state = billing::build(Config { limits }, deps).await.unwrap();
        let mut routes = Client::builder().local(Arc::new(billing::endpoints(&state)), Handle::current());
        for peer in peers.endpoints() {
            routes = routes.local(Arc::new(peer), Handle::current());
        }
        client.connect(routes);
        Self { client, clock, peers, state, store }
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

    pub(crate) async fn product(&self, ctx: &Ctx) -> Product {
        self.call(ctx, product("Pets")).await.unwrap()
    }

    pub(crate) async fn plan(&self, ctx: &Ctx) -> Plan {
        let product = self.product(ctx).await;
        let usage_plan = self.peers.usage_plan(ctx);
        self.call(ctx, plan(&product, usage_plan, 0)).await.unwrap()
    }

    pub(crate) fn advance(&self, by: TimeDelta) {
        self.clock.set(self.clock.now() + by);
    }
}

pub(crate) fn product(name: &str) -> CreateProduct {
    CreateProduct { name: name.into(), description: "All **pets**".into(), apis: Vec::new(), published: true }
}

pub(crate) fn plan(product: &Product, usage_plan: UsagePlanId, micros: i64) -> CreatePlan {
    CreatePlan {
        product: product.id,
        name: format!("Plan {micros}"),
        description: String::new(),
        price: Money { micros, currency: "eur".into() },
        unit_price_micros: 250,
        usage_plan,
    }
}
