//! The walk over a document: its root, servers, security, models and paths.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::node::{At, Kind, Node, Place, told};
use super::refs::MAX_COPIED;
use super::{Import, ImportError, ImportOptions, Warning};
use crate::MAX_RESOURCES;
use crate::model::validate::{Problem, check_base_url, pointer};
use crate::model::{Api, DEFAULT_ROUTE, Documentation, Model, Server, Upstream, Verb, validate};
use crate::path::{PathTemplate, TemplateFault};

/// Which family of the format a document is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Swagger2,
    OpenApi3,
}

/// The most warnings listed.
const MAX_WARNINGS: usize = 1_000;
/// The most servers: each operation's are compared with them.
pub(super) const MAX_SERVERS: usize = 100;
/// The most bytes of a server's URL, and of the default of a variable in it.
const MAX_URL: usize = 2_048;

pub(super) struct Importer<'a> {
    pub(super) root: At<'a>,
    pub(super) version: Version,
    pub(super) options: &'a ImportOptions,
    pub(super) api: Api,
    pub(super) warnings: Vec<Warning>,
    /// Paths by shape and verb, to find two that match the same requests.
    pub(super) routes: HashMap<(String, Verb), String>,
    /// Where parts of the API came from, by their pointers in it.
    pub(super) places: HashMap<String, At<'a>>,
    pub(super) operation_names: HashSet<String>,
    /// References being replaced by what they refer to, to find circles.
    pub(super) inlining: Vec<String>,
    /// How deep the value being converted is.
    pub(super) depth: usize,
    /// Bytes that may still be read again because something refers to them.
    pub(super) copies_left: usize,
    /// Models made of schemas written in place, by the name they are made after.
    pub(super) made: HashMap<String, Made>,
}

/// The models made under one name: the last number given, and the models' names by their schemas.
#[derive(Default)]
pub(super) struct Made {
    pub(super) count: usize,
    pub(super) by_schema: HashMap<String, String>,
}

impl<'a> Importer<'a> {
    pub(super) fn new(root: &'a Node, options: &'a ImportOptions) -> Result<Self, ImportError> {
        let root = At { node: root, place: Place::of(String::new()) };
        root.entries()?;
        let swagger = root.text_of("swagger")?;
        let openapi = root.text_of("openapi")?;
        let version = match (swagger.as_deref(), openapi.as_deref()) {
            (Some("2.0" | "2"), None) => Version::Swagger2,
            (None, Some(version)) if version.starts_with("3.") || version == "3" => Version::OpenApi3,
            (None, None) => return Err(root.error("neither openapi nor swagger says its version")),
            (swagger, openapi) => {
                let found = [swagger, openapi].into_iter().flatten().collect::<Vec<_>>().join(" and ");
                let at = root.get("openapi").or_else(|| root.get("swagger")).unwrap_or_else(|| root.clone());
                return Err(at.error(format!("version {found} is neither 2.0 nor 3.x")));
            }
        };
        Ok(Self {
            root,
            version,
            options,
            api: Api::default(),
            warnings: Vec::new(),
            routes: HashMap::new(),
            places: HashMap::new(),
            operation_names: HashSet::new(),
            inlining: Vec::new(),
            depth: 0,
            copies_left: MAX_COPIED,
            made: HashMap::new(),
        })
    }

    pub(super) fn run(mut self) -> Result<Import, ImportError> {
        if let Some(at) = self.root.get("openapi")
            && !at.text()?.starts_with("3.0")
            && !at.text()?.starts_with("3.1")
        {
            self.warn(&at, "read as version 3.1");
        }
        self.info()?;
        self.servers()?;
        self.upstream()?;
        self.security()?;
        self.models()?;
        self.root_extensions()?;
        self.paths()?;
        self.ignored()?;
        if let Some(problem) = validate(&self.api).into_iter().next() {
            return Err(self.at_its_place(&problem));
        }
        Ok(Import { api: self.api, warnings: self.warnings })
    }

    /// A problem of the API at the value of the document that its part came from. What is below that is told by the names
    /// of the API, which may be other ones than the document's.
    fn at_its_place(&self, problem: &Problem) -> ImportError {
        let mut part = problem.path.as_str();
        loop {
            if let Some(at) = self.places.get(part) {
                let below = problem.path[part.len()..].trim_start_matches('/');
                let below = if below.is_empty() { String::new() } else { format!("{below}: ") };
                return at.error(format!("{below}{}", problem.message));
            }
            let Some((above, _)) = part.rsplit_once('/') else {
                return self.root.error(format!("{}: {}", problem.path, problem.message));
            };
            part = above;
        }
    }

    pub(super) fn warn(&mut self, at: &At<'_>, message: impl Into<String>) {
        if self.warnings.len() > MAX_WARNINGS {
            return;
        }
        if self.warnings.len() == MAX_WARNINGS {
            let message = format!("there is more like this: the first {MAX_WARNINGS} are listed");
            return self.warnings.push(Warning { pointer: String::new(), line: None, message });
        }
        self.warnings.push(Warning {
            pointer: told(at.place.pointer()),
            line: Some(at.node.line),
            message: told(message.into()),
        });
    }

    fn info(&mut self) -> Result<(), ImportError> {
        let info = self.root.get("info").ok_or_else(|| self.root.error("there is no info"))?;
        let title = info.text_of("title")?;
        let name = self.options.name.clone().or(title).filter(|name| !name.trim().is_empty());
        let name = name.ok_or_else(|| info.error("there is no title"))?;
        self.places.insert("/name".into(), info.clone());
        self.api.name = name.trim().chars().take(1_024).collect();
        self.api.description = info.text_of("description")?;
        self.api.version = info.text_of("version")?;
        self.api.documentation = Documentation {
            summary: info.text_of("summary")?,
            terms_of_service: info.text_of("termsOfService")?,
            contact: info.get("contact").map(|at| at.node.to_value()),
            license: info.get("license").map(|at| at.node.to_value()),
            external_docs: self.root.get("externalDocs").map(|at| at.node.to_value()),
            tags: self.root.items_of("tags")?.iter().map(|at| at.node.to_value()).collect(),
        };
        for (key, at) in info.entries()? {
            if key.starts_with("x-") {
                self.api.extensions.insert(key.to_owned(), at.node.to_value());
            }
        }
        Ok(())
    }

    fn servers(&mut self) -> Result<(), ImportError> {
        if self.version == Version::Swagger2 {
            let base = self.root.text_of("basePath")?.unwrap_or_default();
            let base = base.trim_end_matches('/');
            let Some(host) = self.root.text_of("host")? else {
                if !base.is_empty() {
                    self.api.servers.push(Server { url: base.to_owned(), description: None });
                }
                return Ok(());
            };
            let mut schemes = self.root.texts_of("schemes")?;
            schemes.retain(|scheme| matches!(scheme.as_str(), "http" | "https"));
            // The document's own scheme is unknown here; without one named, https is the safe reading.
            if schemes.is_empty() {
                schemes.push("https".into());
            }
            schemes.sort_by_key(|scheme| scheme != "https");
            schemes.dedup();
            let server =
                |scheme: String| Server { url: format!("{scheme}://{host}{base}"), description: None };
            self.api.servers.extend(schemes.into_iter().map(server));
            return Ok(());
        }
        let servers = self.root.items_of("servers")?;
        if servers.len() > MAX_SERVERS {
            return Err(self.root.error(format!("at most {MAX_SERVERS} servers")));
        }
        for at in servers {
            let mut url = at.text_of("url")?.ok_or_else(|| at.error("a server has no url"))?;
            let too_long = |at: &At<'_>| at.error(format!("longer than {MAX_URL} bytes"));
            for (name, variable) in at.entries_of("variables")? {
                let default = variable.text_of("default")?;
                let default = default.ok_or_else(|| variable.error("a server variable has no default"))?;
                if url.len().max(default.len()) > MAX_URL {
                    return Err(too_long(&variable));
                }
                url = url.replace(&format!("{{{name}}}"), &default);
            }
            if url.len() > MAX_URL {
                return Err(too_long(&at));
            }
            if url.contains(['{', '}']) {
                self.warn(&at, "a variable of the url is not declared");
            }
            self.api.servers.push(Server { url, description: at.text_of("description")? });
        }
        Ok(())
    }

    fn upstream(&mut self) -> Result<(), ImportError> {
        let url = match &self.options.upstream_url {
            Some(url) => {
                check_base_url(url).map_err(|reason| ImportError {
                    line: None,
                    column: None,
                    path: String::new(),
                    reason: format!("{url:?} cannot be used: {reason}"),
                    option: Some("upstreamUrl"),
                })?;
                url.clone()
            }
            None => {
                let usable = self.api.servers.iter().find(|server| check_base_url(&server.url).is_ok());
                let at = self.root.get("servers").unwrap_or_else(|| self.root.clone());
                let usable = usable.ok_or_else(|| {
                    at.error("no server with an absolute http or https url: give an upstream url")
                })?;
                usable.url.clone()
            }
        };
        self.api.upstream = Some(Upstream { url, secret_headers: Vec::new() });
        Ok(())
    }

    fn security(&mut self) -> Result<(), ImportError> {
        let schemes = match self.version {
            Version::Swagger2 => self.root.entries_of("securityDefinitions")?,
            Version::OpenApi3 => match self.root.get("components") {
                Some(components) => components.entries_of("securitySchemes")?,
                None => Vec::new(),
            },
        };
        for (name, at) in schemes {
            let at = self.follow(at)?;
            self.security_scheme(name, &at)?;
        }
        self.api.security = self.root.get("security").map(|at| at.node.to_value());
        Ok(())
    }

    fn security_scheme(&mut self, name: &str, at: &At<'a>) -> Result<(), ImportError> {
        let kind = at.text_of("type")?.ok_or_else(|| at.error("a security scheme has no type"))?;
        let mut scheme = at.node.to_value();
        if let Some(fields) = scheme.as_object_mut()
            && let Some(authorizer) = fields.shift_remove("x-amazon-apigateway-authorizer")
        {
            self.api.authorizers.insert(name.to_owned(), authorizer);
            self.warn(at, "authorizers are kept but not run: methods that need it refuse every call");
        } else if !is_key_scheme(at)? {
            self.warn(
                at,
                format!("{kind} security is kept as documentation; the backend decides about credentials"),
            );
        }
        self.api.security_schemes.insert(name.to_owned(), scheme);
        Ok(())
    }

    fn models(&mut self) -> Result<(), ImportError> {
        let schemas = match self.version {
            Version::Swagger2 => self.root.entries_of("definitions")?,
            Version::OpenApi3 => match self.root.get("components") {
                Some(components) => components.entries_of("schemas")?,
                None => Vec::new(),
            },
        };
        for (name, at) in schemas {
            let schema = self.value(&at)?;
            let description = schema.get("description").and_then(Value::as_str).map(str::to_owned);
            let model = Model { content_type: "application/json".into(), description, schema };
            self.places.insert(pointer("/models", name), at);
            self.api.models.insert(name.to_owned(), model);
        }
        Ok(())
    }

    fn paths(&mut self) -> Result<(), ImportError> {
        let Some(paths) = self.root.get("paths") else {
            let is_31 = self.root.text_of("openapi")?.is_some_and(|version| !version.starts_with("3.0"));
            if is_31 {
                let root = self.root.clone();
                self.warn(&root, "there are no paths");
                return Ok(());
            }
            return Err(self.root.error("there are no paths"));
        };
        self.api.resources.insert("/".into(), crate::model::Resource::default());
        for (path, at) in paths.entries()? {
            if path.starts_with("x-") {
                self.warn(&at, "extensions between paths are not carried over");
                continue;
            }
            let template = match PathTemplate::parse(path) {
                Ok(template) => template,
                Err(fault @ TemplateFault::NotAbsolute) => return Err(at.error(fault.to_string())),
                Err(fault) => {
                    self.warn(&at, format!("the path is not carried over: {fault}"));
                    continue;
                }
            };
            let before = self.api.resources.len();
            let wanted = if path.strip_prefix('/') == Some(DEFAULT_ROUTE) { DEFAULT_ROUTE } else { path };
            let key = self.api.put_resource(wanted).map_err(|error| at.error(error.to_string()))?;
            if before == self.api.resources.len() && self.is_written(&key) {
                self.warn(&at, format!("the path is the same as another one, {key}; verbs are joined"));
            }
            debug_assert!(self.api.resources.len() <= MAX_RESOURCES);
            self.places.insert(pointer("/resources", &key), at.clone());
            let item = self.follow(at.clone())?;
            self.path_item(&key, path, &template, &item)?;
        }
        Ok(())
    }

    fn is_written(&self, key: &str) -> bool {
        self.api.resources.get(key).is_some_and(|resource| !resource.methods.is_empty())
    }

    fn ignored(&mut self) -> Result<(), ImportError> {
        if let Some(at) = self.root.get("webhooks") {
            self.warn(&at, "webhooks are not carried over");
        }
        let Some(components) = self.root.get("components") else { return Ok(()) };
        for kind in ["callbacks", "links"] {
            if let Some(at) = components.get(kind) {
                self.warn(&at, format!("{kind} are not carried over"));
            }
        }
        Ok(())
    }
}

/// Whether a scheme asks for what a Tollgate key is: the header `x-api-key`.
pub(super) fn is_key_scheme(at: &At<'_>) -> Result<bool, ImportError> {
    let is =
        |key: &str, wanted: &str| Ok(at.text_of(key)?.is_some_and(|text| text.eq_ignore_ascii_case(wanted)));
    Ok(is("type", "apiKey")? && is("in", "header")? && is("name", "x-api-key")?)
}

/// Whether a value is worth keeping.
pub(super) fn is_something(node: &Node) -> bool {
    node.kind != Kind::Null
}
