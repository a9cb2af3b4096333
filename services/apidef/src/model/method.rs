//! A method: what a caller sends to it, what is sent on, and what comes back.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Named;

/// One verb on one resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Method {
    /// The name code generators use; unique in the API when present.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation_name: Option<String>,
    /// Whether a call needs a Tollgate API key.
    pub api_key_required: bool,
    /// Who decides whether a call is allowed, besides the key.
    pub authorization_type: AuthorizationType,
    /// The authorizer's name in the API, when one decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorizer: Option<String>,
    /// Scopes of which a token needs one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorization_scopes: Vec<String>,
    /// The request validator's name in the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_validator: Option<String>,
    /// Whether a parameter is required, by `method.request.{path|querystring|header}.{name}`.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub request_parameters: Named<bool>,
    /// Model names by media type of the body.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub request_models: Named<String>,
    /// Declared answers by status code, `default` or a range such as `4XX`.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub method_responses: Named<MethodResponse>,
    /// What is called, absent until set: such a method answers that the API is not configured.
    #[serde(rename = "methodIntegration", skip_serializing_if = "Option::is_none")]
    pub integration: Option<Integration>,
    /// One line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Free text, CommonMark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether callers should stop using it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deprecated: bool,
    /// Names of tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// As OpenAPI writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_docs: Option<Value>,
    /// Parameters as OpenAPI 3 writes them, references resolved except those to models; the documentation behind
    /// `request_parameters`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Value>,
    /// Texts about the body behind `request_models`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_body: Option<RequestBody>,
    /// The security requirement as OpenAPI writes it, as data; absent: the API's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security: Option<Value>,
    /// Fields of the operation that have no other place.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub extensions: Named<Value>,
}

/// Who decides whether a call is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AuthorizationType {
    /// Nobody; a key may still be required.
    #[default]
    None,
    /// IAM signatures.
    AwsIam,
    /// A function.
    Custom,
    /// Cognito user pools.
    CognitoUserPools,
    /// JSON web tokens.
    Jwt,
}

/// Texts about a request body.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RequestBody {
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether a call without body is wrong.
    pub required: bool,
    /// Examples, encodings and the like by media type, as OpenAPI writes them.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub content: Named<Value>,
}

/// A declared answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MethodResponse {
    /// `200`, `default` or `4XX`.
    pub status_code: String,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether a header is required, by `method.response.header.{name}`.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub response_parameters: Named<bool>,
    /// Model names by media type.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub response_models: Named<String>,
    /// Headers as OpenAPI 3 writes them, the documentation behind `response_parameters`.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub headers: Named<Value>,
    /// Examples and the like by media type, as OpenAPI writes them.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub content: Named<Value>,
    /// Fields of the response that have no other place.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub extensions: Named<Value>,
}

/// What a method calls and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Integration {
    /// The kind of backend.
    #[serde(rename = "type")]
    pub kind: IntegrationType,
    /// The verb towards the backend; absent: the caller's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_method: Option<String>,
    /// `http(s)://...`, or a path beginning with `/` that follows the API's upstream URL. May hold `{parameter}` behind the host and
    /// `${stageVariables.name}` anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// `integration.request.{path|querystring|header}.{name}` = where its value comes from.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub request_parameters: Named<String>,
    /// Mapping templates by media type of the request.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub request_templates: Named<String>,
    /// What happens to a body no template is for.
    pub passthrough_behavior: PassthroughBehavior,
    /// Conversion between bytes and Base64 text; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_handling: Option<ContentHandling>,
    /// Milliseconds to wait for the backend, 50 to 300,000.
    pub timeout_in_millis: u32,
    /// How the backend's answer becomes ours, by status code of the answer.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub integration_responses: Named<IntegrationResponse>,
    /// How the backend's certificate is checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_config: Option<TlsConfig>,
    /// The role or `*` for the caller's, as data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
    /// `INTERNET` or `VPC_LINK`, as data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_type: Option<String>,
    /// The VPC link, as data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<String>,
    /// The cache's name, as data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_namespace: Option<String>,
    /// Parameters that make up the cache key, as data.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cache_key_parameters: Vec<String>,
}

impl Integration {
    /// Milliseconds to wait for a backend when nothing else is said, as API Gateway does.
    pub const DEFAULT_TIMEOUT_MS: u32 = 29_000;

    /// A plain proxy to a URI.
    pub fn http_proxy(uri: impl Into<String>) -> Self {
        Self { uri: Some(uri.into()), ..Self::default() }
    }
}

impl Default for Integration {
    fn default() -> Self {
        Self {
            kind: IntegrationType::HttpProxy,
            http_method: None,
            uri: None,
            request_parameters: IndexMap::new(),
            request_templates: IndexMap::new(),
            passthrough_behavior: PassthroughBehavior::WhenNoMatch,
            content_handling: None,
            timeout_in_millis: Self::DEFAULT_TIMEOUT_MS,
            integration_responses: IndexMap::new(),
            tls_config: None,
            credentials: None,
            connection_type: None,
            connection_id: None,
            cache_namespace: None,
            cache_key_parameters: Vec::new(),
        }
    }
}

/// The kind of backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum IntegrationType {
    /// An HTTP backend, request and answer passed through.
    HttpProxy,
    /// An HTTP backend, request and answer mapped.
    Http,
    /// No backend: the answer is made from templates.
    Mock,
    /// An AWS service action; kept as data.
    Aws,
    /// A Lambda function; kept as data.
    AwsProxy,
}

/// What happens to a body whose media type no request template is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PassthroughBehavior {
    /// It passes as it is.
    #[default]
    WhenNoMatch,
    /// It passes only when there is no template at all, else 415.
    WhenNoTemplates,
    /// Always 415.
    Never,
}

/// Conversion of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ContentHandling {
    /// Base64 text to bytes.
    ConvertToBinary,
    /// Bytes to Base64 text.
    ConvertToText,
}

/// How one kind of backend answer becomes ours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IntegrationResponse {
    /// The status of our answer.
    pub status_code: String,
    /// A regular expression over the backend's status code; absent or empty: the default response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selection_pattern: Option<String>,
    /// `method.response.header.{name}` = where its value comes from.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub response_parameters: Named<String>,
    /// Mapping templates by media type of the answer.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub response_templates: Named<String>,
    /// Conversion of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_handling: Option<ContentHandling>,
}

/// How the backend's certificate is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TlsConfig {
    /// Accept a certificate of an unknown authority.
    pub insecure_skip_verification: bool,
}
