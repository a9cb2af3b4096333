//! What of a request and its surroundings mappings and templates may read.

use std::borrow::Cow;
use std::collections::BTreeMap;

use url::form_urlencoded;

use crate::path::decode;

/// Variables of a stage by name.
pub type Variables = BTreeMap<String, String>;

/// Lends a request to the pure code of this crate, whatever holds it.
#[derive(Clone, Copy)]
pub struct RequestInput<'a> {
    /// A path parameter by name, escaped as in the request path.
    pub path_param: &'a dyn Fn(&str) -> Option<&'a str>,
    /// The query as sent, without `?`.
    pub query: &'a str,
    /// Values of a request header by name in any case, in order.
    pub header: &'a dyn Fn(&str) -> Vec<&'a str>,
    /// A `$context` variable by dotted name (`requestId`, `identity.sourceIp`).
    pub context: &'a dyn Fn(&str) -> Option<String>,
    /// The stage's variables.
    pub stage_variables: &'a Variables,
}

impl<'a> RequestInput<'a> {
    /// A path parameter, decoded.
    pub fn path(&self, name: &str) -> Option<Cow<'a, str>> {
        (self.path_param)(name).map(decode)
    }

    /// All values of a query parameter, decoded.
    pub fn query_values(&self, name: &str) -> Vec<Cow<'a, str>> {
        let pairs = form_urlencoded::parse(self.query.as_bytes());
        pairs.filter(|(other, _)| other == name).map(|(_, value)| value).collect()
    }

    /// `$input.params(name)`: path, then query, then header; the last of several values, as API Gateway does.
    pub fn any_param(&self, name: &str) -> Option<Cow<'a, str>> {
        self.path(name)
            .or_else(|| self.query_values(name).pop())
            .or_else(|| (self.header)(name).pop().map(Cow::Borrowed))
    }
}
