//! Starts the role `gateway`.

use std::net::TcpListener;
use std::sync::Arc;

use anyhow::Result;
use contracts::Role;

use super::{Running, Shared};

pub(crate) async fn start(
    shared: &Shared,
    settings: gateway::Config,
    redis: Option<gateway::Redis>,
    listener: TcpListener,
) -> Result<Running> {
    let client = shared.client.of(Role::Gateway);
    let deps = gateway::Deps { client, clock: shared.clock.clone(), redis };
    let handle = gateway::run(settings, listener, deps).await?;
    let (readiness, metrics) = (handle.probe(), handle.probe());
    let stop = shared.stop.clone();
    let serving = tokio::spawn(async move {
        stop.cancelled().await;
        if let Err(error) = handle.stop().await {
            tracing::error!(%error, cause = error.cause, "gateway did not stop cleanly");
        }
    });
    Ok(Running {
        endpoints: None,
        readiness: Arc::new(move || {
            let obstacles = readiness.obstacles();
            Box::pin(async move { obstacles })
        }),
        metrics: Arc::new(move || metrics.metrics()),
        tasks: vec![serving],
    })
}
