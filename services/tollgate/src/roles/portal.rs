//! Starts the role `portal`: its calls, and the app developers' edge.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::middleware::Compress;
use actix_web::{App, HttpServer};
use anyhow::Result;
use migrations::Schema;

use super::{Running, Shared, database_readiness, open, spawn_server};
use crate::config::Portal;
use crate::metrics;

pub(crate) async fn start(shared: &Shared, config: &Portal, listener: TcpListener) -> Result<Running> {
    let database = open(Schema::Portal, &config.database).await?;
    let deps = portal::Deps {
        database: database.clone(),
        clock: shared.clock.clone(),
        mailer: shared.mailer.clone(),
        client: shared.client.clone(),
    };
    let state = portal::build(config.settings.clone(), deps).await?;
    let (endpoints, metrics) = metrics::observe(portal::endpoints(&state));
    let jobs = tokio::spawn(portal::run_jobs(Arc::clone(&state), shared.stop.clone()));
    let app = move || {
        let state = Arc::clone(&state);
        App::new().wrap(Compress::default()).configure(move |services| {
            portal::configure(services, &state);
            portal::web::configure(services);
        })
    };
    let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(10).listen(listener)?;
    let server = server.tcp_nodelay(true).run();
    Ok(Running {
        endpoints: Some(endpoints),
        readiness: database_readiness(&database),
        metrics,
        tasks: vec![jobs, spawn_server(server, shared.stop.clone())],
    })
}
