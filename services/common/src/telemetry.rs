//! Logs and traces: `tracing` to standard error, and to an OTLP collector when the standard variables name one.

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One readable line per event.
    Text,
    /// One JSON object per event.
    Json,
}

/// Keeps the trace exporter alive; flushes it when dropped.
#[derive(Debug)]
pub struct Guard(Option<SdkTracerProvider>);

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(provider) = &self.0 else { return };
        if let Err(error) = provider.shutdown() {
            tracing::warn!(%error, "traces could not be flushed");
        }
    }
}

/// Starts logging for this process. `otlp` says whether an OTLP endpoint is configured in the environment
/// (`OTEL_EXPORTER_OTLP_ENDPOINT`); without one, spans cost nothing. Call once.
pub fn init(format: LogFormat, default_filter: &str, otlp: bool) -> Guard {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default_filter));
    let logs = match format {
        LogFormat::Text => tracing_subscriber::fmt::layer().with_writer(std::io::stderr).boxed(),
        LogFormat::Json => tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr).boxed(),
    };
    let provider = otlp.then(exporter).flatten();
    let traces = provider
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("tollgate")));
    // A second call in one process (tests) keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(logs.with_filter(filter)).with(traces).try_init();
    Guard(provider)
}

fn exporter() -> Option<SdkTracerProvider> {
    let exporter = opentelemetry_otlp::SpanExporter::builder().with_http().build().ok()?;
    Some(SdkTracerProvider::builder().with_batch_exporter(exporter).build())
}
