//! Rules of spend caps. Amounts are micro-units of the cap's currency. Knows no store.

use common::{Error, Result};
use contracts::metering::PutSpendCap;

/// Shares of a cap, in percent, that are told of when spending reaches them.
pub(crate) const THRESHOLDS: [u8; 3] = [50, 80, 100];
/// Largest cap: a million main units.
const MAX_LIMIT: i64 = 1_000_000 * 1_000_000;
/// Largest price of a unit: a thousand main units.
const MAX_PRICE: u64 = 1_000 * 1_000_000;

/// Refuses a cap that breaks a rule.
pub(crate) fn check(request: &PutSpendCap) -> Result<()> {
    let Some(cap) = &request.cap else { return Ok(()) };
    if !(1..=MAX_LIMIT).contains(&cap.limit.micros) {
        return Err(Error::invalid("cap.limit", format!("must be between 1 and {MAX_LIMIT} micro-units")));
    }
    if request.unit_price_micros > MAX_PRICE {
        return Err(Error::invalid("unitPriceMicros", format!("must be at most {MAX_PRICE}")));
    }
    Ok(())
}

/// Price of so many billable units.
pub(crate) const fn price(billable_units: u64, unit_price_micros: u64) -> u64 {
    billable_units.saturating_mul(unit_price_micros)
}

/// The thresholds that spending has reached.
pub(crate) fn reached(spent: u64, limit: u64) -> impl Iterator<Item = u8> {
    let share = move |percent: u8| u128::from(spent) * 100 >= u128::from(limit) * u128::from(percent);
    THRESHOLDS.into_iter().filter(move |percent| share(*percent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_reached_with_its_last_micro_unit() {
        for (spent, expected) in
            [(0, &[][..]), (499, &[]), (500, &[50]), (799, &[50]), (800, &[50, 80]), (1_000, &[50, 80, 100])]
        {
            assert_eq!(reached(spent, 1_000).collect::<Vec<_>>(), expected, "{spent}");
        }
        assert_eq!(reached(u64::MAX, 3).count(), 3);
        assert_eq!(reached(1, 3).count(), 0);
    }
}
