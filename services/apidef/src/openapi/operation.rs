//! Path items and operations: methods with their parameters, texts, security and integration.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::ImportError;
use super::import::{Importer, MAX_SERVERS, Version, is_key_scheme, is_something};
use super::node::{At, Kind};
use crate::model::validate::pointer;
use crate::model::{AuthorizationType, DEFAULT_ROUTE, Integration, IntegrationType, Method, Verb};
use crate::path::PathTemplate;

/// The path an operation belongs to.
pub(super) struct Route<'r> {
    /// The resource's key.
    pub(super) key: &'r str,
    /// The path as written, with its trailing slash.
    pub(super) written: &'r str,
    pub(super) template: &'r PathTemplate,
}

const ANY_METHOD: &str = "x-amazon-apigateway-any-method";

impl<'a> Importer<'a> {
    pub(super) fn path_item(
        &mut self,
        key: &str,
        written: &str,
        template: &PathTemplate,
        item: &At<'a>,
    ) -> Result<(), ImportError> {
        let shared = item.items_of("parameters")?;
        for (field, at) in item.entries()? {
            let verb = match field {
                ANY_METHOD => Some(Verb::Any),
                "any" => None,
                _ => Verb::from_name(field).filter(|_| field.bytes().all(|byte| byte.is_ascii_lowercase())),
            };
            if let Some(verb) = verb {
                self.operation(&Route { key, written, template }, verb, &at, &shared)?;
                continue;
            }
            let Some(resource) = self.api.resources.get_mut(key) else { continue };
            match field {
                "summary" => resource.summary = Some(at.text()?),
                "description" => resource.description = Some(at.text()?),
                "parameters" | "$ref" => {}
                _ if field.starts_with("x-") => {
                    resource.extensions.insert(field.to_owned(), at.node.to_value());
                }
                "trace" | "query" | "additionalOperations" => {
                    self.warn(&at, "the verb is not carried over: API Gateway does not know it");
                }
                "servers" => self.other_servers(&at)?,
                _ => self.warn(&at, "an unknown field, not carried over"),
            }
        }
        Ok(())
    }

    /// Warns of servers below the root, unless they say the same as the root.
    fn other_servers(&mut self, at: &At<'a>) -> Result<(), ImportError> {
        let Kind::List(list) = &at.node.kind else { return Err(at.unexpected("a list")) };
        let url = |node: &super::node::Node| node.get("url").and_then(|url| url.text()).map(str::to_owned);
        let known = |found: &String| self.api.servers.iter().any(|server| server.url == *found);
        if list.len() > MAX_SERVERS || !list.iter().all(|node| url(node).as_ref().is_some_and(known)) {
            self.warn(at, "servers below the root are not carried over: calls go to the upstream of the api");
        }
        Ok(())
    }

    fn operation(
        &mut self,
        route: &Route<'_>,
        verb: Verb,
        at: &At<'a>,
        shared: &[At<'a>],
    ) -> Result<(), ImportError> {
        if let Some(other) = self.routes.insert((route.template.shape(), verb), route.written.to_owned()) {
            self.routes.insert((route.template.shape(), verb), other.clone());
            self.warn(at, format!("not carried over: {verb} {other} matches the same requests"));
            return Ok(());
        }
        let mut method = Method {
            operation_name: at.text_of("operationId")?.filter(|name| !name.is_empty()),
            summary: at.text_of("summary")?,
            description: at.text_of("description")?,
            deprecated: at.bool_of("deprecated")?.unwrap_or_default(),
            tags: at.texts_of("tags")?,
            external_docs: at.get("externalDocs").map(|docs| docs.node.to_value()),
            security: at.get("security").map(|security| security.node.to_value()),
            ..Method::default()
        };
        if let Some(name) = &method.operation_name
            && !self.operation_names.insert(name.clone())
        {
            self.warn(at, format!("the operationId {name} occurs twice"));
        }
        let body_parameters = self.parameters(route, at, shared, &mut method)?;
        self.request_body(route, verb, at, body_parameters, &mut method)?;
        self.responses(route, verb, at, &mut method)?;
        self.authorization(at, &mut method)?;
        method.request_validator = self.validator_of(at)?;
        let place = format!("{}/resourceMethods/{verb}", pointer("/resources", route.key));
        self.places.insert(place.clone(), at.clone());
        let integration = match at.get("x-amazon-apigateway-integration") {
            Some(found) => {
                self.places.insert(format!("{place}/methodIntegration"), found.clone());
                self.integration(route, found)?
            }
            None => proxy(route, verb),
        };
        method.api_key_required = self.needs_key(at, integration.kind)?;
        method.integration = Some(integration);
        self.rest_of_operation(at, &mut method)?;
        if let Some(resource) = self.api.resources.get_mut(route.key) {
            resource.methods.insert(verb, method);
        }
        Ok(())
    }

    fn rest_of_operation(&mut self, at: &At<'a>, method: &mut Method) -> Result<(), ImportError> {
        for (field, value) in at.entries()? {
            match field {
                "operationId"
                | "summary"
                | "description"
                | "deprecated"
                | "tags"
                | "externalDocs"
                | "security"
                | "parameters"
                | "requestBody"
                | "responses"
                | "consumes"
                | "produces"
                | "x-amazon-apigateway-integration"
                | "x-amazon-apigateway-request-validator"
                | "x-amazon-apigateway-auth" => {}
                "servers" => self.other_servers(&value)?,
                "schemes" => self.warn(&value, "schemes below the root are not carried over"),
                "callbacks" => self.warn(&value, "callbacks are not carried over"),
                _ if field.starts_with("x-") => {
                    method.extensions.insert(field.to_owned(), value.node.to_value());
                }
                _ => self.warn(&value, "an unknown field, not carried over"),
            }
        }
        Ok(())
    }

    /// Path parameters are taken from the path: what is declared beyond it or not at all is warned of. Answers the parameters that make
    /// up the body in Swagger 2.0.
    fn parameters(
        &mut self,
        route: &Route<'_>,
        at: &At<'a>,
        shared: &[At<'a>],
        method: &mut Method,
    ) -> Result<Vec<At<'a>>, ImportError> {
        let mut body = Vec::new();
        let own = at.items_of("parameters")?;
        let mut merged: Vec<(String, String, At<'a>)> = Vec::new();
        let mut known = HashMap::new();
        for parameter in shared.iter().cloned().chain(own) {
            let parameter = self.follow(parameter)?;
            let place = parameter
                .text_of("in")?
                .ok_or_else(|| parameter.error("a parameter does not say in what"))?;
            let name =
                parameter.text_of("name")?.ok_or_else(|| parameter.error("a parameter has no name"))?;
            let index = *known.entry((place.clone(), name.clone())).or_insert(merged.len());
            match merged.get_mut(index) {
                Some(known) => known.2 = parameter,
                None => merged.push((place, name, parameter)),
            }
        }
        for (place, name, parameter) in merged {
            let required = parameter.bool_of("required")?.unwrap_or_default();
            let key = match place.as_str() {
                "path" => {
                    if !route.template.params().any(|known| known == name) {
                        self.warn(&parameter, format!("the path {} has no parameter {name}", route.written));
                        continue;
                    }
                    Some("path")
                }
                "query" => Some("querystring"),
                "header" => Some("header"),
                "cookie" => {
                    self.warn(&parameter, "a cookie parameter is kept as documentation and not checked");
                    None
                }
                "body" | "formData" if self.version == Version::Swagger2 => {
                    body.push(parameter);
                    continue;
                }
                other => {
                    self.warn(&parameter, format!("a parameter in {other} is not carried over"));
                    continue;
                }
            };
            if let Some(key) = key {
                method
                    .request_parameters
                    .insert(format!("method.request.{key}.{name}"), required || key == "path");
            }
            let documented = self.parameter(&parameter)?;
            method.parameters.push(documented);
        }
        for name in route.template.params() {
            let key = format!("method.request.path.{name}");
            if method.request_parameters.contains_key(&key) {
                continue;
            }
            self.warn(at, format!("the path parameter {name} is not declared; taken as a text"));
            method.request_parameters.insert(key, true);
            method.parameters.push(json!({
                "name": name, "in": "path", "required": true, "schema": { "type": "string" }
            }));
        }
        Ok(body)
    }

    /// A parameter as OpenAPI 3 writes it.
    fn parameter(&mut self, at: &At<'a>) -> Result<Value, ImportError> {
        let value = self.value(at)?;
        if self.version == Version::OpenApi3 {
            return Ok(value);
        }
        let Value::Object(fields) = value else { return Ok(value) };
        let mut out = Map::new();
        let mut schema = Map::new();
        for (key, value) in fields {
            match key.as_str() {
                "name" | "in" | "description" | "required" | "deprecated" | "allowEmptyValue" => {
                    out.insert(key, value);
                }
                "collectionFormat" => {
                    let explode = value == "multi";
                    let style = match value.as_str() {
                        Some("ssv") => "spaceDelimited",
                        Some("pipes") => "pipeDelimited",
                        _ if out.get("in").is_some_and(|place| place == "query") => "form",
                        _ => "simple",
                    };
                    out.insert("style".into(), style.into());
                    out.insert("explode".into(), explode.into());
                }
                _ if key.starts_with("x-") => {
                    out.insert(key, value);
                }
                _ => {
                    schema.insert(key, value);
                }
            }
        }
        out.insert("schema".into(), Value::Object(schema));
        Ok(Value::Object(out))
    }

    fn needs_key(&mut self, at: &At<'a>, kind: IntegrationType) -> Result<bool, ImportError> {
        if self.options.require_api_key && kind != IntegrationType::Mock {
            return Ok(true);
        }
        for name in self.schemes_of(at)? {
            if self.scheme(&name).is_some_and(|scheme| is_key_scheme(&scheme).unwrap_or_default()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What API Gateway reads out of the security schemes an operation asks for.
    fn authorization(&mut self, at: &At<'a>, method: &mut Method) -> Result<(), ImportError> {
        if let Some(auth) = at.get("x-amazon-apigateway-auth") {
            let kind = auth.text_of("type")?.unwrap_or_default();
            match kind.to_ascii_uppercase().as_str() {
                "NONE" => return Ok(()),
                "AWS_IAM" => method.authorization_type = AuthorizationType::AwsIam,
                _ => self.warn(&auth, format!("the authorization {kind} is not known")),
            }
        }
        for name in self.schemes_of(at)? {
            let Some(scheme) = self.scheme(&name) else {
                if at.has("security") {
                    self.warn(at, format!("there is no security scheme {name}"));
                }
                continue;
            };
            let authtype = scheme.text_of("x-amazon-apigateway-authtype")?.unwrap_or_default();
            let authorizer = scheme.get("x-amazon-apigateway-authorizer");
            let kind =
                authorizer.as_ref().map(|authorizer| authorizer.text_of("type")).transpose()?.flatten();
            let kind = match (kind.as_deref(), authtype.as_str()) {
                (Some("jwt"), _) => AuthorizationType::Jwt,
                (Some("cognito_user_pools"), _) | (_, "cognito_user_pools") => {
                    AuthorizationType::CognitoUserPools
                }
                (Some(_), _) => AuthorizationType::Custom,
                (None, "awsSigv4" | "AWS_IAM") => AuthorizationType::AwsIam,
                (None, _) => continue,
            };
            method.authorization_type = kind;
            method.authorizer = authorizer.map(|_| name);
        }
        Ok(())
    }

    /// The names of the security schemes an operation asks for, its own or the document's.
    fn schemes_of(&mut self, at: &At<'a>) -> Result<Vec<String>, ImportError> {
        let of = if at.has("security") { at } else { &self.root.clone() };
        let mut names = Vec::new();
        if let Some(security) = of.get("security") {
            self.count_copy(security.node, &security)?;
        }
        for requirement in of.items_of("security")? {
            names.extend(requirement.entries()?.into_iter().map(|(name, _)| name.to_owned()));
        }
        Ok(names)
    }

    fn scheme(&self, name: &str) -> Option<At<'a>> {
        let schemes = match self.version {
            Version::Swagger2 => self.root.get("securityDefinitions")?,
            Version::OpenApi3 => self.root.get("components")?.get("securitySchemes")?,
        };
        schemes.get(name).filter(|at| is_something(at.node))
    }
}

/// The integration of an operation that names none: the same verb and path at the upstream.
fn proxy(route: &Route<'_>, verb: Verb) -> Integration {
    // `${` would begin a stage variable.
    let mut uri = route.template.canonical().replace("${", "%24{").replace("+}", "}");
    if route.key == DEFAULT_ROUTE {
        uri = "/".into();
    }
    if route.written.len() > 1 && route.written.ends_with('/') {
        uri.push('/');
    }
    let mut integration = Integration { http_method: Some(verb.to_string()), ..Integration::http_proxy(uri) };
    for name in route.template.params() {
        integration
            .request_parameters
            .insert(format!("integration.request.path.{name}"), format!("method.request.path.{name}"));
    }
    integration
}
