//! Measure: what an answer says that its call cost, where the usage plan asks for it.
//!
//! A header says it at once. A JSON body is held back until it is whole, so that nobody gets it without its cost being known;
//! one longer than the bound passes on as it comes. Everything else never waits.

use std::time::Duration;

use tokio::time::timeout;

use super::Failure;
use crate::phases::CallRecord;
use crate::snapshot::{JsonPath, Source, units_in};
use crate::upstream::{self, Framing, Meta, UpstreamError};

/// Longest body that is looked into.
const LIMIT: usize = 256 * 1024;

/// What an answer's header lines say about its cost.
#[derive(Debug, Default)]
struct Head {
    said: Option<u64>,
    is_json: bool,
    is_encoded: bool,
}

impl Head {
    fn see(&mut self, source: &Source, name: &[u8], value: &[u8]) {
        match source {
            Source::Header(wanted) if name.eq_ignore_ascii_case(wanted.as_bytes()) => {
                // Of several the first.
                self.said = self.said.or_else(|| units_in(value));
            }
            Source::Json(_) if name.eq_ignore_ascii_case(b"content-type") => self.is_json = is_json(value),
            Source::Json(_) if name.eq_ignore_ascii_case(b"content-encoding") => {
                self.is_encoded |= !value.trim_ascii().eq_ignore_ascii_case(b"identity");
            }
            _ => {}
        }
    }
}

/// `application/json` and what is written like it (RFC 6839).
fn is_json(media_type: &[u8]) -> bool {
    let end = media_type.iter().position(|byte| *byte == b';').unwrap_or(media_type.len());
    let name = media_type[..end].trim_ascii().to_ascii_lowercase();
    name == b"application/json" || name.ends_with(b"+json")
}

/// Takes the cost from an answer that is all there.
pub(super) fn whole(record: &CallRecord<'_>, headers: &[(String, Vec<u8>)], body: &[u8]) {
    let Some(source) = record.cost_source() else { return };
    let mut head = Head::default();
    headers.iter().for_each(|(name, value)| head.see(source, name.as_bytes(), value));
    match source {
        Source::Header(_) => record.cost_said(head.said),
        Source::Json(path) if head.is_json && !head.is_encoded && body.len() <= LIMIT => {
            record.cost_said(path.units(body));
        }
        Source::Json(_) => {}
    }
}

/// Takes the cost from the head of an answer; or answers where its body says it, which is then to be held.
pub(super) fn by_head<'a>(
    record: &CallRecord<'a>,
    meta: Meta,
    source: &upstream::Source<'_>,
) -> Option<&'a JsonPath> {
    let wanted = record.cost_source()?;
    let mut head = Head::default();
    source.each_header(|name, value| head.see(wanted, name, value));
    match wanted {
        Source::Header(_) => {
            record.cost_said(head.said);
            None
        }
        Source::Json(path) => {
            let fits = !matches!(meta.framing, Framing::Length(length) if length > LIMIT as u64);
            (head.is_json && !head.is_encoded && fits).then_some(path)
        }
    }
}

/// A body as far as it was held.
#[derive(Debug)]
pub(super) enum Held {
    Whole(Vec<u8>),
    /// It goes on.
    TooLong(Vec<u8>),
}

/// Holds a body until its end, or until it is too long to say anything.
pub(super) async fn hold(source: &mut upstream::Source<'_>, stall: Duration) -> Result<Held, Failure> {
    let mut held = Vec::new();
    loop {
        let next = timeout(stall, source.next()).await;
        let Some(piece) = next.map_err(|_| UpstreamError::Stalled)?? else { return Ok(Held::Whole(held)) };
        held.extend_from_slice(piece.bytes);
        if held.len() > LIMIT {
            return Ok(Held::TooLong(held));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_is_looked_into() {
        for media_type in ["application/json", "Application/JSON; charset=utf-8", "application/problem+json"]
        {
            assert!(is_json(media_type.as_bytes()), "{media_type}");
        }
        for media_type in ["text/event-stream", "application/x-ndjson", "application/jsonp", "", "json"] {
            assert!(!is_json(media_type.as_bytes()), "{media_type}");
        }
    }
}
