//! Stages: names, settings, addresses (limits of the API Gateway developer guide, limits.md, unless said otherwise).

use std::collections::BTreeMap;

use apidef::Api;
use apidef::model::Verb;
use common::id::ApiId;
use common::{Error, FieldError, Result};
use contracts::apis::StageSettings;
use contracts::metering::Throttle;

/// Most characters of a stage's name.
const MAX_NAME: usize = 128;
/// Most variables of a stage, and most characters of their names and values.
const MAX_VARIABLES: usize = 100;
const MAX_VARIABLE_NAME: usize = 64;
const MAX_VARIABLE_VALUE: usize = 512;
/// Most throttles of single methods; ours: more than an API has methods.
const MAX_METHOD_THROTTLES: usize = 500;
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
        check_throttle("throttle", throttle, &mut fault);
    }
    if settings.method_throttles.len() > MAX_METHOD_THROTTLES {
        fault("methodThrottles", format!("at most {MAX_METHOD_THROTTLES}"));
    }
    for (method, throttle) in &settings.method_throttles {
        let field = format!("methodThrottles[{method}]");
        if parse_method(method).is_none() {
            fault(&field, "must be a resource path and a verb or ANY, as in /pets/{id}/GET".into());
        }
        check_throttle(&field, *throttle, &mut fault);
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

fn check_throttle(field: &str, throttle: Throttle, fault: &mut impl FnMut(&str, String)) {
    if !(throttle.rate_limit.is_finite() && throttle.rate_limit > 0.0) {
        fault(&format!("{field}.rateLimit"), "must be more than 0".into());
    }
    if throttle.burst_limit == 0 {
        fault(&format!("{field}.burstLimit"), "must be at least 1".into());
    }
}

/// The resource path and the verb of a method's name.
fn parse_method(name: &str) -> Option<(&str, Verb)> {
    let (path, verb) = name.rsplit_once('/')?;
    let verb = Verb::ALL.into_iter().find(|known| known.as_str() == verb)?;
    match path {
        "" => None,
        "/" => Some(("/", verb)),
        path => (path.starts_with('/') && !path.ends_with('/')).then_some((path, verb)),
    }
}

/// Refuses throttles of methods that the document does not have. `/ANY` stands for all methods of a path that are not named by
/// themselves. Those in `before` stay allowed: a later deployment may have dropped their methods.
pub(crate) fn check_methods(
    throttles: &BTreeMap<String, Throttle>,
    before: &BTreeMap<String, Throttle>,
    document: &Api,
) -> Result<()> {
    let has = |name: &str| {
        parse_method(name).is_some_and(|(path, verb)| match verb {
            Verb::Any => document.resources.get(path).is_some_and(|resource| !resource.methods.is_empty()),
            verb => document.method(path, verb).is_some(),
        })
    };
    let unknown = throttles.keys().filter(|name| !before.contains_key(*name) && !has(name));
    let faults: Vec<_> = unknown
        .map(|name| FieldError {
            field: format!("settings.methodThrottles[{name}]"),
            message: "the stage's deployment has no such method".to_owned(),
        })
        .collect();
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
    use apidef::model::{Method, Resource};

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

    const SLOW: Throttle = Throttle { rate_limit: 1.0, burst_limit: 1 };

    #[test]
    fn a_method_is_named_by_its_path_and_verb() {
        assert_eq!(parse_method("/pets/{id}/GET"), Some(("/pets/{id}", Verb::Get)));
        assert_eq!(parse_method("//ANY"), Some(("/", Verb::Any)));
        for bad in ["", "GET", "/GET", "pets/GET", "/pets//GET", "/pets/get", "/pets/FETCH"] {
            assert_eq!(parse_method(bad), None, "{bad}");
        }
    }

    #[test]
    fn throttles_are_for_methods_that_the_deployment_has_or_that_had_one_before() {
        let mut document = Api::new("pets");
        let mut resource = Resource::default();
        resource.methods.insert(Verb::Get, Method::default());
        document.resources.insert("/pets".to_owned(), resource);
        let check = |name: &str, before: &[&str]| {
            let before = before.iter().map(|name| ((*name).to_owned(), SLOW)).collect();
            check_methods(&[(name.to_owned(), SLOW)].into(), &before, &document)
        };
        check("/pets/GET", &[]).unwrap();
        check("/pets/ANY", &[]).unwrap();
        for unknown in ["/pets/POST", "/dogs/GET", "/dogs/ANY"] {
            let error = check(unknown, &[]).unwrap_err();
            assert_eq!(error.fields[0].field, format!("settings.methodThrottles[{unknown}]"));
            check(unknown, &[unknown]).unwrap();
        }
    }

    #[test]
    fn every_setting_out_of_bounds_is_named() {
        let settings = StageSettings {
            payload_limit: Some(0),
            method_throttles: [("pets".into(), Throttle { rate_limit: 0.0, burst_limit: 1 })].into(),
            throttle: Some(Throttle { rate_limit: f64::NAN, burst_limit: 0 }),
            variables: [("bad name".into(), "x".into()), ("ok".into(), "y".repeat(513))].into(),
        };
        let error = check_settings(&settings).unwrap_err();
        assert_eq!(error.fields.len(), 7, "{error}");
        let many = (0..=MAX_METHOD_THROTTLES).map(|number| (format!("/{number}/GET"), SLOW)).collect();
        let settings = StageSettings { method_throttles: many, ..StageSettings::default() };
        assert_eq!(check_settings(&settings).unwrap_err().fields.len(), 1);
        check_settings(&StageSettings::default()).unwrap();
    }
}
