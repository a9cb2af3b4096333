//! Where the call of a method goes: the integration URI compiled for one stage, filled with the values of a request.
//!
//! The destination is fixed when compiled; a request only fills path segments and query values, and can leave neither its segment
//! nor the host. It does not know how a call is made.

mod source;
mod uri;

use std::borrow::Cow;

use thiserror::Error;
use url::{Url, form_urlencoded};

use crate::input::{RequestInput, Variables};
use crate::model::validate::check_base_url;
use crate::model::{Integration, IntegrationType, Verb};
use crate::path::{is_dot_segment, normalize, push_component};

pub use source::{Source, SourceError};
use uri::{Piece, split_authority};
pub use uri::{UriError, UriTemplate};

/// Why a request cannot be sent on: its values do not fit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ResolveError {
    /// A value the path needs is missing or empty.
    #[error("there is no value for {0}")]
    Missing(String),
    /// A value would change the structure of the path.
    #[error("the path would have a dot segment")]
    DotSegment,
    /// A header value with control characters.
    #[error("the value of the header {0} has control characters")]
    HeaderValue(String),
}

/// The fixed part of a destination.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Whether it is `https`.
    pub tls: bool,
    /// Host name or address, IPv6 in brackets.
    pub host: String,
    /// The port, also when it is the scheme's own.
    pub port: u16,
}

impl Origin {
    fn of(url: &Url) -> Option<Self> {
        let tls = url.scheme() == "https";
        Some(Self { tls, host: url.host_str()?.to_owned(), port: url.port_or_known_default()? })
    }

    /// The value of the `Host` header.
    pub fn authority(&self) -> String {
        let own = if self.tls { 443 } else { 80 };
        if self.port == own { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }
}

/// The changing part of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Path and query of the request line.
    pub path_and_query: String,
    /// Headers to set, from mappings.
    pub headers: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Value { name: String, source: Source },
}

/// An integration URI compiled for one stage.
#[derive(Clone, Debug)]
pub struct Resolver {
    origin: Origin,
    to_upstream: bool,
    verb: Option<Verb>,
    path: Vec<Part>,
    query: Vec<Part>,
    passes_query: bool,
    query_mappings: Vec<(String, Source)>,
    header_mappings: Vec<(String, Source)>,
}

impl Resolver {
    /// Compiles the URI and mappings of an HTTP integration.
    ///
    /// # Errors
    /// The URI is not valid with the upstream and stage variables given.
    pub fn compile(
        integration: &Integration,
        upstream_url: Option<&str>,
        stage_variables: &Variables,
    ) -> Result<Self, UriError> {
        let template = UriTemplate::parse(integration.uri.as_deref().unwrap_or_default())?;
        let upstream = upstream_url.map(check_base_url).transpose().map_err(UriError::Host)?;
        let pieces = substitute(&template.pieces, stage_variables)?;
        let (base, pieces) = if template.is_relative() {
            let base = upstream.clone().ok_or(UriError::NoUpstream)?;
            let path = base.path().trim_end_matches('/').to_owned();
            (base, [vec![Piece::Text(path)], pieces].concat())
        } else {
            split_base(pieces)?
        };
        let origin = Origin::of(&base).ok_or_else(|| UriError::Host("no port".into()))?;
        let to_upstream = upstream.as_ref().and_then(Origin::of).as_ref() == Some(&origin);
        let source = |target: &str, text: &str| {
            Source::parse(text).map_err(|error| UriError::Mapping { target: target.to_owned(), error })
        };

        let mut query_mappings = Vec::new();
        let mut header_mappings = Vec::new();
        for (target, text) in &integration.request_parameters {
            if let Some(name) = target.strip_prefix("integration.request.querystring.") {
                query_mappings.push((name.to_owned(), source(target, text)?));
            } else if let Some(name) = target.strip_prefix("integration.request.header.") {
                header_mappings.push((name.to_owned(), source(target, text)?));
            }
        }
        let part = |piece: Piece| match piece {
            Piece::Text(text) => Ok(Part::Text(text)),
            Piece::Param(name) | Piece::StageVariable(name) => {
                let target = format!("integration.request.path.{name}");
                let source = match integration.request_parameters.get(&target) {
                    Some(text) => source(&target, text)?,
                    None => Source::Path(name.clone()),
                };
                Ok(Part::Value { name, source })
            }
        };
        let (path, query) = split_query(pieces);
        let path = path.into_iter().map(part).collect::<Result<Vec<_>, _>>()?;
        let query = query.into_iter().map(part).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            origin,
            to_upstream,
            verb: integration
                .http_method
                .as_deref()
                .and_then(Verb::from_name)
                .filter(|verb| *verb != Verb::Any),
            path: normal_path(path)?,
            query,
            passes_query: integration.kind == IntegrationType::HttpProxy,
            query_mappings,
            header_mappings,
        })
    }

    /// The fixed part of the destination.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether calls go to the API's own upstream: only those may carry its secret headers.
    pub fn is_to_upstream(&self) -> bool {
        self.to_upstream
    }

    /// The verb towards the backend; `None`: the caller's.
    pub fn verb(&self) -> Option<Verb> {
        self.verb
    }

    /// Fills in the values of a request.
    ///
    /// # Errors
    /// The request lacks a value or has one that must not be sent on.
    pub fn resolve(&self, input: &RequestInput<'_>) -> Result<Target, ResolveError> {
        let mut out = String::with_capacity(128);
        let mut filled = false;
        for part in &self.path {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Value { name, source } => {
                    filled = true;
                    push_path_value(&mut out, name, source, input)?;
                }
            }
        }
        if filled && out.split('/').any(is_dot_segment) {
            return Err(ResolveError::DotSegment);
        }
        self.push_query(&mut out, input);

        let mut headers = Vec::with_capacity(self.header_mappings.len());
        for (name, source) in &self.header_mappings {
            for value in source.values(input) {
                if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
                    return Err(ResolveError::HeaderValue(name.clone()));
                }
                headers.push((name.clone(), value.into_owned()));
            }
        }
        Ok(Target { path_and_query: out, headers })
    }

    fn push_query(&self, out: &mut String, input: &RequestInput<'_>) {
        let mut separator = '?';
        if !self.query.is_empty() {
            out.push(separator);
            separator = '&';
        }
        for part in &self.query {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Value { source, .. } => {
                    if let Some(value) = source.values(input).pop() {
                        push_component(out, &value);
                    }
                }
            }
        }
        if self.passes_query && !input.query.is_empty() {
            for pair in input.query.split('&').filter(|pair| !self.is_mapped(pair)) {
                out.push(separator);
                separator = '&';
                push_raw_query(out, pair);
            }
        }
        for (name, source) in &self.query_mappings {
            for value in source.values(input) {
                out.push(separator);
                separator = '&';
                push_component(out, name);
                out.push('=');
                push_component(out, &value);
            }
        }
    }

    /// Whether a mapping replaces this pair of the caller's query.
    fn is_mapped(&self, pair: &str) -> bool {
        if self.query_mappings.is_empty() {
            return false;
        }
        let name = form_urlencoded::parse(pair.as_bytes()).next().map(|(name, _)| name);
        name.is_some_and(|name| self.query_mappings.iter().any(|(mapped, _)| *mapped == name))
    }
}

fn push_path_value(
    out: &mut String,
    name: &str,
    source: &Source,
    input: &RequestInput<'_>,
) -> Result<(), ResolveError> {
    let missing = || ResolveError::Missing(name.to_owned());
    if let Source::Path(from) = source {
        // In normal form already, a greedy value with its slashes.
        let raw = (input.path_param)(from).filter(|value| !value.is_empty()).ok_or_else(missing)?;
        out.push_str(raw);
        return Ok(());
    }
    let value = source.values(input).pop().filter(|value| !value.is_empty()).ok_or_else(missing)?;
    push_component(out, &value);
    Ok(())
}

/// Passes a query on byte by byte, except what cannot stand in a request line.
fn push_raw_query(out: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_ascii_graphic() && c != '#' {
            out.push(c);
        } else {
            let mut buffer = [0; 4];
            push_component(out, c.encode_utf8(&mut buffer));
        }
    }
}

fn substitute(pieces: &[Piece], variables: &Variables) -> Result<Vec<Piece>, UriError> {
    let mut out: Vec<Piece> = Vec::new();
    for piece in pieces {
        let text = match piece {
            Piece::Text(text) => Cow::Borrowed(text.as_str()),
            Piece::StageVariable(name) => {
                let value = variables.get(name).ok_or_else(|| UriError::UnknownVariable(name.clone()))?;
                if let Some(wrong) =
                    value.chars().find(|c| "#\\{}".contains(*c) || c.is_whitespace() || c.is_control())
                {
                    return Err(UriError::Character(wrong));
                }
                Cow::Borrowed(value.as_str())
            }
            Piece::Param(_) => {
                out.push(piece.clone());
                continue;
            }
        };
        match out.last_mut() {
            Some(Piece::Text(last)) => last.push_str(&text),
            _ => out.push(Piece::Text(text.into_owned())),
        }
    }
    Ok(out)
}

/// Splits an absolute URI into its scheme with authority and the rest.
fn split_base(mut pieces: Vec<Piece>) -> Result<(Url, Vec<Piece>), UriError> {
    let (at, offset) = split_authority(&pieces)?;
    let mut rest = pieces.split_off(at);
    let mut base = match pieces.pop() {
        Some(Piece::Text(text)) => text,
        _ => String::new(),
    };
    if let Some(Piece::Text(text)) = rest.first_mut() {
        base.push_str(&text[..offset]);
        text.drain(..offset);
    }
    let url = check_base_url(&base).map_err(UriError::Host)?;
    Ok((url, rest))
}

fn split_query(mut path: Vec<Piece>) -> (Vec<Piece>, Vec<Piece>) {
    let mark = path.iter().enumerate().find_map(|(at, piece)| match piece {
        Piece::Text(text) => text.find('?').map(|offset| (at, offset)),
        Piece::Param(_) | Piece::StageVariable(_) => None,
    });
    let Some((at, offset)) = mark else { return (path, Vec::new()) };
    let mut query = path.split_off(at);
    if let Some(Piece::Text(text)) = query.first_mut() {
        path.push(Piece::Text(text[..offset].to_owned()));
        text.drain(..=offset);
    }
    query.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
    (path, query)
}

/// Brings the literals of a path into normal form and makes sure it begins with a slash and has no dot segment.
fn normal_path(parts: Vec<Part>) -> Result<Vec<Part>, UriError> {
    let mut out = Vec::with_capacity(parts.len());
    let mut sample = String::new();
    for part in parts {
        match part {
            Part::Text(text) => {
                let text = normalize(&text).map_err(|_| UriError::BrokenEscape)?.into_owned();
                sample.push_str(&text);
                out.push(Part::Text(text));
            }
            Part::Value { .. } => {
                sample.push('x');
                out.push(part);
            }
        }
    }
    if !sample.starts_with('/') {
        out.insert(0, Part::Text("/".into()));
    }
    if sample.split('/').any(is_dot_segment) {
        return Err(UriError::DotSegment);
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
