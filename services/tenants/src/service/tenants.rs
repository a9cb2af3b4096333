//! Signing up an organization, and finding one.

use std::sync::Arc;
use std::time::Duration;

use common::id::{MemberId, TenantId, UserId, random_account_id};
use common::mail::{Mail, normalize_address};
use common::secret::random_text;
use common::{Code, Error, FieldError, Result, password, text};
use contracts::Ctx;
use contracts::tenants::{FindTenant, GetTenant, SignUp, SignedIn, Tenant};
use database::{SystemTx, audit};
use serde_json::json;

use super::sessions;
use crate::domain::roles::MemberRole;
use crate::domain::tenants::{suffixed_slug, wanted_slug};
use crate::store::{self, Taken};
use crate::{State, store::members::NewMember};

/// Transactions tried when somebody takes the same short name at the same moment.
const TRIES: u32 = 5;
/// How long sign-up waits for the mail server.
const MAIL_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes an organization with its owner. The e-mail address identifies the request: a repeat with the same password and
/// organization signs in to what the first one made, anything else is refused.
pub(crate) async fn sign_up(state: Arc<State>, ctx: Ctx, input: SignUp) -> Result<SignedIn> {
    let (name, email) = check(&input)?;
    let hash = state.sign_ins.sign_up(ctx.client_address, "", &input.password, ctx.now).await?;
    for _ in 0..TRIES {
        let tx = state.database.system("sign-up makes the tenant").await?;
        if store::users::find_by_email(&tx, &email).await?.is_some() {
            drop(tx);
            return repeat(&state, &ctx, &email, &name, &input.password).await;
        }
        let (tenant, user) = match insert(&tx, &ctx, &name, &email, &hash).await? {
            Ok(inserted) => inserted,
            Err(Taken) => continue,
        };
        let session = sessions::open(&tx, &state.config, &ctx, tenant.id, user).await?;
        tx.commit().await?;
        welcome(&state, &tenant, &email).await;
        return Ok(sessions::signed_in(session, tenant, user, email, MemberRole::Owner));
    }
    Err(Error::new(Code::Conflict, "sign_up_conflict", "too many sign-ups at once; try again"))
}

/// The caller's organization.
pub(crate) async fn get(state: Arc<State>, ctx: Ctx, _: GetTenant) -> Result<Tenant> {
    let tx = state.database.tenant_read(&ctx).await?;
    store::tenants::get(&tx, tx.tenant()).await?.ok_or_else(|| Error::not_found("organization"))
}

/// The organization with a short name.
pub(crate) async fn find(state: Arc<State>, _: Ctx, input: FindTenant) -> Result<Tenant> {
    let tx = state.database.system_read("a short name says which tenant").await?;
    store::tenants::find_by_slug(&tx, &input.slug).await?.ok_or_else(|| Error::not_found("organization"))
}

fn check(input: &SignUp) -> Result<(String, String)> {
    let name = text::name("organization", &input.organization);
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

async fn insert(
    tx: &SystemTx,
    ctx: &Ctx,
    name: &str,
    email: &str,
    password_hash: &str,
) -> Result<Result<(Tenant, UserId), Taken>> {
    let wanted = wanted_slug(name);
    let free = match &wanted {
        Some(slug) => store::tenants::find_by_slug(tx, slug).await?.is_none(),
        None => false,
    };
    let slug = match wanted {
        Some(slug) if free => slug,
        wanted => suffixed_slug(wanted.as_deref(), &random_text(6)),
    };
    let tenant = Tenant {
        id: TenantId::new(ctx.now),
        name: name.to_owned(),
        slug,
        account_id: random_account_id(),
        created_at: ctx.now,
    };
    let user = UserId::new(ctx.now);
    if let Err(taken) = store::tenants::insert(tx, &tenant).await? {
        return Ok(Err(taken));
    }
    if let Err(taken) = store::users::insert(tx, user, email, password_hash, ctx.now).await? {
        return Ok(Err(taken));
    }
    let member = NewMember { id: MemberId::new(ctx.now), tenant: tenant.id, user, role: MemberRole::Owner };
    store::members::insert(tx, &member, ctx.now).await?;
    let patch = json!({ "name": tenant.name, "slug": tenant.slug, "owner": user });
    audit::record(tx, &ctx.in_tenant(tenant.id), "tenant.create", tenant.id, &patch).await?;
    Ok(Ok((tenant, user)))
}

async fn repeat(state: &State, ctx: &Ctx, email: &str, name: &str, password: &str) -> Result<SignedIn> {
    let signed_in = sessions::verify_and_open(state, ctx, email, password).await;
    match signed_in {
        Ok(signed_in) if signed_in.identity.tenant.name == name => Ok(signed_in),
        Err(error) if error.code != Code::Unauthenticated => Err(error),
        _ => {
            let message = "this address has an account already; sign in instead";
            let mut error = Error::new(Code::AlreadyExists, "email_taken", message);
            error.fields.push(FieldError { field: "email".into(), message: message.into() });
            Err(error)
        }
    }
}

/// The organization exists whether or not this mail goes out.
async fn welcome(state: &State, tenant: &Tenant, email: &str) {
    let mail = Mail {
        to: email.to_owned(),
        subject: format!("Welcome to Tollgate, {}", tenant.name),
        body: format!(
            "{} is ready.\n\nSign in: {}\nShort name: {}\nAccount: {}\n\n\
             If you did not sign up, reply to this mail.\n",
            tenant.name, state.config.console_url, tenant.slug, tenant.account_id
        ),
    };
    match tokio::time::timeout(MAIL_TIMEOUT, state.mailer.send(mail)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(tenant.id = %tenant.id, %error, cause = error.cause, "welcome mail not sent");
        }
        Err(_) => tracing::warn!(tenant.id = %tenant.id, "welcome mail not sent in time"),
    }
}
