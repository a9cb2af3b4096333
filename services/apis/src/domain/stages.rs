//! Stages: names, settings, addresses (limits of the API Gateway developer guide, limits.md, unless said otherwise).

use common::id::ApiId;
use common::{Error, FieldError, Result};
use contracts::apis::StageSettings;

/// Most characters of a stage's name.
const MAX_NAME: usize = 128;
/// Most variables of a stage, and most characters of their names and values.
const MAX_VARIABLES: usize = 100;
const MAX_VARIABLE_NAME: usize = 64;
const MAX_VARIABLE_VALUE: usize = 512;
/// Largest request body a stage can allow; ours.
const MAX_PAYLOAD: u64 = 1 << 30;

/// Refuses a name that is not 1 to 128 of `A-Za-z0-9_-`.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(Error::invalid(
        "stage",
        format!("must have 1 to {MAX_NAME} letters, digits, underscores and hyphens"),
    ))
}

/// Refuses settings outside their bounds.
pub(crate) fn check_settings(settings: &StageSettings) -> Result<()> {
    let mut faults = Vec::new();
    let mut fault = |field: &str, message: String| {
        faults.push(FieldError { field: format!("settings.{field}"), message });
    };
    if settings.payload_limit.is_some_and(|limit| !(1..=MAX_PAYLOAD).contains(&limit)) {
        fault("payloadLimit", format!("must be between 1 and {MAX_PAYLOAD} bytes"));
    }
    if let Some(throttle) = settings.throttle {
        if !(throttle.rate_limit.is_finite() && throttle.rate_limit > 0.0) {
            fault("throttle.rateLimit", "must be more than 0".into());
        }
        if throttle.burst_limit == 0 {
            fault("throttle.burstLimit", "must be at least 1".into());
        }
    }
    if settings.variables.len() > MAX_VARIABLES {
        fault("variables", format!("at most {MAX_VARIABLES}"));
    }
    for (name, value) in &settings.variables {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !(1..=MAX_VARIABLE_NAME).contains(&name.len()) || !name.bytes().all(allowed) {
            let message = format!("a name has 1 to {MAX_VARIABLE_NAME} letters, digits and underscores");
            fault(&format!("variables.{name}"), message);
        } else if value.chars().count() > MAX_VARIABLE_VALUE || value.chars().any(char::is_control) {
            let message = format!(
                "a value has at most {MAX_VARIABLE_VALUE} characters, none of them control characters"
            );
            fault(&format!("variables.{name}"), message);
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::invalid_fields(faults)) }
}

/// Where the stage answers.
pub(crate) fn invoke_url(template: &str, api: ApiId, stage: &str) -> String {
    template.replace("{api_id}", api.as_str()).replace("{stage}", stage)
}

/// Its key in the change stream.
pub(crate) fn change_key(api: ApiId, stage: &str) -> String {
    format!("stage/{api}/{stage}")
}

#[cfg(test)]
mod tests {
    use contracts::metering::Throttle;

    use super::*;

    #[test]
    fn stage_names_fit_into_paths() {
        for good in ["v1", "prod_EU-1", &"a".repeat(128)] {
            check_name(good).unwrap();
        }
        for bad in ["", "a/b", "a b", "ü", "$default", &"a".repeat(129)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_setting_out_of_bounds_is_named() {
        let settings = StageSettings {
            payload_limit: Some(0),
            method_throttles: [].into(),
            throttle: Some(Throttle { rate_limit: f64::NAN, burst_limit: 0 }),
            variables: [("bad name".into(), "x".into()), ("ok".into(), "y".repeat(513))].into(),
        };
        let error = check_settings(&settings).unwrap_err();
        assert_eq!(error.fields.len(), 5, "{error}");
        check_settings(&StageSettings::default()).unwrap();
    }
}
