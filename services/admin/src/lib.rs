//! The provider's edge: GraphQL, sign-in, the dashboard.
//!
//! Turns credentials into a context and requests into calls of the other roles. Owns no data and no business rule.

use std::sync::Arc;

use actix_web::{HttpRequest, web};
use common::Clock;
use common::net::Cidr;
use contracts::{Client, Ctx};
use serde::{Deserialize, Serialize};

mod auth;
mod body;
mod dashboard;
mod document;
mod graphql;
mod session;

pub use graphql::sdl;

/// Configuration of the role.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Private networks from which documents may be imported by address; none by default. Loopback and cloud metadata
    /// addresses are private too.
    pub allow_private_networks: Vec<Cidr>,
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
        Arc::new(Self { config, client, clock, schema, documents, identities })
    }

    /// The context of a new request, before anybody is known.
    fn request_ctx(&self, request: &HttpRequest) -> Ctx {
        let client_address = request.peer_addr().map(|peer| peer.ip());
        Ctx { client_address, ..Ctx::anonymous(self.clock.now()) }
    }
}

/// Registers `/graphql`, `/api/…` and, wherever nothing else answers, the dashboard.
pub fn configure(config: &mut web::ServiceConfig, state: &Arc<State>) {
    config.app_data(web::Data::from(Arc::clone(state)));
    config.service(
        web::resource("/graphql")
            .route(web::post().to(graphql::endpoint::answer))
            .default_service(web::to(graphql::endpoint::method_not_allowed)),
    );
    config.service(web::resource("/api/signup").route(web::post().to(session::sign_up)));
    config.service(
        web::resource("/api/session")
            .route(web::post().to(session::sign_in))
            .route(web::get().to(session::show))
            .route(web::delete().to(session::sign_out)),
    );
    dashboard::configure(config);
}
