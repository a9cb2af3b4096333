//! Where a mapped request parameter takes its value from.

use std::borrow::Cow;

use thiserror::Error;

use crate::input::RequestInput;

/// The right side of a request parameter mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `method.request.path.x`
    Path(String),
    /// `method.request.querystring.x`: the last of several values.
    Query(String),
    /// `method.request.multivaluequerystring.x`
    MultiQuery(String),
    /// `method.request.header.x`: the last of several values.
    Header(String),
    /// `method.request.multivalueheader.x`
    MultiHeader(String),
    /// `stageVariables.x`
    StageVariable(String),
    /// `context.x`
    Context(String),
    /// `'text'`
    Static(String),
}

/// Why the right side of a mapping is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SourceError {
    /// Values out of the body.
    #[error("mapping a parameter from the body is not supported")]
    Body,
    /// Anything unknown.
    #[error("not a mapping source: {0}")]
    Unknown(String),
}

/// Makes a source of the name behind its prefix.
type Make = fn(String) -> Source;

impl Source {
    /// Parses the right side of a mapping.
    ///
    /// # Errors
    /// It is none, or one that is not supported.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        if let Some(inner) = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            return Ok(Self::Static(inner.to_owned()));
        }
        if text == "method.request.body" || text.starts_with("method.request.body.") {
            return Err(SourceError::Body);
        }
        let kinds: [(&str, Make); 7] = [
            ("method.request.path.", Self::Path),
            ("method.request.querystring.", Self::Query),
            ("method.request.multivaluequerystring.", Self::MultiQuery),
            ("method.request.header.", Self::Header),
            ("method.request.multivalueheader.", Self::MultiHeader),
            ("stageVariables.", Self::StageVariable),
            ("context.", Self::Context),
        ];
        kinds
            .into_iter()
            .find_map(|(prefix, make)| {
                text.strip_prefix(prefix).filter(|name| !name.is_empty()).map(|name| make(name.to_owned()))
            })
            .ok_or_else(|| SourceError::Unknown(text.to_owned()))
    }

    /// Its values in a request, decoded. Empty: the request has none.
    pub(super) fn values<'s, 'a: 's>(&'s self, input: &RequestInput<'a>) -> Vec<Cow<'s, str>> {
        let last = |mut values: Vec<Cow<'s, str>>| values.pop().into_iter().collect();
        let headers = |name: &str| (input.header)(name).into_iter().map(Cow::Borrowed).collect();
        match self {
            Self::Path(name) => input.path(name).into_iter().collect(),
            Self::Query(name) => last(input.query_values(name)),
            Self::MultiQuery(name) => input.query_values(name),
            Self::Header(name) => last(headers(name)),
            Self::MultiHeader(name) => headers(name),
            Self::StageVariable(name) => input
                .stage_variables
                .get(name)
                .map(|value| Cow::Borrowed(value.as_str()))
                .into_iter()
                .collect(),
            Self::Context(name) => (input.context)(name).map(Cow::Owned).into_iter().collect(),
            Self::Static(text) => vec![Cow::Borrowed(text.as_str())],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_apart() {
        assert_eq!(Source::parse("method.request.path.id"), Ok(Source::Path("id".into())));
        assert_eq!(Source::parse("method.request.header.X-A"), Ok(Source::Header("X-A".into())));
        assert_eq!(Source::parse("stageVariables.v"), Ok(Source::StageVariable("v".into())));
        assert_eq!(
            Source::parse("context.identity.sourceIp"),
            Ok(Source::Context("identity.sourceIp".into()))
        );
        assert_eq!(Source::parse("'it''s'"), Ok(Source::Static("it''s".into())));
        assert_eq!(Source::parse("method.request.body.user"), Err(SourceError::Body));
        for text in ["", "'", "x", "method.request.path.", "method.request.cookie.x"] {
            assert!(Source::parse(text).is_err(), "{text}");
        }
    }
}
