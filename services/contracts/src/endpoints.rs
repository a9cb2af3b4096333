//! The calls a role answers, by name.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use common::clock::monotonic;
use common::{Code, Error, Result};

use crate::access::{Access, Ctx, Principal};
use crate::call::{Call, Role};

type Answer = Pin<Box<dyn Future<Output = Result<Vec<u8>>> + Send>>;
type Handler = Box<dyn Fn(Ctx, Vec<u8>) -> Answer + Send + Sync>;

/// A call as it is answered.
struct Entry {
    access: Access,
    callers: &'static [Role],
    handler: Handler,
}

/// Told of every answer: the call's name, what it failed with, and how long it took.
pub type Observer = Box<dyn Fn(&'static str, Option<Code>, Duration) + Send + Sync>;

/// A role's answers. Requests and answers are JSON on every wiring, so both behave alike.
pub struct Endpoints {
    role: Role,
    handlers: BTreeMap<&'static str, Entry>,
    observer: Option<Observer>,
}

impl std::fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoints").field("role", &self.role).field("calls", &self.handlers.keys()).finish()
    }
}

impl Endpoints {
    /// No answers yet.
    pub fn new(role: Role) -> Self {
        Self { role, handlers: BTreeMap::new(), observer: None }
    }

    /// The role that answers.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Name and access of every call, for sweeps.
    pub fn calls(&self) -> impl Iterator<Item = (&'static str, Access)> + '_ {
        self.handlers.iter().map(|(name, entry)| (*name, entry.access))
    }

    /// Answers `C` with `handler`, a use case of the form `async fn(Arc<State>, Ctx, C) -> Result<C::Output>`.
    #[must_use]
    pub fn with<C, S, F, Fut>(mut self, state: &Arc<S>, handler: F) -> Self
    where
        C: Call,
        S: Send + Sync + 'static,
        F: Fn(Arc<S>, Ctx, C) -> Fut + Send + Sync + Copy + 'static,
        Fut: Future<Output = Result<C::Output>> + Send + 'static,
    {
        debug_assert_eq!(C::ROLE, self.role, "{} belongs to another role", C::NAME);
        let state = Arc::clone(state);
        let run: Handler = Box::new(move |ctx, body| {
            let state = Arc::clone(&state);
            Box::pin(async move {
                ctx.authorize(C::ACCESS)?;
                let request: C = serde_json::from_slice(&body).map_err(|error| {
                    Error::new(Code::Invalid, "malformed_request", format!("{}: {error}", C::NAME))
                })?;
                let output = handler(state, ctx, request).await?;
                serde_json::to_vec(&output).map_err(Error::internal)
            })
        });
        let entry = Entry { access: C::ACCESS, callers: C::CALLERS, handler: run };
        let taken = self.handlers.insert(C::NAME, entry);
        debug_assert!(taken.is_none(), "{} is answered twice", C::NAME);
        self
    }

    /// Tells `observer` of every answer from now on.
    #[must_use]
    pub fn observed_by(self, observer: Observer) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// Answers one request given as JSON. `caller` is the role that proved itself; absent for whoever holds these endpoints
    /// without being one.
    pub async fn answer(&self, name: &str, caller: Option<Role>, ctx: Ctx, body: Vec<u8>) -> Result<Vec<u8>> {
        let Some((name, Entry { callers, handler, .. })) = self.handlers.get_key_value(name) else {
            let message = format!("{} has no call {name}", self.role);
            return Err(Error::new(Code::NotFound, "call_not_found", message));
        };
        if let Some(caller) = caller {
            admit(name, caller, callers, &ctx)?;
        }
        let started = monotonic();
        let outcome = handler(ctx, body).await;
        if let Some(observer) = &self.observer {
            observer(name, outcome.as_ref().err().map(|error| error.code), started.elapsed());
        }
        outcome
    }
}

/// Refuses a role that the call is not for, and one that says it is another: the context is the caller's own claim.
fn admit(name: &str, caller: Role, callers: &[Role], ctx: &Ctx) -> Result<()> {
    let refuse = |message| Err(Error::new(Code::Forbidden, "role_not_admitted", message));
    if !callers.contains(&caller) {
        return refuse(format!("the role {caller} may not call {name}"));
    }
    match ctx.principal {
        Principal::Service { role } if role != caller => {
            refuse(format!("the role {caller} cannot act as {role}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use common::id::{KeyId, TenantId, TokenId};

    use super::*;
    use crate::access::Permission;
    use crate::metering::{FollowAccess, RevealApiKey};

    #[test]
    fn a_role_makes_only_its_own_calls_and_only_as_itself() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let forged = Principal::Token { token: TokenId::new(now), permissions: Permission::ALL.to_vec() };
        let forged = Ctx { principal: forged, tenant: Some(TenantId::new(now)), ..Ctx::anonymous(now) };
        let reveal = |caller, ctx: &Ctx| admit("RevealApiKey", caller, RevealApiKey::CALLERS, ctx).is_ok();
        assert!(reveal(Role::Admin, &forged));
        assert!(!reveal(Role::Gateway, &forged));
        assert!(!reveal(Role::Gateway, &Ctx::service(Role::Gateway, now)));
        assert!(reveal(Role::Portal, &Ctx::service(Role::Portal, now)));
        assert!(!reveal(Role::Portal, &Ctx::service(Role::Admin, now)));
        let follow =
            |caller| admit("FollowAccess", caller, FollowAccess::CALLERS, &Ctx::service(caller, now)).is_ok();
        assert!(follow(Role::Gateway) && !follow(Role::Portal));
    }

    #[tokio::test]
    async fn a_role_that_is_not_admitted_is_not_answered() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        async fn reveal(_: Arc<()>, _: Ctx, _: RevealApiKey) -> Result<String> {
            Ok("s3cret".into())
        }
        let endpoints = Endpoints::new(Role::Metering).with::<RevealApiKey, _, _, _>(&Arc::new(()), reveal);
        let body = serde_json::to_vec(&RevealApiKey { id: KeyId::new(now) }).unwrap();
        let ctx = Ctx::service(Role::Gateway, now).in_tenant(TenantId::new(now));
        let answer = endpoints.answer("RevealApiKey", Some(Role::Gateway), ctx.clone(), body.clone()).await;
        assert_eq!(answer.unwrap_err().reason, "role_not_admitted");
        assert!(endpoints.answer("RevealApiKey", None, ctx, body).await.is_ok());
    }
}
