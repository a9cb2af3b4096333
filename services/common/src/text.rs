//! Bounds on texts that people write.

use crate::error::{Error, Result};

/// A name on screen: trimmed, 1 to 100 characters, no control characters.
pub fn name(field: &str, text: &str) -> Result<String> {
    let name = text.trim();
    if !(1..=100).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(Error::invalid(field, "must have 1 to 100 characters, none of them control characters"));
    }
    Ok(name.to_owned())
}

/// Refuses a text of more than `most` characters.
pub fn at_most(field: &str, text: &str, most: usize) -> Result<()> {
    if text.chars().count() > most {
        return Err(Error::invalid(field, format!("must have at most {most} characters")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_bounded() {
        assert_eq!(name("name", " Acme ").unwrap(), "Acme");
        for broken in ["", "  ", "a\nb", &"a".repeat(101)] {
            assert!(name("name", broken).is_err(), "{broken}");
        }
        assert!(at_most("text", "äöü", 3).is_ok() && at_most("text", "äöüß", 3).is_err());
    }
}
