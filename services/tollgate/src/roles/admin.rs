//! Starts the role `admin`: GraphQL, sign-in and the dashboard.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::middleware::Compress;
use actix_web::{App, HttpServer};
use anyhow::Result;

use super::{Running, Shared, no_metrics, spawn_server};
use crate::up::console_extras::{self, Extras};

/// `extras` is what the console serves only in `tollgate up`.
pub(crate) async fn start(
    shared: &Shared,
    settings: &admin::Config,
    listener: TcpListener,
    extras: Option<Extras>,
) -> Result<Running> {
    let state = admin::State::build(settings.clone(), shared.client.clone(), shared.clock.clone());
    let app = move || {
        let (state, extras) = (Arc::clone(&state), extras.clone());
        App::new().wrap(Compress::default()).configure(move |services| {
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
        readiness: Arc::new(|| Box::pin(async { Vec::new() })),
        metrics: no_metrics(),
        tasks: vec![spawn_server(server, shared.stop.clone())],
    })
}
