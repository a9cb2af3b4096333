//! The dashboard, embedded in the executable.

use actix_web::web::ServiceConfig;
use common::web_app::WebApp;

const DASHBOARD: WebApp = WebApp {
    files: include!(concat!(env!("OUT_DIR"), "/web_app.rs")),
    reserved: &["/api/", "/graphql", "/aws", "/internal/", "/livez", "/metrics", "/readyz", "/_"],
};

/// Serves the dashboard wherever nothing else answers; register it after everything else.
pub fn configure(config: &mut ServiceConfig) {
    DASHBOARD.configure(config);
}
