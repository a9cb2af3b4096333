//! Documents: their bounds, and what is wrong with one in words for its author.

use apidef::{Api, EditError, Problem};
use common::{Code, Error, FieldError, Result};

/// Most bytes of a stored document as JSON. An import is at most 6 MB of text; resolving its references can make it
/// longer.
pub(crate) const MAX_DOCUMENT: usize = 16 << 20;

/// Deepest nesting of a stored document. Everything that carries a document to somebody wraps it in a few levels more, and
/// readers of JSON stop at 128.
const MAX_LEVELS: usize = 100;

/// Most problems of a document told at once.
const MAX_PROBLEMS: usize = 100;

/// The document as it is stored.
pub(crate) fn to_text(document: &Api) -> Result<String> {
    let text = serde_json::to_string(document).map_err(Error::internal)?;
    if text.len() > MAX_DOCUMENT {
        let message =
            format!("a document has at most {} MB, this one has {}", MAX_DOCUMENT >> 20, text.len() >> 20);
        return Err(Error::new(Code::PayloadTooLarge, "document_too_large", message));
    }
    if levels(&text) > MAX_LEVELS {
        let message = format!("a document is nested at most {MAX_LEVELS} levels deep");
        return Err(Error::new(Code::Invalid, "document_too_deep", message));
    }
    Ok(text)
}

/// How deep lists and objects are nested in a JSON text.
fn levels(json: &str) -> usize {
    let (mut level, mut deepest) = (0_usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                level += 1;
                deepest = deepest.max(level);
            }
            b'}' | b']' if !in_text => level = level.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A stored document.
pub(crate) fn from_text(text: &str) -> Result<Api> {
    serde_json::from_str(text).map_err(Error::internal)
}

/// Refuses a document that could not be served.
pub(crate) fn check_deployable(document: &Api) -> Result<()> {
    let problems = apidef::validate(document);
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::invalid_fields(
        problems.into_iter().take(MAX_PROBLEMS).map(|problem| at_document("document", problem)).collect(),
    ))
}

/// A refused edit; `at` is its place in the request.
pub(crate) fn refused_edit(at: usize, error: EditError) -> Error {
    let field = format!("edits[{at}]");
    match error {
        EditError::Invalid(problems) => Error::invalid_fields(
            problems.into_iter().take(MAX_PROBLEMS).map(|problem| at_document(&field, problem)).collect(),
        ),
        error => Error::invalid(field, error.to_string()),
    }
}

fn at_document(field: &str, problem: Problem) -> FieldError {
    FieldError { field: format!("{field}{}", problem.path), message: problem.message }
}

/// The refusal of a change that was made on an older revision.
pub(crate) fn outdated(current: u64) -> Error {
    let message = format!("somebody else changed the API: it has revision {current} now; read it again");
    Error::new(Code::Conflict, "revision_conflict", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_lists_and_objects_outside_of_texts() {
        for (json, expected) in
            [("1", 0), ("{}", 1), (r#"{"a":[{}],"b":[]}"#, 3), (r#"["[[[{{", "\"[", "\\"]"#, 1)]
        {
            assert_eq!(levels(json), expected, "{json}");
        }
    }
}
