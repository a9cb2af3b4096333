//! OpenAPI 3.0, 3.1 and Swagger 2.0, JSON and YAML, in; OpenAPI 3.1 out.
//!
//! One reading for all versions: the text becomes a tree whose values know their lines, and the importer walks that tree. What
//! breaks the rules of the format, or asks for what cannot be run as asked, is an error; what is not carried over is a warning.

mod export;
mod import;
mod json;
mod node;
mod operation;
mod refs;
mod responses;
mod vendor;
mod yaml;

use std::fmt;

use thiserror::Error;

use crate::model::Api;

pub use export::{export, export_public};

/// The most bytes a document may have, as in API Gateway.
pub const MAX_LEN: usize = 6 * 1_024 * 1_024;

/// How a document becomes an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportOptions {
    /// The API's name; absent: the document's title.
    pub name: Option<String>,
    /// Where calls go; absent: the first of the document's servers that is an absolute URL.
    pub upstream_url: Option<String>,
    /// Whether every operation that is proxied needs an API key. If not, those do that ask for the header `x-api-key`.
    pub require_api_key: bool,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self { name: None, upstream_url: None, require_api_key: true }
    }
}

/// An imported document.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// The API; [`crate::validate`] finds nothing in it.
    pub api: Api,
    /// What was not carried over, in the order of the document's reading.
    pub warnings: Vec<Warning>,
}

/// Something that was not carried over as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// JSON pointer into the document.
    pub pointer: String,
    /// Line in its text, from 1.
    pub line: Option<u32>,
    /// What is done instead.
    pub message: String,
}

/// Why a document is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct ImportError {
    /// Line in its text, from 1.
    pub line: Option<u32>,
    /// Column in the line, from 1.
    pub column: Option<u32>,
    /// JSON pointer into the document.
    pub path: String,
    /// What is wrong.
    pub reason: String,
    /// The option at fault, by the name callers know it under, when it is not the document.
    pub option: Option<&'static str>,
}

impl ImportError {
    fn at_start(reason: impl Into<String>) -> Self {
        Self { line: Some(1), column: Some(1), path: String::new(), reason: reason.into(), option: None }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, "line {line}, column {column}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.reason)
    }
}

impl From<ImportError> for common::Error {
    fn from(error: ImportError) -> Self {
        Self::invalid(error.option.unwrap_or("document"), error.to_string())
    }
}

/// Imports a document.
///
/// # Errors
/// The first thing wrong with it, with its place.
pub fn import(text: &str, options: &ImportOptions) -> Result<Import, ImportError> {
    if text.len() > MAX_LEN {
        return Err(ImportError::at_start(format!("a document has at most {MAX_LEN} bytes")));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = if text.trim_start().starts_with(['{', '[']) { json::read(text)? } else { yaml::read(text)? };
    import::Importer::new(&root, options)?.run()
}

#[cfg(test)]
mod tests;
