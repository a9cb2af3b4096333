//! Headers with secret values that are added towards a backend: the document holds their names, the vault their values.

use apidef::Api;
use apidef::model::{EditError, Problem};
use common::{Error, FieldError, Result};
use contracts::apis::SecretHeader;

/// Most secret headers of an API.
const MAX_HEADERS: usize = 10;
/// Most characters of a value.
const MAX_VALUE: usize = 4096;

/// Refuses values that could not be sent, and more than ten headers. Names are checked with the document.
pub(crate) fn check(headers: &[SecretHeader]) -> Result<()> {
    if headers.len() > MAX_HEADERS {
        return Err(Error::invalid("secretHeaders", format!("at most {MAX_HEADERS}")));
    }
    for (at, header) in headers.iter().enumerate() {
        let sendable = header.value.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        if !(1..=MAX_VALUE).contains(&header.value.len()) || !sendable {
            let message = format!("must have 1 to {MAX_VALUE} printable ASCII characters");
            return Err(Error::invalid(format!("secretHeaders[{at}].value"), message));
        }
    }
    Ok(())
}

/// Writes the headers' names into the document, in place of those there.
pub(crate) fn name_in(document: &mut Api, headers: &[SecretHeader]) -> Result<()> {
    let Some(mut upstream) = document.upstream.clone() else {
        if headers.is_empty() {
            return Ok(());
        }
        return Err(Error::invalid("secretHeaders", "this API has no upstream to send them to"));
    };
    let named = |header: &SecretHeader| apidef::model::SecretHeader {
        name: header.name.clone(),
        secret_ref: header.name.to_ascii_lowercase(),
    };
    upstream.secret_headers = headers.iter().map(named).collect();
    document.set_upstream(Some(upstream)).map_err(|error| match error {
        EditError::Invalid(problems) => {
            let field =
                |problem: Problem| FieldError { field: input_field(&problem.path), message: problem.message };
            Error::invalid_fields(problems.into_iter().map(field).collect())
        }
        other => Error::invalid("secretHeaders", other.to_string()),
    })
}

/// The input's field for a place in the upstream: `/secretHeaders/0/name` is `secretHeaders[0].name`.
fn input_field(pointer: &str) -> String {
    match pointer.split('/').collect::<Vec<_>>()[..] {
        ["", list, at, member] => format!("{list}[{at}].{member}"),
        _ => "secretHeaders".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use apidef::model::Upstream;

    use super::*;

    fn header(name: &str, value: &str) -> SecretHeader {
        SecretHeader { name: name.into(), value: value.into() }
    }

    #[test]
    fn only_names_reach_the_document() {
        let mut document = Api::new("pets");
        document.upstream = Some(Upstream { url: "http://127.0.0.1:9".into(), ..Upstream::default() });
        name_in(&mut document, &[header("X-Backend", "s3cret")]).unwrap();
        let text = serde_json::to_string(&document).unwrap();
        assert!(text.contains("X-Backend") && !text.contains("s3cret"));
        let refused = name_in(&mut document, &[header("X-Backend", "x"), header("Host", "x")]).unwrap_err();
        assert_eq!(refused.fields[0].field, "secretHeaders[1].name");
        assert!(name_in(&mut Api::new("mock"), &[header("X-Backend", "x")]).is_err());
    }

    #[test]
    fn values_that_cannot_be_sent_are_refused() {
        check(&[header("X", "a b~")]).unwrap();
        for value in ["", "a\r\nb", "ü", &"a".repeat(MAX_VALUE + 1)] {
            assert!(check(&[header("X", value)]).is_err(), "{value}");
        }
        assert!(check(&vec![header("X", "a"); MAX_HEADERS + 1]).is_err());
    }
}
