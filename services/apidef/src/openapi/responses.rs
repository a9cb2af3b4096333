//! Bodies and answers of operations, and names for the schemas written in place.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::ImportError;
use super::import::{Importer, Version};
use super::node::{At, Node};
use super::operation::Route;
use super::refs::MODELS;
use crate::model::{Method, MethodResponse, Model, Named, RequestBody, Verb};

/// The most bytes of what models are named after: each answer of an operation takes the name again.
const MAX_BASE_NAME: usize = 200;

impl<'a> Importer<'a> {
    pub(super) fn request_body(
        &mut self,
        route: &Route<'_>,
        verb: Verb,
        at: &At<'a>,
        body_parameters: Vec<At<'a>>,
        method: &mut Method,
    ) -> Result<(), ImportError> {
        let base = format!("{}Request", base_name(route, verb, method));
        if self.version == Version::Swagger2 {
            return self.body_parameters(&base, at, body_parameters, method);
        }
        let Some(body) = at.get("requestBody") else { return Ok(()) };
        let body = self.follow(body)?;
        let mut described = RequestBody {
            description: body.text_of("description")?,
            required: body.bool_of("required")?.unwrap_or_default(),
            ..RequestBody::default()
        };
        for (kind, media) in body.entries_of("content")? {
            self.media(&base, kind, &media, &mut method.request_models, &mut described.content)?;
        }
        method.request_body = Some(described);
        Ok(())
    }

    /// Swagger 2.0: a parameter in `body`, or several in `formData`.
    fn body_parameters(
        &mut self,
        base: &str,
        at: &At<'a>,
        parameters: Vec<At<'a>>,
        method: &mut Method,
    ) -> Result<(), ImportError> {
        let mut fields = Map::new();
        let mut required_fields = Vec::new();
        let mut has_file = false;
        for parameter in parameters {
            let place = parameter.text_of("in")?.unwrap_or_default();
            let required = parameter.bool_of("required")?.unwrap_or_default();
            if place == "body" {
                let description = parameter.text_of("description")?;
                method.request_body = Some(RequestBody { description, required, ..RequestBody::default() });
                let Some(schema) = parameter.get("schema") else { continue };
                let model = self.model(base, &schema)?;
                for kind in self.media_types("consumes", at)? {
                    method.request_models.insert(kind, model.clone());
                }
            }
            if place == "formData" {
                let name = parameter.text_of("name")?.unwrap_or_default();
                let Value::Object(mut field) = self.value(&parameter)? else { continue };
                for key in ["in", "name", "required", "collectionFormat", "allowEmptyValue"] {
                    field.shift_remove(key);
                }
                has_file |= field.get("type").is_some_and(|kind| kind == "file");
                if required {
                    required_fields.push(Value::from(name.clone()));
                }
                fields.insert(name, Value::Object(field));
            }
        }
        if fields.is_empty() {
            return Ok(());
        }
        let default = if has_file { "multipart/form-data" } else { "application/x-www-form-urlencoded" };
        let mut kinds = self.media_types("consumes", at)?;
        kinds.retain(|kind| kind.starts_with("multipart/") || kind == "application/x-www-form-urlencoded");
        if kinds.is_empty() {
            kinds.push(default.into());
        }
        let required = !required_fields.is_empty();
        let mut schema = json!({ "type": "object", "properties": fields });
        if let Some(object) = schema.as_object_mut().filter(|_| required) {
            object.insert("required".into(), required_fields.into());
        }
        let model = self.add_model(base, &kinds[0], schema);
        for kind in kinds {
            method.request_models.insert(kind, model.clone());
        }
        method.request_body = Some(RequestBody { required, ..RequestBody::default() });
        Ok(())
    }

    pub(super) fn responses(
        &mut self,
        route: &Route<'_>,
        verb: Verb,
        at: &At<'a>,
        method: &mut Method,
    ) -> Result<(), ImportError> {
        let base = base_name(route, verb, method);
        for (status, response) in at.entries_of("responses")? {
            if status.starts_with("x-") {
                self.warn(&response, "extensions between responses are not carried over");
                continue;
            }
            if !is_status_key(status) {
                self.warn(&response, format!("{status} is no status code; not carried over"));
                continue;
            }
            let written = response.clone();
            let response = self.follow(response)?;
            let mut described = MethodResponse {
                status_code: status.to_owned(),
                description: response.text_of("description")?,
                ..MethodResponse::default()
            };
            for (name, header) in response.entries_of("headers")? {
                described.response_parameters.insert(format!("method.response.header.{name}"), false);
                let header = self.value(&header)?;
                described.headers.insert(name.to_owned(), header);
            }
            let base = format!("{base}Response{}", capitalized(status));
            if self.version == Version::Swagger2 {
                self.swagger_answer(&base, at, &response, &mut described)?;
            } else {
                for (kind, media) in response.entries_of("content")? {
                    self.media(&base, kind, &media, &mut described.response_models, &mut described.content)?;
                }
            }
            for (field, value) in response.entries()? {
                match field {
                    "description" | "headers" | "content" | "schema" | "examples" | "$ref" => {}
                    "links" => self.warn(&written, "links are not carried over"),
                    _ if field.starts_with("x-") => {
                        described.extensions.insert(field.to_owned(), value.node.to_value());
                    }
                    _ => self.warn(&value, "an unknown field, not carried over"),
                }
            }
            method.method_responses.insert(status.to_owned(), described);
        }
        Ok(())
    }

    fn swagger_answer(
        &mut self,
        base: &str,
        operation: &At<'a>,
        response: &At<'a>,
        described: &mut MethodResponse,
    ) -> Result<(), ImportError> {
        if let Some(schema) = response.get("schema") {
            let model = self.model(base, &schema)?;
            for kind in self.media_types("produces", operation)? {
                described.response_models.insert(kind, model.clone());
            }
        }
        for (kind, example) in response.entries_of("examples")? {
            described.content.insert(kind.to_owned(), json!({ "example": example.node.to_value() }));
        }
        Ok(())
    }

    /// One media type of OpenAPI 3: its model, and what is left as documentation.
    fn media(
        &mut self,
        base: &str,
        kind: &str,
        at: &At<'a>,
        models: &mut Named<String>,
        content: &mut Named<Value>,
    ) -> Result<(), ImportError> {
        let mut rest = Map::new();
        for (field, value) in at.entries()? {
            if field == "schema" {
                let model = self.model(base, &value)?;
                models.insert(kind.to_owned(), model);
            } else {
                let value = self.value(&value)?;
                rest.insert(field.to_owned(), value);
            }
        }
        if !rest.is_empty() || !models.contains_key(kind) {
            content.insert(kind.to_owned(), Value::Object(rest));
        }
        Ok(())
    }

    /// The media types of `consumes` or `produces`, of the operation or the document.
    fn media_types(&mut self, field: &str, operation: &At<'a>) -> Result<Vec<String>, ImportError> {
        let of = if operation.has(field) { operation } else { &self.root.clone() };
        if let Some(list) = of.get(field) {
            self.count_copy(list.node, &list)?;
        }
        let mut kinds = of.texts_of(field)?;
        if kinds.is_empty() {
            kinds.push("application/json".into());
        }
        Ok(kinds)
    }

    /// The name of the model a schema refers to, or of a new one made of it.
    fn model(&mut self, base: &str, at: &At<'a>) -> Result<String, ImportError> {
        let reference = at.node.get("$ref").and_then(Node::text).and_then(|text| self.model_name(text));
        if let Some(name) = reference.filter(|name| self.api.models.contains_key(*name)) {
            return Ok(name.to_owned());
        }
        let schema = self.value(at)?;
        Ok(self.add_model(base, "application/json", schema))
    }

    /// Adds a model under a free name, unless one made after the same says the same.
    fn add_model(&mut self, base: &str, kind: &str, schema: Value) -> String {
        if self.api.models.get(base).is_some_and(|known| known.schema == schema) {
            return base.to_owned();
        }
        let made = self.made.entry(base.to_owned()).or_default();
        let text = schema.to_string();
        if let Some(known) = made.by_schema.get(&text) {
            return known.clone();
        }
        let name = loop {
            made.count += 1;
            let name = if made.count == 1 { base.to_owned() } else { format!("{base}{}", made.count) };
            if !self.api.models.contains_key(&name) {
                break name;
            }
        };
        made.by_schema.insert(text, name.clone());
        // A reference of its own name would refer to itself.
        debug_assert!(schema.get("$ref").and_then(Value::as_str) != Some(&format!("{MODELS}{name}")));
        let description = schema.get("description").and_then(Value::as_str).map(str::to_owned);
        self.api.models.insert(name.clone(), Model { content_type: kind.to_owned(), description, schema });
        name
    }
}

/// What models made of an operation's schemas are named after: the beginning of its operationId or verb and path.
fn base_name(route: &Route<'_>, verb: Verb, method: &Method) -> String {
    let source = match &method.operation_name {
        Some(name) => name.clone(),
        None => format!("{} {}", verb.as_str().to_ascii_lowercase(), route.key),
    };
    let mut out = String::new();
    for word in source.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        // Writing to a string cannot fail.
        let _ = write!(out, "{}", capitalized(word));
    }
    // Nothing but letters and digits: every byte is a character.
    out.truncate(MAX_BASE_NAME);
    if out.is_empty() { "Operation".into() } else { out }
}

fn capitalized(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

/// `200`, `4XX` or `default`.
fn is_status_key(text: &str) -> bool {
    let bytes = text.as_bytes();
    let in_range = bytes.len() == 3 && (b'1'..=b'5').contains(&bytes[0]);
    text == "default"
        || in_range && (bytes[1..].iter().all(u8::is_ascii_digit) || bytes[1..].eq_ignore_ascii_case(b"xx"))
}
