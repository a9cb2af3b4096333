//! Whether the ledger adds up, and how long its single records are kept.

use chrono::{DateTime, Utc};
use common::id::TenantId;
use serde::{Deserialize, Serialize};

use crate::call;

/// Compares a part of the ledger: single records with every sum of them, and what was charged to quotas and spend caps with what
/// their authority settled. Ask again with `after` until there is no `next`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct VerifyLedger {
    /// Start, inclusive; absent = the oldest single record. Only whole minutes, hours and days of the range are compared.
    pub from: Option<DateTime<Utc>>,
    /// End, exclusive; absent = everything there is.
    pub to: Option<DateTime<Utc>>,
    /// The `next` of the part before; absent for the first part.
    pub after: Option<String>,
}
call!(VerifyLedger => VerifiedLedger, Metering, Service);

/// What was found in a part of the ledger.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VerifiedLedger {
    /// Comparisons made: minutes, hours and days that have calls, and periods of budgets.
    pub checked: u64,
    /// What differs, by time; of a minute, hour or day that differs a hundred rows at most.
    pub differences: Vec<LedgerDifference>,
    /// Pass as `after` for the following part; absent on the last one.
    pub next: Option<String>,
}

/// Two numbers of the ledger that should be one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[expect(clippy::large_enum_variant, reason = "few are ever made, and none where time matters")]
pub enum LedgerDifference {
    /// A row of sums is not what its records add up to.
    Sums {
        /// `minute`, `hour` or `day`.
        rollup: String,
        /// Its start.
        time: DateTime<Utc>,
        /// The tenant.
        tenant: String,
        /// The key; empty for calls without one.
        key: String,
        /// The API.
        api: String,
        /// The stage.
        stage: String,
        /// `VERB /resource/path`.
        method: String,
        /// `2xx` and so on.
        status_class: String,
        /// What the records add up to.
        records: LedgerSums,
        /// What the row says.
        sums: LedgerSums,
    },
    /// What calls took from a budget is not what its authority settled.
    Budget {
        /// The tenant.
        tenant: TenantId,
        /// `day`, `week` or `month` for a key's quotas, `spend` for a subscription's spend cap.
        budget: String,
        /// The key or the subscription.
        holder: String,
        /// Start of the period.
        time: DateTime<Utc>,
        /// Its end.
        until: DateTime<Utc>,
        /// Units that calls took, by their records; micro-units of money from a spend cap.
        charged: u64,
        /// Units of leases that are over.
        settled: u64,
        /// Units of these whose calls may have left no record, because nobody could state the lease.
        written_off: u64,
        /// Units in leases that are not over, spent in part.
        open: u64,
    },
}

impl LedgerDifference {
    /// The minute, hour, day or period that differs, by its start.
    pub const fn time(&self) -> DateTime<Utc> {
        match self {
            Self::Sums { time, .. } | Self::Budget { time, .. } => *time,
        }
    }
}

/// Sums over calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerSums {
    /// Calls.
    pub requests: u64,
    /// Units that counted against quotas.
    pub quota_units: u64,
    /// Of these, units taken from quotas per day.
    pub day_units: u64,
    /// Units taken from quotas per week.
    pub week_units: u64,
    /// Units taken from quotas per month.
    pub month_units: u64,
    /// Units that are billed.
    pub billable_units: u64,
    /// Micro-units of money taken from spend caps.
    pub spend_micros: u64,
    /// Bytes of request bodies.
    pub bytes_in: u64,
    /// Bytes of response bodies.
    pub bytes_out: u64,
    /// Sum of numbers that the calls' ids carry: equal when the same calls are in both.
    pub fingerprint: u64,
}

/// How long the organization's single records are kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GetRecordRetention {}
call!(GetRecordRetention => RecordRetention, Metering, Tenant(UsageRead));

/// Chooses how long the organization's single records are kept. Sums are kept for ever.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PutRecordRetention {
    /// Days, today not counted: 1 to 400; absent = as many as the installation says. Records that are gone stay gone.
    pub days: Option<u32>,
}
call!(PutRecordRetention => RecordRetention, Metering, Tenant(OrganizationWrite));

/// How long an organization's single records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordRetention {
    /// Days in force, today not counted.
    pub days: u32,
    /// Days when the organization does not choose.
    pub default_days: u32,
    /// Whether the organization chose.
    pub chosen: bool,
    /// Records of earlier calls may be gone; absent while all are there.
    pub removed_before: Option<DateTime<Utc>>,
}
