//! Rules of documents and stages beyond what `apidef` checks. Pure.

pub(crate) mod documents;
pub(crate) mod secret_headers;
pub(crate) mod stages;
