//! When the ledger adds up: which parts of it can be compared, and what an account of the quota authority allows.

use chrono::DateTime;
use common::id::TenantId;
use common::{Error, Result};
use contracts::lease::Budget;
use contracts::ledger::{LedgerDifference, LedgerSums};
use contracts::metering::Period;

use super::periods::Span;
use super::rollup::{DAY, MEASURES, Width};

/// One rollup's rows of one UTC day or a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// The rollup.
    pub width: Width,
    /// Start, a whole row.
    pub from: i64,
    /// End, exclusive, a whole row of the same day.
    pub to: i64,
}

impl Stretch {
    /// The whole rows of a day that lie within `from..to`; absent when there is none.
    pub(crate) fn within(width: Width, day: i64, from: i64, to: i64) -> Option<Self> {
        let micros = width.micros();
        let first = -(-from.max(day * DAY)).div_euclid(micros) * micros;
        let last = width.start_of(to.min((day + 1) * DAY));
        (first < last).then_some(Self { width, from: first, to: last })
    }

    /// The day, counted from 1970-01-01.
    pub(crate) const fn day(&self) -> i64 {
        self.from.div_euclid(DAY)
    }
}

/// Rows of a rollup that were compared with their records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Compared {
    /// Minutes, hours or days that have calls.
    pub checked: u64,
    /// Starts of those that differ.
    pub differing: Vec<i64>,
}

/// A row of a rollup that differs from its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowDifference {
    pub tenant: String,
    pub key: String,
    pub api: String,
    pub stage: String,
    pub method: String,
    pub status_class: String,
    pub records: [u64; MEASURES],
    pub sums: [u64; MEASURES],
}

impl RowDifference {
    /// As it is reported.
    pub(crate) fn report(self, width: Width, at: i64) -> LedgerDifference {
        LedgerDifference::Sums {
            rollup: width.column().to_owned(),
            time: DateTime::from_timestamp_micros(at).unwrap_or_default(),
            tenant: self.tenant,
            key: self.key,
            api: self.api,
            stage: self.stage,
            method: self.method,
            status_class: self.status_class,
            records: report_sums(self.records),
            sums: report_sums(self.sums),
        }
    }
}

const fn report_sums(numbers: [u64; MEASURES]) -> LedgerSums {
    let [
        requests,
        quota_units,
        day_units,
        week_units,
        month_units,
        billable_units,
        spend_micros,
        bytes_in,
        bytes_out,
        fingerprint,
    ] = numbers;
    LedgerSums {
        requests,
        quota_units,
        day_units,
        week_units,
        month_units,
        billable_units,
        spend_micros,
        bytes_in,
        bytes_out,
        fingerprint,
    }
}

/// A kind of budget, as the authority's rows name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Day,
    Week,
    Month,
    Spend,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Spend];

    /// The stable name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Spend => "spend",
        }
    }

    /// The kind with this name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The kind of a budget.
    pub(crate) const fn of(budget: &Budget) -> Self {
        match budget {
            Budget::Quota { period: Period::Day, .. } => Self::Day,
            Budget::Quota { period: Period::Week, .. } => Self::Week,
            Budget::Quota { period: Period::Month, .. } => Self::Month,
            Budget::Spend { .. } => Self::Spend,
        }
    }
}

/// Names an account: a budget of a key or subscription in a period. Accounts are read in this order.
///
/// A key's quotas in several usage plans with the same period are one account: when one plan takes another's place, what is
/// settled moves from row to row, and the records stay with the plan of their time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AccountName {
    /// The key or the subscription.
    pub holder: String,
    pub kind: Kind,
    pub span: Span,
}

impl AccountName {
    /// As a cursor.
    pub(crate) fn cursor(&self) -> String {
        format!("{}.{}.{}.{}", self.holder, self.kind.as_str(), self.span.start, self.span.end)
    }

    /// Reads [`AccountName::cursor`].
    pub(crate) fn parse(cursor: &str) -> Result<Self> {
        let mut parts = cursor.split('.');
        let mut next = || parts.next().unwrap_or_default();
        let (holder, kind, start, end) = (next(), next(), next(), next());
        let read = || {
            let span = Span { start: start.parse().ok()?, end: end.parse().ok()? };
            Some(Self { holder: holder.to_owned(), kind: Kind::parse(kind)?, span })
        };
        read().ok_or_else(bad_cursor)
    }
}

/// The refusal of an `after` that no answer gave.
pub(crate) fn bad_cursor() -> Error {
    Error::invalid("after", "is not a cursor of this list")
}

/// What the authority says of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub name: AccountName,
    pub tenant: TenantId,
    /// The usage plans of the rows; empty text for a spend cap.
    pub plans: Vec<String>,
    /// Units of leases that are over.
    pub settled: u64,
    /// Units of these whose calls may have left no record.
    pub written_off: u64,
    /// Units in open leases, spent or not.
    pub open: u64,
}

/// How what calls took stands to what was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Balance {
    /// It is what was settled, as far as that can be said now.
    Even,
    /// Calls took more than there were leases for.
    Over,
    /// Units were settled that no call took. It may still be on its way: see [`balance`].
    Under,
}

/// Compares what calls took with the authority's rows, read once before the sum over records and once after it.
///
/// Statements about leases and records of calls travel separately, so that a running period is compared within bounds that
/// hold at any time: each call took its units from a lease, which was closed or open when the row was read after the sum; and
/// each unit settled when the row was read before the sum was taken by a call that had begun before. Without open leases
/// both bounds are one number, but for leases written off. The lower bound needs all records of the calls that had begun when
/// the row was first read: the caller makes sure that the watermarks have passed that time or the period's end.
pub(crate) fn balance(before: &Account, charged: u64, after: &Account) -> Balance {
    if charged > after.settled.saturating_add(after.open) {
        return Balance::Over;
    }
    if charged < before.settled.saturating_sub(after.written_off) {
        return Balance::Under;
    }
    Balance::Even
}

/// The report of an account that is not even.
pub(crate) fn report(account: &Account, charged: u64) -> LedgerDifference {
    let at = |micros| DateTime::from_timestamp_micros(micros).unwrap_or_default();
    LedgerDifference::Budget {
        tenant: account.tenant,
        budget: account.name.kind.as_str().to_owned(),
        holder: account.name.holder.clone(),
        time: at(account.name.span.start),
        until: at(account.name.span.end),
        charged,
        settled: account.settled,
        written_off: account.written_off,
        open: account.open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rollup::{HOUR, MINUTE};
    use uuid::Uuid;

    fn account(settled: u64, written_off: u64, open: u64) -> Account {
        let name =
            AccountName { holder: "key_1".to_owned(), kind: Kind::Day, span: Span { start: 0, end: DAY } };
        let tenant = TenantId::from_uuid(Uuid::from_u128(3));
        Account { name, tenant, plans: vec!["upl_1".to_owned()], settled, written_off, open }
    }

    #[test]
    fn without_open_leases_what_was_charged_is_what_was_settled() {
        let closed = account(10, 0, 0);
        assert_eq!(balance(&closed, 10, &closed), Balance::Even);
        assert_eq!(balance(&closed, 9, &closed), Balance::Under);
        assert_eq!(balance(&closed, 11, &closed), Balance::Over);
    }

    #[test]
    fn leases_that_open_and_close_meanwhile_are_no_difference() {
        let (before, after) = (account(10, 0, 5), account(13, 0, 8));
        for charged in 10..=21 {
            assert_eq!(balance(&before, charged, &after), Balance::Even, "{charged}");
        }
        assert_eq!(balance(&before, 9, &after), Balance::Under);
        assert_eq!(balance(&before, 22, &after), Balance::Over);
    }

    #[test]
    fn calls_of_leases_written_off_may_have_left_no_record() {
        let account = account(10, 4, 0);
        assert_eq!(balance(&account, 6, &account), Balance::Even);
        assert_eq!(balance(&account, 5, &account), Balance::Under);
    }

    #[test]
    fn only_whole_rows_of_the_range_are_compared() {
        let stretch =
            |width, from, to| Stretch::within(width, 1, from, to).map(|stretch| (stretch.from, stretch.to));
        assert_eq!(stretch(Width::Day, 0, 3 * DAY), Some((DAY, 2 * DAY)));
        assert_eq!(stretch(Width::Day, DAY + 1, 3 * DAY), None);
        assert_eq!(stretch(Width::Hour, DAY + 1, DAY + 3 * HOUR + 1), Some((DAY + HOUR, DAY + 3 * HOUR)));
        assert_eq!(stretch(Width::Minute, DAY + 1, DAY + MINUTE), None);
        assert_eq!(stretch(Width::Minute, 0, DAY + MINUTE), Some((DAY, DAY + MINUTE)));
    }

    #[test]
    fn a_cursor_names_an_account() {
        for kind in Kind::ALL {
            let name = AccountName { kind, ..account(0, 0, 0).name };
            assert_eq!(AccountName::parse(&name.cursor()).unwrap(), name);
        }
        assert!(AccountName::parse("key_1.day.2").is_err());
        assert!(AccountName::parse("key_1.year.2.3").is_err());
    }
}
