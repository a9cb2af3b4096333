use std::collections::HashSet;

use proptest::prelude::*;

use super::super::{ImportOptions, export, import};
use crate::model::{
    Api, Integration, IntegrationResponse, IntegrationType, Method, PassthroughBehavior, Upstream, Verb,
};

fn integration() -> impl Strategy<Value = Integration> {
    let template =
        prop_oneof![Just("$input.body"), Just("{\"statusCode\": 200}"), Just("$context.requestId")];
    let response = (200..599_u16, prop::option::of("[1-5]\\\\d[0-9]"), prop::option::of(template.clone()));
    let kind = prop_oneof![
        Just((IntegrationType::HttpProxy, Some("/a/{id}?x=1"))),
        Just((IntegrationType::Http, Some("https://${stageVariables.host}/{id}"))),
        Just((IntegrationType::Mock, None)),
    ];
    let passthrough = prop_oneof![
        Just(PassthroughBehavior::WhenNoMatch),
        Just(PassthroughBehavior::WhenNoTemplates),
        Just(PassthroughBehavior::Never),
    ];
    (kind, passthrough, 50..300_000_u32, prop::option::of(template), prop::collection::vec(response, 0..4))
        .prop_map(|((kind, uri), passthrough_behavior, timeout_in_millis, template, responses)| {
            let mut integration = Integration {
                kind,
                uri: uri.map(str::to_owned),
                http_method: Some("GET".into()),
                passthrough_behavior,
                timeout_in_millis,
                ..Integration::default()
            };
            if let Some(template) = template {
                integration.request_templates.insert("application/json".into(), template.into());
            }
            let mut patterns = HashSet::new();
            for (status, selection_pattern, template) in responses {
                if !patterns.insert(selection_pattern.clone()) {
                    continue;
                }
                let mut response = IntegrationResponse {
                    status_code: status.to_string(),
                    selection_pattern,
                    ..Default::default()
                };
                if let Some(template) = template {
                    response.response_templates.insert("text/plain".into(), template.into());
                }
                integration.integration_responses.insert(status.to_string(), response);
            }
            integration
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn an_exported_api_imports_as_it_was(
        methods in prop::collection::vec(("[a-z]{1,3}", 0..8_usize, any::<bool>(), prop::option::of("[a-z]{1,8}"), integration()), 1..8),
    ) {
        let mut api = Api::new("T");
        api.upstream = Some(Upstream { url: "https://up.example.com".into(), secret_headers: Vec::new() });
        for (name, verb, api_key_required, summary, integration) in methods {
            let path = api.put_resource(&format!("/{name}/{{id}}")).unwrap();
            let mut method = Method { api_key_required, summary, integration: Some(integration), ..Method::default() };
            method.request_parameters.insert("method.request.path.id".into(), true);
            method.request_parameters.insert("method.request.querystring.q".into(), false);
            let _ = api.put_method(&path, Verb::ALL[verb], method);
        }
        let options = ImportOptions { require_api_key: false, ..ImportOptions::default() };
        let again = import(&export(&api).to_string(), &options).unwrap().api;
        prop_assert_eq!(again.resources.keys().collect::<Vec<_>>(), api.resources.keys().collect::<Vec<_>>());
        for ((_, verb, method), (_, again_verb, again)) in api.methods().zip(again.methods()) {
            prop_assert_eq!(verb, again_verb);
            prop_assert_eq!(&again.integration, &method.integration);
            prop_assert_eq!(again.api_key_required, method.api_key_required);
            prop_assert_eq!(&again.request_parameters, &method.request_parameters);
            prop_assert_eq!(&again.summary, &method.summary);
        }
    }

    #[test]
    fn any_text_is_imported_or_refused_without_panic(text in "[\\[\\]{}\":,&*<>|a-z0-9#$/ \n-]{0,60}") {
        let _ = import(&text, &ImportOptions::default());
        let _ = import(&format!("openapi: 3.1.0\ninfo: {{title: t}}\nservers: [{{url: 'http://a'}}]\npaths:\n  /a: {text}"),
            &ImportOptions::default());
    }
}
