//! Documents: their size, and what is wrong with one in words for its author.

use apidef::{Api, EditError, Problem};
use common::{Code, Error, FieldError, Result};

/// Most bytes of a stored document as JSON. An import is at most 6 MB of text; resolving its references can make it
/// longer.
pub(crate) const MAX_DOCUMENT: usize = 16 << 20;

/// The document as it is stored.
pub(crate) fn to_text(document: &Api) -> Result<String> {
    let text = serde_json::to_string(document).map_err(Error::internal)?;
    if text.len() > MAX_DOCUMENT {
        let message =
            format!("a document has at most {} MB, this one has {}", MAX_DOCUMENT >> 20, text.len() >> 20);
        return Err(Error::new(Code::PayloadTooLarge, "document_too_large", message));
    }
    Ok(text)
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
    Err(Error::invalid_fields(problems.into_iter().map(|problem| at_document("document", problem)).collect()))
}

/// A refused edit; `at` is its place in the request.
pub(crate) fn refused_edit(at: usize, error: EditError) -> Error {
    let field = format!("edits[{at}]");
    match error {
        EditError::Invalid(problems) => {
            Error::invalid_fields(problems.into_iter().map(|problem| at_document(&field, problem)).collect())
        }
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
