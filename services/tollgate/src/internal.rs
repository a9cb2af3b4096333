//! A role's inner HTTP side: calls from other roles, and the operator's `/livez`, `/readyz`, `/metrics`.
//!
//! Listens on an address of its own that is never a public one.

use std::future::Future;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use common::secret::constant_time_eq;
use common::{Code, Error, Result};
use contracts::client::CONTEXT_HEADER;
use contracts::{Ctx, Endpoints, Role};
use secrecy::{ExposeSecret, SecretString};

use crate::config::service_token;

/// Largest request between roles: a document of 6 MB as JSON text, or a batch of records.
const MAX_REQUEST: usize = 32 << 20;

/// Reasons why a role is not ready; empty when it is.
pub(crate) type Faults = Pin<Box<dyn Future<Output = Vec<String>> + Send>>;
/// Finds out whether a role is ready.
pub(crate) type Readiness = Arc<dyn Fn() -> Faults + Send + Sync>;
/// Writes the role's metrics as Prometheus reads them.
pub(crate) type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What the inner side of one role serves.
#[derive(Clone)]
pub(crate) struct Inner {
    /// The role.
    pub(crate) role: Role,
    /// Its answers to other roles; the gateway and admin have none.
    pub(crate) endpoints: Option<Arc<Endpoints>>,
    /// What the tokens of other roles are derived from.
    pub(crate) service_secret: SecretString,
    /// Whether it is ready.
    pub(crate) readiness: Readiness,
    /// Its metrics.
    pub(crate) metrics: Metrics,
}

/// Serves the inner side on `listener` until stopped.
pub(crate) fn serve(inner: Inner, listener: TcpListener) -> std::io::Result<Server> {
    let inner = web::Data::new(inner);
    let app = move || App::new().app_data(inner.clone()).configure(routes);
    let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(10).listen(listener)?;
    Ok(server.tcp_nodelay(true).run())
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/livez", web::get().to(HttpResponse::Ok))
        .route("/readyz", web::get().to(readyz))
        .route("/metrics", web::get().to(metrics))
        .route("/internal/{role}/{call}", web::post().to(answer));
}

async fn readyz(inner: web::Data<Inner>) -> HttpResponse {
    let faults = (inner.readiness)().await;
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({ "role": inner.role, "ready": faults.is_empty(), "reasons": faults });
    HttpResponse::build(status).json(body)
}

async fn metrics(inner: web::Data<Inner>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8"))
        .body((inner.metrics)())
}

async fn answer(
    inner: web::Data<Inner>,
    path: web::Path<(String, String)>,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    let (role, call) = path.into_inner();
    match dispatch(&inner, &role, &call, &request, body).await {
        Ok(answer) => HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(answer),
        Err(error) => {
            if let Some(cause) = &error.cause {
                tracing::error!(role, call, reason = %error.reason, cause, "call failed");
            }
            let status =
                StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            HttpResponse::build(status).json(error)
        }
    }
}

async fn dispatch(
    inner: &Inner,
    role: &str,
    call: &str,
    request: &HttpRequest,
    body: web::Payload,
) -> Result<Vec<u8>> {
    let token = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = token.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let caller = caller(&inner.service_secret, token)?;
    let endpoints = inner.endpoints.as_ref().filter(|_| role == inner.role.as_str());
    let Some(endpoints) = endpoints else {
        return Err(Error::new(
            Code::NotFound,
            "call_not_found",
            format!("{role} does not answer calls here"),
        ));
    };
    let context = request.headers().get(CONTEXT_HEADER).map(|value| value.as_bytes()).unwrap_or_default();
    let ctx: Ctx = serde_json::from_slice(context).map_err(|error| {
        Error::new(Code::Invalid, "malformed_request", format!("{CONTEXT_HEADER}: {error}"))
    })?;
    // Read last: a stranger's megabytes are nobody's business.
    let body = body.to_bytes_limited(MAX_REQUEST).await.map_err(|_| {
        let message = format!("a request has at most {} MB", MAX_REQUEST >> 20);
        Error::new(Code::PayloadTooLarge, "body_too_large", message)
    })?;
    let body = body.map_err(|error| {
        Error::new(Code::Invalid, "malformed_body", "the body could not be read").because(error)
    })?;
    endpoints.answer(call, Some(caller), ctx, body.into()).await
}

/// The role whose token this is.
fn caller(secret: &SecretString, token: &str) -> Result<Role> {
    let mut found = None;
    // A role that answers nobody may be without the secret.
    for role in Role::ALL.into_iter().filter(|_| !secret.expose_secret().is_empty()) {
        let expected = service_token(secret, role)?;
        if constant_time_eq(token.as_bytes(), expected.expose_secret().as_bytes()) {
            found = Some(role);
        }
    }
    let message = "this address is for Tollgate's roles";
    found.ok_or_else(|| Error::new(Code::Unauthenticated, "service_token_required", message))
}

#[cfg(test)]
mod tests {
    use actix_web::test::{TestRequest, call_service, init_service};

    use super::*;

    #[actix_web::test]
    async fn the_service_token_is_asked_for_before_the_body_is_read() {
        let inner = Inner {
            role: Role::Apis,
            endpoints: Some(Arc::new(Endpoints::new(Role::Apis))),
            service_secret: "t".repeat(32).into(),
            readiness: Arc::new(|| Box::pin(async { Vec::new() })),
            metrics: Arc::new(String::new),
        };
        let app = App::new().app_data(web::Data::new(inner)).configure(routes);
        let app = init_service(app).await;
        let large =
            TestRequest::post().uri("/internal/apis/get_api").insert_header(("content-length", "99999999"));
        assert_eq!(call_service(&app, large.to_request()).await.status(), StatusCode::UNAUTHORIZED);
    }

    #[test]
    fn a_token_says_which_role_calls() {
        let secret = SecretString::from("x".repeat(32));
        for role in Role::ALL {
            let token = service_token(&secret, role).unwrap();
            assert_eq!(caller(&secret, token.expose_secret()).unwrap(), role);
        }
        for wrong in ["", "gateway", &"x".repeat(32)] {
            assert!(caller(&secret, wrong).is_err(), "{wrong}");
        }
        let none = SecretString::default();
        let token = service_token(&none, Role::Admin).unwrap();
        assert!(caller(&none, token.expose_secret()).is_err());
    }
}
