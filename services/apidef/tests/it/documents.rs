use std::time::Duration;

use apidef::input::Variables;
use apidef::matcher::{Lookup, Matcher};
use apidef::model::{IntegrationType, Verb};
use apidef::openapi::{Import, ImportOptions, export, export_public, import};
use apidef::path::RequestPath;
use apidef::resolve::Resolver;
use apidef::{Api, validate};

struct Document {
    name: &'static str,
    text: &'static str,
    /// Paths with operations, operations, schemas with a name.
    paths: usize,
    methods: usize,
    models: usize,
    upstream: &'static str,
}

const DOCUMENTS: [Document; 7] = [
    Document {
        name: "redocly-museum.yaml",
        text: include_str!("../fixtures/redocly-museum.yaml"),
        paths: 5,
        methods: 8,
        models: 17,
        upstream: "https://redocly.com/_mock/docs/openapi/museum-api",
    },
    Document {
        name: "oai-petstore-expanded.yaml",
        text: include_str!("../fixtures/oai-petstore-expanded.yaml"),
        paths: 2,
        methods: 4,
        models: 3,
        upstream: "https://petstore.swagger.io/v2",
    },
    Document {
        name: "oai-uspto.yaml",
        text: include_str!("../fixtures/oai-uspto.yaml"),
        paths: 3,
        methods: 3,
        models: 1,
        upstream: "https://developer.uspto.gov/ds-api",
    },
    Document {
        name: "box-v2025.json",
        text: include_str!("../fixtures/box-v2025.json"),
        paths: 24,
        methods: 37,
        models: 93,
        upstream: "https://api.box.com/2.0",
    },
    Document {
        name: "twilio-messaging-v1.json",
        text: include_str!("../fixtures/twilio-messaging-v1.json"),
        paths: 32,
        methods: 58,
        models: 40,
        upstream: "https://messaging.twilio.com",
    },
    Document {
        name: "discord-v10.json",
        text: include_str!("../fixtures/discord-v10.json"),
        paths: 150,
        methods: 242,
        models: 539,
        upstream: "https://discord.com/api/v10",
    },
    Document {
        name: "slack-web-swagger2.json",
        text: include_str!("../fixtures/slack-web-swagger2.json"),
        paths: 174,
        methods: 174,
        models: 48,
        upstream: "https://slack.com/api",
    },
];

fn imported(document: &Document) -> Import {
    let started = common::clock::monotonic();
    let found = import(document.text, &ImportOptions::default())
        .unwrap_or_else(|error| panic!("{}: {error}", document.name));
    let took = common::clock::monotonic() - started;
    println!("{}: {took:?}, {} warnings", document.name, found.warnings.len());
    assert!(took < Duration::from_secs(2), "{} took {took:?}", document.name);
    found
}

fn paths_with_methods(api: &Api) -> usize {
    api.resources.values().filter(|resource| !resource.methods.is_empty()).count()
}

#[test]
fn every_document_imports_whole() {
    for document in &DOCUMENTS {
        let Import { api, .. } = imported(document);
        assert_eq!(paths_with_methods(&api), document.paths, "{}", document.name);
        assert_eq!(api.methods().count(), document.methods, "{}", document.name);
        assert!(api.models.len() >= document.models, "{}: {}", document.name, api.models.len());
        assert_eq!(api.upstream.as_ref().unwrap().url, document.upstream);
        assert_eq!(validate(&api), [], "{}", document.name);
        for (path, verb, method) in api.methods() {
            let integration = method.integration.as_ref().unwrap();
            assert_eq!(integration.kind, IntegrationType::HttpProxy);
            assert!(method.api_key_required, "{verb} {path}");
            Resolver::compile(integration, Some(document.upstream), &Variables::new()).unwrap();
        }
    }
}

#[test]
fn every_operation_is_found_by_a_path_of_its_template() {
    for document in &DOCUMENTS {
        let Import { api, .. } = imported(document);
        let matcher = Matcher::compile(&api).unwrap();
        assert!(matcher.heap_bytes() / matcher.len() < 4_096);
        for (index, (path, verb, _)) in api.methods().enumerate() {
            let request: String = path.replace('{', "value-of-").replace('}', "");
            let request = RequestPath::parse(&request).unwrap();
            let Lookup::Found(found) = matcher.find(&request, verb) else {
                panic!("{verb} {path} is not found")
            };
            assert_eq!(found.method.0 as usize, index, "{verb} {path}");
            assert!(found.params().all(|(name, value)| value == format!("value-of-{name}")));
        }
    }
}

#[test]
fn the_document_survives_its_stored_form() {
    for document in &DOCUMENTS {
        let Import { api, .. } = imported(document);
        let stored = serde_json::to_string(&api).unwrap();
        assert_eq!(serde_json::from_str::<Api>(&stored).unwrap(), api, "{}", document.name);
    }
}

#[test]
fn an_exported_document_imports_as_the_same_api() {
    for document in &DOCUMENTS {
        let Import { api, .. } = imported(document);
        let exported = serde_json::to_string_pretty(&export(&api)).unwrap();
        let options = ImportOptions { require_api_key: false, ..ImportOptions::default() };
        let again =
            import(&exported, &options).unwrap_or_else(|error| panic!("{}: {error}", document.name)).api;
        let schemas = |api: &Api| api.models.values().map(|model| model.schema.clone()).collect::<Vec<_>>();
        assert!(again.models.keys().eq(api.models.keys()), "{}", document.name);
        assert!(schemas(&again) == schemas(&api), "{}", document.name);
        assert_eq!(again.upstream, api.upstream);
        assert_eq!(again.documentation, api.documentation);
        assert_eq!(again.resources.keys().collect::<Vec<_>>(), api.resources.keys().collect::<Vec<_>>());
        for ((path, verb, method), (_, _, again)) in api.methods().zip(again.methods()) {
            let mut again = again.clone();
            again.security = method.security.clone();
            assert_eq!(again, *method, "{} {verb} {path}", document.name);
        }
    }
}

#[test]
fn the_public_document_hides_the_backend() {
    for document in &DOCUMENTS {
        let Import { api, .. } = imported(document);
        let public = serde_json::to_string(&export_public(&api, "https://gateway.example.com/v1")).unwrap();
        assert!(!public.contains("x-amazon-apigateway"), "{}", document.name);
        assert!(!public.contains(&format!("{}\"", document.upstream)), "{}", document.name);
        let again = import(&public, &ImportOptions::default()).unwrap().api;
        assert_eq!(again.upstream.unwrap().url, "https://gateway.example.com/v1");
        assert!(again.resources.values().flat_map(|it| it.methods.keys()).all(|verb| *verb != Verb::Any));
    }
}

#[test]
fn warnings_name_a_place_that_exists() {
    for document in &DOCUMENTS {
        let Import { warnings, .. } = imported(document);
        let lines = u32::try_from(document.text.lines().count()).unwrap();
        for warning in warnings {
            assert!(warning.line.is_some_and(|line| (1..=lines).contains(&line)), "{warning:?}");
            assert!(warning.pointer.is_empty() || warning.pointer.starts_with('/'), "{warning:?}");
            println!("  {} {:?} {}", warning.pointer, warning.line, warning.message);
        }
    }
}
