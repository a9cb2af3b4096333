//! Quotas: what a usage plan allows per period, how a key stands, and what it is given on top.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use common::Error;
use contracts::metering::{self, ExtendQuota, GetQuotaStatus, PeriodBegin};

use super::call::{call, id};
use super::cost;
use super::references::references;
use super::refusal::{Refusal, refusable, settle};
use super::scalar::{ChangeStatus, Long};
use super::usage_plans::UsagePlan;

/// A hard bound on units per period and key.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct Quota {
    /// Units per period.
    limit: Long,
    /// The period.
    period: Period,
    /// Units taken off the limit in a key's first period.
    offset: Long,
    /// When its periods begin.
    begins: QuotaBegin,
    /// The time zone whose calendar it goes by; absent when periods begin with the billing date.
    time_zone: Option<String>,
}

impl From<metering::Quota> for Quota {
    fn from(quota: metering::Quota) -> Self {
        let (begins, time_zone) = match quota.begins {
            PeriodBegin::Calendar { time_zone } => (QuotaBegin::Calendar, Some(time_zone.name().to_owned())),
            PeriodBegin::Anchor => (QuotaBegin::BillingDate, None),
        };
        Self {
            limit: quota.limit.into(),
            period: quota.period.into(),
            offset: quota.offset.into(),
            begins,
            time_zone,
        }
    }
}

/// The length of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "metering::Period")]
pub(crate) enum Period {
    /// A day.
    Day,
    /// Seven days.
    Week,
    /// A month.
    Month,
}

/// When the periods of a quota begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum QuotaBegin {
    /// At midnight, on Mondays, on the first of the month, by the calendar of a time zone.
    Calendar,
    /// With the billing date: at its time of day, on its day of the week, on its day of the month; where a month lacks the
    /// day, on its last.
    BillingDate,
}

/// A hard bound on units per period and key.
#[derive(Debug, Clone, InputObject)]
pub(crate) struct QuotaInput {
    /// Units per period; at least 1.
    limit: Long,
    /// The period; a plan has at most one quota for each.
    period: Period,
    /// Units taken off the limit in a key's first period; 0 when absent.
    offset: Option<Long>,
    /// When its periods begin; by the calendar when absent.
    begins: Option<QuotaBegin>,
    /// The time zone whose calendar it goes by, for example `Europe/Berlin`; UTC when absent.
    time_zone: Option<String>,
}

impl QuotaInput {
    fn read(self, field: &str) -> common::Result<metering::Quota> {
        let zone = format!("{field}.timeZone");
        let begins = match (self.begins.unwrap_or(QuotaBegin::Calendar), self.time_zone) {
            (QuotaBegin::BillingDate, None) => PeriodBegin::Anchor,
            (QuotaBegin::BillingDate, Some(_)) => {
                return Err(Error::invalid(zone, "has no meaning where periods begin with the billing date"));
            }
            (QuotaBegin::Calendar, None) => PeriodBegin::default(),
            (QuotaBegin::Calendar, Some(name)) => {
                let message = "must be a name in the IANA time zone database, for example Europe/Berlin";
                let time_zone = name.parse().map_err(|_| Error::invalid(zone, message))?;
                PeriodBegin::Calendar { time_zone }
            }
        };
        Ok(metering::Quota {
            limit: self.limit.count(&format!("{field}.limit"))?,
            period: self.period.into(),
            offset: self.offset.unwrap_or(Long(0)).count(&format!("{field}.offset"))?,
            begins,
        })
    }
}

/// The quotas; `field` is the list's path for errors.
pub(super) fn read_quotas(field: &str, quotas: Vec<QuotaInput>) -> common::Result<Vec<metering::Quota>> {
    let quotas = quotas.into_iter().enumerate();
    quotas.map(|(index, quota)| quota.read(&format!("{field}.{index}"))).collect()
}

/// A key's standing under one quota.
#[derive(Debug, SimpleObject)]
#[graphql(complex)]
pub(crate) struct QuotaStatus {
    /// The usage plan.
    usage_plan_id: ID,
    /// Which of its quotas.
    period: Period,
    /// Units allowed in this period, extensions included.
    limit: Long,
    /// Units given on top in this period.
    extension: Long,
    /// Units settled: known to be used.
    settled: Long,
    /// Units handed to gateways, spent in part.
    leased: Long,
    /// Start of the period.
    period_start: DateTime<Utc>,
    /// Its end: the next period's start.
    period_end: DateTime<Utc>,
}

#[ComplexObject]
impl QuotaStatus {
    /// The usage plan.
    async fn usage_plan(&self, ctx: &Context<'_>) -> Result<Option<UsagePlan>> {
        references(ctx)?.usage_plan(&self.usage_plan_id).await
    }
}

impl From<metering::QuotaStatus> for QuotaStatus {
    fn from(status: metering::QuotaStatus) -> Self {
        Self {
            usage_plan_id: status.usage_plan.into(),
            period: status.period.into(),
            limit: status.limit.into(),
            extension: status.extension.into(),
            settled: status.settled.into(),
            leased: status.leased.into(),
            period_start: status.period_start,
            period_end: status.period_end,
        }
    }
}

/// How a key stands under its quotas.
pub(super) async fn quota_status(ctx: &Context<'_>, key: &ID) -> Result<Vec<QuotaStatus>> {
    let standings = call(ctx, GetQuotaStatus { id: id("key", key)? }).await?;
    Ok(standings.into_iter().map(QuotaStatus::from).collect())
}

/// More units for a key in the current period of one of its quotas.
#[derive(InputObject)]
pub(crate) struct QuotaExtendInput {
    /// The key.
    api_key_id: ID,
    /// The usage plan.
    usage_plan_id: ID,
    /// Which of its quotas.
    period: Period,
    /// Units more; 1 to 1,000,000,000,000.
    units: Long,
}

/// A quota after an extension.
#[derive(Debug, Default, SimpleObject)]
pub(crate) struct QuotaExtendPayload {
    /// How the key stands; absent when nothing was given.
    quota_status: Option<QuotaStatus>,
    /// Whether every gateway knows that there is more.
    status: Option<ChangeStatus>,
    #[graphql(flatten)]
    refusal: Refusal,
}

refusable!(QuotaExtendPayload);

#[derive(Default)]
pub(crate) struct QuotaQuery;

#[Object]
impl QuotaQuery {
    /// How much of a key's quotas is used in the current periods, per usage plan and quota.
    #[graphql(complexity = "cost::list(10, child_complexity) + cost::CALL")]
    async fn quota_status(&self, ctx: &Context<'_>, key: ID) -> Result<Vec<QuotaStatus>> {
        quota_status(ctx, &key).await
    }
}

#[derive(Default)]
pub(crate) struct QuotaMutation;

#[Object]
impl QuotaMutation {
    /// Gives a key more units in the current period of a quota; the next period has the plan's limit again. Send an
    /// `Idempotency-Key`: without one, sent twice is given twice.
    async fn quota_extend(&self, ctx: &Context<'_>, input: QuotaExtendInput) -> Result<QuotaExtendPayload> {
        settle(async {
            let request = ExtendQuota {
                key: id("apiKeyId", &input.api_key_id)?,
                usage_plan: id("usagePlanId", &input.usage_plan_id)?,
                period: input.period.into(),
                units: input.units.count("units")?,
            };
            let extended = call(ctx, request).await?;
            Ok(QuotaExtendPayload {
                quota_status: Some(extended.status.into()),
                status: Some(extended.liveness.into()),
                ..Default::default()
            })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(begins: Option<QuotaBegin>, time_zone: Option<&str>) -> std::result::Result<PeriodBegin, String> {
        let time_zone = time_zone.map(str::to_owned);
        let quota = QuotaInput { limit: Long(1), period: Period::Day, offset: None, begins, time_zone };
        let read = read_quotas("quotas", vec![quota]);
        read.map(|quotas| quotas[0].begins).map_err(|error| error.fields[0].field.clone())
    }

    #[test]
    fn periods_begin_by_a_calendar_or_with_the_billing_date() {
        let berlin = PeriodBegin::Calendar { time_zone: "Europe/Berlin".parse().unwrap() };
        assert_eq!(read(None, None), Ok(PeriodBegin::default()));
        assert_eq!(read(Some(QuotaBegin::Calendar), Some("Europe/Berlin")), Ok(berlin));
        assert_eq!(read(Some(QuotaBegin::BillingDate), None), Ok(PeriodBegin::Anchor));
        let zone = Err("quotas.0.timeZone".to_owned());
        assert_eq!(read(Some(QuotaBegin::BillingDate), Some("UTC")), zone);
        assert_eq!(read(None, Some("Europe/Atlantis")), zone);
    }
}
