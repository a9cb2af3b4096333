//! Which API and stage a request's host and path address.

use common::id::ApiId;

/// Path prefix under which every API answers on any host.
const API_PREFIX: &str = "/_api/";

/// The host names under which APIs answer as `{api_id}.execute-api.{suffix}`.
#[derive(Debug, Clone)]
pub(crate) struct HostNames {
    suffixes: Vec<String>,
}

/// What a request addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address<'a> {
    /// A stage of an API, and the path below it (begins with a slash).
    Stage { api: ApiId, stage: &'a str, path: &'a str },
    /// An API's host or prefix, but no stage.
    NoStage,
    /// Nothing of any API.
    Elsewhere,
}

impl HostNames {
    /// `localhost` is always one of the suffixes.
    pub(crate) fn new(suffixes: &[String]) -> Self {
        let mut suffixes: Vec<_> =
            suffixes.iter().map(|suffix| format!(".execute-api.{}", suffix.to_ascii_lowercase())).collect();
        suffixes.push(".execute-api.localhost".to_owned());
        Self { suffixes }
    }

    /// Finds what `host` (with or without a port, in any case) and `path` address.
    pub(crate) fn address<'a>(&self, host: &str, path: &'a str) -> Address<'a> {
        let below_stage = match (path.strip_prefix(API_PREFIX), self.api_of_host(host)) {
            (_, Some(label)) => label.parse().ok().map(|api| (api, path)),
            (Some(rest), None) => {
                let (label, rest) = split_segment(rest);
                label.parse().ok().map(|api| (api, rest))
            }
            (None, None) => return Address::Elsewhere,
        };
        let Some((api, rest)) = below_stage else { return Address::NoStage };
        let (stage, path) = split_segment(rest.strip_prefix('/').unwrap_or_default());
        if stage.is_empty() {
            return Address::NoStage;
        }
        Address::Stage { api, stage, path: if path.is_empty() { "/" } else { path } }
    }

    /// The first label of an API's host name.
    fn api_of_host<'h>(&self, host: &'h str) -> Option<&'h str> {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let name = name.strip_suffix('.').unwrap_or(name);
        self.suffixes.iter().find_map(|suffix| {
            let label_length = name.len().checked_sub(suffix.len())?;
            let (label, rest) = name.split_at_checked(label_length)?;
            rest.eq_ignore_ascii_case(suffix).then_some(label)
        })
    }
}

/// Splits `a/b/c` into `a` and `/b/c`.
fn split_segment(path: &str) -> (&str, &str) {
    path.split_at(path.find('/').unwrap_or(path.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage<'a>(stage: &'a str, path: &'a str) -> Address<'a> {
        Address::Stage { api: "abcdefghij".parse().expect("an id"), stage, path }
    }

    #[test]
    fn apis_answer_by_host_and_by_path() {
        let hosts = HostNames::new(&["eu-1.Gate.example".to_owned()]);
        for (host, path, expected) in [
            ("abcdefghij.execute-api.localhost:8080", "/dev/pets/1", stage("dev", "/pets/1")),
            ("abcdefghij.execute-api.eu-1.gate.example", "/dev", stage("dev", "/")),
            ("abcdefghij.EXECUTE-api.localhost.", "/dev/", stage("dev", "/")),
            ("127.0.0.1:8080", "/_api/abcdefghij/dev/pets", stage("dev", "/pets")),
            ("[::1]:8080", "/_api/abcdefghij/dev", stage("dev", "/")),
            ("abcdefghij.execute-api.localhost", "/", Address::NoStage),
            ("ABCDEFGHIJ.execute-api.localhost", "/dev", Address::NoStage),
            ("a.b.execute-api.localhost", "/dev", Address::NoStage),
            ("x", "/_api/abcdefghij", Address::NoStage),
            ("x", "/_api/abcdefghij/", Address::NoStage),
            ("x", "/_api/", Address::NoStage),
            ("localhost", "/dev/pets", Address::Elsewhere),
            ("", "/livez", Address::Elsewhere),
        ] {
            assert_eq!(hosts.address(host, path), expected, "{host} {path}");
        }
    }

    #[test]
    fn an_api_host_is_never_read_as_a_path_address() {
        let hosts = HostNames::new(&[]);
        let path = "/_api/zzzzzzzzzz/prod/x";
        assert_eq!(
            hosts.address("abcdefghij.execute-api.localhost", path),
            stage("_api", "/zzzzzzzzzz/prod/x")
        );
    }
}
