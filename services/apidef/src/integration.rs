//! The mapping side of an integration compiled: which template a body takes, which response an answer becomes.

use std::ops::RangeInclusive;

use regex::RegexBuilder;
use thiserror::Error;

use crate::model::{Integration, IntegrationResponse, Named, PassthroughBehavior};
use crate::template::{Template, TemplateError};

/// Why an integration cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MappingError {
    /// A template uses what is not supported.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A selection pattern is no regular expression.
    #[error("the selection pattern of {0} cannot be used: {1}")]
    Pattern(String, PatternError),
    /// A response's status is none.
    #[error("{0} is not a status code")]
    Status(String),
    /// A response header's source is none, or one that is not supported.
    #[error("not a source of a response header: {0}")]
    Source(String),
}

/// The most bytes of a selection pattern.
pub const MAX_PATTERN: usize = 512;
/// The most bytes a pattern takes compiled.
const MAX_COMPILED: usize = 64 << 10;
/// What a pattern is asked about.
const STATUSES: RangeInclusive<u16> = 100..=999;

/// Why a selection pattern is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PatternError {
    /// Longer than [`MAX_PATTERN`], or too large compiled: `(a{99}){99}` is short and takes megabytes.
    #[error("a selection pattern has at most {MAX_PATTERN} bytes and takes at most 64 KB compiled")]
    TooLarge,
    /// No regular expression.
    #[error("{0}")]
    Malformed(String),
}

/// The statuses a selection pattern matches. It is asked about nothing else, so no expression is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusPattern([u64; 15]);

impl StatusPattern {
    /// Finds out what a pattern matches as a whole.
    ///
    /// # Errors
    /// It is no regular expression, or too large.
    pub fn compile(pattern: &str) -> Result<Self, PatternError> {
        if pattern.len() > MAX_PATTERN {
            return Err(PatternError::TooLarge);
        }
        let whole = RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(MAX_COMPILED).build();
        let whole = whole.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => PatternError::TooLarge,
            error => {
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default();
                PatternError::Malformed(last.trim_start_matches("error: ").to_owned())
            }
        })?;
        let mut matched = [0_u64; 15];
        for status in STATUSES.filter(|status| whole.is_match(&status.to_string())) {
            let (word, bit) = place(status);
            matched[word] |= bit;
        }
        Ok(Self(matched))
    }

    fn matches(&self, status: u16) -> bool {
        let (word, bit) = place(status);
        STATUSES.contains(&status) && self.0[word] & bit != 0
    }
}

/// The word and the bit of a status.
fn place(status: u16) -> (usize, u64) {
    let at = status.saturating_sub(*STATUSES.start());
    (usize::from(at / 64).min(14), 1 << (at % 64))
}

/// What becomes of a request body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BodyRule<'a> {
    /// It is mapped.
    Map(&'a Template),
    /// It passes as it is.
    Pass,
    /// 415.
    Refuse,
}

/// Where a response header takes its value from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseSource {
    /// `'text'`
    Static(String),
    /// `integration.response.header.x`
    Header(String),
    /// `integration.response.multivalueheader.x`
    MultiHeader(String),
    /// `stageVariables.x`
    StageVariable(String),
    /// `context.x`
    Context(String),
}

/// Makes a source of the name behind its prefix.
type Make = fn(String) -> ResponseSource;

impl ResponseSource {
    /// Parses the right side of a response parameter mapping.
    ///
    /// # Errors
    /// It is none, or one that is not supported.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        if let Some(inner) = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            let fits = !inner.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t');
            return fits
                .then(|| Self::Static(inner.to_owned()))
                .ok_or_else(|| MappingError::Source(text.to_owned()));
        }
        let kinds: [(&str, Make); 4] = [
            ("integration.response.header.", Self::Header),
            ("integration.response.multivalueheader.", Self::MultiHeader),
            ("stageVariables.", Self::StageVariable),
            ("context.", Self::Context),
        ];
        kinds
            .into_iter()
            .find_map(|(prefix, make)| {
                text.strip_prefix(prefix).filter(|name| !name.is_empty()).map(|name| make(name.to_owned()))
            })
            .ok_or_else(|| MappingError::Source(text.to_owned()))
    }
}

/// An answer of ours.
#[derive(Clone, Debug)]
pub struct ResponsePlan {
    /// Its status.
    pub status: u16,
    /// Headers to set, and from where.
    pub headers: Vec<(String, ResponseSource)>,
    templates: Vec<(String, Template)>,
    pattern: Option<StatusPattern>,
}

impl ResponsePlan {
    /// The template and media type of the answer. Of several the caller's first accepted type decides, else the first.
    pub fn template(&self, accept: Option<&str>) -> Option<(&str, &Template)> {
        let wanted = accept.and_then(|accept| accept.split(',').next()).map(media_type);
        let exact = wanted.and_then(|wanted| self.templates.iter().find(|(kind, _)| *kind == wanted));
        exact.or_else(|| self.templates.first()).map(|(kind, template)| (kind.as_str(), template))
    }
}

/// The templates and responses of an integration, compiled.
#[derive(Clone, Debug)]
pub struct MappingPlan {
    templates: Vec<(String, Template)>,
    passthrough: PassthroughBehavior,
    responses: Vec<ResponsePlan>,
}

impl MappingPlan {
    /// Compiles an integration's templates and responses.
    ///
    /// # Errors
    /// The first one that is not valid; [`crate::validate`] reports all beforehand.
    pub fn compile(integration: &Integration) -> Result<Self, MappingError> {
        Ok(Self {
            templates: compile_templates(&integration.request_templates)?,
            passthrough: integration.passthrough_behavior,
            responses: integration
                .integration_responses
                .iter()
                .map(|(key, response)| compile_response(key, response))
                .collect::<Result<_, _>>()?,
        })
    }

    /// What becomes of a request body; without a content type it counts as JSON.
    pub fn request_body(&self, content_type: Option<&str>) -> BodyRule<'_> {
        let wanted = content_type.map_or_else(|| "application/json".into(), media_type);
        if let Some((_, template)) = self.templates.iter().find(|(kind, _)| *kind == wanted) {
            return BodyRule::Map(template);
        }
        match self.passthrough {
            PassthroughBehavior::WhenNoMatch => BodyRule::Pass,
            PassthroughBehavior::WhenNoTemplates if self.templates.is_empty() => BodyRule::Pass,
            PassthroughBehavior::WhenNoTemplates | PassthroughBehavior::Never => BodyRule::Refuse,
        }
    }

    /// The answer for a backend's status: the first pattern that matches all of it, else the one without a pattern. `None`: the API is
    /// not configured for it.
    pub fn response(&self, status: u16) -> Option<&ResponsePlan> {
        let matched =
            self.responses.iter().find(|plan| plan.pattern.as_ref().is_some_and(|it| it.matches(status)));
        matched.or_else(|| self.responses.iter().find(|plan| plan.pattern.is_none()))
    }
}

/// The status a mock integration chooses: `statusCode` of its rendered request template, a number or a text.
pub fn mock_status(rendered: &str) -> Option<u16> {
    let value: serde_json::Value = serde_json::from_str(rendered).ok()?;
    let status = match value.get("statusCode")? {
        serde_json::Value::String(text) => text.parse().ok()?,
        other => u16::try_from(other.as_u64()?).ok()?,
    };
    (100..600).contains(&status).then_some(status)
}

fn compile_response(key: &str, response: &IntegrationResponse) -> Result<ResponsePlan, MappingError> {
    let pattern = response.selection_pattern.as_deref().filter(|pattern| !pattern.is_empty());
    let pattern = pattern.map(StatusPattern::compile).transpose();
    let status = response.status_code.parse().ok().filter(|status| (100..600).contains(status));
    let mut headers = Vec::with_capacity(response.response_parameters.len());
    for (target, source) in &response.response_parameters {
        let name = target.strip_prefix("method.response.header.").unwrap_or(target);
        headers.push((name.to_owned(), ResponseSource::parse(source)?));
    }
    Ok(ResponsePlan {
        status: status.ok_or_else(|| MappingError::Status(response.status_code.clone()))?,
        headers,
        templates: compile_templates(&response.response_templates)?,
        pattern: pattern.map_err(|error| MappingError::Pattern(key.to_owned(), error))?,
    })
}

fn compile_templates(templates: &Named<String>) -> Result<Vec<(String, Template)>, TemplateError> {
    templates.iter().map(|(kind, text)| Ok((media_type(kind), Template::parse(text)?))).collect()
}

/// A media type without parameters, in lower case.
fn media_type(text: &str) -> String {
    text.split(';').next().unwrap_or(text).trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: &str, pattern: Option<&str>) -> IntegrationResponse {
        IntegrationResponse {
            status_code: status.into(),
            selection_pattern: pattern.map(str::to_owned),
            ..IntegrationResponse::default()
        }
    }

    fn plan(responses: &[IntegrationResponse]) -> MappingPlan {
        let integration_responses =
            responses.iter().enumerate().map(|(at, response)| (at.to_string(), response.clone())).collect();
        MappingPlan::compile(&Integration { integration_responses, ..Integration::default() }).unwrap()
    }

    #[test]
    fn the_first_pattern_that_matches_the_whole_status_decides() {
        let plan =
            plan(&[response("200", None), response("404", Some("4\\d{2}")), response("500", Some("5"))]);
        assert_eq!(plan.response(404).unwrap().status, 404);
        assert_eq!(plan.response(499).unwrap().status, 404);
        assert_eq!(plan.response(503).unwrap().status, 200);
        assert_eq!(plan.response(200).unwrap().status, 200);
    }

    #[test]
    fn a_pattern_matches_what_its_expression_does() {
        for (pattern, matched) in [
            ("4\\d{2}", vec![400, 404, 499]),
            ("5\\w+|40[34]", vec![500, 599, 403, 404]),
            (".*", vec![100, 999, 404]),
            ("(?i)[1-3].{2}|999", vec![100, 399, 999]),
        ] {
            let compiled = StatusPattern::compile(pattern).unwrap();
            assert!(matched.iter().all(|status| compiled.matches(*status)), "{pattern}");
        }
        let compiled = StatusPattern::compile("4\\d{2}").unwrap();
        assert_eq!(STATUSES.filter(|status| compiled.matches(*status)).count(), 100);
        assert!(!compiled.matches(99) && !compiled.matches(1_424) && !compiled.matches(u16::MAX));
    }

    #[test]
    fn a_pattern_that_takes_megabytes_is_refused() {
        for pattern in ["(a{99}){99}", "(?:(?:(?:\\pL{50}){50}){50}){50}", &"4".repeat(MAX_PATTERN + 1)] {
            assert_eq!(StatusPattern::compile(pattern), Err(PatternError::TooLarge));
        }
        assert!(matches!(StatusPattern::compile("("), Err(PatternError::Malformed(_))));
    }

    #[test]
    fn without_a_default_an_unmatched_status_has_no_answer() {
        assert!(plan(&[response("404", Some("404"))]).response(200).is_none());
        assert!(plan(&[]).response(200).is_none());
    }

    #[test]
    fn an_empty_pattern_is_the_default() {
        assert_eq!(plan(&[response("201", Some(""))]).response(500).unwrap().status, 201);
    }

    #[test]
    fn a_body_without_template_follows_the_passthrough_behavior() {
        for (behavior, with_template, passes) in [
            (PassthroughBehavior::WhenNoMatch, false, true),
            (PassthroughBehavior::WhenNoMatch, true, true),
            (PassthroughBehavior::WhenNoTemplates, false, true),
            (PassthroughBehavior::WhenNoTemplates, true, false),
            (PassthroughBehavior::Never, false, false),
            (PassthroughBehavior::Never, true, false),
        ] {
            let mut integration = Integration { passthrough_behavior: behavior, ..Integration::default() };
            if with_template {
                integration.request_templates.insert("application/json".into(), "{}".into());
            }
            let plan = MappingPlan::compile(&integration).unwrap();
            let rule = plan.request_body(Some("text/plain"));
            assert_eq!(rule == BodyRule::Pass, passes, "{behavior:?} {with_template}");
            let json = plan.request_body(Some("Application/JSON; charset=utf-8"));
            assert_eq!(matches!(json, BodyRule::Map(_)), with_template);
            assert_eq!(plan.request_body(None), json);
        }
    }

    #[test]
    fn a_mock_chooses_its_status_in_its_template() {
        assert_eq!(mock_status(r#"{"statusCode": 200}"#), Some(200));
        assert_eq!(mock_status(r#"{"statusCode": "404"}"#), Some(404));
        for text in ["", "{}", r#"{"statusCode": 99}"#, r#"{"statusCode": 2e2}"#, "200"] {
            assert_eq!(mock_status(text), None, "{text}");
        }
    }

    #[test]
    fn the_first_accepted_type_chooses_the_template() {
        let mut answer = response("200", None);
        answer.response_templates.insert("application/json".into(), "{}".into());
        answer.response_templates.insert("text/plain".into(), "x".into());
        let plan = plan(&[answer]);
        let kind = |accept| plan.response(200).unwrap().template(accept).unwrap().0.to_owned();
        assert_eq!(kind(None), "application/json");
        assert_eq!(kind(Some("text/plain, application/json")), "text/plain");
        assert_eq!(kind(Some("image/png")), "application/json");
    }

    #[test]
    fn a_response_header_comes_from_a_known_source() {
        assert_eq!(ResponseSource::parse("'*'"), Ok(ResponseSource::Static("*".into())));
        assert_eq!(
            ResponseSource::parse("integration.response.header.X"),
            Ok(ResponseSource::Header("X".into()))
        );
        for text in ["'a\nb'", "integration.response.body.x", "x", ""] {
            assert!(ResponseSource::parse(text).is_err(), "{text}");
        }
    }
}
