//! API keys: made, changed, rotated, revoked, revealed.

use chrono::{DateTime, Utc};
use common::id::{KeyId, PlanId, SubscriptionId, UsagePlanId};
use common::{Page, PageArgs};
use serde::{Deserialize, Serialize};

use crate::call;
use crate::stream::Liveness;

/// A key without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its id; rotation keeps it.
    pub id: KeyId,
    /// What its owner calls it.
    pub name: String,
    /// First characters of the value, to recognise it by.
    pub prefix: String,
    /// Whether calls with it are admitted.
    pub enabled: bool,
    /// Set when it was revoked: it can never be enabled again.
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it ends by itself; absent = never.
    pub expires_at: Option<DateTime<Utc>>,
    /// The usage plans it may use, at most 10, at most one per stage.
    pub usage_plans: Vec<UsagePlanId>,
    /// The subscription that carries it; absent for keys that stand alone.
    pub subscription: Option<SubscriptionId>,
    /// The plan sold with that subscription.
    pub plan: Option<PlanId>,
    /// Until when the value before the last rotation is admitted too.
    pub previous_until: Option<DateTime<Utc>>,
    /// The billing date: periods that begin with the subscription are counted from it.
    pub anchored_at: DateTime<Utc>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Makes a key, or finds the one made before with the same `id`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreateApiKey {
    /// The id to use, so that a repeat finds the key; absent = a new one.
    pub id: Option<KeyId>,
    /// At most 1024 characters.
    pub name: String,
    /// A value brought along: 20 to 128 letters, digits, `_` and `-`, unknown so far; absent = made by us.
    pub value: Option<String>,
    /// Whether calls are admitted.
    pub enabled: bool,
    /// Usage plans it may use.
    pub usage_plans: Vec<UsagePlanId>,
    /// The subscription that carries it.
    pub subscription: Option<SubscriptionId>,
    /// The plan sold with it.
    pub plan: Option<PlanId>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// The billing date of its subscription; absent = when the key is made.
    pub anchored_at: Option<DateTime<Utc>>,
    /// Keep no copy of the value: it is shown in this answer and never again.
    pub shown_once: bool,
}
call!(CreateApiKey => SavedApiKey, Metering, Tenant(KeysWrite), from [Admin, Billing]);

/// A key after a change.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedApiKey {
    /// The key.
    pub api_key: ApiKey,
    /// The value: after making and rotating it, if it may still be shown.
    pub value: Option<String>,
    /// Whether every gateway knows it already.
    pub liveness: Liveness,
}

/// Changes a key; absent fields stay as they are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UpdateApiKey {
    /// The key.
    pub id: KeyId,
    /// New name.
    pub name: Option<String>,
    /// Whether calls are admitted.
    pub enabled: Option<bool>,
    /// All usage plans, replacing the old ones.
    pub usage_plans: Option<Vec<UsagePlanId>>,
    /// What becomes of the units used in the current periods where one usage plan takes another's place.
    #[serde(default)]
    pub used_units: UsedUnits,
    /// The plan sold with it.
    pub plan: Option<PlanId>,
}
call!(UpdateApiKey => SavedApiKey, Metering, Tenant(KeysWrite));

/// What becomes of a key's used units when a usage plan takes another's place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsedUnits {
    /// The new plan's periods begin with nothing used; one that the key had earlier in the same periods goes on where it stood.
    #[default]
    Reset,
    /// They stay used: what is left is the new limit less them. Units given on top stay given. Needs exactly one plan that takes
    /// another's place, with quotas of the same periods.
    Keep,
    /// As [`UsedUnits::Keep`], and in the current period the limit is the old plan's for the time that is over and the new plan's
    /// for the rest, in proportion and rounded down, until the plan's own limit changes.
    Blend,
}

/// Gives a key a new value; id, plans and usage stay. The old value is admitted for the grace time and refused from
/// its exact end on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RotateApiKey {
    /// The key.
    pub id: KeyId,
    /// Seconds for which the old value stays valid: 0 to 2,592,000 (30 days).
    pub grace_seconds: u32,
    /// The new value; absent = made by us.
    pub value: Option<String>,
}
call!(RotateApiKey => SavedApiKey, Metering, Tenant(KeysWrite), from [Admin, Portal]);

/// Ends a key for good; calls with it are refused within a second.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RevokeApiKey {
    /// The key.
    pub id: KeyId,
}
call!(RevokeApiKey => SavedApiKey, Metering, Tenant(KeysWrite), from [Admin, Billing]);

/// Removes a key; calls with it are refused within a second. Its usage stays, its value may be used again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeleteApiKey {
    /// The key.
    pub id: KeyId,
}
call!(DeleteApiKey => Liveness, Metering, Tenant(KeysWrite));

/// One key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GetApiKey {
    /// The key.
    pub id: KeyId,
}
call!(GetApiKey => ApiKey, Metering, Tenant(KeysRead), from [Admin, Portal]);

/// The organization's keys, newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListApiKeys {
    /// Which page.
    pub page: PageArgs,
    /// Only those of this usage plan.
    pub usage_plan: Option<UsagePlanId>,
    /// Only those of this subscription.
    pub subscription: Option<SubscriptionId>,
}
call!(ListApiKeys => Page<ApiKey>, Metering, Tenant(KeysRead));

/// The value of a key from the vault.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RevealApiKey {
    /// The key.
    pub id: KeyId,
}
call!(RevealApiKey => String, Metering, Tenant(KeysReveal), from [Admin, Portal, Billing]);
