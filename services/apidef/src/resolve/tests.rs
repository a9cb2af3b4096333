use proptest::prelude::*;

use super::*;
use crate::matcher::{Lookup, Matcher};
use crate::path::RequestPath;

const UPSTREAM: &str = "https://up.example.com/base/";

struct Call<'a> {
    integration: Integration,
    resource: &'a str,
    path: &'a str,
    query: &'a str,
    variables: &'a [(&'a str, &'a str)],
}

impl Default for Call<'_> {
    fn default() -> Self {
        Self { integration: Integration::default(), resource: "/{id}", path: "/7", query: "", variables: &[] }
    }
}

impl Call<'_> {
    fn compile(&self) -> Result<Resolver, UriError> {
        Resolver::compile(&self.integration, Some(UPSTREAM), &self.named())
    }

    fn named(&self) -> Variables {
        self.variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn resolve(&self) -> Result<Target, ResolveError> {
        let matcher = Matcher::build([(self.resource, Verb::Any)]).unwrap();
        let path = RequestPath::parse(self.path).unwrap();
        let Lookup::Found(found) = matcher.find(&path, Verb::Get) else {
            panic!("no match for {}", self.path)
        };
        let variables = self.named();
        let input = RequestInput {
            path_param: &|name| found.param(name),
            query: self.query,
            header: &|name| match name {
                "X-Dots" => vec![".."],
                "X-Slash" => vec!["a/b?c#d"],
                "X-Many" => vec!["1", "2"],
                _ => vec![],
            },
            context: &|name| (name == "requestId").then(|| "r-1".to_owned()),
            stage_variables: &variables,
        };
        self.compile().unwrap().resolve(&input)
    }

    fn line(&self) -> String {
        self.resolve().unwrap().path_and_query
    }
}

fn proxy(uri: &str, mappings: &[(&str, &str)]) -> Integration {
    let request_parameters =
        mappings.iter().map(|(to, from)| (format!("integration.request.{to}"), (*from).to_owned())).collect();
    Integration { request_parameters, ..Integration::http_proxy(uri) }
}

#[test]
fn a_relative_uri_follows_the_upstream() {
    let call = Call { integration: proxy("/pets/{id}", &[]), query: "a=1&b=%20", ..Call::default() };
    let resolver = call.compile().unwrap();
    assert_eq!(resolver.origin(), &Origin { tls: true, host: "up.example.com".into(), port: 443 });
    assert_eq!(resolver.origin().authority(), "up.example.com");
    assert!(resolver.is_to_upstream());
    assert_eq!(call.line(), "/base/pets/7?a=1&b=%20");
}

#[test]
fn an_absolute_uri_goes_where_it_says_and_carries_no_secrets_there() {
    let call = Call { integration: proxy("http://[::1]:8080", &[]), ..Call::default() };
    let resolver = call.compile().unwrap();
    assert_eq!(resolver.origin().authority(), "[::1]:8080");
    assert!(!resolver.is_to_upstream());
    assert_eq!(call.line(), "/");
    for (uri, to_upstream) in [
        ("https://up.example.com/other", true),
        ("https://UP.example.com:443/", true),
        ("http://up.example.com/", false),
        ("https://up.example.com.evil.example/", false),
        ("https://up.example.com:444/", false),
    ] {
        let call = Call { integration: proxy(uri, &[]), ..Call::default() };
        assert_eq!(call.compile().unwrap().is_to_upstream(), to_upstream, "{uri}");
    }
}

#[test]
fn mappings_fill_path_query_and_headers() {
    let mappings = [
        ("path.id", "method.request.querystring.who"),
        ("querystring.v", "stageVariables.v"),
        ("querystring.who", "'gateway'"),
        ("querystring.all", "method.request.multivaluequerystring.m"),
        ("header.X-Request", "context.requestId"),
        ("header.X-Out", "method.request.multivalueheader.X-Many"),
        ("header.X-None", "method.request.header.X-None"),
    ];
    let call = Call {
        integration: proxy("/users/{id}?fixed=1", &mappings),
        query: "who=a%2Fb&m=1&m=2&z",
        variables: &[("v", "1&x")],
        ..Call::default()
    };
    let target = call.resolve().unwrap();
    assert_eq!(target.path_and_query, "/base/users/a%2Fb?fixed=1&m=1&m=2&z&v=1%26x&who=gateway&all=1&all=2");
    let headers: Vec<_> =
        target.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(headers, [("X-Request", "r-1"), ("X-Out", "1"), ("X-Out", "2")]);
}

#[test]
fn a_mapped_integration_passes_only_what_is_mapped() {
    let integration = Integration {
        kind: IntegrationType::Http,
        ..proxy("/x", &[("querystring.a", "method.request.querystring.a")])
    };
    let call = Call { integration, query: "a=1&b=2", ..Call::default() };
    assert_eq!(call.line(), "/base/x?a=1");
}

#[test]
fn a_greedy_value_keeps_its_slashes() {
    let call = Call {
        integration: proxy("/{proxy}", &[("path.proxy", "method.request.path.proxy")]),
        resource: "/{proxy+}",
        path: "/a/b%2Fc//d/",
        ..Call::default()
    };
    assert_eq!(call.line(), "/base/a/b%2Fc//d/");
}

#[test]
fn stage_variables_stand_anywhere_but_are_checked() {
    let call = Call {
        integration: proxy("https://${stageVariables.host}/${stageVariables.v}/{id}", &[]),
        variables: &[("host", "h.example.com:81"), ("v", "v2")],
        ..Call::default()
    };
    assert_eq!(call.compile().unwrap().origin().authority(), "h.example.com:81");
    assert_eq!(call.line(), "/v2/7");
    for (host, error) in
        [("h@evil.example.com", "host"), ("a b", "character"), ("{id}", "character"), ("", "host")]
    {
        let call = Call {
            variables: &[("host", host), ("v", "v2")],
            integration: call.integration.clone(),
            ..Call::default()
        };
        let found = call.compile().unwrap_err();
        let kind = if matches!(found, UriError::Host(_)) { "host" } else { "character" };
        assert_eq!(kind, error, "{host}: {found}");
    }
    let none = Call { integration: call.integration.clone(), ..Call::default() };
    assert_eq!(none.compile().unwrap_err(), UriError::UnknownVariable("host".into()));
}

#[test]
fn values_cannot_leave_their_segment() {
    let mapped = |from| Call { integration: proxy("/a/{id}/b", &[("path.id", from)]), ..Call::default() };
    assert_eq!(mapped("method.request.header.X-Slash").line(), "/base/a/a%2Fb%3Fc%23d/b");
    assert_eq!(mapped("method.request.header.X-Dots").resolve(), Err(ResolveError::DotSegment));
    assert_eq!(mapped("method.request.header.X-None").resolve(), Err(ResolveError::Missing("id".into())));
    let joined = Call { integration: proxy("/a/.{id}", &[("path.id", "'.'")]), ..Call::default() };
    assert_eq!(joined.resolve(), Err(ResolveError::DotSegment));
}

#[test]
fn a_header_value_with_control_characters_is_refused() {
    let call = Call {
        integration: proxy("/", &[("header.X", "method.request.querystring.x")]),
        query: "x=a%0d%0aY:+z",
        ..Call::default()
    };
    assert_eq!(call.resolve(), Err(ResolveError::HeaderValue("X".into())));
}

#[test]
fn a_dot_segment_in_the_document_is_refused() {
    for uri in ["/a/../b", "/./a", "https://example.com/%2e%2e/{id}"] {
        let call = Call { integration: proxy(uri, &[]), ..Call::default() };
        assert_eq!(call.compile().unwrap_err(), UriError::DotSegment, "{uri}");
    }
}

proptest! {
    #[test]
    fn no_request_changes_host_or_structure(id in "\\PC{1,20}", query in "\\PC{0,20}") {
        let escaped: String = id.chars().map(|c| if c == '/' { "%2F".to_owned() } else { c.to_string() }).collect();
        let path = format!("/{escaped}");
        prop_assume!(RequestPath::parse(&path).is_ok());
        let query = query.replace('#', "");
        let call = Call { integration: proxy("/a/{id}/b", &[]), path: &path, query: &query, ..Call::default() };
        let line = call.line();
        prop_assert!(line.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'), "{line}");
        let url = Url::parse(&format!("https://up.example.com{line}")).unwrap();
        prop_assert_eq!(url.host_str(), Some("up.example.com"));
        let segments: Vec<_> = url.path_segments().unwrap().collect();
        prop_assert_eq!(segments.len(), 4);
        prop_assert_eq!((segments[0], segments[1], segments[3]), ("base", "a", "b"));
    }
}
