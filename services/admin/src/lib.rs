//! The provider's edge: GraphQL, sign-in, the dashboard.
//!
//! Turns credentials into a context and requests into calls of the other roles. Owns no data and no business rule.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::web::{Data, ServiceConfig, delete, get, post, resource, to};
use common::Clock;
use common::net::Cidr;
use common::origin::TrustedProxies;
use contracts::{Client, Ctx};
use serde::{Deserialize, Serialize};

mod auth;
mod document;
mod export;
mod graphql;
mod session;
pub mod web;

pub use graphql::sdl;

/// Configuration of the role.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Private networks from which documents may be imported by address; none by default. Loopback and cloud metadata
    /// addresses are private too.
    pub allow_private_networks: Vec<Cidr>,
    /// Networks of reverse proxies that tell the client's address; none by default.
    pub trusted_proxies: TrustedProxies,
    /// Marks the session cookie `Secure`: set it where the dashboard is served over HTTPS.
    pub secure_cookies: bool,
}

/// What the handlers share. One per process.
pub struct State {
    config: Config,
    client: Client,
    clock: Clock,
    schema: graphql::AdminSchema,
    documents: document::DocumentFetcher,
    identities: auth::Identities,
    exports: export::Room,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("config", &self.config)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl State {
    /// The role with the way to the other roles.
    pub fn build(config: Config, client: Client, clock: Clock) -> Arc<Self> {
        let documents = document::DocumentFetcher::new(&config.allow_private_networks);
        let (schema, identities) = (graphql::schema(), auth::Identities::default());
        let exports = export::Room::default();
        Arc::new(Self { config, client, clock, schema, documents, identities, exports })
    }

    /// The context of a new request, before anybody is known.
    fn request_ctx(&self, request: &HttpRequest) -> Ctx {
        let client_address = self.config.trusted_proxies.client_address(request);
        Ctx { client_address, ..Ctx::anonymous(self.clock.now()) }
    }
}

/// Registers `/graphql` and `/api/…`; the dashboard is [`web::configure`]'s.
pub fn configure(config: &mut ServiceConfig, state: &Arc<State>) {
    config.app_data(Data::from(Arc::clone(state)));
    config.service(
        resource("/graphql")
            .route(post().to(graphql::endpoint::answer))
            .default_service(to(graphql::endpoint::method_not_allowed)),
    );
    config.service(resource("/api/export/usage").route(get().to(export::usage)));
    config.service(resource("/api/export/requests").route(get().to(export::calls)));
    config.service(resource("/api/signup").route(post().to(session::sign_up)));
    config.service(
        resource("/api/session")
            .route(post().to(session::sign_in))
            .route(get().to(session::show))
            .route(delete().to(session::sign_out)),
    );
}
