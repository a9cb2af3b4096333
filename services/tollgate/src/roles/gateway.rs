//! Starts the role `gateway`.

use std::net::TcpListener;
use std::sync::Arc;

use anyhow::Result;
use tokio::sync::Mutex;

use super::{Running, Shared, no_metrics};

pub(crate) async fn start(
    shared: &Shared,
    mut settings: gateway::Config,
    listener: TcpListener,
) -> Result<Running> {
    settings.listen = listener.local_addr()?;
    drop(listener);
    let deps = gateway::Deps { client: shared.client.clone(), clock: shared.clock.clone() };
    let handle = Arc::new(Mutex::new(Some(gateway::run(settings, deps).await?)));
    let (stop, running) = (shared.stop.clone(), Arc::clone(&handle));
    let serving = tokio::spawn(async move {
        stop.cancelled().await;
        let Some(handle) = running.lock().await.take() else { return };
        if let Err(error) = handle.stop().await {
            tracing::error!(%error, cause = error.cause, "gateway did not stop cleanly");
        }
    });
    Ok(Running {
        endpoints: None,
        readiness: Arc::new(move || {
            let handle = Arc::clone(&handle);
            Box::pin(async move {
                handle.lock().await.as_ref().map(|handle| handle.obstacles()).unwrap_or_default()
            })
        }),
        metrics: no_metrics(),
        tasks: vec![serving],
    })
}
