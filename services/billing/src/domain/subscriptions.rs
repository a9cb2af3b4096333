//! Where a subscription stands.

use common::{Error, Result};
use contracts::billing::SubscriptionStatus;

/// The status as it is stored.
pub(crate) const fn to_text(status: SubscriptionStatus) -> &'static str {
    match status {
        SubscriptionStatus::Pending => "pending",
        SubscriptionStatus::Active => "active",
        SubscriptionStatus::Cancelled => "cancelled",
    }
}

/// A stored status.
pub(crate) fn from_text(text: &str) -> Result<SubscriptionStatus> {
    match text {
        "pending" => Ok(SubscriptionStatus::Pending),
        "active" => Ok(SubscriptionStatus::Active),
        "cancelled" => Ok(SubscriptionStatus::Cancelled),
        _ => Err(Error::internal(format!("no subscription status {text}"))),
    }
}
