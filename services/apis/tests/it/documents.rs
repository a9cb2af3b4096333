//! Reading and editing documents.

use apidef::Edit;
use apidef::model::{ApiTexts, Method, Verb};
use common::id::ApiId;
use common::{Code, PageArgs};
use contracts::apis::{DeleteApi, EditApi, FindApis, GetApi, ImportApi, ListApis, SecretHeader};
use contracts::stream::Liveness;
use contracts::{Ctx, Permission, Principal};
use database::Tx;
use testkit::{Store, on_both_stores};

use crate::role::{Role, pets};

on_both_stores!(
    an_edit_makes_a_revision_and_waits_to_be_deployed,
    an_edit_of_an_older_revision_is_a_conflict,
    edits_at_the_same_moment_lose_nothing,
    a_refused_edit_changes_nothing,
    a_document_deeper_than_any_reader_is_not_stored,
    new_secrets_reach_gateways_at_once_and_no_table,
    another_tenants_api_does_not_exist,
    apis_are_listed_newest_first_in_pages,
    a_deleted_api_is_gone_from_gateways,
    weak_credentials_are_refused,
);

fn rename(name: &str) -> Edit {
    Edit::SetTexts { texts: ApiTexts { name: Some(name.into()), ..ApiTexts::default() } }
}

fn edit(id: ApiId, edits: Vec<Edit>) -> EditApi {
    EditApi { id, expected_revision: None, edits, secret_headers: None }
}

fn resource(path: &str) -> Edit {
    Edit::PutResource { path: path.into() }
}

async fn an_edit_makes_a_revision_and_waits_to_be_deployed(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let id = role.import(&ctx).await.api.id;
    let edited = role.call(&ctx, edit(id, vec![rename("Renamed"), resource("/new")])).await.unwrap();
    assert_eq!((edited.summary.name.as_str(), edited.summary.revision), ("Renamed", 2));
    assert!(edited.summary.stages[0].undeployed_changes);
    let read = role.call(&ctx, GetApi { id }).await.unwrap();
    assert_eq!((read.summary, &read.document), (edited.summary, &edited.document));
    let entry = role.follow(role.gateway(), 0).await.changes.remove(0).state.unwrap();
    assert_eq!(entry.document.name, "Pets");
}

async fn an_edit_of_an_older_revision_is_a_conflict(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let id = role.import(&ctx).await.api.id;
    let on = |revision| EditApi { expected_revision: Some(revision), ..edit(id, vec![rename("New")]) };
    role.call(&ctx, on(1)).await.unwrap();
    let conflict = role.call(&ctx, on(1)).await.unwrap_err();
    assert_eq!((conflict.code, conflict.reason.as_ref()), (Code::Conflict, "revision_conflict"));
    role.call(&ctx, on(2)).await.unwrap();
}

async fn edits_at_the_same_moment_lose_nothing(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let id = role.import(&ctx).await.api.id;
    let races = (0..6).map(|number| {
        let (client, ctx) = (role.client.clone(), ctx.clone());
        let edits = vec![resource(&format!("/r{number}"))];
        tokio::spawn(async move { client.call(&ctx, edit(id, edits)).await })
    });
    for race in races.collect::<Vec<_>>() {
        race.await.unwrap().unwrap();
    }
    let read = role.call(&ctx, GetApi { id }).await.unwrap();
    assert_eq!(read.summary.revision, 7);
    assert!((0..6).all(|number| read.document.resources.contains_key(&format!("/r{number}"))));
}

async fn a_document_deeper_than_any_reader_is_not_stored(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let id = role.import(&ctx).await.api.id;
    let put = |levels: usize| {
        let deep = (0..levels).fold(serde_json::json!({}), |inner, _| serde_json::json!([inner]));
        let method = Method { parameters: vec![deep], ..Method::default() };
        edit(id, vec![Edit::PutMethod { path: "/pets".into(), verb: Verb::Post, method: Box::new(method) }])
    };
    let refused = role.call(&ctx, put(110)).await.unwrap_err();
    assert_eq!((refused.code, refused.reason.as_ref()), (Code::Invalid, "document_too_deep"));
    assert_eq!(role.call(&ctx, GetApi { id }).await.unwrap().summary.revision, 1);
    role.call(&ctx, put(80)).await.unwrap();
}

async fn a_refused_edit_changes_nothing(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let id = role.import(&ctx).await.api.id;
    let missing = Edit::DeleteMethod { path: "/pets".into(), verb: Verb::Put };
    let refused = role.call(&ctx, edit(id, vec![rename("New"), missing])).await.unwrap_err();
    assert_eq!((refused.code, refused.fields[0].field.as_str()), (Code::Invalid, "edits[1]"));
    let refused = role.call(&ctx, edit(id, vec![rename("New"); 201])).await.unwrap_err();
    assert_eq!((refused.code, refused.fields[0].field.as_str()), (Code::Invalid, "edits"));
    let read = role.call(&ctx, GetApi { id }).await.unwrap();
    assert_eq!((read.summary.name.as_str(), read.summary.revision), ("Pets", 1));
}

async fn new_secrets_reach_gateways_at_once_and_no_table(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let header = |value: &str| SecretHeader { name: "X-Backend".into(), value: value.into() };
    let input = ImportApi { secret_headers: vec![header("first-s3cret")], ..pets() };
    let id = role.call(&ctx, input).await.unwrap().api.id;
    let headers = |entry: contracts::apis::StageEntry| entry.secret_headers;
    let changes = role.follow(role.gateway(), 0).await;
    assert_eq!(
        changes.changes.into_iter().filter_map(|it| it.state).map(headers).next().unwrap()[0].value,
        "first-s3cret"
    );

    let new = EditApi { secret_headers: Some(vec![header("second-s3cret")]), ..edit(id, vec![]) };
    let edited = role.call(&ctx, new).await.unwrap();
    assert_eq!(edited.document.upstream.unwrap().secret_headers[0].name, "X-Backend");
    let after = role.follow(role.gateway(), changes.revision).await;
    let entry = after.changes.into_iter().next().unwrap().state.unwrap();
    assert_eq!(headers(entry)[0].value, "second-s3cret");

    let tx = role.store.database.system_read("a test looks at what is stored").await.unwrap();
    for query in [
        "SELECT state AS text FROM changes",
        "SELECT document AS text FROM apis",
        "SELECT secret_headers_sealed AS text FROM apis",
        "SELECT document AS text FROM deployments",
        "SELECT patch AS text FROM audit_entries",
    ] {
        let statement = sea_orm::Statement::from_string(role.store.database.backend(), query);
        for row in sea_orm::ConnectionTrait::query_all_raw(tx.conn(), statement).await.unwrap() {
            assert!(!row.try_get::<String>("", "text").unwrap().contains("s3cret"), "{query}");
        }
    }
}

async fn another_tenants_api_does_not_exist(store: Store) {
    let role = Role::start(store).await;
    let (owner, stranger) = (role.tenant(), role.tenant());
    let id = role.import(&owner).await.api.id;
    assert_eq!(role.call(&stranger, GetApi { id }).await.unwrap_err().code, Code::NotFound);
    assert_eq!(role.call(&stranger, edit(id, vec![rename("X")])).await.unwrap_err().code, Code::NotFound);
    assert_eq!(role.call(&stranger, DeleteApi { id }).await.unwrap_err().code, Code::NotFound);
    assert!(role.call(&stranger, FindApis { ids: vec![id] }).await.unwrap().is_empty());
    let list = ListApis { page: PageArgs::default(), search: None };
    assert!(role.call(&stranger, list).await.unwrap().items.is_empty());
    assert_eq!(role.call(&owner, FindApis { ids: vec![ApiId::random(), id] }).await.unwrap().len(), 1);
}

async fn apis_are_listed_newest_first_in_pages(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    // Two of them at the same time: the order is total all the same.
    for (number, advance) in [(0, true), (1, true), (2, false), (3, true), (4, true)] {
        let input = ImportApi { name: Some(format!("Api {number}_%")), stage: None, ..pets() };
        role.call(&Ctx { now: role.clock.now(), ..ctx.clone() }, input).await.unwrap();
        if advance {
            role.advance();
        }
    }
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = PageArgs { first: Some(2), after };
        let page = role.call(&ctx, ListApis { page, search: None }).await.unwrap();
        names.extend(page.items.into_iter().map(|api| api.name));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((names[0].as_str(), names[4].as_str(), names.len()), ("Api 4_%", "Api 0_%", 5));
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 5);

    for (search, found) in [("aPI 3", 1), ("_%", 5), ("%3", 0), ("", 5)] {
        let list = ListApis { page: PageArgs::default(), search: Some(search.into()) };
        assert_eq!(role.call(&ctx, list).await.unwrap().items.len(), found, "{search}");
    }
    let broken = PageArgs { first: None, after: Some("x".into()) };
    let broken = role.call(&ctx, ListApis { page: broken, search: None }).await.unwrap_err();
    assert_eq!(broken.code, Code::Invalid);
}

async fn a_deleted_api_is_gone_from_gateways(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let id = role.import(&ctx).await.api.id;
    assert_eq!(role.call(&ctx, DeleteApi { id }).await.unwrap(), Liveness::Live);
    assert_eq!(role.call(&ctx, GetApi { id }).await.unwrap_err().code, Code::NotFound);
    let changes = role.follow(role.gateway(), 0).await;
    assert_eq!(changes.changes.len(), 1);
    assert!(changes.changes[0].state.is_none());
}

async fn weak_credentials_are_refused(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let id = role.import(&ctx).await.api.id;
    let Principal::Token { token, .. } = ctx.principal else { panic!("not a token") };
    let reader =
        Ctx { principal: Principal::Token { token, permissions: vec![Permission::ApisRead] }, ..ctx };
    role.call(&reader, GetApi { id }).await.unwrap();
    assert_eq!(role.call(&reader, DeleteApi { id }).await.unwrap_err().code, Code::Forbidden);
    let nobody = Ctx::anonymous(role.clock.now());
    assert_eq!(role.call(&nobody, GetApi { id }).await.unwrap_err().code, Code::Unauthenticated);
}
