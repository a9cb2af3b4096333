//! How resolvers reach the roles: the caller's context, ids out of arguments, and the one way to make a call.

use std::str::FromStr;

use async_graphql::{Context, ID};
use common::id::InvalidId;
use common::{Error, PageArgs, Result};
use contracts::tenants::Identity;
use contracts::{Call, Client, Ctx};

use crate::document::DocumentFetcher;

/// Who asks, and what resolvers need to answer. One per request.
#[derive(Clone)]
pub(crate) struct Caller {
    /// The request's context.
    pub(crate) ctx: Ctx,
    /// What the credentials proved; absent without credentials.
    pub(crate) identity: Option<Identity>,
    /// The way to the roles.
    pub(crate) client: Client,
    /// Reads documents from addresses.
    pub(crate) documents: DocumentFetcher,
}

/// The caller of this request.
pub(crate) fn caller<'a>(ctx: &Context<'a>) -> Result<&'a Caller> {
    ctx.data_opt::<Caller>().ok_or_else(|| Error::internal("graphql request without a caller"))
}

/// Refuses a caller who may not make the call, before a field does anything else that costs or changes something.
pub(crate) fn require<C: Call>(ctx: &Context<'_>) -> Result<()> {
    caller(ctx)?.ctx.authorize(C::ACCESS)
}

/// Makes one call on the caller's behalf.
pub(crate) async fn call<C: Call>(ctx: &Context<'_>, request: C) -> Result<C::Output> {
    call_step(ctx, "", request).await
}

/// Makes one of several calls that a single field needs; `step` keeps their idempotency apart.
pub(crate) async fn call_step<C: Call>(ctx: &Context<'_>, step: &str, request: C) -> Result<C::Output> {
    let caller = caller(ctx)?;
    // The role checks too; here it saves the way there.
    caller.ctx.authorize(C::ACCESS)?;
    caller.client.call(&field_ctx(ctx, caller, step), request).await
}

/// A request can hold several mutations under one `Idempotency-Key`, so each field gets its own.
fn field_ctx(ctx: &Context<'_>, caller: &Caller, step: &str) -> Ctx {
    let Some(key) = &caller.ctx.idempotency_key else { return caller.ctx.clone() };
    let field = ctx.item.node.response_key().node.as_str();
    let separator = if step.is_empty() { "" } else { "/" };
    Ctx { idempotency_key: Some(format!("{key}/{field}{separator}{step}")), ..caller.ctx.clone() }
}

/// The id in an argument; `field` is its path for the error.
pub(crate) fn id<T: FromStr<Err = InvalidId>>(field: &str, value: &ID) -> Result<T> {
    value.parse().map_err(|error: InvalidId| Error::invalid(field, error.to_string()))
}

/// The id in an argument that may be absent.
pub(crate) fn optional_id<T: FromStr<Err = InvalidId>>(field: &str, value: Option<&ID>) -> Result<Option<T>> {
    value.map(|value| id(field, value)).transpose()
}

/// The ids in a list.
pub(crate) fn ids<T: FromStr<Err = InvalidId>>(field: &str, values: &[ID]) -> Result<Vec<T>> {
    values.iter().enumerate().map(|(index, value)| id(&format!("{field}.{index}"), value)).collect()
}

/// The page that list arguments ask for, refused here already when too large.
pub(crate) fn page(first: Option<u32>, after: Option<String>) -> Result<PageArgs> {
    let page = PageArgs { first, after };
    page.limit()?;
    Ok(page)
}
