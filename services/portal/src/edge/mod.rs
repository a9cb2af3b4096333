//! The portal's HTTP interface: JSON under `/api`, for one tenant per host.
//!
//! Turns a host and a session cookie into a context, and requests into calls. Everything about a subscription is checked
//! against the signed-in developer here: other roles are asked in the portal's own name.

mod catalog;
mod session;
mod subscriptions;
mod views;

use std::future::Future;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use common::origin::name_of;
use common::problem::{Problem, REQUEST_ID_HEADER};
use common::{Code, Error, Result};
use contracts::portal::{AuthenticateDeveloper, Developer};
use contracts::tenants::{FindTenant, Tenant};
use contracts::{Ctx, Principal, Role};

use crate::State;

/// The cookie that holds a session's secret.
const SESSION_COOKIE: &str = "tollgate_portal";
/// Sent with every change: another origin's page cannot set it without asking first.
const CSRF_HEADER: &str = "x-tollgate-csrf";
/// Repeats of a request with the same value answer what the first one answered.
const IDEMPOTENCY_HEADER: &str = "idempotency-key";
/// Largest body.
const MAX_BODY: usize = 16 << 10;

/// Registers `/api/…`.
pub fn configure(config: &mut ServiceConfig, state: &Arc<State>) {
    let routes = web::scope("/api")
        .app_data(Data::from(Arc::clone(state)))
        .route("/catalog", web::get().to(catalog::show))
        .route("/signup", web::post().to(session::sign_up))
        .route("/password", web::post().to(session::set_password))
        .service(
            web::resource("/session")
                .route(web::get().to(session::show))
                .route(web::post().to(session::sign_in))
                .route(web::delete().to(session::sign_out)),
        )
        .service(
            web::resource("/subscriptions")
                .route(web::get().to(subscriptions::list))
                .route(web::post().to(subscriptions::create)),
        )
        .route("/subscriptions/{id}/key", web::get().to(subscriptions::key))
        .route("/subscriptions/{id}/rotate", web::post().to(subscriptions::rotate))
        .route("/subscriptions/{id}/keys/{key}/rotate", web::post().to(subscriptions::rotate))
        .route("/subscriptions/{id}/spending-limit", web::post().to(subscriptions::limit_spending))
        .route("/subscriptions/{id}/cancel", web::post().to(subscriptions::cancel))
        .route("/subscriptions/{id}/usage", web::get().to(subscriptions::usage))
        .default_service(web::to(unknown));
    config.service(routes);
}

/// One request to the portal of a tenant.
struct Visit {
    tenant: Tenant,
    /// Acts for the portal in the tenant: only for what was checked here.
    ctx: Ctx,
}

/// One request of a signed-in developer.
struct DeveloperVisit {
    ctx: Ctx,
    developer: Developer,
}

impl DeveloperVisit {
    /// Acts for the developer.
    fn own_ctx(&self) -> Ctx {
        Ctx { principal: Principal::Developer { developer: self.developer.id }, ..self.ctx.clone() }
    }
}

/// Runs a handler: finds the tenant, guards changes, and dresses the answer or the problem with the request id.
async fn answer<F, Fut>(state: &State, request: &HttpRequest, work: F) -> Result<HttpResponse, Problem>
where
    F: FnOnce(Visit) -> Fut,
    Fut: Future<Output = Result<HttpResponse>>,
{
    let client_address = state.config.trusted_proxies.client_address(request);
    let ctx = Ctx { client_address, ..Ctx::service(Role::Portal, state.clock.now()) };
    let request_id = ctx.request_id;
    let run = async {
        guard_change(request)?;
        let visit = visit(state, request, ctx).await?;
        work(visit).await
    };
    let mut response = run.await.map_err(|error| Problem::new(error, request_id))?;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(&request_id.to_string()) {
        headers.insert(HeaderName::from_static(REQUEST_ID_HEADER), id);
    }
    Ok(response)
}

/// As [`answer`], for signed-in developers alone.
async fn answer_developer<F, Fut>(
    state: &State,
    request: &HttpRequest,
    work: F,
) -> Result<HttpResponse, Problem>
where
    F: FnOnce(DeveloperVisit) -> Fut,
    Fut: Future<Output = Result<HttpResponse>>,
{
    answer(state, request, async |visit: Visit| {
        let developer = authenticate(state, request, &visit).await?;
        work(DeveloperVisit { ctx: visit.ctx, developer }).await
    })
    .await
}

async fn visit(state: &State, request: &HttpRequest, ctx: Ctx) -> Result<Visit> {
    let tenant = find_tenant(state, request, &ctx).await?;
    let idempotency_key = request.headers().get(IDEMPOTENCY_HEADER);
    let idempotency_key = match idempotency_key.map(HeaderValue::to_str) {
        None => None,
        Some(Ok(key)) => Some(key.to_owned()),
        Some(Err(_)) => return Err(Error::invalid(IDEMPOTENCY_HEADER, "must be printable ASCII")),
    };
    let ctx = Ctx { idempotency_key, ..ctx.in_tenant(tenant.id) };
    Ok(Visit { tenant, ctx })
}

/// The tenant that the host names, else the default one.
async fn find_tenant(state: &State, request: &HttpRequest, ctx: &Ctx) -> Result<Tenant> {
    let host = state.config.trusted_proxies.host(request).unwrap_or_default();
    // A name below the portals' domain that nobody has is nobody's portal: whoever takes it later finds it free.
    let slug = slug_of(&host, &state.config.portal_url).or_else(|| state.config.default_tenant.clone());
    let portal_not_found = || Error::not_found("portal");
    match state.client.call(ctx, FindTenant { slug: slug.ok_or_else(portal_not_found)? }).await {
        Err(error) if error.code == Code::NotFound => Err(portal_not_found()),
        found => found,
    }
}

/// What stands for `{slug}` in the host of `portal_url`. A host of any other form names nobody: it may be a domain that
/// one organization's portal was given.
fn slug_of(host: &str, portal_url: &str) -> Option<String> {
    let (_, address) = portal_url.split_once("://")?;
    let (authority, _) = address.split_once('/').unwrap_or((address, ""));
    let (before, after) = name_of(authority).split_once("{slug}")?;
    let host = name_of(host).to_ascii_lowercase();
    let slug = host.strip_prefix(&before.to_ascii_lowercase())?;
    let slug = slug.strip_suffix(&after.to_ascii_lowercase())?;
    (!slug.is_empty() && !slug.contains(['.', ':'])).then(|| slug.to_owned())
}

fn guard_change(request: &HttpRequest) -> Result<()> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads || request.headers().get(CSRF_HEADER).is_some_and(|value| value == "1") {
        return Ok(());
    }
    let message = format!("changes need the header {CSRF_HEADER}: 1");
    Err(Error::new(Code::Forbidden, "csrf_header_missing", message))
}

/// The session's secret, if the request has one.
fn session_secret(request: &HttpRequest) -> Option<String> {
    request.cookie(SESSION_COOKIE).map(|cookie| cookie.value().to_owned()).filter(|secret| !secret.is_empty())
}

async fn authenticate(state: &State, request: &HttpRequest, visit: &Visit) -> Result<Developer> {
    let Some(session_secret) = session_secret(request) else {
        return Err(Error::new(Code::Unauthenticated, "credentials_required", "sign in first"));
    };
    state.client.call(&visit.ctx, AuthenticateDeveloper { session_secret }).await
}

async fn unknown(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    answer(&state, &request, async |_| Err(Error::not_found("address"))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_of_the_form_of_the_portals_names_a_tenant() {
        let url = "https://{slug}.portal.example.com:8443/start";
        for (host, slug) in [
            ("acme.portal.example.com", Some("acme")),
            ("ACME.Portal.example.com:8443", Some("acme")),
            ("developers.acme.com", None),
            ("a.acme.portal.example.com", None),
            ("portal.example.com", None),
            (".portal.example.com", None),
            ("acme.portal.example.com.evil.com", None),
            ("127.0.0.1:8082", None),
            ("[::1]:8082", None),
            ("", None),
        ] {
            assert_eq!(slug_of(host, url).as_deref(), slug, "{host}");
        }
        assert_eq!(slug_of("acme.localhost:8082", "http://{slug}.localhost:1").as_deref(), Some("acme"));
        assert_eq!(slug_of("acme.localhost", "http://127.0.0.1:8082"), None);
    }
}
