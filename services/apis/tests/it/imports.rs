//! Importing documents.

use apidef::model::Verb;
use common::{Code, PageArgs};
use contracts::Ctx;
use contracts::apis::{GetApi, ImportApi, ListApis, ListDeployments, SecretHeader};
use contracts::stream::Liveness;
use testkit::{Store, on_both_stores};

use crate::role::{PETS, Role, pets};

on_both_stores!(
    an_import_is_deployed_and_published,
    an_import_without_a_stage_deploys_nothing,
    a_broken_document_names_its_place_and_changes_nothing,
    every_wrong_input_is_refused,
    a_repeated_import_makes_one_api,
    importing_again_replaces_the_document_and_keeps_its_secrets,
);

async fn an_import_is_deployed_and_published(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let imported = role.import(&ctx).await;
    let api = &imported.api;
    assert_eq!((api.name.as_str(), api.revision, imported.liveness), ("Pets", 1, Liveness::Live));
    let stage = &api.stages[0];
    assert_eq!((stage.name.as_str(), stage.undeployed_changes), ("v1", false));
    assert_eq!(stage.invoke_url, format!("http://127.0.0.1:8080/_api/{}/v1", api.id));
    assert_eq!(Some(stage.deployment), imported.deployment.map(|deployment| deployment.id));

    let changes = role.follow(role.gateway(), 0).await;
    assert_eq!(changes.changes.len(), 1);
    assert_eq!(changes.changes[0].key, format!("stage/{}/v1", api.id));
    let entry = changes.changes[0].state.as_ref().unwrap();
    assert_eq!((Some(entry.tenant), entry.api, entry.deployment), (ctx.tenant, api.id, stage.deployment));
    let method = entry.document.method("/pets/{petId}", Verb::Get).unwrap();
    assert!(method.api_key_required);
    assert_eq!(entry.document.upstream.as_ref().unwrap().url, "http://127.0.0.1:9/backend");
}

async fn an_import_without_a_stage_deploys_nothing(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let input = ImportApi { stage: None, name: Some("Mine".into()), ..pets() };
    let imported = role.call(&ctx, input).await.unwrap();
    assert!(imported.deployment.is_none() && imported.api.stages.is_empty());
    assert_eq!(imported.api.name, "Mine");
    let detail = role.call(&ctx, GetApi { id: imported.api.id }).await.unwrap();
    assert_eq!(detail.summary, imported.api);
    assert!(detail.document.method("/pets", Verb::Get).is_some());
    assert!(role.follow(role.gateway(), 0).await.changes.is_empty());
}

async fn a_broken_document_names_its_place_and_changes_nothing(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let imported = role.import(&ctx).await;
    let before = role.call(&ctx, GetApi { id: imported.api.id }).await.unwrap();
    for document in
        [PETS.replace("\"get\": {\"operationId\": \"listPets\"", "\"get\": {{"), "nonsense".into()]
    {
        for api in [None, Some(imported.api.id)] {
            let input = ImportApi { api, document: document.clone(), ..pets() };
            let error = role.call(&ctx, input).await.unwrap_err();
            assert_eq!((error.code, error.reason.as_ref()), (Code::Invalid, "document_invalid"), "{error}");
            assert!(error.fields[0].field.starts_with("document"), "{error:?}");
        }
    }
    let broken = ImportApi { document: PETS.replace("listPets\"", "listPets"), ..pets() };
    let error = role.call(&ctx, broken).await.unwrap_err();
    assert!(error.message.contains("line 9"), "{error}");

    let apis = role.call(&ctx, ListApis { page: PageArgs::default(), search: None }).await.unwrap();
    assert_eq!(apis.items.len(), 1);
    assert_eq!(role.call(&ctx, GetApi { id: imported.api.id }).await.unwrap().summary, before.summary);
    assert_eq!(role.follow(role.gateway(), 0).await.changes.len(), 1);
}

async fn every_wrong_input_is_refused(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let header = |name: &str, value: &str| SecretHeader { name: name.into(), value: value.into() };
    for (input, field) in [
        (ImportApi { stage: Some("a/b".into()), ..pets() }, "stage"),
        (ImportApi { secret_headers: vec![header("X-Key", "a\nb")], ..pets() }, "secretHeaders[0].value"),
        (ImportApi { secret_headers: vec![header("Host", "a")], ..pets() }, "secretHeaders[0].name"),
    ] {
        let error = role.call(&ctx, input).await.unwrap_err();
        assert_eq!((error.code, error.fields[0].field.as_str()), (Code::Invalid, field), "{error}");
    }
    let url = ImportApi { upstream_url: Some("not a url".into()), ..pets() };
    assert_eq!(role.call(&ctx, url).await.unwrap_err().code, Code::Invalid);
    let big = ImportApi { document: PETS.to_owned() + &" ".repeat(6 << 20), ..pets() };
    assert_eq!(role.call(&ctx, big).await.unwrap_err().code, Code::Invalid);
    let apis = role.call(&ctx, ListApis { page: PageArgs::default(), search: None }).await.unwrap();
    assert!(apis.items.is_empty());
}

async fn a_repeated_import_makes_one_api(store: Store) {
    let role = Role::start(store).await;
    let ctx = Ctx { idempotency_key: Some("import-1".into()), ..role.tenant() };
    let first = role.call(&ctx, pets()).await.unwrap();
    let again = role.call(&ctx, pets()).await.unwrap();
    assert_eq!((first.api, first.deployment), (again.api, again.deployment));
    let other = ImportApi { name: Some("Other".into()), ..pets() };
    assert_eq!(role.call(&ctx, other).await.unwrap_err().code, Code::Conflict);
    let apis = role.call(&ctx, ListApis { page: PageArgs::default(), search: None }).await.unwrap();
    assert_eq!(apis.items.len(), 1);
}

async fn importing_again_replaces_the_document_and_keeps_its_secrets(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let header = SecretHeader { name: "X-Backend".into(), value: "s3cret".into() };
    let first = ImportApi { secret_headers: vec![header.clone()], ..pets() };
    let first = role.call(&ctx, first).await.unwrap();
    role.advance();
    let id = first.api.id;
    let document = PETS.replace("/pets", "/animals");
    let again = ImportApi { api: Some(id), document, ..pets() };
    let again = role.call(&Ctx { now: role.clock.now(), ..ctx.clone() }, again).await.unwrap();
    assert_eq!((again.api.id, again.api.revision), (id, 2));
    let page = PageArgs::default();
    assert_eq!(role.call(&ctx, ListDeployments { id, page }).await.unwrap().items.len(), 2);

    let changes = role.follow(role.gateway(), 0).await;
    let entry = changes.changes[0].state.as_ref().unwrap();
    assert!(entry.document.method("/animals", Verb::Get).is_some());
    assert!(entry.document.method("/pets", Verb::Get).is_none());
    assert_eq!(entry.secret_headers, [header]);

    let stranger = ImportApi { api: Some(id), ..pets() };
    assert_eq!(role.call(&role.tenant(), stranger).await.unwrap_err().code, Code::NotFound);
}
