//! How many of a worker's calls belong to each tenant: one tenant alone cannot take all slots.
//!
//! Belongs to one worker. Knows no limit of a plan: it shares what the gateway itself has.

use std::cell::RefCell;
use std::collections::HashMap;

use common::id::TenantId;

/// Calls in flight by tenant, and how many each may have.
#[derive(Debug)]
pub(crate) struct Seats {
    each: u32,
    taken: RefCell<HashMap<TenantId, u32, ahash::RandomState>>,
}

impl Seats {
    /// Each tenant may have `percent` of `slots`, and one in any case.
    pub(crate) fn new(slots: u32, percent: u32) -> Self {
        let each = u64::from(slots) * u64::from(percent.min(100)) / 100;
        Self { each: u32::try_from(each).unwrap_or(u32::MAX).max(1), taken: RefCell::default() }
    }

    /// Whether the tenant may have another call.
    pub(crate) fn are_free(&self, tenant: TenantId) -> bool {
        self.taken.borrow().get(&tenant).is_none_or(|taken| *taken < self.each)
    }

    /// A call of the tenant begins.
    pub(crate) fn take(&self, tenant: TenantId) {
        *self.taken.borrow_mut().entry(tenant).or_default() += 1;
    }

    /// A call of the tenant has ended.
    pub(crate) fn give_back(&self, tenant: TenantId) {
        let mut all = self.taken.borrow_mut();
        if let Some(taken) = all.get_mut(&tenant) {
            *taken -= 1;
            if *taken == 0 {
                all.remove(&tenant);
            }
        }
    }
}
