//! The path of a resource: static segments, `{parameter}`, and a greedy `{parameter+}` at the end.

use std::fmt::Write;

use thiserror::Error;

use super::{is_dot_segment, normalize};

/// The most segments a resource path may have.
const MAX_SEGMENTS: usize = 64;
/// The most bytes a resource path may have.
const MAX_LEN: usize = 2_048;

/// One segment of a resource path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// A literal in normal form.
    Static(String),
    /// One whole or partial segment. API Gateway has whole segments only; OpenAPI documents also have `{id}.json`.
    Param {
        /// The literal before the parameter, in normal form.
        prefix: String,
        /// The parameter's name.
        name: String,
        /// The literal behind the parameter, in normal form.
        suffix: String,
    },
    /// All that is left, at least one segment. Only ever the last.
    Greedy(String),
}

impl Segment {
    /// The name of its parameter.
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::Static(_) => None,
            Self::Param { name, .. } | Self::Greedy(name) => Some(name),
        }
    }
}

/// Why a resource path is not one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TemplateFault {
    /// It does not begin with `/`.
    #[error("a path begins with a slash")]
    NotAbsolute,
    /// Two slashes in a row.
    #[error("a path has no empty segment")]
    EmptySegment,
    /// `.` or `..`.
    #[error("a path has no dot segment")]
    DotSegment,
    /// `?` or `#`.
    #[error("a path has no query and no fragment")]
    NotAPath,
    /// A `%` without two hexadecimal digits.
    #[error("the segment {0} has a broken percent escape")]
    BrokenEscape(String),
    /// Unbalanced or misplaced braces.
    #[error("the braces of the segment {0} do not enclose one parameter name")]
    Braces(String),
    /// More than one parameter in a segment.
    #[error("the segment {0} has more than one parameter")]
    ManyParams(String),
    /// A greedy parameter that is not a whole last segment.
    #[error("the greedy parameter {0} is not the whole last segment")]
    GreedyNotLast(String),
    /// The same name twice.
    #[error("the parameter {0} occurs twice")]
    DuplicateParam(String),
    /// Beyond `MAX_SEGMENTS` or `MAX_LEN`.
    #[error("a path has at most {MAX_SEGMENTS} segments and {MAX_LEN} bytes")]
    TooLong,
}

/// A parsed resource path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate {
    segments: Vec<Segment>,
}

impl PathTemplate {
    /// Parses a resource path. A trailing slash is dropped.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(path: &str) -> Result<Self, TemplateFault> {
        let Some(inner) = path.strip_prefix('/') else { return Err(TemplateFault::NotAbsolute) };
        if path.len() > MAX_LEN {
            return Err(TemplateFault::TooLong);
        }
        if path.contains(['?', '#']) {
            return Err(TemplateFault::NotAPath);
        }
        if path == "//" {
            return Err(TemplateFault::EmptySegment);
        }
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let mut segments: Vec<Segment> = Vec::new();
        if inner.is_empty() {
            return Ok(Self { segments });
        }
        for text in inner.split('/') {
            if segments.len() == MAX_SEGMENTS {
                return Err(TemplateFault::TooLong);
            }
            if let Some(Segment::Greedy(name)) = segments.last() {
                return Err(TemplateFault::GreedyNotLast(name.clone()));
            }
            let segment = parse_segment(text)?;
            if let Some(name) = segment.param()
                && segments.iter().any(|earlier| earlier.param() == Some(name))
            {
                return Err(TemplateFault::DuplicateParam(name.to_owned()));
            }
            segments.push(segment);
        }
        Ok(Self { segments })
    }

    /// Its segments; none for `/`.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The names of its parameters, in order.
    pub fn params(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(Segment::param)
    }

    /// The path as a key of [`crate::Api::resources`]: normal form, no trailing slash.
    pub fn canonical(&self) -> String {
        self.write(|name| name)
    }

    /// The path with its parameters unnamed: two paths of one shape match the same requests.
    pub fn shape(&self) -> String {
        self.write(|_| "")
    }

    /// The keys of the resources above it, from `/` down.
    pub fn parents(&self) -> impl Iterator<Item = String> {
        (0..self.segments.len()).map(|len| Self { segments: self.segments[..len].to_vec() }.canonical())
    }

    fn write<'a>(&'a self, show: impl Fn(&'a str) -> &'a str) -> String {
        if self.segments.is_empty() {
            return "/".into();
        }
        let mut out = String::new();
        for segment in &self.segments {
            // Writing to a string cannot fail.
            let _ = match segment {
                Segment::Static(text) => write!(out, "/{text}"),
                Segment::Param { prefix, name, suffix } => write!(out, "/{prefix}{{{}}}{suffix}", show(name)),
                Segment::Greedy(name) => write!(out, "/{{{}+}}", show(name)),
            };
        }
        out
    }
}

fn parse_segment(text: &str) -> Result<Segment, TemplateFault> {
    if text.is_empty() {
        return Err(TemplateFault::EmptySegment);
    }
    let literal = |part: &str| {
        normalize(part).map(String::from).map_err(|_| TemplateFault::BrokenEscape(text.to_owned()))
    };
    let braces = || TemplateFault::Braces(text.to_owned());
    let Some((prefix, rest)) = text.split_once('{') else {
        if text.contains('}') {
            return Err(braces());
        }
        let text = literal(text)?;
        return if is_dot_segment(&text) {
            Err(TemplateFault::DotSegment)
        } else {
            Ok(Segment::Static(text))
        };
    };
    let (name, suffix) = rest.split_once('}').ok_or_else(braces)?;
    if suffix.contains('{') && suffix.contains('}') {
        return Err(TemplateFault::ManyParams(text.to_owned()));
    }
    if prefix.contains('}') || suffix.contains(['{', '}']) || name.contains('{') {
        return Err(braces());
    }
    if let Some(name) = name.strip_suffix('+') {
        if !prefix.is_empty() || !suffix.is_empty() {
            return Err(TemplateFault::GreedyNotLast(name.to_owned()));
        }
        check_name(name).ok_or_else(braces)?;
        return Ok(Segment::Greedy(name.to_owned()));
    }
    check_name(name).ok_or_else(braces)?;
    Ok(Segment::Param { prefix: literal(prefix)?, name: name.to_owned(), suffix: literal(suffix)? })
}

fn check_name(name: &str) -> Option<()> {
    let fine = !name.is_empty()
        && name.len() <= 128
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:$@~".contains(&byte));
    fine.then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_canonical_form() {
        for (given, canonical, shape) in [
            ("/", "/", "/"),
            ("/pets/", "/pets", "/pets"),
            ("/pets/{petId}", "/pets/{petId}", "/pets/{}"),
            ("/%70ets/a b", "/pets/a%20b", "/pets/a%20b"),
            ("/Accounts/{Sid}.json", "/Accounts/{Sid}.json", "/Accounts/{}.json"),
            ("/v1/{name}:cancel", "/v1/{name}:cancel", "/v1/{}:cancel"),
            ("/a/{proxy+}", "/a/{proxy+}", "/a/{+}"),
        ] {
            let template = PathTemplate::parse(given).unwrap();
            assert_eq!(template.canonical(), canonical);
            assert_eq!(template.shape(), shape);
            assert_eq!(PathTemplate::parse(canonical).unwrap(), template);
        }
    }

    #[test]
    fn a_broken_path_is_refused_with_its_reason() {
        for (given, fault) in [
            ("pets", TemplateFault::NotAbsolute),
            ("", TemplateFault::NotAbsolute),
            ("/a//b", TemplateFault::EmptySegment),
            ("//", TemplateFault::EmptySegment),
            ("/a/../b", TemplateFault::DotSegment),
            ("/a?x=1", TemplateFault::NotAPath),
            ("/a/b#c", TemplateFault::NotAPath),
            ("/%zz", TemplateFault::BrokenEscape("%zz".into())),
            ("/{a", TemplateFault::Braces("{a".into())),
            ("/a}", TemplateFault::Braces("a}".into())),
            ("/{}", TemplateFault::Braces("{}".into())),
            ("/{a b}", TemplateFault::Braces("{a b}".into())),
            ("/{a}-{b}", TemplateFault::ManyParams("{a}-{b}".into())),
            ("/{p+}/a", TemplateFault::GreedyNotLast("p".into())),
            ("/x{p+}", TemplateFault::GreedyNotLast("p".into())),
            ("/{a}/{a}", TemplateFault::DuplicateParam("a".into())),
        ] {
            assert_eq!(PathTemplate::parse(given), Err(fault), "{given}");
        }
        assert_eq!(PathTemplate::parse(&"/a".repeat(65)), Err(TemplateFault::TooLong));
    }

    #[test]
    fn parents_go_from_the_root_down() {
        let template = PathTemplate::parse("/a/{b}/c").unwrap();
        assert_eq!(template.parents().collect::<Vec<_>>(), ["/", "/a", "/a/{b}"]);
    }
}
