use super::*;

fn api() -> Api {
    let mut api = Api::new("pets");
    api.set_upstream(Some(Upstream { url: "http://127.0.0.1:9".into(), ..Upstream::default() })).unwrap();
    api.put_resource("/pets/{petId}").unwrap();
    api
}

fn proxy(uri: &str) -> Method {
    Method { integration: Some(Integration::http_proxy(uri)), ..Method::default() }
}

#[test]
fn a_resource_brings_its_parents() {
    assert_eq!(api().resources.keys().collect::<Vec<_>>(), ["/", "/pets", "/pets/{petId}"]);
}

#[test]
fn deleting_a_resource_deletes_what_is_below_and_nothing_else() {
    let mut api = api();
    api.put_resource("/petshop").unwrap();
    api.delete_resource("/pets/").unwrap();
    assert_eq!(api.resources.keys().collect::<Vec<_>>(), ["/", "/petshop"]);
    assert_eq!(api.delete_resource("/"), Err(EditError::RootResource));
    assert_eq!(api.delete_resource("/pets"), Err(EditError::ResourceMissing { path: "/pets".into() }));
}

#[test]
fn two_resources_of_one_shape_share_verbs() {
    let mut api = api();
    api.put_resource("/pets/{name}").unwrap();
    api.put_method("/pets/{petId}", Verb::Get, proxy("/pets/{petId}")).unwrap();
    api.put_method("/pets/{name}", Verb::Delete, proxy("/pets/{name}")).unwrap();
    let before = api.clone();
    let taken = api.put_method("/pets/{name}", Verb::Get, proxy("/pets/{name}"));
    assert!(matches!(taken, Err(EditError::RouteTaken { taken_by, .. }) if taken_by == "/pets/{petId}"));
    assert_eq!(api, before);
}

#[test]
fn an_invalid_integration_changes_nothing() {
    let mut api = api();
    api.put_method("/pets", Verb::Get, proxy("/pets")).unwrap();
    let before = api.clone();
    let refused = api.put_integration("/pets", Verb::Get, Integration::http_proxy("http://{host}/pets"));
    assert!(matches!(refused, Err(EditError::Invalid(_))), "{refused:?}");
    assert_eq!(
        api.put_integration("/pets", Verb::Put, Integration::http_proxy("/pets")),
        Err(EditError::MethodMissing { path: "/pets".into(), verb: Verb::Put })
    );
    assert_eq!(api, before);
    api.put_integration("/pets", Verb::Get, Integration::http_proxy("https://example.com/v2/pets")).unwrap();
    assert!(api.set_upstream(None).is_ok());
}

#[test]
fn the_backend_stays_while_a_method_needs_it() {
    let mut api = api();
    api.put_method("/pets", Verb::Get, proxy("/pets")).unwrap();
    assert!(matches!(api.set_upstream(None), Err(EditError::Invalid(_))));
    assert!(api.upstream.is_some());
}

#[test]
fn edits_apply_all_or_none_and_survive_their_wire_form() {
    let edits = vec![
        Edit::PutMethod { path: "/pets".into(), verb: Verb::Get, method: Box::new(proxy("/pets")) },
        Edit::DeleteMethod { path: "/pets".into(), verb: Verb::Put },
    ];
    let wire = serde_json::to_string(&edits).unwrap();
    assert!(wire.starts_with(r#"[{"edit":"putMethod","path":"/pets","verb":"GET""#), "{wire}");
    let mut edits: Vec<Edit> = serde_json::from_str(&wire).unwrap();
    assert!(matches!(api().edited(edits.clone()), Err((1, EditError::MethodMissing { .. }))));
    edits.pop();
    assert!(api().edited(edits).unwrap().method("/pets", Verb::Get).is_some());
}

#[test]
fn an_absent_text_stays_and_an_empty_one_goes() {
    let mut api = api();
    api.put_method("/pets", Verb::Get, proxy("/pets")).unwrap();
    let texts = MethodTexts {
        summary: Some("List".into()),
        description: Some("All".into()),
        ..MethodTexts::default()
    };
    api.set_method_texts("/pets", Verb::Get, texts).unwrap();
    let texts = MethodTexts { description: Some(String::new()), ..MethodTexts::default() };
    api.set_method_texts("/pets", Verb::Get, texts).unwrap();
    let method = api.method("/pets", Verb::Get).unwrap();
    assert_eq!((method.summary.as_deref(), method.description.as_deref()), (Some("List"), None));
    assert!(api.set_texts(ApiTexts { name: Some(String::new()), ..ApiTexts::default() }).is_err());
}
