//! References between objects, loaded once per request: a list of a hundred keys of one plan asks for the plan once.

use std::collections::HashMap;
use std::hash::Hash;
use std::str::FromStr;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use async_graphql::{Context, ID};
use common::id::{ApiId, AppId, InvalidId, KeyId, ProductId, SubscriptionId, UsagePlanId};
use common::{Code, Error, Result};
use contracts::Call;
use contracts::apis::{ApiSummary, FindApis};
use contracts::billing::{self, GetProduct, GetSubscription};
use contracts::metering::{self, GetApiKey, GetUsagePlan};
use contracts::portal::{self, GetApp};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::api_keys::ApiKey;
use super::apis::Api;
use super::call::Caller;
use super::developers::App;
use super::products::Product;
use super::subscriptions::Subscription;
use super::usage_plans::UsagePlan;

/// Calls in flight for one batch.
const CONCURRENT: usize = 16;
/// APIs that one call finds.
const FIND_AT_ONCE: usize = 100;

/// What this request has looked up so far.
pub(crate) struct References(DataLoader<Lookup, HashMapCache>);

/// The references of this request.
pub(crate) fn references<'a>(ctx: &Context<'a>) -> Result<&'a References> {
    ctx.data_opt::<References>().ok_or_else(|| Error::internal("graphql request without references"))
}

impl References {
    /// Nothing looked up yet.
    pub(crate) fn new(caller: Caller) -> Self {
        Self(DataLoader::with_cache(Lookup(caller), tokio::spawn, HashMapCache::default()))
    }

    /// The API; absent when it is gone.
    pub(crate) async fn api(&self, id: &ID) -> async_graphql::Result<Option<Api>> {
        Ok(self.one::<ApiId>(id).await?.map(|api: Arc<ApiSummary>| api.as_ref().clone().into()))
    }

    /// The usage plan; absent when it is gone.
    pub(crate) async fn usage_plan(&self, id: &ID) -> async_graphql::Result<Option<UsagePlan>> {
        Ok(self
            .one::<UsagePlanId>(id)
            .await?
            .map(|plan: Arc<metering::UsagePlan>| plan.as_ref().clone().into()))
    }

    /// The key; absent when it is gone.
    pub(crate) async fn api_key(&self, id: &ID) -> async_graphql::Result<Option<ApiKey>> {
        Ok(self.one::<KeyId>(id).await?.map(|key: Arc<metering::ApiKey>| key.as_ref().clone().into()))
    }

    /// The product; absent when it is gone.
    pub(crate) async fn product(&self, id: &ID) -> async_graphql::Result<Option<Product>> {
        Ok(self
            .one::<ProductId>(id)
            .await?
            .map(|product: Arc<billing::Product>| product.as_ref().clone().into()))
    }

    /// The subscription; absent when it is gone.
    pub(crate) async fn subscription(&self, id: &ID) -> async_graphql::Result<Option<Subscription>> {
        let found: Option<Arc<billing::Subscription>> = self.one::<SubscriptionId>(id).await?;
        Ok(found.map(|subscription| subscription.as_ref().clone().into()))
    }

    /// The app; absent when it is gone.
    pub(crate) async fn app(&self, id: &ID) -> async_graphql::Result<Option<App>> {
        Ok(self.one::<AppId>(id).await?.map(|app: Arc<portal::App>| app.as_ref().clone().into()))
    }

    async fn one<K>(&self, id: &ID) -> async_graphql::Result<Option<<Lookup as Loader<K>>::Value>>
    where
        K: FromStr<Err = InvalidId> + Copy + Eq + Hash + Send + Sync + 'static,
        Lookup: Loader<K, Error = Error>,
    {
        let id: K = super::call::id("id", id)?;
        Ok(self.0.load_one(id).await?)
    }
}

/// Asks the owner of each kind of object.
struct Lookup(Caller);

impl Lookup {
    async fn all<K, C>(&self, keys: &[K], request: impl Fn(K) -> C) -> Result<HashMap<K, Arc<C::Output>>>
    where
        K: Copy + Eq + Hash,
        C: Call,
    {
        let Caller { ctx, client, .. } = &self.0;
        ctx.authorize(C::ACCESS)?;
        let requests: Vec<_> = keys.iter().map(|key| (*key, request(*key))).collect();
        let lookups = requests.into_iter().map(|(key, request)| async move {
            match client.call(ctx, request).await {
                Ok(found) => Ok(Some((key, Arc::new(found)))),
                Err(error) if error.code == Code::NotFound => Ok(None),
                Err(error) => Err(error),
            }
        });
        let found: Vec<_> = stream::iter(lookups).buffer_unordered(CONCURRENT).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }
}

impl Loader<ApiId> for Lookup {
    type Value = Arc<ApiSummary>;
    type Error = Error;

    async fn load(&self, keys: &[ApiId]) -> Result<HashMap<ApiId, Self::Value>> {
        let Caller { ctx, client, .. } = &self.0;
        ctx.authorize(FindApis::ACCESS)?;
        let mut found = HashMap::with_capacity(keys.len());
        for ids in keys.chunks(FIND_AT_ONCE) {
            let apis = client.call(ctx, FindApis { ids: ids.to_vec() }).await?;
            found.extend(apis.into_iter().map(|api| (api.id, Arc::new(api))));
        }
        Ok(found)
    }
}

macro_rules! lookups {
    ($($key:ident => $request:ident => $found:ty;)*) => {$(
        impl Loader<$key> for Lookup {
            type Value = Arc<$found>;
            type Error = Error;

            async fn load(&self, keys: &[$key]) -> Result<HashMap<$key, Self::Value>> {
                self.all(keys, |id| $request { id }).await
            }
        }
    )*};
}

lookups! {
    UsagePlanId => GetUsagePlan => metering::UsagePlan;
    KeyId => GetApiKey => metering::ApiKey;
    ProductId => GetProduct => billing::Product;
    SubscriptionId => GetSubscription => billing::Subscription;
    AppId => GetApp => portal::App;
}
