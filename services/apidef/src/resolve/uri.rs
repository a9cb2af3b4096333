//! The URI of an integration: text, `{parameter}` and `${stageVariables.name}`.

use thiserror::Error;

/// A part of an integration URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Param(String),
    StageVariable(String),
}

/// Why an integration URI is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UriError {
    /// Neither `http(s)://` nor a path.
    #[error("a uri begins with http://, https:// or a single slash")]
    NotAbsolute,
    /// A parameter in scheme, host or port: a caller must never choose where a call goes.
    #[error("the parameter {0} stands in the host")]
    HostParam(String),
    /// A brace without its partner, or without a name inside.
    #[error("the braces do not enclose a parameter name")]
    Braces,
    /// `${...}` of something else.
    #[error("only stage variables can be referred to, not ${{{0}}}")]
    UnknownReference(String),
    /// `#`, spaces, control characters.
    #[error("the character {0:?} does not belong into a uri")]
    Character(char),
    /// A `%` without two hexadecimal digits.
    #[error("a broken percent escape")]
    BrokenEscape,
    /// `.` or `..` as a segment.
    #[error("a uri has no dot segment")]
    DotSegment,
    /// The stage does not have it.
    #[error("the stage has no variable {0}")]
    UnknownVariable(String),
    /// The host part, or the upstream's URL, is not valid.
    #[error("the host is not valid: {0}")]
    Host(String),
    /// A relative URI of an API without upstream.
    #[error("a relative uri needs the upstream of the api")]
    NoUpstream,
    /// A mapping that is none.
    #[error("{target}: {error}")]
    Mapping {
        /// The mapping's left side.
        target: String,
        /// What is wrong with its right side.
        error: super::SourceError,
    },
}

/// An integration URI as written in the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UriTemplate {
    pub(super) pieces: Vec<Piece>,
}

impl UriTemplate {
    /// Parses an integration URI.
    ///
    /// # Errors
    /// What is wrong with it as far as can be told without stage variables.
    pub fn parse(uri: &str) -> Result<Self, UriError> {
        if let Some(wrong) =
            uri.chars().find(|c| *c == '#' || *c == '\\' || c.is_whitespace() || c.is_control())
        {
            return Err(UriError::Character(wrong));
        }
        let mut pieces = Vec::new();
        let mut rest = uri;
        while let Some(open) = rest.find(['{', '}']) {
            let is_variable = rest[..open].ends_with('$');
            let text = &rest[..open - usize::from(is_variable)];
            let inner = rest[open..].strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let Some((name, after)) = inner.filter(|(name, _)| !name.is_empty() && !name.contains('{'))
            else {
                return Err(UriError::Braces);
            };
            if !text.is_empty() {
                pieces.push(Piece::Text(text.to_owned()));
            }
            pieces.push(if is_variable {
                let variable = name.strip_prefix("stageVariables.").filter(|variable| !variable.is_empty());
                let variable = variable.ok_or_else(|| UriError::UnknownReference(name.to_owned()))?;
                Piece::StageVariable(variable.to_owned())
            } else {
                Piece::Param(name.strip_suffix('+').unwrap_or(name).to_owned())
            });
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        let template = Self { pieces };
        template.check_start()?;
        Ok(template)
    }

    /// Whether it follows the upstream's URL.
    pub fn is_relative(&self) -> bool {
        matches!(self.pieces.first(), Some(Piece::Text(text)) if text.starts_with('/'))
    }

    /// The names of its parameters.
    pub fn params(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Param(name) => Some(name.as_str()),
            Piece::Text(_) | Piece::StageVariable(_) => None,
        })
    }

    fn check_start(&self) -> Result<(), UriError> {
        match self.pieces.first() {
            Some(Piece::StageVariable(_)) => Ok(()),
            Some(Piece::Text(text)) if text.starts_with('/') => {
                if text.starts_with("//") {
                    Err(UriError::NotAbsolute)
                } else {
                    Ok(())
                }
            }
            Some(Piece::Text(_)) => split_authority(&self.pieces).map(|_| ()),
            Some(Piece::Param(name)) => Err(UriError::HostParam(name.clone())),
            None => Err(UriError::NotAbsolute),
        }
    }
}

/// Where the scheme and authority of an absolute URI end: position of the piece and offset in its text.
pub(super) fn split_authority(pieces: &[Piece]) -> Result<(usize, usize), UriError> {
    let Some(Piece::Text(first)) = pieces.first() else { return Err(UriError::NotAbsolute) };
    let scheme = ["http://", "https://"]
        .into_iter()
        .find(|scheme| first.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    let mut from = scheme.ok_or(UriError::NotAbsolute)?.len();
    for (at, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Text(text) => {
                if let Some(end) = text[from..].find(['/', '?']) {
                    return Ok((at, from + end));
                }
            }
            Piece::Param(name) => return Err(UriError::HostParam(name.clone())),
            Piece::StageVariable(_) => {}
        }
        from = 0;
    }
    Ok((pieces.len(), 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_absolute_or_follows_the_upstream() {
        for uri in [
            "/",
            "/pets/{petId}",
            "https://example.com",
            "HTTP://example.com:8080/{proxy+}?a={b}",
            "https://${stageVariables.host}/pets",
            "${stageVariables.base}/pets/{id}",
        ] {
            UriTemplate::parse(uri).unwrap();
        }
        assert!(UriTemplate::parse("/a/{b}").unwrap().is_relative());
        assert_eq!(UriTemplate::parse("/{p+}").unwrap().params().collect::<Vec<_>>(), ["p"]);
    }

    #[test]
    fn a_caller_cannot_choose_the_host() {
        for (uri, error) in [
            ("http://{host}/", UriError::HostParam("host".into())),
            ("http://a{host}/", UriError::HostParam("host".into())),
            ("http://example.com:{port}", UriError::HostParam("port".into())),
            ("https://${stageVariables.x}{y}/", UriError::HostParam("y".into())),
            ("{url}/a", UriError::HostParam("url".into())),
            ("//example.com/", UriError::NotAbsolute),
            ("ftp://example.com/", UriError::NotAbsolute),
            ("pets", UriError::NotAbsolute),
            ("", UriError::NotAbsolute),
            ("/a{b", UriError::Braces),
            ("/a}b", UriError::Braces),
            ("/{}", UriError::Braces),
            ("/${context.x}", UriError::UnknownReference("context.x".into())),
            ("/a#b", UriError::Character('#')),
            ("/a b", UriError::Character(' ')),
            ("http://a\\@b/", UriError::Character('\\')),
        ] {
            assert_eq!(UriTemplate::parse(uri), Err(error), "{uri}");
        }
    }
}
