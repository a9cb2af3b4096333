//! The portal's web app, embedded in the executable.

use actix_web::web::ServiceConfig;
use common::web_app::WebApp;

const PORTAL: WebApp = WebApp {
    files: include!(concat!(env!("OUT_DIR"), "/web_app.rs")),
    reserved: &["/api/", "/internal/", "/livez", "/metrics", "/readyz", "/_"],
};

/// Serves the portal wherever nothing else answers; register it after everything else.
pub fn configure(config: &mut ServiceConfig) {
    PORTAL.configure(config);
}
