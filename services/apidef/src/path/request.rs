//! The path of a request in normal form.

use std::borrow::Cow;

use thiserror::Error;

use super::{is_dot_segment, is_plain, normalize};

/// Why a request path is refused before anything is matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PathError {
    /// The path does not begin with `/`.
    #[error("the path does not begin with a slash")]
    NotAbsolute,
    /// A `%` without two hexadecimal digits.
    #[error("the path has a broken percent escape")]
    BrokenEscape,
    /// A segment some server reads as `.` or `..`.
    #[error("the path has a dot segment")]
    DotSegment,
}

/// The path of a request in normal form. Borrows when the path already is in it, as nearly all are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPath<'a> {
    text: Cow<'a, str>,
}

impl<'a> RequestPath<'a> {
    /// Takes the path of a request target, without query. `?` and `#` count as ordinary characters and are escaped.
    ///
    /// # Errors
    /// Paths that could mean another path to a backend are refused, not repaired.
    pub fn parse(raw: &'a str) -> Result<Self, PathError> {
        if !raw.starts_with('/') {
            return Err(PathError::NotAbsolute);
        }
        if raw.bytes().all(is_plain) {
            return Ok(Self { text: Cow::Borrowed(raw) });
        }
        let text = normalize(raw).map_err(|_| PathError::BrokenEscape)?;
        if text.split('/').any(is_dot_segment) {
            return Err(PathError::DotSegment);
        }
        Ok(Self { text })
    }

    /// The path in normal form, with its trailing slash if it had one.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Bytes up to a trailing slash, which matching ignores as API Gateway does. 0 for `/`.
    pub(crate) fn matched_len(&self) -> usize {
        let text = self.text.as_bytes();
        text.len() - usize::from(text.last() == Some(&b'/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(raw: &str) -> String {
        RequestPath::parse(raw).unwrap().as_str().to_owned()
    }

    #[test]
    fn escapes_are_brought_to_one_form() {
        assert_eq!(normal("/a/b"), "/a/b");
        assert_eq!(normal("/%61/%7e"), "/a/~");
        assert_eq!(normal("/a%2fb%2B"), "/a%2Fb%2B");
        assert_eq!(normal("/caf\u{e9} {x}"), "/caf%C3%A9%20%7Bx%7D");
        assert_eq!(normal("/a;b=c,d@e:f"), "/a;b=c,d@e:f");
        assert!(matches!(RequestPath::parse("/a%2F/b").unwrap().text, Cow::Borrowed(_)));
    }

    #[test]
    fn paths_that_mean_another_path_to_someone_are_refused() {
        for raw in [
            "/a/../b",
            "/a/./b",
            "/..",
            "/.",
            "/a/%2e%2E/b",
            "/a/.%2e",
            "/a/..%2fb",
            "/a%2F..%2Fb",
            "/a/..%5cb",
            "/a/..\\b",
            "/a/..;x=1/b",
            "/x%5c..",
        ] {
            assert_eq!(RequestPath::parse(raw), Err(PathError::DotSegment), "{raw}");
        }
        for raw in ["/a/...", "/a/.b", "/a/b..", "/%252e%252e/a", "/a..b", "/x%2Fb.c"] {
            assert!(RequestPath::parse(raw).is_ok(), "{raw}");
        }
    }

    #[test]
    fn broken_escapes_and_relative_paths_are_refused() {
        for raw in ["/%", "/%4", "/%zz", "/a%2"] {
            assert_eq!(RequestPath::parse(raw), Err(PathError::BrokenEscape), "{raw}");
        }
        assert_eq!(RequestPath::parse("*"), Err(PathError::NotAbsolute));
        assert_eq!(RequestPath::parse(""), Err(PathError::NotAbsolute));
    }
}
