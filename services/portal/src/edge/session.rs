//! Signing up, in and out, and choosing a password.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use common::Result;
use common::body::read_json;
use common::problem::Problem;
use contracts::portal::{
    SetDeveloperPassword, SignInDeveloper, SignOutDeveloper, SignUpDeveloper, SignedInDeveloper,
};
use serde::Deserialize;

use super::views::SessionView;
use super::{MAX_BODY, SESSION_COOKIE, Visit, answer, authenticate, session_secret};
use crate::State;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignUpBody {
    email: String,
    password: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInBody {
    email: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordBody {
    token: String,
    password: String,
}

/// `POST /api/signup`: makes an account and signs in.
pub(super) async fn sign_up(
    state: Data<State>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    answer(&state, &request, async |visit| {
        let SignUpBody { email, password, name } = read_json(&request, body, MAX_BODY).await?;
        let sign_up = SignUpDeveloper { email, password, name };
        let signed_in = state.client.call(&visit.ctx, sign_up).await?;
        Ok(welcome(&state, visit, signed_in))
    })
    .await
}

/// `POST /api/password`: an invited developer chooses a password and is signed in.
pub(super) async fn set_password(
    state: Data<State>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    answer(&state, &request, async |visit| {
        let PasswordBody { token, password } = read_json(&request, body, MAX_BODY).await?;
        let signed_in = state.client.call(&visit.ctx, SetDeveloperPassword { token, password }).await?;
        Ok(welcome(&state, visit, signed_in))
    })
    .await
}

/// `POST /api/session`: signs in.
pub(super) async fn sign_in(
    state: Data<State>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    answer(&state, &request, async |visit| {
        let SignInBody { email, password } = read_json(&request, body, MAX_BODY).await?;
        let signed_in = state.client.call(&visit.ctx, SignInDeveloper { email, password }).await?;
        Ok(welcome(&state, visit, signed_in))
    })
    .await
}

/// `GET /api/session`: who is signed in.
pub(super) async fn show(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    answer(&state, &request, async |visit| {
        let developer = authenticate(&state, &request, &visit).await?;
        Ok(HttpResponse::Ok().json(SessionView::new(visit.tenant, developer)))
    })
    .await
}

/// `DELETE /api/session`: ends the session. One that is gone already is no error.
pub(super) async fn sign_out(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    answer(&state, &request, async |visit| {
        if let Some(session_secret) = session_secret(&request) {
            state.client.call(&visit.ctx, SignOutDeveloper { session_secret }).await?;
        }
        let mut gone = cookie(&state, String::new());
        gone.make_removal();
        Ok(HttpResponse::NoContent().cookie(gone).finish())
    })
    .await
}

fn welcome(state: &State, visit: Visit, signed_in: SignedInDeveloper) -> HttpResponse {
    let mut cookie = cookie(state, signed_in.session_secret);
    let lifetime = (signed_in.expires_at - visit.ctx.now).num_seconds().max(0);
    cookie.set_max_age(Duration::seconds(lifetime));
    HttpResponse::Ok().cookie(cookie).json(SessionView::new(visit.tenant, signed_in.developer))
}

fn cookie(state: &State, secret: String) -> Cookie<'static> {
    Cookie::build(SESSION_COOKIE, secret)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(state.config.secure_cookies)
        .finish()
}
