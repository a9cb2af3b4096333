//! Sign-up, sign-in and sign-out for browsers: plain JSON, errors as problem documents.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use common::Result;
use common::body::read_json;
use common::id::{RequestId, TenantId, UserId};
use common::problem::{Problem, REQUEST_ID_HEADER};
use contracts::tenants::{Identity, SignIn, SignOut, SignUp, SignedIn};
use contracts::{Ctx, Principal, Role};
use serde::{Deserialize, Serialize};

use crate::State;
use crate::auth::{self, SESSION_COOKIE, authenticate, credentials_required};

/// Largest body: a name, an address, a password.
const MAX_BODY: usize = 16 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignUpBody {
    organization: String,
    email: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInBody {
    email: String,
    password: String,
}

/// Whose session it is.
#[derive(Serialize)]
struct SessionView {
    tenant: TenantView,
    /// Absent for tokens.
    user: Option<UserView>,
}

#[derive(Serialize)]
struct TenantView {
    id: TenantId,
    name: String,
    slug: String,
}

#[derive(Serialize)]
struct UserView {
    id: UserId,
    email: String,
}

impl From<Identity> for SessionView {
    fn from(identity: Identity) -> Self {
        let user = match identity.principal {
            Principal::Member { user, .. } => {
                Some(UserView { id: user, email: identity.email.unwrap_or_default() })
            }
            _ => None,
        };
        let tenant = identity.tenant;
        Self { tenant: TenantView { id: tenant.id, name: tenant.name, slug: tenant.slug }, user }
    }
}

/// `POST /api/signup`: makes an organization with its owner and signs the owner in.
pub(crate) async fn sign_up(
    state: web::Data<State>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, Problem> {
    let mut ctx = state.request_ctx(&request);
    let request_id = ctx.request_id;
    let work = async {
        ctx.idempotency_key = auth::idempotency_key(&request)?;
        let SignUpBody { organization, email, password } = read_json(&request, body, MAX_BODY).await?;
        let signed_in = state.client.call(&ctx, SignUp { organization, email, password }).await?;
        Ok(welcome(&state, &ctx, signed_in))
    };
    work.await.map_err(|error| Problem::new(error, request_id))
}

/// `POST /api/session`: signs a member in.
pub(crate) async fn sign_in(
    state: web::Data<State>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, Problem> {
    let ctx = state.request_ctx(&request);
    let work = async {
        let SignInBody { email, password } = read_json(&request, body, MAX_BODY).await?;
        let signed_in = state.client.call(&ctx, SignIn { email, password }).await?;
        Ok(welcome(&state, &ctx, signed_in))
    };
    work.await.map_err(|error| Problem::new(error, ctx.request_id))
}

/// `GET /api/session`: whose credentials these are.
pub(crate) async fn show(state: web::Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let ctx = state.request_ctx(&request);
    let work = async {
        let identity = authenticate(&state, &ctx, &request).await?.identity;
        let identity = identity.ok_or_else(credentials_required)?;
        Ok(reply(ctx.request_id, StatusCode::OK).json(SessionView::from(identity)))
    };
    work.await.map_err(|error| Problem::new(error, ctx.request_id))
}

/// `DELETE /api/session`: ends the session. One that is gone already is no error.
pub(crate) async fn sign_out(state: web::Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let ctx = state.request_ctx(&request);
    let work = async {
        if let Some(secret) = auth::session_secret(&request) {
            auth::guard_cookie(&request)?;
            state.identities.forget_session(&secret);
            state.client.call(&ctx.as_service(Role::Admin), SignOut { session_secret: secret }).await?;
        }
        let mut gone = cookie(&state, String::new());
        gone.make_removal();
        Ok(reply(ctx.request_id, StatusCode::NO_CONTENT).cookie(gone).finish())
    };
    work.await.map_err(|error| Problem::new(error, ctx.request_id))
}

fn welcome(state: &State, ctx: &Ctx, signed_in: SignedIn) -> HttpResponse {
    let mut cookie = cookie(state, signed_in.session_secret);
    let lifetime = (signed_in.expires_at - ctx.now).num_seconds().max(0);
    cookie.set_max_age(Duration::seconds(lifetime));
    reply(ctx.request_id, StatusCode::OK).cookie(cookie).json(SessionView::from(signed_in.identity))
}

fn cookie(state: &State, secret: String) -> Cookie<'static> {
    Cookie::build(SESSION_COOKIE, secret)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(state.config.secure_cookies)
        .finish()
}

fn reply(request_id: RequestId, status: StatusCode) -> actix_web::HttpResponseBuilder {
    let mut reply = HttpResponse::build(status);
    reply.insert_header((REQUEST_ID_HEADER, request_id.to_string()));
    reply.insert_header((CACHE_CONTROL, "no-store"));
    reply
}
