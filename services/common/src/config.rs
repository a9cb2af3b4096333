//! Configuration in layers: embedded defaults, then a file, then `TOLLGATE__SECTION__KEY` variables.
//!
//! Knows how to merge and read; what the sections mean is each role's business.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// Prefix of the environment variables that override the file.
pub const ENV_PREFIX: &str = "TOLLGATE__";

/// What makes a configuration unusable; every entry is one clear line.
#[derive(Debug, thiserror::Error)]
#[error("{}", faults.join("\n"))]
pub struct ConfigError {
    /// All faults found, not only the first.
    pub faults: Vec<String>,
}

impl ConfigError {
    /// An error with one fault.
    pub fn one(fault: impl Into<String>) -> Self {
        Self { faults: vec![fault.into()] }
    }
}

/// Reads `T` from the layers. `file` is the name shown in errors and its text.
///
/// A variable's value is read as TOML where that gives the type already there (numbers, booleans, lists), else as text.
pub fn load<T: DeserializeOwned>(
    defaults: &str,
    file: Option<(&str, &str)>,
    environment: &BTreeMap<String, String>,
) -> Result<T, ConfigError> {
    let mut merged = parse("built-in defaults", defaults)?;
    if let Some((name, text)) = file {
        merge(&mut merged, parse(name, text)?);
    }
    for (name, value) in environment {
        let Some(path) = name.strip_prefix(ENV_PREFIX) else { continue };
        let keys: Vec<String> = path.split("__").map(str::to_lowercase).collect();
        set(&mut merged, &keys, value);
    }
    T::deserialize(Value::Table(merged))
        .map_err(|error| ConfigError::one(error.to_string().trim().to_owned()))
}

fn parse(name: &str, text: &str) -> Result<Table, ConfigError> {
    text.parse().map_err(|error: toml::de::Error| ConfigError::one(format!("{name}: {error}")))
}

fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

fn set(table: &mut Table, keys: &[String], text: &str) {
    let Some((first, rest)) = keys.split_first() else { return };
    if rest.is_empty() {
        let typed = typed_value(table.get(first), text);
        table.insert(first.clone(), typed);
        return;
    }
    let below = table.entry(first.clone()).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(below) = below {
        set(below, rest, text);
    }
}

fn typed_value(current: Option<&Value>, text: &str) -> Value {
    let as_text = || Value::String(text.to_owned());
    if matches!(current, Some(Value::String(_))) {
        return as_text();
    }
    let Ok(mut parsed) = format!("value = {text}").parse::<Table>() else { return as_text() };
    parsed.remove("value").unwrap_or_else(as_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Section {
        port: u16,
        name: String,
        allow: Vec<String>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        gateway: Section,
    }

    const DEFAULTS: &str = "[gateway]\nport = 1\nname = \"a\"\nallow = []\n";

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_variable_wins_over_the_file_and_the_file_over_the_defaults() {
        let environment =
            env(&[("TOLLGATE__GATEWAY__NAME", "42"), ("TOLLGATE__GATEWAY__ALLOW", "[\"x\"]"), ("HOME", "/")]);
        let config: Config =
            load(DEFAULTS, Some(("f", "[gateway]\nport = 2\nname = \"b\"")), &environment).unwrap();
        assert_eq!(config.gateway, Section { port: 2, name: "42".into(), allow: vec!["x".into()] });
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = load::<Config>(DEFAULTS, Some(("f", "[gateway]\nprot = 2")), &env(&[])).unwrap_err();
        assert!(error.to_string().contains("prot"), "{error}");
    }
}
