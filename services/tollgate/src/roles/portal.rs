//! Starts the role `portal`: its calls, and the app developers' edge.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::middleware::{Compress, from_fn};
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use anyhow::Result;
use contracts::Role;
use migrations::Schema;

use super::{Running, Shared, database_readiness, open, spawn_server};
use crate::config::Portal;
use crate::metrics::{Edge, count_request, observe};

pub(crate) async fn start(shared: &Shared, config: &Portal, listener: TcpListener) -> Result<Running> {
    let database = open(Schema::Portal, &config.database).await?;
    let deps = portal::Deps {
        database: database.clone(),
        clock: shared.clock.clone(),
        mailer: shared.mailer.clone(),
        client: shared.client.of(Role::Portal),
    };
    let state = portal::build(config.settings.clone(), deps).await?;
    let (endpoints, metrics) = observe(portal::endpoints(&state));
    let jobs = tokio::spawn(portal::run_jobs(Arc::clone(&state), shared.stop.clone()));
    let edge = Edge::new(Role::Portal);
    let metrics = edge.metrics(Some(metrics));
    let app = move || {
        let state = Arc::clone(&state);
        let app = App::new().app_data(Data::new(edge.clone()));
        app.wrap(Compress::default()).wrap(from_fn(count_request)).configure(move |services| {
            portal::configure(services, &state);
            portal::web::configure(services);
        })
    };
    let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(10).listen(listener)?;
    let server = server.tcp_nodelay(true).run();
    Ok(Running {
        endpoints: Some(endpoints),
        readiness: database_readiness(&database, Schema::Portal),
        metrics,
        tasks: vec![jobs, spawn_server(server, shared.stop.clone())],
    })
}
