//! Money: an integer of micro-units with a currency. Never a float.

use serde::{Deserialize, Serialize};

/// An amount in millionths of the currency's main unit: 1.50 EUR is 1,500,000.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Millionths of the main unit.
    pub micros: i64,
    /// ISO 4217 code in upper case, for example `EUR`.
    pub currency: String,
}
