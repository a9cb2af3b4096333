//! How long single records are kept, and whose are gone.

use std::collections::BTreeMap;

use common::id::TenantId;
use common::{Error, Result};

/// Most days that a tenant may have its records kept.
const MAX_DAYS: u32 = 400;

/// Refuses a number of days out of bounds.
pub(crate) fn check_days(days: u32) -> Result<()> {
    if (1..=MAX_DAYS).contains(&days) {
        return Ok(());
    }
    Err(Error::invalid("days", "must be between 1 and 400"))
}

/// What a tenant chose, and what became of its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TenantRetention {
    /// The tenant.
    pub tenant: TenantId,
    /// Days its records are kept, today not counted; absent = as many as the installation says.
    pub days: Option<u32>,
    /// Records of days before this one (days since 1970-01-01) may be gone.
    pub removed_before: i64,
}

/// Up to which day records are gone. Days are counted from 1970-01-01.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    /// Tenants with a day of their own: records of days before it may be gone.
    pub tenants: BTreeMap<TenantId, i64>,
    /// That day for every other tenant.
    pub others: i64,
}

impl Removed {
    /// What is due to be gone on the day `today`. Days never fall, and none passes `bound`.
    pub(crate) fn due(
        tenants: &[TenantRetention],
        others: i64,
        default_days: u32,
        today: i64,
        bound: Option<i64>,
    ) -> Self {
        let due = |days: u32, before: i64| {
            let wanted = today - i64::from(days);
            wanted.min(bound.unwrap_or(wanted)).max(before)
        };
        let own = |row: &TenantRetention| due(row.days.unwrap_or(default_days), row.removed_before);
        Self {
            tenants: tenants.iter().map(|row| (row.tenant, own(row))).collect(),
            others: due(default_days, others),
        }
    }

    /// The tenants whose records of a day are all there.
    pub(crate) fn intact(&self, day: i64) -> Tenants {
        let those = |gone: bool| {
            let rows = self.tenants.iter().filter(move |(_, before)| (**before > day) == gone);
            rows.map(|(tenant, _)| *tenant).collect()
        };
        if day >= self.others { Tenants::Except(those(true)) } else { Tenants::Only(those(false)) }
    }

    /// Whether all records of a tenant's day are there.
    pub(crate) fn has(&self, tenant: TenantId, day: i64) -> bool {
        day >= self.tenants.get(&tenant).copied().unwrap_or(self.others)
    }
}

/// Some of the tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tenants {
    /// These.
    Only(Vec<TenantId>),
    /// All but these.
    Except(Vec<TenantId>),
}

impl Tenants {
    /// Whether nobody is meant.
    pub(crate) fn is_nobody(&self) -> bool {
        matches!(self, Self::Only(tenants) if tenants.is_empty())
    }

    /// Whether everybody is meant.
    pub(crate) fn is_everybody(&self) -> bool {
        matches!(self, Self::Except(tenants) if tenants.is_empty())
    }

    /// The other tenants.
    #[must_use]
    pub(crate) fn others(&self) -> Self {
        match self {
            Self::Only(tenants) => Self::Except(tenants.clone()),
            Self::Except(tenants) => Self::Only(tenants.clone()),
        }
    }

    /// Whether the tenant is meant.
    #[cfg(test)]
    fn contains(&self, tenant: TenantId) -> bool {
        match self {
            Self::Only(tenants) => tenants.contains(&tenant),
            Self::Except(tenants) => !tenants.contains(&tenant),
        }
    }

    /// A condition on the column `tenant_id`. Ids are letters and digits, so that they need no quoting.
    pub(crate) fn sql(&self) -> String {
        let (tenants, not, nothing) = match self {
            Self::Only(tenants) => (tenants, "", "1 = 0"),
            Self::Except(tenants) => (tenants, "NOT ", "1 = 1"),
        };
        if tenants.is_empty() {
            return nothing.to_owned();
        }
        let ids: Vec<_> = tenants.iter().map(|tenant| format!("'{tenant}'")).collect();
        format!("tenant_id {not}IN ({})", ids.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn tenant(number: u128) -> TenantId {
        TenantId::from_uuid(Uuid::from_u128(number))
    }

    fn row(number: u128, days: Option<u32>, removed_before: i64) -> TenantRetention {
        TenantRetention { tenant: tenant(number), days, removed_before }
    }

    #[test]
    fn each_tenants_records_go_when_its_own_days_are_over() {
        let rows = [row(1, Some(7), 0), row(2, Some(90), 0), row(3, None, 0)];
        let removed = Removed::due(&rows, 0, 30, 1_000, None);
        assert_eq!(removed.others, 970);
        for (number, day) in [(1, 993), (2, 910), (3, 970), (4, 970)] {
            assert!(removed.has(tenant(number), day) && !removed.has(tenant(number), day - 1), "{number}");
        }
        assert_eq!(removed.intact(999), Tenants::Except(vec![]));
        assert_eq!(removed.intact(980), Tenants::Except(vec![tenant(1)]));
        assert_eq!(removed.intact(920), Tenants::Only(vec![tenant(2)]));
        assert!(removed.intact(900).is_nobody());
    }

    #[test]
    fn what_is_gone_stays_gone_and_a_day_in_doubt_stays() {
        let rows = [row(1, Some(400), 950), row(2, Some(1), 0)];
        let removed = Removed::due(&rows, 980, 30, 1_000, Some(990));
        assert_eq!((removed.tenants[&tenant(1)], removed.tenants[&tenant(2)]), (950, 990));
        assert_eq!(removed.others, 980);
    }

    #[test]
    fn the_condition_names_the_same_tenants() {
        let one = tenant(1);
        for (tenants, is_in, sql) in [
            (Tenants::Only(vec![one]), true, format!("tenant_id IN ('{one}')")),
            (Tenants::Except(vec![one]), false, format!("tenant_id NOT IN ('{one}')")),
            (Tenants::Only(vec![]), false, "1 = 0".to_owned()),
            (Tenants::Except(vec![]), true, "1 = 1".to_owned()),
        ] {
            assert_eq!((tenants.contains(one), tenants.sql()), (is_in, sql));
            assert_eq!(tenants.others().contains(one), !is_in);
        }
    }
}
