//! The calls a role answers, by name.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use common::clock::monotonic;
use common::{Code, Error, Result};

use crate::access::{Access, Ctx};
use crate::call::{Call, Role};

type Answer = Pin<Box<dyn Future<Output = Result<Vec<u8>>> + Send>>;
type Handler = Box<dyn Fn(Ctx, Vec<u8>) -> Answer + Send + Sync>;

/// Told of every answer: the call's name, what it failed with, and how long it took.
pub type Observer = Box<dyn Fn(&'static str, Option<Code>, Duration) + Send + Sync>;

/// A role's answers. Requests and answers are JSON on every wiring, so both behave alike.
pub struct Endpoints {
    role: Role,
    handlers: BTreeMap<&'static str, (Access, Handler)>,
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
        self.handlers.iter().map(|(name, (access, _))| (*name, *access))
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
        let taken = self.handlers.insert(C::NAME, (C::ACCESS, run));
        debug_assert!(taken.is_none(), "{} is answered twice", C::NAME);
        self
    }

    /// Tells `observer` of every answer from now on.
    #[must_use]
    pub fn observed_by(self, observer: Observer) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// Answers one request given as JSON.
    pub async fn answer(&self, name: &str, ctx: Ctx, body: Vec<u8>) -> Result<Vec<u8>> {
        let Some((name, (_, handler))) = self.handlers.get_key_value(name) else {
            let message = format!("{} has no call {name}", self.role);
            return Err(Error::new(Code::NotFound, "call_not_found", message));
        };
        let started = monotonic();
        let outcome = handler(ctx, body).await;
        if let Some(observer) = &self.observer {
            observer(name, outcome.as_ref().err().map(|error| error.code), started.elapsed());
        }
        outcome
    }
}
