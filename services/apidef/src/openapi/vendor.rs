//! API Gateway's extensions: `x-amazon-apigateway-*`.

use serde_json::Value;

use super::ImportError;
use super::import::Importer;
use super::node::{At, Node, Place};
use super::operation::Route;
use crate::model::validate::{check_cors, check_integration};
use crate::model::{
    ApiKeySource, ContentHandling, Cors, GatewayResponse, Integration, IntegrationResponse, IntegrationType,
    Named, PassthroughBehavior, RequestValidator, TlsConfig,
};

const PREFIX: &str = "x-amazon-apigateway-";

impl<'a> Importer<'a> {
    /// The extensions of the document's root.
    pub(super) fn root_extensions(&mut self) -> Result<(), ImportError> {
        for (field, at) in self.root.entries()? {
            if !field.starts_with("x-") {
                self.known_root_field(field, &at);
                continue;
            }
            match field.strip_prefix(PREFIX) {
                Some("api-key-source") => self.api.api_key_source = self.key_source(&at)?,
                Some("binary-media-types") => self.api.binary_media_types = self.root.texts_of(field)?,
                Some("minimum-compression-size") => {
                    self.api.minimum_compression_size = self.root.u32_of(field)?;
                    if self.api.minimum_compression_size.is_some_and(|size| size > 10_485_760) {
                        return Err(at.error("at most 10485760 bytes"));
                    }
                }
                Some("cors") => self.api.cors = cors(&at)?,
                Some("gateway-responses") => self.gateway_responses(&at)?,
                Some("request-validators") => self.request_validators(&at)?,
                Some("request-validator") => self.api.request_validator = Some(at.text()?),
                Some("policy") => {
                    self.api.policy = Some(at.node.to_value());
                    self.warn(&at, "the resource policy is kept but not enforced");
                }
                Some("endpoint-configuration") => self.api.endpoint_configuration = Some(at.node.to_value()),
                Some(_) => {
                    self.warn(&at, "kept, without effect");
                    self.api.extensions.insert(field.to_owned(), at.node.to_value());
                }
                None => {
                    self.api.extensions.insert(field.to_owned(), at.node.to_value());
                }
            }
        }
        if let Some(name) = &self.api.request_validator
            && !self.api.request_validators.contains_key(name)
        {
            return Err(self.root.error(format!("there is no request validator {name}")));
        }
        Ok(())
    }

    fn known_root_field(&mut self, field: &str, at: &At<'a>) {
        let known = [
            "openapi",
            "swagger",
            "info",
            "servers",
            "host",
            "basePath",
            "schemes",
            "paths",
            "components",
            "definitions",
            "parameters",
            "responses",
            "securityDefinitions",
            "security",
            "tags",
            "externalDocs",
            "consumes",
            "produces",
            "webhooks",
            "jsonSchemaDialect",
            "$self",
        ];
        if !known.contains(&field) {
            self.warn(at, "an unknown field, not carried over");
        }
    }

    fn key_source(&mut self, at: &At<'a>) -> Result<ApiKeySource, ImportError> {
        match at.text()?.to_ascii_uppercase().as_str() {
            "HEADER" => Ok(ApiKeySource::Header),
            "AUTHORIZER" => Ok(ApiKeySource::Authorizer),
            other => Err(at.error(format!("{other} is neither HEADER nor AUTHORIZER"))),
        }
    }

    fn gateway_responses(&mut self, at: &At<'a>) -> Result<(), ImportError> {
        for (kind, at) in at.entries()? {
            let status_code = at.u32_of("statusCode")?.map(u16::try_from);
            let status_code = status_code.transpose().map_err(|_| at.error("not a status code"))?;
            if status_code.is_some_and(|status| !(200..600).contains(&status)) {
                return Err(at.error("not a status code"));
            }
            let response = GatewayResponse {
                status_code,
                response_parameters: texts(&at, "responseParameters")?,
                response_templates: texts(&at, "responseTemplates")?,
            };
            self.api.gateway_responses.insert(kind.to_ascii_uppercase(), response);
        }
        Ok(())
    }

    fn request_validators(&mut self, at: &At<'a>) -> Result<(), ImportError> {
        for (name, at) in at.entries()? {
            let validator = RequestValidator {
                validate_request_body: at.bool_of("validateRequestBody")?.unwrap_or_default(),
                validate_request_parameters: at.bool_of("validateRequestParameters")?.unwrap_or_default(),
            };
            self.api.request_validators.insert(name.to_owned(), validator);
        }
        Ok(())
    }

    /// The request validator an operation names.
    pub(super) fn validator_of(&mut self, at: &At<'a>) -> Result<Option<String>, ImportError> {
        let Some(at) = at.get("x-amazon-apigateway-request-validator") else { return Ok(None) };
        let name = at.text()?;
        if !self.api.request_validators.contains_key(&name) {
            return Err(at.error(format!("there is no request validator {name}")));
        }
        Ok(Some(name))
    }

    /// The integration an operation names. One that cannot be run as written is an error, except for the kinds kept as data.
    pub(super) fn integration(&mut self, route: &Route<'_>, at: At<'a>) -> Result<Integration, ImportError> {
        let at = self.follow(at)?;
        let kind_at = at.get("type").ok_or_else(|| at.error("an integration has no type"))?;
        let kind = kind_at.text()?;
        let kind = match kind.to_ascii_uppercase().replace('-', "_").as_str() {
            "HTTP_PROXY" => IntegrationType::HttpProxy,
            "HTTP" => IntegrationType::Http,
            "MOCK" => IntegrationType::Mock,
            "AWS" => IntegrationType::Aws,
            "AWS_PROXY" => IntegrationType::AwsProxy,
            _ => return Err(kind_at.error(format!("{kind} is not a type of integration"))),
        };
        if matches!(kind, IntegrationType::Aws | IntegrationType::AwsProxy) {
            self.warn(&at, "integrations of this type are kept but not run: calls are refused");
        }
        let mut integration = Integration {
            kind,
            http_method: at.text_of("httpMethod")?.map(|verb| verb.to_ascii_uppercase()),
            uri: at.text_of("uri")?,
            request_parameters: texts(&at, "requestParameters")?,
            request_templates: texts(&at, "requestTemplates")?,
            passthrough_behavior: passthrough(&at)?,
            content_handling: content_handling(&at)?,
            timeout_in_millis: at.u32_of("timeoutInMillis")?.unwrap_or(Integration::DEFAULT_TIMEOUT_MS),
            tls_config: at.get("tlsConfig").map(|tls| tls_config(&tls)).transpose()?,
            credentials: at.text_of("credentials")?,
            connection_type: at.text_of("connectionType")?,
            connection_id: at.text_of("connectionId")?,
            cache_namespace: at.text_of("cacheNamespace")?,
            cache_key_parameters: at.texts_of("cacheKeyParameters")?,
            ..Integration::default()
        };
        for (pattern, response) in at.entries_of("responses")? {
            self.integration_response(pattern, &response, &mut integration)?;
        }
        self.check(route, &at, &integration)?;
        Ok(integration)
    }

    fn integration_response(
        &mut self,
        pattern: &str,
        at: &At<'a>,
        integration: &mut Integration,
    ) -> Result<(), ImportError> {
        let status_code =
            at.text_of("statusCode")?.ok_or_else(|| at.error("an integration response has no statusCode"))?;
        let response = IntegrationResponse {
            selection_pattern: (pattern != "default").then(|| pattern.to_owned()),
            response_parameters: texts(at, "responseParameters")?,
            response_templates: texts(at, "responseTemplates")?,
            content_handling: content_handling(at)?,
            status_code,
        };
        let responses = &mut integration.integration_responses;
        if responses.contains_key(&response.status_code) {
            self.warn(
                at,
                format!("not carried over: there is another response for {}", response.status_code),
            );
            return Ok(());
        }
        responses.insert(response.status_code.clone(), response);
        Ok(())
    }

    fn check(
        &mut self,
        route: &Route<'_>,
        at: &At<'a>,
        integration: &Integration,
    ) -> Result<(), ImportError> {
        if let Some(problem) = check_integration(&self.api, route.key, integration, "").into_iter().next() {
            let place = problem.path.replacen("/integrationResponses/", "/responses/", 1);
            // Responses are keyed by pattern there and by status here: the nearest place that exists is named.
            let mut place = place.as_str();
            let node: &Node = loop {
                match at.node.pointer(place) {
                    Some(node) => break node,
                    None => place = &place[..place.rfind('/').unwrap_or_default()],
                }
            };
            let found = At { node, place: Place::of(at.place.pointer() + place) };
            return Err(found.error(problem.message));
        }
        Ok(())
    }
}

fn cors(at: &At<'_>) -> Result<Cors, ImportError> {
    let default = Cors::default();
    let cors = Cors {
        enabled: true,
        allow_origins: at.texts_of("allowOrigins")?,
        allow_methods: at.texts_of("allowMethods")?,
        allow_headers: at.texts_of("allowHeaders")?,
        expose_headers: at.texts_of("exposeHeaders")?,
        allow_credentials: at.bool_of("allowCredentials")?.unwrap_or_default(),
        max_age: at.u32_of("maxAge")?.unwrap_or(default.max_age),
    };
    match check_cors(&cors, "").into_iter().next() {
        Some(problem) => Err(at.error(format!("{}: {}", problem.path, problem.message))),
        None => Ok(cors),
    }
}

fn texts(at: &At<'_>, field: &str) -> Result<Named<String>, ImportError> {
    let entry = |(name, at): (&str, At<'_>)| {
        let text = match at.node.to_value() {
            Value::String(text) => text,
            // A template written as an object rather than as the text of one.
            value @ (Value::Object(_) | Value::Array(_)) => value.to_string(),
            _ => at.text()?,
        };
        Ok((name.to_owned(), text))
    };
    at.entries_of(field)?.into_iter().map(entry).collect()
}

fn passthrough(at: &At<'_>) -> Result<PassthroughBehavior, ImportError> {
    let Some(text) = at.text_of("passthroughBehavior")? else { return Ok(PassthroughBehavior::default()) };
    match text.to_ascii_lowercase().as_str() {
        "when_no_match" => Ok(PassthroughBehavior::WhenNoMatch),
        "when_no_templates" => Ok(PassthroughBehavior::WhenNoTemplates),
        "never" => Ok(PassthroughBehavior::Never),
        _ => Err(at.error(format!("{text} is not a passthrough behavior"))),
    }
}

fn content_handling(at: &At<'_>) -> Result<Option<ContentHandling>, ImportError> {
    let Some(text) = at.text_of("contentHandling")? else { return Ok(None) };
    match text.to_ascii_uppercase().as_str() {
        "CONVERT_TO_BINARY" => Ok(Some(ContentHandling::ConvertToBinary)),
        "CONVERT_TO_TEXT" => Ok(Some(ContentHandling::ConvertToText)),
        _ => Err(at.error(format!("{text} is not a way to handle content"))),
    }
}

fn tls_config(at: &At<'_>) -> Result<TlsConfig, ImportError> {
    Ok(TlsConfig { insecure_skip_verification: at.bool_of("insecureSkipVerification")?.unwrap_or_default() })
}
