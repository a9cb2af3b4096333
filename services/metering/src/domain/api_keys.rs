//! Rules of API keys: their names, their values, what rotation and revocation mean. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use common::{Code, Error, Result, secret};

/// What every value made by us starts with, so that scanners and people recognise it.
pub(crate) const PREFIX: &str = "tg_live_";
/// Random characters of a value: about 190 bits.
const RANDOM: usize = 32;
/// Characters of the checksum behind them.
const CHECKSUM: usize = 6;
/// Longest name, in characters (`API_CreateApiKey` of API Gateway).
const MAX_NAME: usize = 1024;
/// Usage plans per key (limits.md of the API Gateway guide).
pub(crate) const MAX_USAGE_PLANS: usize = 10;
/// Longest grace of a rotation: 30 days.
const MAX_GRACE_SECONDS: u32 = 2_592_000;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A new value: prefix, random characters, checksum.
pub(crate) fn new_value() -> String {
    let body = format!("{PREFIX}{}", secret::random_text(RANDOM));
    let checksum = checksum(&body);
    body + &checksum
}

/// Six base-62 digits of the text's CRC-32: a mistyped or cut value is recognised without a look-up.
fn checksum(body: &str) -> String {
    let mut rest = crc32fast::hash(body.as_bytes());
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

/// Whether a value that starts with our prefix is whole.
fn is_intact(value: &str) -> bool {
    if value.len() != PREFIX.len() + RANDOM + CHECKSUM {
        return false;
    }
    let (body, end) = value.split_at(PREFIX.len() + RANDOM);
    checksum(body) == end
}

/// Refuses a value brought along that breaks a rule.
pub(crate) fn check_value(value: &str) -> Result<()> {
    let alphabet = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if !(20..=128).contains(&value.len()) || !alphabet {
        return Err(Error::invalid("value", "must have 20 to 128 letters, digits, _ and -"));
    }
    if value.starts_with(PREFIX) && !is_intact(value) {
        return Err(Error::invalid("value", "looks like a key of ours, but its checksum does not hold"));
    }
    Ok(())
}

/// Refuses a name that is too long.
pub(crate) fn check_name(name: &str) -> Result<()> {
    if name.chars().count() > MAX_NAME {
        return Err(Error::invalid("name", "must have at most 1024 characters"));
    }
    Ok(())
}

/// The first characters of a value, to recognise it by: few enough to leave the rest secret.
pub(crate) fn shown_prefix(value: &str) -> String {
    let shown = if value.starts_with(PREFIX) { PREFIX.len() + 4 } else { 4 };
    value.chars().take(shown).collect()
}

/// When the old value ends: absent when there is no grace.
pub(crate) fn grace_end(now: DateTime<Utc>, seconds: u32) -> Result<Option<DateTime<Utc>>> {
    if seconds > MAX_GRACE_SECONDS {
        return Err(Error::invalid("graceSeconds", "must be at most 2592000 (30 days)"));
    }
    Ok((seconds > 0).then(|| now + TimeDelta::seconds(seconds.into())))
}

/// Refuses a change of a revoked key.
pub(crate) fn check_not_revoked(revoked_at: Option<i64>) -> Result<()> {
    match revoked_at {
        None => Ok(()),
        Some(_) => Err(Error::new(Code::Conflict, "api_key_revoked", "the key was revoked; make a new one")),
    }
}

/// The refusal of a value that some key of this installation has already; it does not say whose.
pub(crate) fn value_taken() -> Error {
    let mut error = Error::invalid("value", "is in use already; choose another one");
    error.code = Code::AlreadyExists;
    error.reason = "api_key_value_taken".into();
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_made_by_us_keeps_the_rules_and_its_checksum() {
        let value = new_value();
        check_value(&value).unwrap();
        assert!(is_intact(&value));
        assert_ne!(value, new_value());
    }

    #[test]
    fn one_wrong_character_breaks_the_checksum() {
        let value = new_value();
        for at in PREFIX.len()..value.len() {
            let mut wrong = value.clone().into_bytes();
            wrong[at] = if wrong[at] == b'x' { b'y' } else { b'x' };
            assert!(check_value(std::str::from_utf8(&wrong).unwrap()).is_err());
        }
        assert!(check_value(&value[..value.len() - 1]).is_err());
    }

    #[test]
    fn values_brought_along_have_20_to_128_characters_of_the_alphabet() {
        check_value(&"a-_Z9".repeat(4)).unwrap();
        check_value(&"a".repeat(128)).unwrap();
        for broken in ["a".repeat(19), "a".repeat(129), format!("{}é", "a".repeat(30)), "a b".repeat(10)] {
            assert!(check_value(&broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_grace_ends_exactly_its_seconds_later() {
        let now = DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap();
        let end = grace_end(now, 90).unwrap().unwrap();
        assert_eq!(end.timestamp_micros() - now.timestamp_micros(), 90_000_000);
        assert_eq!(grace_end(now, 0).unwrap(), None);
        assert!(grace_end(now, MAX_GRACE_SECONDS + 1).is_err());
    }
}
