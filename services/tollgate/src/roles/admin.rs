//! Starts the role `admin`: GraphQL, sign-in and the dashboard.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::middleware::{Compress, from_fn};
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use anyhow::Result;
use contracts::{Client, Role};
use futures_util::future::join_all;

use super::{Running, Shared, spawn_server};
use crate::internal::Readiness;
use crate::metrics::{Edge, count_request};
use crate::up::console_extras::{self, Extras};

/// `extras` is what the console serves only in `tollgate up`.
pub(crate) async fn start(
    shared: &Shared,
    settings: &admin::Config,
    listener: TcpListener,
    extras: Option<Extras>,
) -> Result<Running> {
    let state = admin::State::build(settings.clone(), shared.client.of(Role::Admin), shared.clock.clone());
    let edge = Edge::new(Role::Admin);
    let metrics = edge.metrics(None);
    let client = shared.client.of(Role::Admin);
    let readiness: Readiness = Arc::new(move || {
        let client = client.clone();
        Box::pin(async move { unreachable_roles(&client).await })
    });
    // `up` shows one page for all roles.
    let extras = extras.map(|mut extras| {
        extras.roles.push((Arc::clone(&readiness), Arc::clone(&metrics)));
        extras
    });
    let app = move || {
        let (state, extras) = (Arc::clone(&state), extras.clone());
        let app = App::new().app_data(Data::new(edge.clone()));
        app.wrap(Compress::default()).wrap(from_fn(count_request)).configure(move |services| {
            if let Some(extras) = &extras {
                console_extras::configure(extras, services);
            }
            admin::configure(services, &state);
            admin::web::configure(services);
        })
    };
    let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(10).listen(listener)?;
    let server = server.tcp_nodelay(true).run();
    Ok(Running {
        endpoints: None,
        readiness,
        metrics,
        tasks: vec![spawn_server(server, shared.stop.clone())],
    })
}

/// Admin owns nothing: without one of the others, part of it does not work.
const NEEDED: [Role; 5] = [Role::Tenants, Role::Apis, Role::Metering, Role::Billing, Role::Portal];

async fn unreachable_roles(client: &Client) -> Vec<String> {
    let reached = join_all(NEEDED.map(|role| client.reach(role))).await;
    reached.into_iter().filter_map(|outcome| outcome.err().map(|error| error.message)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn admin_is_not_ready_without_a_role_it_needs() {
        let mut builder = Client::builder();
        for role in NEEDED {
            // Nobody listens on port 1.
            builder = builder.http(role, "http://127.0.0.1:1", "").unwrap();
        }
        let reasons = unreachable_roles(&builder.build()).await;
        assert_eq!(reasons.len(), NEEDED.len(), "{reasons:?}");
        assert!(reasons[2].contains("the role metering"), "{reasons:?}");
    }
}
