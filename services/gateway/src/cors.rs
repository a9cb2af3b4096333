//! Cross-origin access for browsers: preflights and the headers every answer carries.
//!
//! Owns the compiled policy of one stage. On unless the API says otherwise: a key in a header is no ambient credential,
//! so an open policy gives scripts nothing that `curl` does not have.

use apidef::model::{Cors, VerbSet};

use crate::answer::Answer;

/// A stage's policy, ready to be written.
#[derive(Debug)]
pub(crate) struct CorsPolicy {
    origins: Origins,
    methods: Option<Vec<u8>>,
    headers: Option<Vec<u8>>,
    expose: Vec<u8>,
    credentials: bool,
    max_age: String,
}

#[derive(Debug)]
enum Origins {
    Any,
    Listed(Vec<String>),
}

impl CorsPolicy {
    /// Compiles an API's policy; none when it is off.
    pub(crate) fn compile(cors: &Cors) -> Option<Self> {
        if !cors.enabled {
            return None;
        }
        let any = |values: &[String]| values.iter().any(|value| value == "*");
        let join = |values: &[String]| values.join(",").into_bytes();
        let origins = if any(&cors.allow_origins) && !cors.allow_credentials {
            Origins::Any
        } else {
            Origins::Listed(cors.allow_origins.clone())
        };
        let listed = |values: &[String]| (!values.is_empty() && !any(values)).then(|| join(values));
        let own = ["x-amzn-RequestId", "x-amzn-ErrorType", "x-tollgate-reason", "RateLimit", "Retry-After"];
        let expose = if any(&cors.expose_headers) && !cors.allow_credentials {
            b"*".to_vec()
        } else {
            let named = cors.expose_headers.iter().map(String::as_str);
            named.chain(own).collect::<Vec<_>>().join(",").into_bytes()
        };
        Some(Self {
            origins,
            methods: listed(&cors.allow_methods),
            headers: listed(&cors.allow_headers),
            expose,
            credentials: cors.allow_credentials,
            max_age: cors.max_age.to_string(),
        })
    }

    /// The value of `access-control-allow-origin` for a request from `origin`; none when it is not allowed.
    fn allowed<'a>(&self, origin: Option<&'a [u8]>) -> Option<&'a [u8]> {
        match &self.origins {
            Origins::Any => Some(b"*"),
            Origins::Listed(listed) => {
                let origin = origin?;
                listed.iter().any(|allowed| allowed.as_bytes() == origin).then_some(origin)
            }
        }
    }

    /// Hands over the headers an ordinary answer carries.
    pub(crate) fn each_header(&self, origin: Option<&[u8]>, mut add: impl FnMut(&[u8], &[u8])) {
        if matches!(self.origins, Origins::Listed(_)) {
            add(b"vary", b"Origin");
        }
        let Some(allowed) = self.allowed(origin) else { return };
        add(b"access-control-allow-origin", allowed);
        if self.credentials {
            add(b"access-control-allow-credentials", b"true");
        }
        if !self.expose.is_empty() {
            add(b"access-control-expose-headers", &self.expose);
        }
    }

    /// The answer to a preflight for a path that has `verbs`. It needs no key and counts for nothing.
    pub(crate) fn preflight(&self, origin: &[u8], asked: Option<&[u8]>, verbs: VerbSet) -> Answer {
        let mut answer = Answer::empty(204);
        match self.origins {
            Origins::Any => answer.header("vary", "Access-Control-Request-Headers"),
            Origins::Listed(_) => answer.header("vary", "Origin, Access-Control-Request-Headers"),
        }
        let Some(allowed) = self.allowed(Some(origin)) else { return answer };
        answer.header("access-control-allow-origin", allowed);
        if self.credentials {
            answer.header("access-control-allow-credentials", "true");
        }
        match &self.methods {
            Some(methods) => answer.header("access-control-allow-methods", methods),
            None => {
                let verbs: Vec<_> = verbs.iter().map(apidef::model::Verb::as_str).collect();
                answer.header("access-control-allow-methods", verbs.join(","));
            }
        }
        if let Some(headers) = self.headers.as_deref().or(asked) {
            answer.header("access-control-allow-headers", headers);
        }
        answer.header("access-control-max-age", &self.max_age);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(policy: &CorsPolicy, origin: Option<&str>) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        policy.each_header(origin.map(str::as_bytes), |name, value| found.push((text(name), text(value))));
        found
    }

    #[test]
    fn the_open_policy_needs_no_origin_and_varies_by_nothing() {
        let policy = CorsPolicy::compile(&Cors::default()).expect("on by default");
        let found = headers(&policy, None);
        assert!(found.contains(&("access-control-allow-origin".into(), "*".into())));
        assert!(found.iter().all(|(name, _)| name != "vary"));
    }

    #[test]
    fn a_listed_origin_is_named_and_others_get_nothing() {
        let cors = Cors {
            allow_origins: vec!["https://a.example".into()],
            allow_credentials: true,
            ..Cors::default()
        };
        let policy = CorsPolicy::compile(&cors).expect("on");
        let allowed = headers(&policy, Some("https://a.example"));
        assert!(allowed.contains(&("access-control-allow-origin".into(), "https://a.example".into())));
        assert!(allowed.contains(&("access-control-allow-credentials".into(), "true".into())));
        for origin in [None, Some("https://b.example"), Some("null")] {
            assert_eq!(headers(&policy, origin), [("vary".to_owned(), "Origin".to_owned())]);
        }
    }

    #[test]
    fn credentials_are_never_offered_to_every_origin() {
        let cors = Cors { allow_credentials: true, ..Cors::default() };
        let policy = CorsPolicy::compile(&cors).expect("on");
        assert_eq!(headers(&policy, Some("https://evil.example")).len(), 1);
    }

    #[test]
    fn a_policy_that_is_off_is_none() {
        assert!(CorsPolicy::compile(&Cors { enabled: false, ..Cors::default() }).is_none());
    }
}
