//! Tells of spending that reached a share of its cap.

use common::Result;

use crate::service::{Service, spending};
use crate::store::spend_caps;

/// Caps looked at in one read.
const AT_ONCE: u32 = 200;

/// Looks at every cap once. What was noted before is not noted again, so it may be stopped anywhere and run anew.
pub(super) async fn watch_spending(service: &Service) -> Result<()> {
    let mut after = None;
    loop {
        let tx = service.database.system_read("spending of every tenant is watched").await?;
        let caps = spend_caps::after(&tx, after, AT_ONCE).await?;
        tx.commit().await?;
        let Some(last) = caps.last() else { return Ok(()) };
        after = Some(last.subscription);
        for cap in caps {
            for alert in spending::watch(service, &cap).await? {
                tracing::info!(tenant.id = %cap.tenant, subscription.id = %alert.subscription, percent = alert.threshold, "spending reached a share of its cap");
            }
        }
    }
}
