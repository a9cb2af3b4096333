//! A document as OpenAPI 3.1, whole with API Gateway's extensions or as callers may see it.

use serde_json::{Map, Value, json};

use super::refs::MODELS;
use crate::model::{
    Api, ApiKeySource, Cors, DEFAULT_ROUTE, Integration, IntegrationType, Method, MethodResponse, Named,
    PassthroughBehavior, Resource, Verb,
};

/// The scheme added for methods that need a key, unless the document has one for the same header.
const KEY_SCHEME: &str = "api_key";

/// The whole document: what [`super::import`] reads back, integrations and backend included.
pub fn export(api: &Api) -> Value {
    Exporter { api, whole: true, key_scheme: key_scheme(api) }.document(None)
}

/// What callers may see: no backend, no integration, no policy, no foreign extension; calls go to `server_url`.
pub fn export_public(api: &Api, server_url: &str) -> Value {
    Exporter { api, whole: false, key_scheme: key_scheme(api) }.document(Some(server_url))
}

struct Exporter<'a> {
    api: &'a Api,
    whole: bool,
    key_scheme: String,
}

/// The name of a security scheme that stands for the key.
fn key_scheme(api: &Api) -> String {
    let is_key = |scheme: &Value| {
        let is = |field: &str, wanted: &str| {
            scheme.get(field).and_then(Value::as_str).is_some_and(|text| text.eq_ignore_ascii_case(wanted))
        };
        is("type", "apiKey") && is("in", "header") && is("name", "x-api-key")
    };
    if let Some((name, _)) = api.security_schemes.iter().find(|(_, scheme)| is_key(scheme)) {
        return name.clone();
    }
    let mut name = KEY_SCHEME.to_owned();
    while api.security_schemes.contains_key(&name) {
        name.push('_');
    }
    name
}

impl Exporter<'_> {
    fn document(&self, server_url: Option<&str>) -> Value {
        let api = self.api;
        let mut out = Map::new();
        out.insert("openapi".into(), "3.1.0".into());
        out.insert("info".into(), self.info());
        put(&mut out, "externalDocs", api.documentation.external_docs.clone());
        out.insert("servers".into(), self.servers(server_url));
        put(&mut out, "security", api.security.clone());
        if !api.documentation.tags.is_empty() {
            out.insert("tags".into(), api.documentation.tags.clone().into());
        }
        let paths = api.resources.iter().filter(|(_, resource)| self.whole || !resource.methods.is_empty());
        let paths = paths.map(|(path, resource)| {
            let path = if path == DEFAULT_ROUTE { format!("/{DEFAULT_ROUTE}") } else { path.clone() };
            (path, self.resource(resource))
        });
        out.insert("paths".into(), Value::Object(paths.collect()));
        let components = self.components();
        if !components.is_empty() {
            out.insert("components".into(), Value::Object(components));
        }
        if self.whole {
            self.root_extensions(&mut out);
        }
        Value::Object(out)
    }

    fn info(&self) -> Value {
        let Api { name, description, version, documentation, .. } = self.api;
        let mut out = Map::new();
        out.insert("title".into(), name.clone().into());
        out.insert("version".into(), version.clone().unwrap_or_else(|| "1.0.0".into()).into());
        put(&mut out, "summary", documentation.summary.clone());
        put(&mut out, "description", description.clone());
        put(&mut out, "termsOfService", documentation.terms_of_service.clone());
        put(&mut out, "contact", documentation.contact.clone());
        put(&mut out, "license", documentation.license.clone());
        Value::Object(out)
    }

    fn servers(&self, server_url: Option<&str>) -> Value {
        if let Some(url) = server_url {
            return json!([{ "url": url }]);
        }
        let upstream = self.api.upstream.as_ref().map(|upstream| upstream.url.as_str());
        let others = self.api.servers.iter().filter(|server| Some(server.url.as_str()) != upstream);
        let others = others.map(|server| json!(server));
        upstream.map(|url| json!({ "url": url })).into_iter().chain(others).collect()
    }

    fn resource(&self, resource: &Resource) -> Value {
        let mut out = Map::new();
        put(&mut out, "summary", resource.summary.clone());
        put(&mut out, "description", resource.description.clone());
        for (verb, method) in &resource.methods {
            // OpenAPI has no word for any verb.
            let key = match verb {
                Verb::Any if self.whole => "x-amazon-apigateway-any-method".to_owned(),
                Verb::Any => {
                    for verb in Verb::ALL.into_iter().filter(|verb| *verb != Verb::Any) {
                        if !resource.methods.contains_key(&verb) {
                            out.insert(verb.as_str().to_ascii_lowercase(), self.method(method, false));
                        }
                    }
                    continue;
                }
                _ => verb.as_str().to_ascii_lowercase(),
            };
            out.insert(key, self.method(method, true));
        }
        if self.whole {
            extend(&mut out, &resource.extensions);
        }
        Value::Object(out)
    }

    fn method(&self, method: &Method, named: bool) -> Value {
        let mut out = Map::new();
        put(&mut out, "operationId", method.operation_name.clone().filter(|_| named));
        put(&mut out, "summary", method.summary.clone());
        put(&mut out, "description", method.description.clone());
        if method.deprecated {
            out.insert("deprecated".into(), true.into());
        }
        if !method.tags.is_empty() {
            out.insert("tags".into(), method.tags.clone().into());
        }
        put(&mut out, "externalDocs", method.external_docs.clone());
        let parameters = parameters(method);
        if !parameters.is_empty() {
            out.insert("parameters".into(), parameters.into());
        }
        put(&mut out, "requestBody", request_body(method));
        let responses = method.method_responses.iter().map(|(status, it)| (status.clone(), response(it)));
        let mut responses: Map<String, Value> = responses.collect();
        if responses.is_empty() {
            responses.insert("default".into(), json!({ "description": "" }));
        }
        out.insert("responses".into(), Value::Object(responses));
        put(&mut out, "security", self.security(method));
        if self.whole {
            extend(&mut out, &method.extensions);
            put(&mut out, "x-amazon-apigateway-request-validator", method.request_validator.clone());
            put(&mut out, "x-amazon-apigateway-integration", method.integration.as_ref().map(integration));
        }
        Value::Object(out)
    }

    /// The requirement of a method, each alternative with the key when one is needed.
    fn security(&self, method: &Method) -> Option<Value> {
        if !method.api_key_required {
            return method.security.clone();
        }
        let stated = method.security.as_ref().or(self.api.security.as_ref()).and_then(Value::as_array);
        let mut alternatives = stated.cloned().unwrap_or_default();
        if alternatives.is_empty() {
            alternatives.push(json!({}));
        }
        for alternative in alternatives.iter_mut().filter_map(Value::as_object_mut) {
            alternative.entry(self.key_scheme.clone()).or_insert_with(|| json!([]));
        }
        Some(alternatives.into())
    }

    fn components(&self) -> Map<String, Value> {
        let mut out = Map::new();
        let schemas = self.api.models.iter().map(|(name, model)| (name.clone(), model.schema.clone()));
        let schemas: Map<String, Value> = schemas.collect();
        if !schemas.is_empty() {
            out.insert("schemas".into(), Value::Object(schemas));
        }
        let mut schemes: Map<String, Value> =
            self.api.security_schemes.iter().map(|(name, scheme)| (name.clone(), scheme.clone())).collect();
        for (name, authorizer) in self.api.authorizers.iter().filter(|_| self.whole) {
            if let Some(scheme) = schemes.get_mut(name).and_then(Value::as_object_mut) {
                scheme.insert("x-amazon-apigateway-authorizer".into(), authorizer.clone());
            }
        }
        if self.api.methods().any(|(_, _, method)| method.api_key_required) {
            let scheme = json!({ "type": "apiKey", "name": "x-api-key", "in": "header" });
            schemes.entry(self.key_scheme.clone()).or_insert(scheme);
        }
        if !schemes.is_empty() {
            out.insert("securitySchemes".into(), Value::Object(schemes));
        }
        out
    }

    fn root_extensions(&self, out: &mut Map<String, Value>) {
        let api = self.api;
        let mut add = |name: &str, value: Value| out.insert(format!("x-amazon-apigateway-{name}"), value);
        if api.api_key_source != ApiKeySource::Header {
            add("api-key-source", json!(api.api_key_source));
        }
        if let Some(size) = api.minimum_compression_size {
            add("minimum-compression-size", size.into());
        }
        if !api.binary_media_types.is_empty() {
            add("binary-media-types", api.binary_media_types.clone().into());
        }
        if api.cors.enabled && api.cors != Cors::default() {
            let mut cors = json!(api.cors);
            if let Some(fields) = cors.as_object_mut() {
                fields.shift_remove("enabled");
            }
            add("cors", cors);
        }
        if !api.gateway_responses.is_empty() {
            add("gateway-responses", json!(api.gateway_responses));
        }
        if !api.request_validators.is_empty() {
            add("request-validators", json!(api.request_validators));
        }
        if let Some(name) = &api.request_validator {
            add("request-validator", name.clone().into());
        }
        if let Some(policy) = &api.policy {
            add("policy", policy.clone());
        }
        if let Some(endpoint) = &api.endpoint_configuration {
            add("endpoint-configuration", endpoint.clone());
        }
        extend(out, &api.extensions);
    }
}

/// The documented parameters, and a plain text one for each that is only declared.
fn parameters(method: &Method) -> Vec<Value> {
    let mut out = method.parameters.clone();
    for (key, required) in &method.request_parameters {
        let Some((place, name)) = key.strip_prefix("method.request.").and_then(|rest| rest.split_once('.'))
        else {
            continue;
        };
        let place = match place.strip_prefix("multivalue").unwrap_or(place) {
            "querystring" => "query",
            other => other,
        };
        let is_same = |known: &Value| known["name"] == *name && known["in"] == *place;
        if !out.iter().any(is_same) {
            let required = *required || place == "path";
            out.push(
                json!({ "name": name, "in": place, "required": required, "schema": { "type": "string" } }),
            );
        }
    }
    out
}

fn request_body(method: &Method) -> Option<Value> {
    if method.request_body.is_none() && method.request_models.is_empty() {
        return None;
    }
    let body = method.request_body.clone().unwrap_or_default();
    let mut out = Map::new();
    put(&mut out, "description", body.description);
    if body.required {
        out.insert("required".into(), true.into());
    }
    out.insert("content".into(), content(&method.request_models, &body.content));
    Some(Value::Object(out))
}

fn response(response: &MethodResponse) -> Value {
    let mut out = Map::new();
    out.insert("description".into(), response.description.clone().unwrap_or_default().into());
    let mut headers: Map<String, Value> =
        response.headers.iter().map(|(name, header)| (name.clone(), header.clone())).collect();
    for name in
        response.response_parameters.keys().filter_map(|key| key.strip_prefix("method.response.header."))
    {
        headers.entry(name).or_insert_with(|| json!({ "schema": { "type": "string" } }));
    }
    if !headers.is_empty() {
        out.insert("headers".into(), Value::Object(headers));
    }
    if !response.response_models.is_empty() || !response.content.is_empty() {
        out.insert("content".into(), content(&response.response_models, &response.content));
    }
    extend(&mut out, &response.extensions);
    Value::Object(out)
}

/// Media types with the models and what else is known of them.
fn content(models: &Named<String>, rest: &Named<Value>) -> Value {
    let mut out = Map::new();
    for (kind, model) in models {
        out.insert(kind.clone(), json!({ "schema": { "$ref": format!("{MODELS}{model}") } }));
    }
    for (kind, fields) in rest {
        let media = out.entry(kind.clone()).or_insert_with(|| json!({}));
        if let (Some(media), Some(fields)) = (media.as_object_mut(), fields.as_object()) {
            media.extend(fields.clone());
        }
    }
    Value::Object(out)
}

/// An integration as the extension writes it: lower case words, responses by selection pattern.
fn integration(integration: &Integration) -> Value {
    let mut value = json!(integration);
    let Some(out) = value.as_object_mut() else { return value };
    let kind = match integration.kind {
        IntegrationType::HttpProxy => "http_proxy",
        IntegrationType::Http => "http",
        IntegrationType::Mock => "mock",
        IntegrationType::Aws => "aws",
        IntegrationType::AwsProxy => "aws_proxy",
    };
    let passthrough = match integration.passthrough_behavior {
        PassthroughBehavior::WhenNoMatch => "when_no_match",
        PassthroughBehavior::WhenNoTemplates => "when_no_templates",
        PassthroughBehavior::Never => "never",
    };
    out.insert("type".into(), kind.into());
    out.insert("passthroughBehavior".into(), passthrough.into());
    out.shift_remove("integrationResponses");
    let mut responses = Map::new();
    for response in integration.integration_responses.values() {
        let mut written = json!(response);
        if let Some(fields) = written.as_object_mut() {
            fields.shift_remove("selectionPattern");
        }
        let pattern = response.selection_pattern.clone().filter(|pattern| !pattern.is_empty());
        responses.entry(pattern.unwrap_or_else(|| "default".into())).or_insert(written);
    }
    if !responses.is_empty() {
        out.insert("responses".into(), Value::Object(responses));
    }
    value
}

fn put(out: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        out.insert(key.to_owned(), value.into());
    }
}

fn extend(out: &mut Map<String, Value>, fields: &Named<Value>) {
    out.extend(fields.iter().map(|(name, value)| (name.clone(), value.clone())));
}
