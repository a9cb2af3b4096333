//! Spend caps: the most that a subscription may spend in a month.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use contracts::billing::SetSpendCap;
use contracts::metering::{self, GetSpendStatus};

use super::call::{call, id};
use super::cost;
use super::products::{Money, MoneyInput};
use super::refusal::{Refusal, refusable, settle};
use super::scalar::{ChangeStatus, Long};

/// A subscription's standing under its spend cap. Amounts in millionths of the cap's currency.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct SpendStatus {
    /// The most that may be spent in a month.
    limit: Money,
    /// Whether calls are refused (402) once it is reached; otherwise there are alerts alone.
    hard_stop: bool,
    /// Price of one billable unit.
    unit_price_micros: Long,
    /// Spent this month by the ledger.
    spent_micros: Long,
    /// Handed to gateways, spent in part; 0 without hard stop.
    leased_micros: Long,
    /// Start of the month: the billing date.
    period_start: DateTime<Utc>,
    /// Its end.
    period_end: DateTime<Utc>,
    /// The shares of the cap that spending has reached this month, lowest first.
    #[graphql(complexity = "cost::list(3, child_complexity)")]
    alerts: Vec<SpendAlert>,
}

impl From<metering::SpendStatus> for SpendStatus {
    fn from(status: metering::SpendStatus) -> Self {
        Self {
            limit: status.cap.limit.into(),
            hard_stop: status.cap.hard_stop,
            unit_price_micros: status.unit_price_micros.into(),
            spent_micros: status.spent_micros.into(),
            leased_micros: status.leased_micros.into(),
            period_start: status.period_start,
            period_end: status.period_end,
            alerts: status.alerts.into_iter().map(SpendAlert::from).collect(),
        }
    }
}

/// Spending reached a share of a cap.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct SpendAlert {
    /// Percent of the cap: 50, 80 or 100.
    threshold: u8,
    /// Spent when it was noted.
    spent_micros: Long,
    /// The cap then.
    limit: Money,
    /// When it was noted.
    noted_at: DateTime<Utc>,
}

impl From<metering::SpendAlert> for SpendAlert {
    fn from(alert: metering::SpendAlert) -> Self {
        Self {
            threshold: alert.threshold,
            spent_micros: alert.spent_micros.into(),
            limit: alert.limit.into(),
            noted_at: alert.noted_at,
        }
    }
}

/// The most that a subscription may spend in a month.
#[derive(InputObject)]
pub(crate) struct SpendCapSetInput {
    /// The subscription.
    subscription_id: ID,
    /// The most that may be spent, in the plan's currency; no cap when absent.
    limit: Option<MoneyInput>,
    /// Whether calls are refused (402) once it is reached; alerts alone when absent.
    hard_stop: Option<bool>,
}

/// A spend cap after a change.
#[derive(Debug, Default, SimpleObject)]
pub(crate) struct SpendCapPayload {
    /// Whether every gateway knows it already.
    status: Option<ChangeStatus>,
    #[graphql(flatten)]
    refusal: Refusal,
}

refusable!(SpendCapPayload);

/// How a subscription stands under its cap.
pub(super) async fn spend_status(ctx: &Context<'_>, subscription: &ID) -> Result<Option<SpendStatus>> {
    let request = GetSpendStatus { subscription: id("subscription", subscription)? };
    Ok(call(ctx, request).await?.map(SpendStatus::from))
}

#[derive(Default)]
pub(crate) struct SpendingMutation;

#[Object]
impl SpendingMutation {
    /// Sets, changes or removes a subscription's spend cap. A raised cap lets calls pass again within seconds.
    async fn spend_cap_set(&self, ctx: &Context<'_>, input: SpendCapSetInput) -> Result<SpendCapPayload> {
        settle(async {
            let hard_stop = input.hard_stop.unwrap_or(false);
            let request = SetSpendCap {
                subscription: id("subscriptionId", &input.subscription_id)?,
                cap: input.limit.map(|limit| metering::SpendCap { limit: limit.into(), hard_stop }),
            };
            Ok(SpendCapPayload { status: Some(call(ctx, request).await?.into()), ..Default::default() })
        })
        .await
    }
}
