//! What must hold in a document beyond its shape.

use std::collections::HashMap;
use std::fmt::Write;

use url::Url;

use super::{Api, Cors, DEFAULT_ROUTE, Integration, IntegrationType, Method, SecretHeader, Upstream, Verb};
use crate::MAX_RESOURCES;
use crate::integration::{ResponseSource, StatusPattern};
use crate::path::PathTemplate;
use crate::resolve::{Source, UriTemplate};
use crate::template;

/// Something wrong in a document and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// JSON pointer into the serialised [`Api`], or into what an edit was given.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

/// Headers whose value the gateway itself decides.
const OWN_HEADERS: [&str; 9] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "keep-alive",
    "proxy-connection",
];

/// The most mappings of an integration's request, or of one of its answers: each is filled for every call.
const MAX_MAPPINGS: usize = 200;
/// The most selection patterns of all integrations together: each costs time when a gateway loads the stage.
const MAX_PATTERNS: usize = 5_000;

/// Whether a response header is the gateway's own: it frames the message, belongs to one connection (RFC 9110 section 7.6.1)
/// or says what the gateway says about a call. No mapping sets it.
pub fn is_own_response_header(name: &str) -> bool {
    const NAMES: [&str; 12] = [
        "connection",
        "content-length",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-amzn-requestid",
        "x-tollgate-reason",
    ];
    NAMES.iter().any(|own| name.eq_ignore_ascii_case(own))
}

/// Everything wrong in a document; empty: it can be deployed.
pub fn validate(api: &Api) -> Vec<Problem> {
    let mut problems = check_name(&api.name, "/name");
    if let Some(upstream) = &api.upstream {
        problems.extend(check_upstream(upstream, "/upstream"));
    }
    problems.extend(check_cors(&api.cors, "/cors"));
    if api.minimum_compression_size.is_some_and(|size| size > 10_485_760) {
        problems.push(problem("/minimumCompressionSize", "at most 10485760 bytes"));
    }
    if api.resources.len() > MAX_RESOURCES {
        problems.push(problem("/resources", format!("at most {MAX_RESOURCES} resources")));
    }
    if patterns(api) > MAX_PATTERNS {
        // Compiling them all to name the broken ones is what the bound is against.
        problems.push(problem("/resources", format!("at most {MAX_PATTERNS} selection patterns")));
        return problems;
    }
    let mut shapes: HashMap<(String, Verb), &str> = HashMap::new();
    for (path, resource) in &api.resources {
        let place = pointer("/resources", path);
        let shape = match PathTemplate::parse(path) {
            _ if path == DEFAULT_ROUTE => path.clone(),
            Ok(template) if template.canonical() == *path => template.shape(),
            Ok(template) => {
                problems.push(problem(&place, format!("the path is written {} here", template.canonical())));
                continue;
            }
            Err(fault) => {
                problems.push(problem(&place, fault.to_string()));
                continue;
            }
        };
        for (verb, method) in &resource.methods {
            let place = format!("{place}/resourceMethods/{verb}");
            if let Some(other) = shapes.insert((shape.clone(), *verb), path) {
                problems.push(problem(&place, format!("matches the same requests as {verb} {other}")));
            }
            problems.extend(check_method(api, path, method, &place));
        }
    }
    problems
}

fn patterns(api: &Api) -> usize {
    let integrations = api.methods().filter_map(|(_, _, method)| method.integration.as_ref());
    let responses = integrations.flat_map(|integration| integration.integration_responses.values());
    responses.filter(|response| response.selection_pattern.is_some()).count()
}

pub(super) fn check_name(name: &str, place: &str) -> Vec<Problem> {
    if name.trim().is_empty() || name.chars().count() > 1_024 {
        return vec![problem(place, "a name has 1 to 1024 characters")];
    }
    Vec::new()
}

pub(super) fn check_upstream(upstream: &Upstream, place: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Err(message) = check_base_url(&upstream.url) {
        problems.push(problem(&format!("{place}/url"), message));
    }
    for (at, SecretHeader { name, secret_ref }) in upstream.secret_headers.iter().enumerate() {
        let place = format!("{place}/secretHeaders/{at}");
        if !is_token(name) {
            problems.push(problem(&format!("{place}/name"), "not a header name"));
        }
        if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            problems.push(problem(&format!("{place}/name"), "the gateway decides this header itself"));
        }
        if upstream.secret_headers[..at].iter().any(|other| other.name.eq_ignore_ascii_case(name)) {
            problems.push(problem(&format!("{place}/name"), "the header occurs twice"));
        }
        if secret_ref.is_empty() {
            problems.push(problem(&format!("{place}/secretRef"), "names no secret"));
        }
    }
    problems
}

/// Whether a URL can be the base of integration URIs.
pub(crate) fn check_base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("not a url: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("neither http nor https".into());
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("without a host".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("user info does not belong into a url; use a secret header".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("a base url has no query and no fragment".into());
    }
    Ok(url)
}

pub(crate) fn check_cors(cors: &Cors, place: &str) -> Vec<Problem> {
    if !cors.enabled {
        return Vec::new();
    }
    let mut problems = Vec::new();
    let mut add = |field: &str, message: &str| problems.push(problem(&format!("{place}/{field}"), message));
    if cors.allow_credentials && cors.allow_origins.iter().any(|origin| origin == "*") {
        add("allowCredentials", "credentials are not allowed for the origin *");
    }
    if cors.max_age > 86_400 {
        add("maxAge", "at most 86400 seconds");
    }
    for (field, names) in [("allowHeaders", &cors.allow_headers), ("exposeHeaders", &cors.expose_headers)] {
        if names.iter().any(|name| !is_token(name)) {
            add(field, "not a header name");
        }
    }
    if cors.allow_methods.iter().any(|name| name != "*" && !is_token(name)) {
        add("allowMethods", "not a verb");
    }
    let is_origin = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
    if cors.allow_origins.iter().any(|origin| origin.is_empty() || !is_origin(origin)) {
        add("allowOrigins", "not an origin");
    }
    problems
}

/// Checks a method of a resource path.
pub(super) fn check_method(api: &Api, path: &str, method: &Method, place: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for name in method.request_parameters.keys() {
        let known = ["path", "querystring", "header", "multivaluequerystring", "multivalueheader"];
        let place_and_name = name.strip_prefix("method.request.").and_then(|rest| rest.split_once('.'));
        if !place_and_name.is_some_and(|(place, name)| known.contains(&place) && !name.is_empty()) {
            let place = pointer(&format!("{place}/requestParameters"), name);
            problems.push(problem(&place, "not of the form method.request.{path|querystring|header}.{name}"));
        }
    }
    let models = method.request_models.iter().map(|(kind, model)| ("requestModels".to_owned(), kind, model));
    let answers = method.method_responses.iter().flat_map(|(status, response)| {
        response.response_models.iter().map(move |(kind, model)| {
            (format!("methodResponses/{}/responseModels", escape(status)), kind, model)
        })
    });
    for (field, kind, model) in models.chain(answers) {
        // API Gateway's two built-in models need no entry.
        if !api.models.contains_key(model) && !matches!(model.as_str(), "Empty" | "Error") {
            problems.push(problem(
                &pointer(&format!("{place}/{field}"), kind),
                format!("there is no model {model}"),
            ));
        }
    }
    if let Some(integration) = &method.integration {
        problems.extend(check_integration(api, path, integration, &format!("{place}/methodIntegration")));
    }
    problems
}

/// Checks what a method calls.
pub(crate) fn check_integration(
    api: &Api,
    path: &str,
    integration: &Integration,
    place: &str,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !(50..=300_000).contains(&integration.timeout_in_millis) {
        problems.push(problem(&format!("{place}/timeoutInMillis"), "50 to 300000 milliseconds"));
    }
    if integration.http_method.as_deref().is_some_and(|verb| Verb::from_name(verb).is_none()) {
        problems.push(problem(&format!("{place}/httpMethod"), "not a verb"));
    }
    if matches!(integration.kind, IntegrationType::HttpProxy | IntegrationType::Http) {
        problems.extend(check_uri(api, path, integration, &format!("{place}/uri")));
    }
    if integration.request_parameters.len() > MAX_MAPPINGS {
        let message = format!("at most {MAX_MAPPINGS} mappings");
        problems.push(problem(&format!("{place}/requestParameters"), message));
    }
    for (target, source) in &integration.request_parameters {
        let place = pointer(&format!("{place}/requestParameters"), target);
        let known = ["path", "querystring", "header"];
        let parts = target.strip_prefix("integration.request.").and_then(|rest| rest.split_once('.'));
        match parts {
            Some(("header", name)) if OWN_HEADERS[1..].contains(&name.to_ascii_lowercase().as_str()) => {
                problems.push(problem(&place, "the gateway decides this header itself"));
            }
            Some(("header", name)) if !is_token(name) => problems.push(problem(&place, "not a header name")),
            Some((kind, name)) if known.contains(&kind) && !name.is_empty() => {}
            _ => problems.push(problem(
                &place,
                "not of the form integration.request.{path|querystring|header}.{name}",
            )),
        }
        if let Err(error) = Source::parse(source) {
            problems.push(problem(&place, error.to_string()));
        }
    }
    problems.extend(check_responses(integration, place));
    if matches!(integration.kind, IntegrationType::Aws | IntegrationType::AwsProxy) {
        return problems;
    }
    for (kind, text) in &integration.request_templates {
        if let Err(error) = template::check(text) {
            problems.push(problem(&pointer(&format!("{place}/requestTemplates"), kind), error.to_string()));
        }
    }
    for (status, response) in &integration.integration_responses {
        let place = format!("{place}/integrationResponses/{}/responseTemplates", escape(status));
        for (kind, text) in &response.response_templates {
            if !is_field_value(kind) {
                problems.push(problem(&pointer(&place, kind), "not a media type"));
            }
            if let Err(error) = template::check(text) {
                problems.push(problem(&pointer(&place, kind), error.to_string()));
            }
        }
    }
    problems
}

fn check_uri(api: &Api, path: &str, integration: &Integration, place: &str) -> Option<Problem> {
    let Some(uri) = &integration.uri else { return Some(problem(place, "an http integration needs a uri")) };
    let template = match UriTemplate::parse(uri) {
        Ok(template) => template,
        Err(error) => return Some(problem(place, error.to_string())),
    };
    if template.is_relative() && api.upstream.is_none() {
        return Some(problem(place, "a relative uri needs the upstream of the api"));
    }
    let resource = PathTemplate::parse(path).ok();
    let unknown = template.params().find(|name| {
        let mapped = integration.request_parameters.contains_key(&format!("integration.request.path.{name}"));
        !mapped && !resource.as_ref().is_some_and(|resource| resource.params().any(|param| param == *name))
    });
    unknown.map(|name| problem(place, format!("nothing gives a value to {{{name}}}")))
}

fn check_responses(integration: &Integration, place: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (key, response) in &integration.integration_responses {
        let place = pointer(&format!("{place}/integrationResponses"), key);
        if !is_status(&response.status_code) {
            problems.push(problem(&format!("{place}/statusCode"), "not a status code from 200 to 599"));
        }
        if let Some(pattern) = response.selection_pattern.as_deref().filter(|pattern| !pattern.is_empty())
            && let Err(error) = StatusPattern::compile(pattern)
        {
            problems.push(problem(&format!("{place}/selectionPattern"), error.to_string()));
        }
        if response.response_parameters.len() > MAX_MAPPINGS {
            let message = format!("at most {MAX_MAPPINGS} mappings");
            problems.push(problem(&format!("{place}/responseParameters"), message));
        }
        for (target, source) in &response.response_parameters {
            let place = pointer(&format!("{place}/responseParameters"), target);
            let name = target.strip_prefix("method.response.header.");
            if !name.is_some_and(is_token) {
                problems.push(problem(&place, "not of the form method.response.header.{name}"));
            }
            if name.is_some_and(is_own_response_header) {
                problems.push(problem(&place, "the gateway decides this header itself"));
            }
            if let Err(error) = ResponseSource::parse(source) {
                problems.push(problem(&place, error.to_string()));
            }
        }
    }
    problems
}

fn is_status(text: &str) -> bool {
    text.len() == 3 && text.parse::<u16>().is_ok_and(|status| (200..600).contains(&status))
}

/// Whether it is a token of RFC 9110 section 5.6.2, as header names are.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Whether it can be the value of a header line: nothing in it ends the line (RFC 9110 section 5.5).
pub fn is_field_value(value: impl AsRef<[u8]>) -> bool {
    value.as_ref().iter().all(|byte| !byte.is_ascii_control() || *byte == b'\t')
}

pub(super) fn join(problems: &[Problem]) -> String {
    let mut out = String::new();
    for problem in problems {
        let separator = if out.is_empty() { "" } else { "; " };
        // Writing to a string cannot fail.
        let _ = write!(out, "{separator}{}: {}", problem.path, problem.message);
    }
    out
}

fn problem(path: &str, message: impl Into<String>) -> Problem {
    Problem { path: path.to_owned(), message: message.into() }
}

/// A reference token of a JSON pointer (RFC 6901 section 3).
pub(crate) fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

/// A JSON pointer one token longer.
pub(crate) fn pointer(base: &str, token: &str) -> String {
    format!("{base}/{}", escape(token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{IntegrationResponse, Resource};

    fn places(api: &Api) -> Vec<String> {
        validate(api).into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn a_sound_document_has_no_problem() {
        let mut api = Api::new("a");
        api.put_resource("/a").unwrap();
        api.put_method("/a", Verb::Get, Method::default()).unwrap();
        assert_eq!(validate(&api), []);
    }

    #[test]
    fn a_mapping_cannot_set_what_frames_an_answer_or_what_the_gateway_says_itself() {
        let mut api = Api::new("a");
        let mut integration = Integration { kind: IntegrationType::Mock, ..Integration::default() };
        let mut answer = IntegrationResponse { status_code: "200".into(), ..IntegrationResponse::default() };
        let own =
            ["Transfer-Encoding", "content-length", "Connection", "X-Amzn-RequestId", "x-tollgate-reason"];
        for name in own.into_iter().chain(["Date", "Retry-After", "WWW-Authenticate"]) {
            answer.response_parameters.insert(format!("method.response.header.{name}"), "'x'".into());
        }
        answer.response_templates.insert("text/html\r\nSet-Cookie: a=b".into(), "x".into());
        integration.integration_responses.insert("default".into(), answer);
        api.put_resource("/a").unwrap();
        let method = Method { integration: Some(integration), ..Method::default() };
        api.resources.entry("/a".into()).or_default().methods.insert(Verb::Get, method);
        let place = "/resources/~1a/resourceMethods/GET/methodIntegration/integrationResponses/default";
        let mut expected: Vec<String> = own
            .iter()
            .map(|name| format!("{place}/responseParameters/method.response.header.{name}"))
            .collect();
        expected.push(format!("{place}/responseTemplates/text~1html\r\nSet-Cookie: a=b"));
        assert_eq!(places(&api), expected);
    }

    #[test]
    fn every_problem_names_its_place() {
        let mut api = Api::new(" ");
        api.upstream = Some(Upstream {
            url: "https://user@example.com/?q".into(),
            secret_headers: ["X-A", "x-a", "Host", "a b"]
                .into_iter()
                .map(|name| SecretHeader { name: name.into(), secret_ref: "s".into() })
                .collect(),
        });
        api.cors.allow_credentials = true;
        api.resources.insert("/a//b".into(), Resource::default());
        api.resources.insert("/a/".into(), Resource::default());
        let mut integration = Integration::http_proxy("/{x}/{y}");
        integration.timeout_in_millis = 1;
        integration
            .request_parameters
            .insert("integration.request.header.Connection".into(), "'close'".into());
        integration
            .request_parameters
            .insert("integration.request.path.y".into(), "method.request.body.a".into());
        integration.request_templates.insert("application/json".into(), "#set($a = 1)".into());
        let mut answer = IntegrationResponse { status_code: "2xx".into(), ..IntegrationResponse::default() };
        answer.selection_pattern = Some("(".into());
        answer.response_parameters.insert("method.response.header.X".into(), "X".into());
        answer.response_templates.insert("text/plain".into(), "$util.x".into());
        integration.integration_responses.insert("default".into(), answer);
        let mut method = Method { integration: Some(integration), ..Method::default() };
        method.request_models.insert("application/json".into(), "Missing".into());
        method.request_parameters.insert("method.request.cookie.c".into(), true);
        for path in ["/x/{a}", "/x/{b}"] {
            api.resources.entry(path.into()).or_default().methods.insert(Verb::Get, Method::default());
        }
        api.resources.entry("/c".into()).or_default().methods.insert(Verb::Post, method);
        let at = |rest: &str| format!("/resources/~1c/resourceMethods/POST{rest}");
        assert_eq!(
            places(&api),
            [
                "/name".into(),
                "/upstream/url".into(),
                "/upstream/secretHeaders/1/name".into(),
                "/upstream/secretHeaders/2/name".into(),
                "/upstream/secretHeaders/3/name".into(),
                "/cors/allowCredentials".into(),
                "/resources/~1a~1~1b".into(),
                "/resources/~1a~1".into(),
                "/resources/~1x~1{b}/resourceMethods/GET".into(),
                at("/requestParameters/method.request.cookie.c"),
                at("/requestModels/application~1json"),
                at("/methodIntegration/timeoutInMillis"),
                at("/methodIntegration/uri"),
                at("/methodIntegration/requestParameters/integration.request.header.Connection"),
                at("/methodIntegration/requestParameters/integration.request.path.y"),
                at("/methodIntegration/integrationResponses/default/statusCode"),
                at("/methodIntegration/integrationResponses/default/selectionPattern"),
                at(
                    "/methodIntegration/integrationResponses/default/responseParameters/method.response.header.X"
                ),
                at("/methodIntegration/requestTemplates/application~1json"),
                at("/methodIntegration/integrationResponses/default/responseTemplates/text~1plain"),
            ]
        );
    }

    #[test]
    fn patterns_and_mappings_are_bounded_in_number() {
        let mut api = Api::new("a");
        let mut integration = Integration { kind: IntegrationType::Mock, ..Integration::default() };
        for at in 0..=MAX_PATTERNS {
            let mut response = IntegrationResponse { status_code: "200".into(), ..Default::default() };
            response.selection_pattern = Some("200".into());
            integration.integration_responses.insert(at.to_string(), response);
        }
        let method = |integration| Method { integration: Some(integration), ..Method::default() };
        let resource = api.resources.entry("/".into()).or_default();
        resource.methods.insert(Verb::Get, method(integration.clone()));
        assert_eq!(places(&api), ["/resources"]);
        integration.integration_responses.truncate(1);
        for at in 0..=MAX_MAPPINGS {
            let target = format!("integration.request.header.X-{at}");
            integration.request_parameters.insert(target, "'x'".into());
        }
        api.resources["/"].methods.insert(Verb::Get, method(integration));
        assert_eq!(places(&api), ["/resources/~1/resourceMethods/GET/methodIntegration/requestParameters"]);
    }
}
