use serde_json::{Value, json};

use super::*;
use crate::model::{AuthorizationType, IntegrationType, Verb};

mod roundtrip;

fn open_import(options: &ImportOptions, document: &Value) -> Result<Import, ImportError> {
    import(&serde_json::to_string_pretty(document).unwrap(), options)
}

/// A document of OpenAPI 3 with these paths and other root fields.
#[expect(clippy::needless_pass_by_value, reason = "a json! literal reads best as an argument")]
fn document(paths: Value, rest: Value) -> Value {
    let mut document = json!({
        "openapi": "3.0.3",
        "info": { "title": "T", "version": "1" },
        "servers": [{ "url": "https://up.example.com/v1" }],
        "paths": paths
    });
    for (key, value) in rest.as_object().unwrap() {
        document[key] = value.clone();
    }
    document
}

fn imported(paths: Value, rest: Value) -> Import {
    open_import(&ImportOptions::default(), &document(paths, rest)).unwrap()
}

fn refused(paths: Value, rest: Value) -> ImportError {
    open_import(&ImportOptions::default(), &document(paths, rest)).unwrap_err()
}

fn warnings(import: &Import) -> Vec<(&str, &str)> {
    import.warnings.iter().map(|warning| (warning.pointer.as_str(), warning.message.as_str())).collect()
}

fn ok() -> Value {
    json!({ "200": { "description": "fine" } })
}

#[test]
fn a_bad_upstream_is_the_fault_of_its_option_and_not_of_the_document() {
    let options = ImportOptions { upstream_url: Some("ftp://backend".into()), ..ImportOptions::default() };
    let refused = open_import(&options, &document(json!({}), json!({}))).unwrap_err();
    assert_eq!((refused.option, refused.line, refused.path.as_str()), (Some("upstreamUrl"), None, ""));
    let error = common::Error::from(refused);
    assert_eq!(error.fields[0].field, "upstreamUrl");
}

#[test]
fn what_cannot_run_is_reported_where_the_document_says_it() {
    let integration = json!({ "type": "http", "httpMethod": "GET", "uri": "https://a.example/{id}" });
    let operation = json!({ "responses": ok(), "x-amazon-apigateway-integration": integration });
    let refused = refused(json!({ "/pets": { "get": operation } }), json!({}));
    assert_eq!(refused.path, "/paths/~1pets/get/x-amazon-apigateway-integration/uri");
    assert!(refused.line.is_some_and(|line| line > 10), "{refused}");
    assert_eq!(refused.reason, "nothing gives a value to {id}");
}

#[test]
fn every_operation_is_proxied_to_the_same_path_of_the_upstream() {
    let found = imported(
        json!({ "/pets/{petId}/": { "get": { "responses": ok(), "parameters": [
        { "name": "petId", "in": "path", "required": true, "schema": { "type": "string" } },
        { "name": "limit", "in": "query", "required": true, "schema": { "type": "integer" } },
        { "name": "X-Trace", "in": "header", "schema": { "type": "string" } }
    ] } } }),
        json!({}),
    );
    assert_eq!(warnings(&found), []);
    assert_eq!(found.api.resources.keys().collect::<Vec<_>>(), ["/", "/pets", "/pets/{petId}"]);
    let method = found.api.method("/pets/{petId}", Verb::Get).unwrap();
    assert!(method.api_key_required);
    assert_eq!(
        serde_json::to_value(&method.request_parameters).unwrap(),
        json!({
            "method.request.path.petId": true,
            "method.request.querystring.limit": true,
            "method.request.header.X-Trace": false
        })
    );
    assert_eq!(
        serde_json::to_value(&method.integration).unwrap(),
        json!({
            "type": "HTTP_PROXY",
            "httpMethod": "GET",
            "uri": "/pets/{petId}/",
            "requestParameters": { "integration.request.path.petId": "method.request.path.petId" },
            "passthroughBehavior": "WHEN_NO_MATCH",
            "timeoutInMillis": 29000
        })
    );
}

#[test]
fn the_upstream_is_the_callers_or_the_first_absolute_server() {
    let servers = json!({ "servers": [
        { "url": "/relative" },
        { "url": "{scheme}://{region}.example.com/v1", "variables": {
            "scheme": { "default": "https" }, "region": { "default": "eu", "enum": ["eu", "us"] } } }
    ] });
    let found = imported(json!({}), servers.clone());
    assert_eq!(found.api.upstream.unwrap().url, "https://eu.example.com/v1");
    assert_eq!(found.api.servers.len(), 2);

    let mut options =
        ImportOptions { upstream_url: Some("http://127.0.0.1:9/x".into()), ..ImportOptions::default() };
    let found = open_import(&options, &document(json!({}), servers)).unwrap();
    assert_eq!(found.api.upstream.unwrap().url, "http://127.0.0.1:9/x");

    options.upstream_url = Some("ftp://x".into());
    assert!(
        open_import(&options, &document(json!({}), json!({})))
            .unwrap_err()
            .reason
            .contains("neither http nor https")
    );
    let error = refused(json!({}), json!({ "servers": [{ "url": "/relative" }] }));
    assert_eq!(error.path, "/servers");
}

#[test]
fn path_parameters_are_shared_overridden_and_referred_to() {
    let found = imported(
        json!({ "/a/{id}": {
            "parameters": [{ "$ref": "#/components/parameters/Id" }, { "name": "q", "in": "query", "required": true }],
            "get": { "responses": ok(), "parameters": [{ "name": "q", "in": "query", "required": false }] },
            "put": { "responses": ok() }
        } }),
        json!({ "components": { "parameters": { "Id": { "name": "id", "in": "path", "required": true } } } }),
    );
    let q =
        |verb| found.api.method("/a/{id}", verb).unwrap().request_parameters["method.request.querystring.q"];
    assert!(!q(Verb::Get));
    assert!(q(Verb::Put));
    assert_eq!(warnings(&found), []);
}

#[test]
fn what_is_not_carried_over_is_warned_of_at_its_place() {
    let found = imported(
        json!({
            "/a/{x}": {
                "servers": [{ "url": "https://other.example.com" }],
                "trace": { "responses": ok() },
                "get": {
                    "responses": { "200": { "description": "", "links": {} }, "2000": { "description": "" } },
                    "callbacks": {},
                    "operationId": "twice",
                    "parameters": [{ "name": "y", "in": "path", "required": true }, { "name": "c", "in": "cookie" }]
                }
            },
            "/a/{y}": { "get": { "responses": ok() }, "post": { "responses": ok(), "operationId": "twice" } },
            "/{a}-{b}": { "get": { "responses": ok() } },
            "/q?x=1": { "get": { "responses": ok() } }
        }),
        json!({ "webhooks": {}, "unknown": 1, "components": { "schemas": {
            "A": { "properties": { "b": { "$ref": "#/components/schemas/None" }, "c": { "$ref": "other.yaml#/X" } } } } } }),
    );
    assert_eq!(
        warnings(&found),
        [
            ("/components/schemas/A/properties/b", "there is no model None"),
            ("/components/schemas/A/properties/c", "other.yaml#/X is in another document, which is not read"),
            ("/unknown", "an unknown field, not carried over"),
            (
                "/paths/~1a~1{x}/servers",
                "servers below the root are not carried over: calls go to the upstream of the api"
            ),
            ("/paths/~1a~1{x}/trace", "the verb is not carried over: API Gateway does not know it"),
            ("/paths/~1a~1{x}/get/parameters/0", "the path /a/{x} has no parameter y"),
            (
                "/paths/~1a~1{x}/get/parameters/1",
                "a cookie parameter is kept as documentation and not checked"
            ),
            ("/paths/~1a~1{x}/get", "the path parameter x is not declared; taken as a text"),
            ("/paths/~1a~1{x}/get/responses/200", "links are not carried over"),
            ("/paths/~1a~1{x}/get/responses/2000", "2000 is no status code; not carried over"),
            ("/paths/~1a~1{x}/get/callbacks", "callbacks are not carried over"),
            ("/paths/~1a~1{y}/get", "not carried over: GET /a/{x} matches the same requests"),
            ("/paths/~1a~1{y}/post", "the operationId twice occurs twice"),
            ("/paths/~1a~1{y}/post", "the path parameter y is not declared; taken as a text"),
            (
                "/paths/~1{a}-{b}",
                "the path is not carried over: the segment {a}-{b} has more than one parameter"
            ),
            ("/paths/~1q?x=1", "the path is not carried over: a path has no query and no fragment"),
            ("/webhooks", "webhooks are not carried over"),
        ]
    );
    assert!(found.warnings.iter().all(|warning| warning.line.is_some_and(|line| line > 1)));
}

#[test]
fn a_broken_document_answers_line_path_and_reason() {
    let yaml =
        "openapi: 3.1.0\ninfo:\n  title: T\npaths:\n  /a:\n    get:\n      parameters:\n        q: 1\n";
    let options =
        ImportOptions { upstream_url: Some("http://127.0.0.1:9".into()), ..ImportOptions::default() };
    let error = import(yaml, &options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 7, column 7: /paths/~1a/get/parameters: expected a list, found an object"
    );

    for (paths, rest, path, reason) in [
        (json!([]), json!({}), "/paths", "expected an object, found a list"),
        (json!({ "a": {} }), json!({}), "/paths/a", "a path begins with a slash"),
        (json!({ "/a": { "get": 1 } }), json!({}), "/paths/~1a/get", "expected an object, found a number"),
        (
            json!({ "/a": { "get": { "parameters": [{ "$ref": "#/components/parameters/X" }] } } }),
            json!({}),
            "/paths/~1a/get/parameters/0/$ref",
            "the reference #/components/parameters/X leads nowhere",
        ),
        (
            json!({ "/a": { "$ref": "#/paths/~1b" }, "/b": { "$ref": "#/paths/~1a" } }),
            json!({}),
            "/paths/~1a",
            "references lead in a circle",
        ),
        (json!({}), json!({ "openapi": "4.0" }), "/openapi", "version 4.0 is neither 2.0 nor 3.x"),
        (json!({}), json!({ "swagger": "2.0" }), "/openapi", "version 2.0 and 3.0.3 is neither 2.0 nor 3.x"),
        (json!({}), json!({ "info": {} }), "/info", "there is no title"),
        (json!({}), json!({ "paths": null }), "", "there are no paths"),
    ] {
        let error = refused(paths, rest);
        assert_eq!((error.path.as_str(), error.reason.as_str()), (path, reason));
        assert!(error.line.is_some());
    }
    for text in ["", "   ", "1", "[]", "{}", "a: b", "openapi: 3.0.0"] {
        assert!(import(text, &options).is_err(), "{text}");
    }
    assert!(import(&" ".repeat(MAX_LEN + 1), &options).unwrap_err().reason.contains("at most"));
}

#[test]
fn too_many_resources_are_refused() {
    let paths: serde_json::Map<String, Value> =
        (0..10_001).map(|at| (format!("/p{at}"), json!({}))).collect();
    assert!(refused(paths.into(), json!({})).reason.contains("at most 10000 resources"));
}

#[test]
fn bodies_and_answers_become_models() {
    let found = imported(
        json!({ "/a": { "post": {
            "operationId": "make-a",
            "requestBody": { "required": true, "description": "D", "content": {
                "application/json": { "schema": { "$ref": "#/components/schemas/A" }, "example": { "id": 1 } },
                "text/plain": { "schema": { "type": "string" } },
                "image/png": {}
            } },
            "responses": {
                "201": { "description": "made", "headers": { "Location": { "$ref": "#/components/headers/L" } },
                    "content": { "application/json": { "schema": { "type": "array", "items": { "$ref": "#/components/schemas/A" } } } } },
                "default": { "$ref": "#/components/responses/Failed" }
            }
        } } }),
        json!({ "components": {
            "schemas": { "A": { "type": "object", "properties": { "next": { "$ref": "#/components/schemas/A" } } } },
            "headers": { "L": { "schema": { "type": "string" } } },
            "responses": { "Failed": { "description": "failed" } }
        } }),
    );
    assert_eq!(warnings(&found), []);
    let method = serde_json::to_value(found.api.method("/a", Verb::Post).unwrap()).unwrap();
    assert_eq!(method["requestModels"], json!({ "application/json": "A", "text/plain": "MakeARequest" }));
    assert_eq!(
        method["requestBody"],
        json!({ "description": "D", "required": true,
            "content": { "application/json": { "example": { "id": 1 } }, "image/png": {} } })
    );
    let made = &method["methodResponses"]["201"];
    assert_eq!(made["responseModels"], json!({ "application/json": "MakeAResponse201" }));
    assert_eq!(made["responseParameters"], json!({ "method.response.header.Location": false }));
    assert_eq!(made["headers"]["Location"], json!({ "schema": { "type": "string" } }));
    assert_eq!(method["methodResponses"]["default"]["description"], "failed");
    assert_eq!(
        found.api.models["A"].schema["properties"]["next"],
        json!({ "$ref": "#/components/schemas/A" })
    );
}

#[test]
fn swagger_2_has_hosts_bodies_and_forms() {
    let found = open_import(
        &ImportOptions::default(),
        &json!({
            "swagger": "2.0",
            "info": { "title": "T", "version": 1 },
            "host": "up.example.com:8443",
            "basePath": "/v1/",
            "schemes": ["http", "https", "ws"],
            "consumes": ["application/json"],
            "produces": ["application/json", "application/xml"],
            "definitions": { "A": { "properties": { "a": { "$ref": "#/definitions/A" } } } },
            "securityDefinitions": { "key": { "type": "apiKey", "name": "X-API-Key", "in": "header" } },
            "paths": { "/a": {
                "post": {
                    "parameters": [{ "name": "body", "in": "body", "required": true, "schema": { "$ref": "#/definitions/A" } }],
                    "responses": { "200": { "description": "d", "schema": { "$ref": "#/definitions/A" },
                        "examples": { "application/json": { "a": {} } } } }
                },
                "put": {
                    "consumes": ["multipart/form-data"],
                    "parameters": [
                        { "name": "f", "in": "formData", "type": "file", "required": true },
                        { "name": "n", "in": "formData", "type": "integer" },
                        { "name": "ids", "in": "query", "type": "array", "items": { "type": "string" }, "collectionFormat": "multi" }
                    ],
                    "responses": { "204": { "description": "" } }
                }
            } }
        }),
    )
    .unwrap();
    assert_eq!(warnings(&found), []);
    let api = serde_json::to_value(&found.api).unwrap();
    assert_eq!(api["upstream"]["url"], "https://up.example.com:8443/v1");
    assert_eq!(api["models"]["A"]["schema"]["properties"]["a"]["$ref"], "#/components/schemas/A");
    let methods = &api["resources"]["/a"]["resourceMethods"];
    assert_eq!(methods["POST"]["requestModels"], json!({ "application/json": "A" }));
    let answer = &methods["POST"]["methodResponses"]["200"];
    assert_eq!(answer["responseModels"], json!({ "application/json": "A", "application/xml": "A" }));
    assert_eq!(answer["content"], json!({ "application/json": { "example": { "a": {} } } }));
    assert_eq!(methods["PUT"]["requestModels"], json!({ "multipart/form-data": "PutARequest" }));
    assert_eq!(
        api["models"]["PutARequest"]["schema"],
        json!({ "type": "object", "required": ["f"],
            "properties": { "f": { "type": "file" }, "n": { "type": "integer" } } })
    );
    assert_eq!(
        methods["PUT"]["parameters"],
        json!([{ "name": "ids", "in": "query", "style": "form", "explode": true,
            "schema": { "type": "array", "items": { "type": "string" } } }])
    );
}

#[test]
fn a_key_is_needed_everywhere_or_where_the_document_says_so() {
    let document = document(
        json!({ "/a": {
            "get": { "responses": ok(), "security": [{ "key": [] }] },
            "put": { "responses": ok(), "security": [{ "token": [] }] },
            "options": { "responses": ok(), "security": [], "x-amazon-apigateway-integration": { "type": "mock" } }
        } }),
        json!({ "components": { "securitySchemes": {
            "key": { "type": "apiKey", "name": "x-api-key", "in": "header" },
            "token": { "type": "http", "scheme": "bearer" }
        } } }),
    );
    for (require_api_key, expected) in [(true, [true, true, false]), (false, [true, false, false])] {
        let options = ImportOptions { require_api_key, ..ImportOptions::default() };
        let found = open_import(&options, &document).unwrap();
        let needs: Vec<bool> = found.api.methods().map(|(_, _, method)| method.api_key_required).collect();
        assert_eq!(needs, expected);
        assert_eq!(found.warnings.len(), 1, "only the token is warned of");
    }
}

#[test]
fn the_extensions_of_api_gateway_are_honoured() {
    let found = imported(
        json!({ "/{proxy+}": { "x-amazon-apigateway-any-method": {
            "x-amazon-apigateway-request-validator": "all",
            "x-amazon-apigateway-integration": {
                "type": "http", "httpMethod": "post", "uri": "https://backend.example.com/{proxy}",
                "passthroughBehavior": "when_no_templates", "timeoutInMillis": 5000,
                "requestParameters": { "integration.request.path.proxy": "method.request.path.proxy" },
                "requestTemplates": { "application/json": { "statusCode": 200 } },
                "responses": {
                    "default": { "statusCode": 200, "responseTemplates": { "application/json": "$input.body" } },
                    "4\\d{2}": { "statusCode": "404", "responseParameters": { "method.response.header.X": "'y'" } },
                    "5\\d{2}": { "statusCode": "404" }
                }
            }
        } } }),
        json!({
            "x-amazon-apigateway-request-validators": { "all": { "validateRequestBody": true, "validateRequestParameters": true } },
            "x-amazon-apigateway-request-validator": "all",
            "x-amazon-apigateway-api-key-source": "AUTHORIZER",
            "x-amazon-apigateway-binary-media-types": ["image/png"],
            "x-amazon-apigateway-minimum-compression-size": "1024",
            "x-amazon-apigateway-cors": { "allowOrigins": ["https://a.example"], "allowCredentials": "true", "maxAge": 60 },
            "x-amazon-apigateway-gateway-responses": { "THROTTLED": { "statusCode": 429,
                "responseParameters": { "gatewayresponse.header.Retry-After": "'1'" }, "responseTemplates": { "application/json": "{}" } } },
            "x-amazon-apigateway-importexport-version": "1.0",
            "x-mine": { "a": 1 }
        }),
    );
    assert_eq!(
        warnings(&found).iter().map(|(pointer, _)| *pointer).collect::<Vec<_>>(),
        [
            "/x-amazon-apigateway-importexport-version",
            "/paths/~1{proxy+}/x-amazon-apigateway-any-method",
            "/paths/~1{proxy+}/x-amazon-apigateway-any-method/x-amazon-apigateway-integration/responses/5\\d{2}",
        ]
    );
    let api = serde_json::to_value(&found.api).unwrap();
    assert_eq!(api["apiKeySource"], "AUTHORIZER");
    assert_eq!(api["binaryMediaTypes"], json!(["image/png"]));
    assert_eq!(api["minimumCompressionSize"], 1024);
    assert_eq!(api["cors"]["allowCredentials"], true);
    assert_eq!(api["gatewayResponses"]["THROTTLED"]["statusCode"], 429);
    assert_eq!(api["extensions"]["x-mine"], json!({ "a": 1 }));
    let method = &api["resources"]["/{proxy+}"]["resourceMethods"]["ANY"];
    assert_eq!(method["requestValidator"], "all");
    let integration = &method["methodIntegration"];
    assert_eq!(integration["type"], "HTTP");
    assert_eq!(integration["httpMethod"], "POST");
    assert_eq!(integration["requestTemplates"], json!({ "application/json": "{\"statusCode\":200}" }));
    assert_eq!(
        integration["integrationResponses"],
        json!({
            "200": { "statusCode": "200", "responseTemplates": { "application/json": "$input.body" } },
            "404": { "statusCode": "404", "selectionPattern": "4\\d{2}", "responseParameters": { "method.response.header.X": "'y'" } }
        })
    );
}

#[test]
fn an_integration_that_cannot_run_as_written_is_an_error_at_its_place() {
    for (integration, path, reason) in [
        (
            json!({ "type": "mock", "requestTemplates": { "application/json": "#set($a = 1)" } }),
            "/requestTemplates/application~1json",
            "line 1: the directive #set is not supported",
        ),
        (
            json!({ "type": "mock", "responses": { "default": { "statusCode": "200",
                "responseTemplates": { "text/plain": "\n$util.base64Encode('x')" } } } }),
            "/responses",
            "line 2: the reference $util.base64Encode( is not supported",
        ),
        (
            json!({ "type": "http_proxy", "uri": "https://{host}/" }),
            "/uri",
            "the parameter host stands in the host",
        ),
        (json!({ "type": "http_proxy" }), "", "an http integration needs a uri"),
        (json!({ "type": "http_proxy", "uri": "/{x}" }), "/uri", "nothing gives a value to {x}"),
        (json!({ "type": "carrier-pigeon" }), "/type", "carrier-pigeon is not a type of integration"),
        (json!({ "type": "mock", "timeoutInMillis": 1 }), "/timeoutInMillis", "50 to 300000 milliseconds"),
    ] {
        let error = refused(
            json!({ "/a": { "get": { "responses": ok(), "x-amazon-apigateway-integration": integration } } }),
            json!({}),
        );
        assert_eq!(error.path, format!("/paths/~1a/get/x-amazon-apigateway-integration{path}"));
        assert_eq!(error.reason, reason);
    }
}

#[test]
fn integrations_kept_as_data_and_authorizers_are_warned_of() {
    let found = imported(
        json!({ "/a": { "get": { "responses": ok(), "security": [{ "lambda": [] }], "x-amazon-apigateway-integration": {
            "type": "aws_proxy", "httpMethod": "POST", "uri": "arn:aws:apigateway:eu-west-1:lambda:path/x" } } } }),
        json!({ "components": { "securitySchemes": { "lambda": { "type": "apiKey", "name": "Authorization", "in": "header",
            "x-amazon-apigateway-authtype": "custom",
            "x-amazon-apigateway-authorizer": { "type": "token", "authorizerUri": "arn:aws:x" } } } } }),
    );
    assert_eq!(found.warnings.len(), 2);
    let method = found.api.method("/a", Verb::Get).unwrap();
    assert_eq!(method.authorization_type, AuthorizationType::Custom);
    assert_eq!(method.authorizer.as_deref(), Some("lambda"));
    assert_eq!(method.integration.as_ref().unwrap().kind, IntegrationType::AwsProxy);
    assert_eq!(found.api.authorizers["lambda"]["type"], "token");
}

#[test]
fn references_in_a_circle_end() {
    let found = imported(
        json!({ "/a": { "get": { "responses": ok(), "parameters": [
            { "name": "q", "in": "query", "examples": { "e": { "$ref": "#/components/examples/E" } } } ] } } }),
        json!({ "components": { "examples": { "E": { "value": { "again": { "$ref": "#/components/examples/E" } } } } } }),
    );
    assert_eq!(found.warnings.len(), 1);
    assert!(found.warnings[0].message.contains("circle"));
    let parameter = &found.api.method("/a", Verb::Get).unwrap().parameters[0];
    assert_eq!(
        parameter["examples"]["e"],
        json!({ "value": { "again": { "$ref": "#/components/examples/E" } } })
    );
}

#[test]
fn references_that_multiply_are_bounded() {
    let mut examples = serde_json::Map::new();
    for level in 0..20 {
        let inner = json!({ "$ref": format!("#/components/examples/E{}", level + 1) });
        examples.insert(format!("E{level}"), json!({ "value": vec![inner; 10] }));
    }
    examples.insert("E20".into(), json!({ "value": 1 }));
    let paths = json!({ "/a": { "get": { "responses": ok(), "parameters": [
        { "name": "q", "in": "query", "example": { "$ref": "#/components/examples/E0" } } ] } } });
    let error = refused(paths, json!({ "components": { "examples": examples } }));
    assert!(error.reason.starts_with("what is referred to takes more than 32 MB"), "{error}");
    assert!(error.path.starts_with("/components/examples/E"), "{error}");
    assert!(error.line.is_some());
}

#[test]
fn what_many_operations_refer_to_is_bounded() {
    let large = json!({ "description": "x".repeat(1 << 20) });
    let operation = json!({ "responses": { "200": { "$ref": "#/components/responses/R" } } });
    let paths: serde_json::Map<_, _> =
        (0..40).map(|at| (format!("/p{at}"), json!({ "get": operation }))).collect();
    let rest = json!({ "components": { "responses": { "R": large } } });
    let error = refused(paths.into(), rest);
    assert!(error.reason.starts_with("what is referred to takes more than 32 MB"), "{error}");
    assert!(error.path.starts_with("/paths/~1p3") && error.path.ends_with("/responses/200/$ref"), "{error}");
    assert!(error.line.is_some());
}

#[test]
fn lists_that_all_operations_share_are_bounded() {
    let shared: Vec<_> = (0..20_000).map(|at| format!("application/v{at}")).collect();
    let operation = json!({ "responses": { "200": { "description": "", "schema": {} } } });
    let paths: serde_json::Map<_, _> =
        (0..30).map(|at| (format!("/p{at}"), json!({ "get": operation }))).collect();
    let document = json!({
        "swagger": "2.0", "info": { "title": "T" }, "host": "up.example.com", "produces": shared, "paths": paths
    });
    let error = open_import(&ImportOptions::default(), &document).unwrap_err();
    assert_eq!((error.path.as_str(), error.line.is_some()), ("/produces", true), "{error}");
}

#[test]
fn values_below_a_long_name_do_not_repeat_it() {
    let fields: serde_json::Map<_, _> = (0..30_000).map(|at| (format!("x-{at}"), json!(1))).collect();
    let content = json!({ "x".repeat(1 << 20): fields });
    let responses = json!({ "200": { "description": "", "content": content } });
    let found = imported(json!({ "/a": { "get": { "responses": responses } } }), json!({}));
    assert_eq!(warnings(&found), []);
}

#[test]
fn one_operation_id_and_many_schemas_take_no_square_of_time() {
    let operations = (0..4_000).map(|at| {
        let schema = json!({ "const": at });
        let content = json!({ "application/json": { "schema": schema } });
        let responses = json!({ "200": { "description": "", "content": content } });
        (format!("/p{at}"), json!({ "get": { "operationId": "same", "responses": responses } }))
    });
    let found = imported(Value::Object(operations.collect()), json!({}));
    assert_eq!(found.api.models.len(), 4_000);
    assert_eq!(found.api.models["SameResponse2004000"].schema, json!({ "const": 3_999 }));
    assert_eq!(found.warnings.len(), 1_001);
}

#[test]
fn many_parameters_take_no_square_of_time() {
    let parameters: Vec<_> =
        (0..20_000).map(|at| json!({ "name": format!("q{at}"), "in": "query", "schema": {} })).collect();
    let operation = json!({ "parameters": parameters, "responses": ok() });
    let found = imported(json!({ "/a": { "get": operation } }), json!({}));
    assert_eq!(found.api.method("/a", Verb::Get).unwrap().parameters.len(), 20_000);
}

#[test]
fn a_server_url_does_not_grow_by_its_variables() {
    let variable = |text: &str| json!({ "default": text.repeat(500) });
    let servers =
        json!([{ "url": "https://{a}", "variables": { "a": variable("{b}"), "b": variable("{c}") } }]);
    let error = refused(json!({}), json!({ "servers": servers }));
    assert_eq!(error.reason, "longer than 2048 bytes");
}

#[test]
fn references_that_nest_too_deep_are_refused() {
    let deep = |inner: Value| (0..60).fold(inner, |value, _| json!([value]));
    let examples = json!({
        "A": { "value": deep(json!({ "$ref": "#/components/examples/B" })) },
        "B": { "value": deep(json!(1)) }
    });
    let paths = json!({ "/a": { "get": { "responses": ok(), "parameters": [
        { "name": "q", "in": "query", "example": { "$ref": "#/components/examples/A" } } ] } } });
    let error = refused(paths, json!({ "components": { "examples": examples } }));
    assert!(error.reason.starts_with("nested deeper"), "{error}");
    assert!(error.path.starts_with("/components/examples/B/value"), "{error}");
}
