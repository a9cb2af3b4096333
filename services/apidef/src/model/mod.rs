//! The document of one API, in the shape and with the names of API Gateway's REST API.
//!
//! It owns what an API *is*: resources, methods, integrations, models, responses, texts. It does not know its own id, its
//! stages, deployments or domain names, nor any secret value: those are rows of the role that stores the document.

mod edit;
mod method;
pub(crate) mod validate;
mod verb;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use edit::{ApiTexts, Edit, EditError, MethodTexts};
pub use method::{
    AuthorizationType, ContentHandling, Integration, IntegrationResponse, IntegrationType, Method,
    MethodResponse, PassthroughBehavior, RequestBody, TlsConfig,
};
pub use validate::{Problem, is_field_value, is_own_response_header, validate};
pub use verb::{Verb, VerbSet};

/// The key of the resource that answers what nothing else does.
pub const DEFAULT_ROUTE: &str = "$default";

/// Values by name, in the order of the document they came from.
pub type Named<T> = IndexMap<String, T>;

/// An API as a document. References to models are written `#/components/schemas/{name}` whatever was imported.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Api {
    /// Shown to members; 1 to 1024 characters.
    pub name: String,
    /// Free text, CommonMark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The version its author gives it; never interpreted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where the API key of a call is read.
    pub api_key_source: ApiKeySource,
    /// Responses of at least this many bytes are compressed (0 to 10,485,760); absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_compression_size: Option<u32>,
    /// Media types treated as bytes rather than text, `*/*` for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub binary_media_types: Vec<String>,
    /// How API Gateway would expose it; kept as data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint_configuration: Option<Value>,
    /// The backend that relative integration URIs lead to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
    /// What browsers of other origins may do.
    pub cors: Cors,
    /// Resources by path (`/pets/{petId}`), parents included, in the order they were added.
    pub resources: Named<Resource>,
    /// JSON Schemas by name.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub models: Named<Model>,
    /// Authorizers by name, as data.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub authorizers: Named<Value>,
    /// Security schemes by name, as OpenAPI 3 writes them, as data.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub security_schemes: Named<Value>,
    /// The security requirement of methods that state none, as data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security: Option<Value>,
    /// Which parts of a request are validated, by name.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub request_validators: Named<RequestValidator>,
    /// The validator of methods that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_validator: Option<String>,
    /// Answers of the gateway itself by response type (`THROTTLED`, `DEFAULT_4XX`, ...).
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub gateway_responses: Named<GatewayResponse>,
    /// The resource policy, as data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Value>,
    /// The backends its author named, variables resolved. Only `upstream` is called.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<Server>,
    /// Texts about the whole API.
    pub documentation: Documentation,
    /// `x-` fields of the document's root that have no other place.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub extensions: Named<Value>,
}

impl Api {
    /// An API without resources.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// The method at a resource path, exactly as keyed (no matching).
    pub fn method(&self, path: &str, verb: Verb) -> Option<&Method> {
        self.resources.get(path)?.methods.get(&verb)
    }

    /// Every method with its resource path, in document order: the order compiled indices refer to.
    pub fn methods(&self) -> impl Iterator<Item = (&str, Verb, &Method)> {
        self.resources.iter().flat_map(|(path, resource)| {
            resource.methods.iter().map(move |(verb, method)| (path.as_str(), *verb, method))
        })
    }
}

/// Where the API key of a call is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ApiKeySource {
    /// The `X-API-Key` header.
    #[default]
    Header,
    /// `usageIdentifierKey` of the authorizer's answer.
    Authorizer,
}

/// The backend of an API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upstream {
    /// Absolute `http` or `https` URL without query, fragment and user info; integration URIs beginning with `/` follow its path.
    pub url: String,
    /// Headers the gateway adds so that the backend can tell its calls from others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret_headers: Vec<SecretHeader>,
}

/// A header whose value is a secret. Only the name of the secret is in the document; the value is kept elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretHeader {
    /// The header's name.
    pub name: String,
    /// The secret's name in the store of the role that owns it.
    pub secret_ref: String,
}

/// What browsers of other origins may do, with the names of API Gateway's `Cors`. On and open unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cors {
    /// Off: the gateway adds no CORS header and answers no preflight.
    pub enabled: bool,
    /// Origins, `*` for all.
    pub allow_origins: Vec<String>,
    /// Verbs; empty: those of the matched path.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_methods: Vec<String>,
    /// Request headers, `*` for those the preflight asks for.
    pub allow_headers: Vec<String>,
    /// Response headers a script may read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expose_headers: Vec<String>,
    /// Whether cookies and credentials may be sent; not together with the origin `*`.
    pub allow_credentials: bool,
    /// Seconds a preflight may be kept.
    pub max_age: u32,
}

impl Default for Cors {
    fn default() -> Self {
        Self {
            enabled: true,
            allow_origins: vec!["*".into()],
            allow_methods: Vec::new(),
            allow_headers: vec!["*".into()],
            expose_headers: Vec::new(),
            allow_credentials: false,
            max_age: 600,
        }
    }
}

/// The methods of one path.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Resource {
    /// Methods by verb. May be empty: a parent of other resources.
    #[serde(rename = "resourceMethods", skip_serializing_if = "IndexMap::is_empty")]
    pub methods: IndexMap<Verb, Method>,
    /// One line about the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Free text about the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Fields of the path item that have no other place.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub extensions: Named<Value>,
}

/// A JSON Schema with a name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Model {
    /// The media type it describes.
    pub content_type: String,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The schema, in the dialect of OpenAPI 3.1 or 3.0 as it came.
    pub schema: Value,
}

/// Which parts of a request are checked before the backend is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RequestValidator {
    /// The body against the method's request model.
    pub validate_request_body: bool,
    /// That required parameters are there.
    pub validate_request_parameters: bool,
}

/// The gateway's own answer to one kind of failure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewayResponse {
    /// The status; absent: the type's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_code: Option<u16>,
    /// Response headers by `gatewayresponse.header.{name}`.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub response_parameters: Named<String>,
    /// Bodies by media type.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub response_templates: Named<String>,
}

/// A backend the author named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Its URL with variables replaced by their defaults; may be relative.
    pub url: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Texts about the whole API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Documentation {
    /// One line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// A URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms_of_service: Option<String>,
    /// As OpenAPI writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<Value>,
    /// As OpenAPI writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license: Option<Value>,
    /// As OpenAPI writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_docs: Option<Value>,
    /// Tags with their texts, as OpenAPI writes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Value>,
}
