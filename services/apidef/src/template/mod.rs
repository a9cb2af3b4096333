//! Mapping templates: text in which references are replaced.
//!
//! The part of Velocity known here: `$input.body`, `$input.json('$')`, `$input.params('x')`, `$context.x`, `$stageVariables.x`, their
//! `${...}` forms and comments. Everything else of the language is refused when a template is checked, never passed through.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde::de::IgnoredAny;
use thiserror::Error;

use crate::input::RequestInput;

/// The most bytes a template may have, as in API Gateway.
pub const MAX_LEN: usize = 300 * 1_024;
/// The most references a template may have: each is looked up for every call.
pub const MAX_REFERENCES: usize = 2_000;

/// Why a template is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// A directive such as `#set`.
    #[error("line {line}: the directive {directive} is not supported")]
    Directive {
        /// Counted from 1.
        line: usize,
        /// With its `#`.
        directive: String,
    },
    /// A reference to something unknown, or a call on it.
    #[error("line {line}: the reference {reference} is not supported")]
    Reference {
        /// Counted from 1.
        line: usize,
        /// With its `$`.
        reference: String,
    },
    /// Beyond [`MAX_LEN`].
    #[error("a template has at most {MAX_LEN} bytes")]
    TooLong,
    /// Beyond [`MAX_REFERENCES`].
    #[error("a template has at most {MAX_REFERENCES} references")]
    TooManyReferences,
}

/// A rendered template is larger than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the rendered template is too large")]
pub struct RenderedTooLarge;

/// What a template may read.
#[derive(Clone, Copy)]
pub struct TemplateInput<'a> {
    /// The body of the message being mapped.
    pub body: &'a str,
    /// The caller's request.
    pub request: RequestInput<'a>,
}

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Body,
    Json,
    Param(String),
    Context(String),
    StageVariable(String),
}

/// Whether a template can be rendered.
///
/// # Errors
/// The first thing in it that is not supported.
pub fn check(template: &str) -> Result<(), TemplateError> {
    Template::parse(template).map(drop)
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// The first thing in it that is not supported.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.len() > MAX_LEN {
            return Err(TemplateError::TooLong);
        }
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let (mut at, mut references) = (0, 0);
        while let Some(next) = text[at..].find(['$', '#']).map(|offset| at + offset) {
            literal.push_str(&text[at..next]);
            let rest = &text[next..];
            let line = || text[..next].matches('\n').count() + 1;
            if let Some(len) = comment(rest) {
                at = next + len;
                continue;
            }
            if let Some(len) = directive(rest) {
                return Err(TemplateError::Directive { line: line(), directive: rest[..len].to_owned() });
            }
            if !is_reference(rest) {
                literal.push_str(&rest[..1]);
                at = next + 1;
                continue;
            }
            let Some((piece, len)) = reference(rest) else {
                let reference = shown(rest);
                return Err(TemplateError::Reference { line: line(), reference });
            };
            if !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
            }
            pieces.push(piece);
            references += 1;
            if references > MAX_REFERENCES {
                return Err(TemplateError::TooManyReferences);
            }
            at = next + len;
        }
        literal.push_str(&text[at..]);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Ok(Self { pieces })
    }

    /// Replaces the references. What the request does not have becomes nothing.
    ///
    /// # Errors
    /// The text would have more than `limit` bytes: a few references to a large body are enough for that.
    pub fn render(&self, input: &TemplateInput<'_>, limit: usize) -> Result<String, RenderedTooLarge> {
        let mut out = String::new();
        let as_json = OnceCell::new();
        for piece in &self.pieces {
            let text = match piece {
                Piece::Text(text) => Cow::Borrowed(text.as_str()),
                Piece::Body => Cow::Borrowed(input.body),
                Piece::Json => Cow::Borrowed(as_json.get_or_init(|| json(input.body)).as_ref()),
                Piece::Param(name) => input.request.any_param(name).unwrap_or_default(),
                Piece::Context(name) => Cow::Owned((input.request.context)(name).unwrap_or_default()),
                Piece::StageVariable(name) => {
                    Cow::Borrowed(input.request.stage_variables.get(name).map_or("", String::as_str))
                }
            };
            if text.len() > limit - out.len() {
                return Err(RenderedTooLarge);
            }
            out.push_str(&text);
        }
        Ok(out)
    }
}

/// The body as JSON: itself, `{}` when there is none, a JSON string when it is no JSON.
fn json(body: &str) -> Cow<'_, str> {
    if body.trim().is_empty() {
        return Cow::Borrowed("{}");
    }
    if serde_json::from_str::<IgnoredAny>(body).is_ok() {
        return Cow::Borrowed(body);
    }
    Cow::Owned(serde_json::Value::from(body).to_string())
}

/// The length of the comment the text begins with, its line end included.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("##") {
        return Some(text.find('\n').map_or(text.len(), |end| end + 1));
    }
    text.starts_with("#*").then(|| text.find("*#").map_or(text.len(), |end| end + 2))
}

/// The length of the directive the text begins with: `#` and a word, plain or in braces.
fn directive(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('#')?;
    let skipped = rest.strip_prefix('{').or_else(|| rest.strip_prefix('@')).unwrap_or(rest);
    let word = skipped.bytes().take_while(u8::is_ascii_alphabetic).count();
    let known = [
        "set", "if", "elseif", "else", "end", "foreach", "include", "parse", "stop", "break", "evaluate",
        "define", "macro", "return",
    ];
    let name = &skipped[..word];
    // Other words may be macros only where they are called; `#fff` is a colour.
    let is_call = !name.is_empty() && skipped[word..].starts_with('(');
    (known.contains(&name) || is_call).then(|| 1 + rest.len() - skipped.len() + word)
}

fn is_reference(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('$') else { return false };
    let rest = rest.strip_prefix('!').unwrap_or(rest);
    let rest = rest.strip_prefix('{').unwrap_or(rest);
    rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// The reference the text begins with and its length; `None` when it is not supported.
fn reference(text: &str) -> Option<(Piece, usize)> {
    let rest = text.strip_prefix('$')?;
    let (inner, braced) = rest.strip_prefix('{').map_or((rest, false), |inner| (inner, true));
    let (piece, used) = path(inner)?;
    let after = &inner[used..];
    if braced {
        return after.starts_with('}').then_some((piece, used + 3));
    }
    // A call or an index on what was read changes its meaning.
    if after.starts_with(['(', '[']) || after.starts_with('.') && name_len(&after[1..]) > 0 {
        return None;
    }
    Some((piece, used + 1))
}

fn path(text: &str) -> Option<(Piece, usize)> {
    if let Some(rest) = text.strip_prefix("input.") {
        if let Some(after) = rest.strip_prefix("body") {
            return (name_len(after) == 0).then_some((Piece::Body, "input.body".len()));
        }
        if let Some(call) = rest.strip_prefix("json") {
            let (argument, len) = quoted_call(call)?;
            return (argument == "$").then_some((Piece::Json, "input.json".len() + len));
        }
        let (argument, len) = quoted_call(rest.strip_prefix("params")?)?;
        return Some((Piece::Param(argument.to_owned()), "input.params".len() + len));
    }
    if let Some(rest) = text.strip_prefix("context.") {
        let mut len = name_len(rest);
        while rest[len..].starts_with('.') && name_len(&rest[len + 1..]) > 0 {
            len += 1 + name_len(&rest[len + 1..]);
        }
        return (len > 0).then(|| (Piece::Context(rest[..len].to_owned()), "context.".len() + len));
    }
    let rest = text.strip_prefix("stageVariables")?;
    if let Some(rest) = rest.strip_prefix('.') {
        let len = name_len(rest);
        return (len > 0)
            .then(|| (Piece::StageVariable(rest[..len].to_owned()), "stageVariables.".len() + len));
    }
    let (argument, len) = quoted(rest.strip_prefix('[')?)?;
    rest[1 + len..]
        .starts_with(']')
        .then(|| (Piece::StageVariable(argument.to_owned()), "stageVariables".len() + len + 2))
}

fn name_len(text: &str) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'-').count()
}

/// `('x')`: the argument and the length of all.
fn quoted_call(text: &str) -> Option<(&str, usize)> {
    let (argument, len) = quoted(text.strip_prefix('(')?)?;
    text[1 + len..].starts_with(')').then_some((argument, len + 2))
}

fn quoted(text: &str) -> Option<(&str, usize)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let end = text[1..].find(quote)?;
    Some((&text[1..=end], end + 2))
}

/// The beginning of a reference, for a message.
fn shown(text: &str) -> String {
    let end = text.find(|c: char| c.is_whitespace() || "\"',;<>".contains(c)).unwrap_or(text.len());
    text[..end].chars().take(64).collect()
}

#[cfg(test)]
mod tests;
