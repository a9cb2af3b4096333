//! Calls of the role `metering`: API keys, usage plans, usage queries, and the stream gateways follow.
//!
//! Records, batches and leases have modules of their own.

mod access;
mod api_keys;
mod budgets;
mod usage;
mod usage_plans;

pub use access::{
    AccessEntry, FollowAccess, GatewayState, KeyEntry, ListGateways, RegisteredGateway, UsagePlanEntry,
};
pub use api_keys::{
    ApiKey, CreateApiKey, DeleteApiKey, GetApiKey, ListApiKeys, RevealApiKey, RevokeApiKey, RotateApiKey,
    SavedApiKey, UpdateApiKey, UsedUnits,
};
pub use budgets::{
    ExtendQuota, ExtendedQuota, GetQuotaStatus, GetSpendStatus, PutSpendCap, QuotaStatus, SpendAlert,
    SpendCap, SpendStatus,
};
pub use usage::{
    ExportRequestLog, LoggedRequest, QueryRequestLog, QueryUsage, RequestFilter, RequestSums, SumRequestLog,
    Usage, UsageDimension, UsageRow, UsageStep,
};
pub use usage_plans::{
    Cost, CostSource, Counting, CreateUsagePlan, DegradedMode, DeleteUsagePlan, GetUsagePlan, ListUsagePlans,
    Period, PeriodBegin, PlanStage, PlanTerms, Quota, SavedUsagePlan, StatusRange, Throttle, ThrottleMode,
    UpdateUsagePlan, UsagePlan,
};
