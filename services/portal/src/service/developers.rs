//! App developers: signing up, being added by the provider, setting a password.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use common::id::DeveloperId;
use common::mail::{Mail, normalize_address};
use common::secret::{random_text, sha256_hex};
use common::{Code, Error, FieldError, Page, Result, password, text};
use contracts::portal::{
    CreateDeveloper, Developer, ListDevelopers, SetDeveloperPassword, SignUpDeveloper, SignedInDeveloper,
};
use contracts::tenants::{GetTenant, Tenant};
use contracts::{Ctx, Role};
use database::{audit, idempotency};

use super::sessions;
use crate::store::developers::Taken;
use crate::{State, store};

/// How long an invitation holds.
const INVITATION: TimeDelta = TimeDelta::days(7);
/// Random characters of an invitation's token.
const TOKEN_LENGTH: usize = 43;
/// How long a use case waits for the mail server.
const MAIL_TIMEOUT: Duration = Duration::from_secs(5);

/// Signs a developer up. The e-mail address identifies the request: a repeat with the same password signs in, anything
/// else is refused.
pub(crate) async fn sign_up(
    state: Arc<State>,
    ctx: Ctx,
    input: SignUpDeveloper,
) -> Result<SignedInDeveloper> {
    let (name, email) = check(&input)?;
    let portal = ctx.tenant()?.to_string();
    let hash = state.sign_ins.sign_up(ctx.client_address, &portal, &input.password, ctx.now).await?;
    let developer = Developer { id: DeveloperId::new(ctx.now), email, name, created_at: ctx.now };
    let tx = state.database.tenant(&ctx).await?;
    if store::developers::find_by_email(&tx, &developer.email).await?.is_none() {
        // A repeat signs in, also where there is no room for another.
        store::developers::check_room(&tx, state.config.limits.developers).await?;
    }
    if let Err(Taken) = store::developers::insert(&tx, &developer, Some(hash)).await? {
        drop(tx);
        return repeat(&state, &ctx, &developer.email, &input.password).await;
    }
    let as_developer =
        Ctx { principal: contracts::Principal::Developer { developer: developer.id }, ..ctx.clone() };
    audit::record(&tx, &as_developer, "developer.sign_up", developer.id, &developer).await?;
    let signed_in = sessions::open(&tx, &state.config, &ctx, developer).await?;
    tx.commit().await?;
    welcome(&state, &ctx, &signed_in.developer).await;
    Ok(signed_in)
}

/// Adds a developer on the provider's behalf. Without a password the developer is invited to set one.
pub(crate) async fn create(state: Arc<State>, ctx: Ctx, input: CreateDeveloper) -> Result<Developer> {
    let name = text::name("name", &input.name)?;
    let email = normalize_address("email", &input.email)?;
    let hash = match &input.password {
        None => None,
        Some(password) => {
            password::check("password", password)?;
            Some(state.sign_ins.hash(password).await?)
        }
    };
    let tx = state.database.tenant(&ctx).await?;
    // What is remembered of the request tells nothing about the password.
    let remembered = CreateDeveloper { password: input.password.as_ref().map(|_| String::new()), ..input };
    if let Some(first) = idempotency::begin(&tx, &ctx, &remembered).await? {
        return serde_json::from_str(&first).map_err(Error::internal);
    }
    let invited = hash.is_none();
    let developer = Developer { id: DeveloperId::new(ctx.now), email, name, created_at: ctx.now };
    store::developers::check_room(&tx, state.config.limits.developers).await?;
    if let Err(Taken) = store::developers::insert(&tx, &developer, hash).await? {
        return Err(email_taken());
    }
    let token = random_text(TOKEN_LENGTH);
    if invited {
        let hash = sha256_hex(token.as_bytes());
        store::invitations::insert(&tx, developer.id, hash, ctx.now + INVITATION).await?;
    }
    audit::record(&tx, &ctx, "developer.create", developer.id, &developer).await?;
    let outcome = serde_json::to_string(&developer).map_err(Error::internal)?;
    idempotency::finish::<CreateDeveloper>(&tx, &ctx, &outcome).await?;
    tx.commit().await?;
    if invited {
        invite(&state, &ctx, &developer, &token).await;
    }
    Ok(developer)
}

/// Sets the password of an invited developer and signs in. The token works once.
pub(crate) async fn set_password(
    state: Arc<State>,
    ctx: Ctx,
    input: SetDeveloperPassword,
) -> Result<SignedInDeveloper> {
    password::check("password", &input.password)?;
    let token = sha256_hex(input.token.as_bytes());
    let tx = state.database.tenant_read(&ctx).await?;
    store::invitations::find(&tx, &token, ctx.now).await?.ok_or_else(invitation_ended)?;
    drop(tx);
    let hash = state.sign_ins.hash(&input.password).await?;
    let tx = state.database.tenant(&ctx).await?;
    let developer = store::invitations::take(&tx, &token, ctx.now).await?.ok_or_else(invitation_ended)?;
    store::developers::set_password(&tx, developer, hash).await?;
    let developer = store::developers::get(&tx, developer).await?.ok_or_else(invitation_ended)?;
    let as_developer =
        Ctx { principal: contracts::Principal::Developer { developer: developer.id }, ..ctx.clone() };
    audit::record(&tx, &as_developer, "developer.set_password", developer.id, &()).await?;
    let signed_in = sessions::open(&tx, &state.config, &ctx, developer).await?;
    tx.commit().await?;
    Ok(signed_in)
}

/// The tenant's developers.
pub(crate) async fn list(state: Arc<State>, ctx: Ctx, input: ListDevelopers) -> Result<Page<Developer>> {
    let tx = state.database.tenant_read(&ctx).await?;
    store::developers::list(&tx, &input.page).await
}

fn check(input: &SignUpDeveloper) -> Result<(String, String)> {
    let name = text::name("name", &input.name);
    let email = normalize_address("email", &input.email);
    let password = password::check("password", &input.password);
    match (name, email, password) {
        (Ok(name), Ok(email), Ok(())) => Ok((name, email)),
        (name, email, password) => {
            let faults = [name.err(), email.err(), password.err()];
            let fields: Vec<FieldError> =
                faults.into_iter().flatten().flat_map(|fault| fault.fields).collect();
            Err(Error::invalid_fields(fields))
        }
    }
}

async fn repeat(state: &State, ctx: &Ctx, email: &str, password: &str) -> Result<SignedInDeveloper> {
    match sessions::verify_and_open(state, ctx, email, password).await {
        Err(error) if error.code == Code::Unauthenticated => Err(email_taken()),
        outcome => outcome,
    }
}

fn email_taken() -> Error {
    let message = "this address has an account already";
    let mut error = Error::new(Code::AlreadyExists, "email_taken", message);
    error.fields.push(FieldError { field: "email".into(), message: message.into() });
    error
}

fn invitation_ended() -> Error {
    Error::new(Code::NotFound, "invitation_not_found", "this invitation was used already or has ended")
}

async fn welcome(state: &State, ctx: &Ctx, developer: &Developer) {
    let body = |tenant: &Tenant, url: &str| {
        format!("Hello {},\n\nyour account at {} is ready: {url}\n", developer.name, tenant.name)
    };
    send(state, ctx, developer, "Welcome to", body).await;
}

async fn invite(state: &State, ctx: &Ctx, developer: &Developer, token: &str) {
    let body = |tenant: &Tenant, url: &str| {
        format!(
            "Hello {},\n\n{} has made an account for you. Choose your password within 7 days:\n\
             {url}/set-password?token={token}\n",
            developer.name, tenant.name
        )
    };
    send(state, ctx, developer, "Your account at", body).await;
}

/// The account exists whether or not its mail goes out.
async fn send(
    state: &State,
    ctx: &Ctx,
    developer: &Developer,
    subject: &str,
    body: impl Fn(&Tenant, &str) -> String,
) {
    let sending = async {
        let tenant = state.client.call(&ctx.as_service(Role::Portal), GetTenant {}).await?;
        let url = state.config.portal_url.replace("{slug}", &tenant.slug);
        let mail = Mail {
            to: developer.email.clone(),
            subject: format!("{subject} {}", tenant.name),
            body: body(&tenant, url.trim_end_matches('/')),
        };
        state.mailer.send(mail).await
    };
    match tokio::time::timeout(MAIL_TIMEOUT, sending).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(developer.id = %developer.id, %error, cause = error.cause, "mail not sent");
        }
        Err(_) => tracing::warn!(developer.id = %developer.id, "mail not sent in time"),
    }
}
