//! Mails to developers: ordered with the change that calls for them, sent at once, and tried again until they are out.
//!
//! An order says only what is to be told to whom. The token of an invitation is made when its mail is written, so it is
//! nowhere in the clear; each attempt ends the token of the one before.

use std::time::Duration;

use chrono::TimeDelta;
use common::id::DeveloperId;
use common::mail::Mail;
use common::secret::{random_text, sha256_hex};
use common::{Code, Error, Result};
use contracts::portal::Developer;
use contracts::tenants::GetTenant;
use contracts::{Ctx, Role};
use database::TenantTx;
use database::outbox::{self, Event};
use serde::{Deserialize, Serialize};

use crate::{State, store};

/// Kind of these events in the outbox.
const KIND: &str = "developer.mail";
/// How long an invitation holds.
const INVITATION: TimeDelta = TimeDelta::days(7);
/// Random characters of an invitation's token.
const TOKEN_LENGTH: usize = 43;
/// How long an attempt may take: shorter than an event is lent for.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Attempts, five minutes apart at last, after which a mail is given up: about two days.
const MAX_ATTEMPTS: u32 = 600;

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    developer: DeveloperId,
    mail: Kind,
}

/// What a developer is told.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// The account is ready.
    Welcome,
    /// Choose a password.
    Invitation,
}

/// Stores the order with the change that needs it.
pub(super) async fn order(tx: &TenantTx, ctx: &Ctx, developer: DeveloperId, mail: Kind) -> Result<Event> {
    outbox::push(tx, ctx, KIND, &Order { developer, mail }).await
}

/// Tries to send what was ordered. A failure is logged, and the order is due again after a pause.
pub(crate) async fn attempt(state: &State, event: &Event) {
    let ctx = Ctx::service(Role::Portal, state.clock.now()).in_tenant(event.tenant);
    let sent = tokio::time::timeout(TIMEOUT, send(state, &ctx, event)).await;
    let sent = sent.unwrap_or_else(|_| Err(Error::new(Code::Timeout, "mail_timeout", "no answer in time")));
    if let Err(error) = settle(state, &ctx, event, sent).await {
        tracing::warn!(event.id = %event.id, %error, cause = error.cause, "outcome of a mail not noted");
    }
}

async fn settle(state: &State, ctx: &Ctx, event: &Event, sent: Result<()>) -> Result<()> {
    let tx = state.database.tenant(ctx).await?;
    match sent {
        Ok(()) => outbox::delivered(&tx, event.id).await?,
        Err(error) => {
            let cause = error.cause.as_deref().unwrap_or(&error.message);
            tracing::warn!(event.id = %event.id, tenant.id = %event.tenant, attempts = event.attempts, %cause, "mail not sent");
            if event.attempts >= MAX_ATTEMPTS {
                tracing::error!(event.id = %event.id, tenant.id = %event.tenant, "mail given up");
                outbox::delivered(&tx, event.id).await?;
            } else {
                outbox::failed(&tx, event, ctx.now, cause).await?;
            }
        }
    }
    tx.commit().await
}

async fn send(state: &State, ctx: &Ctx, event: &Event) -> Result<()> {
    if event.kind != KIND {
        return Err(Error::internal(format!("unknown kind of event {}", event.kind)));
    }
    let Order { developer, mail } = event.body()?;
    let tenant = state.client.call(ctx, GetTenant {}).await?;
    let url = state.config.portal_url.replace("{slug}", &tenant.slug);
    let url = url.trim_end_matches('/');
    let tx = state.database.tenant(ctx).await?;
    let Some((developer, has_password)) = store::developers::get_with_password(&tx, developer).await? else {
        return Ok(());
    };
    let (subject, body) = match mail {
        Kind::Welcome => (format!("Welcome to {}", tenant.name), welcome(&developer, &tenant.name, url)),
        // Chose a password meanwhile.
        Kind::Invitation if has_password => return Ok(()),
        Kind::Invitation => {
            let token = random_text(TOKEN_LENGTH);
            let hash = sha256_hex(token.as_bytes());
            store::invitations::replace(&tx, developer.id, hash, ctx.now + INVITATION).await?;
            let body = invitation(&developer, &tenant.name, url, &token);
            (format!("Your account at {}", tenant.name), body)
        }
    };
    tx.commit().await?;
    state.mailer.send(Mail { to: developer.email, subject, body }).await
}

fn welcome(developer: &Developer, tenant: &str, url: &str) -> String {
    format!("Hello {},\n\nyour account at {tenant} is ready: {url}\n", developer.name)
}

fn invitation(developer: &Developer, tenant: &str, url: &str, token: &str) -> String {
    format!(
        "Hello {},\n\n{tenant} has made an account for you. Choose your password within 7 days:\n\
         {url}/set-password?token={token}\n",
        developer.name
    )
}
