//! The most that a subscription may spend. `metering` holds it and counts against it.

use std::sync::Arc;

use common::money::Money;
use common::{Code, Error, Result};
use contracts::billing::{SetSpendCap, SubscriptionStatus};
use contracts::metering::{PutSpendCap, SpendCap};
use contracts::stream::Liveness;
use contracts::{Ctx, Role};
use database::audit;

use crate::{State, store};

/// Sets, changes or removes a cap, at the price of the subscription's plan.
pub(crate) async fn set(state: Arc<State>, ctx: Ctx, input: SetSpendCap) -> Result<Liveness> {
    let tx = state.database.tenant_read(&ctx).await?;
    let subscription = store::subscriptions::get(&tx, input.subscription).await?;
    let subscription = subscription.ok_or_else(|| Error::not_found("subscription"))?;
    if subscription.status == SubscriptionStatus::Cancelled {
        let message = "this subscription has ended and spends nothing more";
        return Err(Error::new(Code::Conflict, "subscription_cancelled", message));
    }
    let plan = store::plans::get(&tx, subscription.plan).await?;
    let plan = plan.ok_or_else(|| Error::internal("a subscription to a plan that is not there"))?;
    tx.commit().await?;
    let cap = match &input.cap {
        None => None,
        Some(_) if plan.unit_price_micros == 0 => {
            let message = "the plan has no price per unit: calls spend nothing";
            return Err(Error::new(Code::Conflict, "plan_without_unit_price", message));
        }
        Some(SpendCap { limit, hard_stop }) => {
            let currency = limit.currency.to_ascii_uppercase();
            if currency != plan.price.currency {
                let message = format!("must be the plan's, {}", plan.price.currency);
                return Err(Error::invalid("cap.limit.currency", message));
            }
            Some(SpendCap { limit: Money { currency, ..limit.clone() }, hard_stop: *hard_stop })
        }
    };
    let put = PutSpendCap {
        subscription: subscription.id,
        cap,
        unit_price_micros: plan.unit_price_micros,
        anchored_at: subscription.created_at,
    };
    let liveness = state.client.call(&ctx.as_service(Role::Billing), put).await?;
    let tx = state.database.tenant(&ctx).await?;
    audit::record(&tx, &ctx, "subscription.spend_cap", subscription.id, &input).await?;
    tx.commit().await?;
    Ok(liveness)
}
