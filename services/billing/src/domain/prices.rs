//! Prices.

use common::money::Money;
use common::{Error, Result};
use stripe_types::Currency;

/// Largest price: a million main units.
const MAX_MICROS: i64 = 1_000_000 * 1_000_000;

/// Largest price of a unit: a thousand main units.
const MAX_UNIT_MICROS: u64 = 1_000 * 1_000_000;

/// Refuses a price of a billable unit that is too high.
pub(crate) fn check_unit(micros: u64) -> Result<()> {
    if micros > MAX_UNIT_MICROS {
        return Err(Error::invalid("unitPriceMicros", format!("must be between 0 and {MAX_UNIT_MICROS}")));
    }
    Ok(())
}

/// A price that can be charged: not negative, at most a million, in a currency that payments take. The currency is
/// answered in upper case.
pub(crate) fn check(price: &Money) -> Result<Money> {
    if !(0..=MAX_MICROS).contains(&price.micros) {
        return Err(Error::invalid("price.micros", format!("must be between 0 and {MAX_MICROS}")));
    }
    let code = price.currency.to_ascii_lowercase();
    match code.parse::<Currency>() {
        Ok(Currency::Unknown(_)) | Err(_) => Err(Error::invalid(
            "price.currency",
            "is not a currency that can be charged (ISO 4217, for example EUR)",
        )),
        Ok(_) => Ok(Money { micros: price.micros, currency: code.to_ascii_uppercase() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(micros: i64, currency: &str) -> Money {
        Money { micros, currency: currency.into() }
    }

    #[test]
    fn only_prices_that_can_be_charged_are_accepted() {
        assert_eq!(check(&money(0, "eur")).unwrap(), money(0, "EUR"));
        assert_eq!(check(&money(MAX_MICROS, "JPY")).unwrap(), money(MAX_MICROS, "JPY"));
        for (micros, currency) in [(-1, "EUR"), (MAX_MICROS + 1, "EUR"), (1, "XXQ"), (1, ""), (1, "EURO")] {
            assert!(check(&money(micros, currency)).is_err(), "{micros} {currency}");
        }
    }
}
