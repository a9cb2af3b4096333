//! From credentials to a context: bearer tokens and the session cookie.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::AUTHORIZATION;
use common::clock::monotonic;
use common::secret::sha256;
use common::{Code, Error, Result};
use contracts::tenants::{Authenticate, Identity};
use contracts::{Ctx, Role};
use parking_lot::Mutex;

use crate::State;

/// Cookie with a session's secret.
pub(crate) const SESSION_COOKIE: &str = "tollgate_session";
/// Header that a page of another origin cannot send along with the cookie.
const CSRF_HEADER: &str = "x-tollgate-csrf";
/// Header with the caller's idempotency key.
const IDEMPOTENCY_HEADER: &str = "idempotency-key";
/// Longest idempotency key.
const MAX_IDEMPOTENCY_KEY: usize = 200;
/// How long a proof is trusted without asking again.
const TRUSTED: Duration = Duration::from_secs(1);
/// Proofs kept at most.
const MAX_IDENTITIES: usize = 10_000;

/// A request whose credentials hold, or that has none.
pub(crate) struct Authenticated {
    /// The context to make calls in.
    pub(crate) ctx: Ctx,
    /// What the credentials proved; absent without credentials.
    pub(crate) identity: Option<Identity>,
}

/// The refusal of a request that needs credentials.
pub(crate) fn credentials_required() -> Error {
    Error::new(Code::Unauthenticated, "credentials_required", "sign in or send a bearer token")
}

/// The request's context with whatever its credentials prove. Credentials that do not hold are refused; none are not.
pub(crate) async fn authenticate(state: &State, ctx: &Ctx, request: &HttpRequest) -> Result<Authenticated> {
    let mut ctx = ctx.clone();
    ctx.idempotency_key = idempotency_key(request)?;
    let Some(proof) = proof(request)? else { return Ok(Authenticated { ctx, identity: None }) };
    let identity = state.identities.prove(state, &ctx, proof).await?;
    ctx.tenant = Some(identity.tenant.id);
    ctx.principal = identity.principal.clone();
    Ok(Authenticated { ctx, identity: Some(identity) })
}

/// The idempotency key the request carries.
pub(crate) fn idempotency_key(request: &HttpRequest) -> Result<Option<String>> {
    let Some(value) = request.headers().get(IDEMPOTENCY_HEADER) else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=MAX_IDEMPOTENCY_KEY).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => Err(Error::invalid(IDEMPOTENCY_HEADER, "must be 1 to 200 printable characters")),
    }
}

/// The credentials in the request; a bearer token goes before the cookie.
fn proof(request: &HttpRequest) -> Result<Option<Authenticate>> {
    if let Some(value) = request.headers().get(AUTHORIZATION) {
        let bearer = value.to_str().ok().and_then(|text| text.split_once(' '));
        return match bearer {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                Ok(Some(Authenticate::Token { secret: token.trim().to_owned() }))
            }
            _ => Err(Error::new(
                Code::Unauthenticated,
                "credentials_malformed",
                "the authorization header must be: Bearer <token>",
            )),
        };
    }
    let Some(secret) = session_secret(request) else { return Ok(None) };
    guard_cookie(request)?;
    Ok(Some(Authenticate::Session { secret }))
}

/// Refuses a cookie on a request that another origin's page could have made.
pub(crate) fn guard_cookie(request: &HttpRequest) -> Result<()> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads || request.headers().get(CSRF_HEADER).is_some_and(|value| value == "1") {
        return Ok(());
    }
    let message = format!("requests with the session cookie need the header {CSRF_HEADER}: 1");
    Err(Error::new(Code::Forbidden, "csrf_header_missing", message))
}

/// The secret in the session cookie.
pub(crate) fn session_secret(request: &HttpRequest) -> Option<String> {
    request.cookie(SESSION_COOKIE).map(|cookie| cookie.value().to_owned()).filter(|secret| !secret.is_empty())
}

/// What credentials proved lately, by the hash of their kind and secret.
#[derive(Debug, Default)]
pub(crate) struct Identities(Mutex<HashMap<[u8; 32], (Identity, Instant)>>);

impl Identities {
    async fn prove(&self, state: &State, ctx: &Ctx, proof: Authenticate) -> Result<Identity> {
        let key = key(&proof);
        if let Some(identity) = self.recent(&key) {
            return Ok(identity);
        }
        let identity = state.client.call(&ctx.as_service(Role::Admin), proof).await?;
        self.keep(key, identity.clone());
        Ok(identity)
    }

    fn recent(&self, key: &[u8; 32]) -> Option<Identity> {
        let known = self.0.lock();
        let (identity, since) = known.get(key)?;
        (since.elapsed() < TRUSTED).then(|| identity.clone())
    }

    fn keep(&self, key: [u8; 32], identity: Identity) {
        let mut known = self.0.lock();
        if known.len() >= MAX_IDENTITIES {
            known.retain(|_, (_, since)| since.elapsed() < TRUSTED);
        }
        if known.len() < MAX_IDENTITIES {
            known.insert(key, (identity, monotonic()));
        }
    }

    /// Forgets what a session proved.
    pub(crate) fn forget_session(&self, secret: &str) {
        self.0.lock().remove(&key(&Authenticate::Session { secret: secret.to_owned() }));
    }
}

fn key(proof: &Authenticate) -> [u8; 32] {
    match proof {
        Authenticate::Session { secret } => sha256(format!("session {secret}").as_bytes()),
        Authenticate::Token { secret } => sha256(format!("token {secret}").as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::cookie::Cookie;
    use actix_web::test::TestRequest;

    fn refusal(request: TestRequest) -> Option<&'static str> {
        proof(&request.to_http_request()).err().map(|error| match error.reason {
            std::borrow::Cow::Borrowed(reason) => reason,
            std::borrow::Cow::Owned(_) => "",
        })
    }

    fn with_cookie(request: TestRequest) -> TestRequest {
        request.cookie(Cookie::new(SESSION_COOKIE, "s3cret"))
    }

    #[test]
    fn a_cookie_changes_nothing_without_the_header_that_other_origins_cannot_send() {
        assert_eq!(refusal(with_cookie(TestRequest::post())), Some("csrf_header_missing"));
        assert_eq!(refusal(with_cookie(TestRequest::delete())), Some("csrf_header_missing"));
        assert_eq!(
            refusal(with_cookie(TestRequest::post()).insert_header((CSRF_HEADER, "0"))),
            Some("csrf_header_missing")
        );
        assert_eq!(refusal(with_cookie(TestRequest::post()).insert_header((CSRF_HEADER, "1"))), None);
        assert_eq!(refusal(with_cookie(TestRequest::get())), None);
    }

    #[test]
    fn a_bearer_token_goes_before_the_cookie_and_needs_no_header() {
        let request = with_cookie(TestRequest::post()).insert_header((AUTHORIZATION, "bearer tgt_1"));
        let proof = proof(&request.to_http_request()).unwrap().unwrap();
        assert!(matches!(proof, Authenticate::Token { secret } if secret == "tgt_1"));
    }

    #[test]
    fn an_authorization_of_another_kind_is_refused() {
        for value in ["Basic dTpw", "tgt_1", "", "Bearer"] {
            let request = TestRequest::post().insert_header((AUTHORIZATION, value));
            assert_eq!(refusal(request), Some("credentials_malformed"), "{value}");
        }
    }

    #[test]
    fn an_idempotency_key_is_short_and_printable() {
        let read = |value: &str| {
            idempotency_key(&TestRequest::post().insert_header((IDEMPOTENCY_HEADER, value)).to_http_request())
        };
        assert_eq!(read("order-1").unwrap().as_deref(), Some("order-1"));
        assert!(read("").is_err());
        assert!(read(&"x".repeat(201)).is_err());
    }
}
