//! App developers: signing up, being added by the provider, setting a password.

use std::sync::Arc;

use common::id::DeveloperId;
use common::mail::normalize_address;
use common::secret::sha256_hex;
use common::{Code, Error, FieldError, Page, Result, password, text};
use contracts::Ctx;
use contracts::portal::{
    CreateDeveloper, Developer, ListDevelopers, SetDeveloperPassword, SignUpDeveloper, SignedInDeveloper,
};
use database::{audit, idempotency};

use super::{mails, sessions};
use crate::store::developers::Taken;
use crate::{State, store};

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
    let mail = mails::order(&tx, &ctx, developer.id, mails::Kind::Welcome).await?;
    let signed_in = sessions::open(&tx, &state.config, &ctx, developer).await?;
    tx.commit().await?;
    mails::attempt(&state, &mail).await;
    Ok(signed_in)
}

/// Adds a developer on the provider's behalf. Without a password the developer is invited to set one: again, and with
/// the invitation before at its end, when one who was added before never did.
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
    let developer = match store::developers::find_by_email(&tx, &email).await? {
        Some((developer, None)) if invited => {
            store::invitations::delete(&tx, developer.id).await?;
            audit::record(&tx, &ctx, "developer.invite", developer.id, &()).await?;
            developer
        }
        Some(_) => return Err(email_taken()),
        None => {
            store::developers::check_room(&tx, state.config.limits.developers).await?;
            let developer = Developer { id: DeveloperId::new(ctx.now), email, name, created_at: ctx.now };
            if let Err(Taken) = store::developers::insert(&tx, &developer, hash).await? {
                return Err(email_taken());
            }
            audit::record(&tx, &ctx, "developer.create", developer.id, &developer).await?;
            developer
        }
    };
    let mail = match invited {
        true => Some(mails::order(&tx, &ctx, developer.id, mails::Kind::Invitation).await?),
        false => None,
    };
    let outcome = serde_json::to_string(&developer).map_err(Error::internal)?;
    idempotency::finish::<CreateDeveloper>(&tx, &ctx, &outcome).await?;
    tx.commit().await?;
    if let Some(mail) = mail {
        mails::attempt(&state, &mail).await;
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
