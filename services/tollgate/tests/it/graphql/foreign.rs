//! One organization asks for what another one has.

use std::collections::{BTreeMap, BTreeSet};

use common::id::RequestId;
use serde_json::{Value, json};
use uuid::Uuid;

use super::cases::{Case, Reference, cases};
use super::edge::Edge;
use super::organization::{Organization, assert_same, texts};
use super::served::Served;
use super::{is_refused, refusal};

/// An answer as text, without what differs from request to request and without the ids that were asked for.
fn blanked(mut answer: Value, ids: &BTreeMap<Reference, String>) -> String {
    for error in answer["errors"].as_array_mut().into_iter().flatten() {
        error["extensions"]["requestId"].take();
    }
    ids.values().fold(answer.to_string(), |text, id| text.replace(id, "ID"))
}

/// Whether a list or a sum was answered that holds nothing.
fn is_empty(answer: &Value, field: &str) -> bool {
    let held = ["nodes", "rows"].map(|list| &answer["data"][field][list]);
    let sums = &answer["data"][field]["requests"];
    held.contains(&&json!([])) || sums == &json!(0)
}

/// What an organization reads that one of another installation does not read: ids, names, documents.
async fn secrets(served: &Served, read: &Value) -> BTreeSet<String> {
    let elsewhere = Edge::start().await;
    let common = Organization::found(&elsewhere, "initech").await.everything(served).await;
    texts(read).difference(&texts(&common)).map(|text| (*text).to_owned()).collect()
}

/// The secrets that an answer tells.
fn told<'a>(secrets: &'a BTreeSet<String>, answer: &Value) -> Vec<&'a String> {
    let answer = answer.to_string();
    secrets.iter().filter(|secret| answer.contains(secret.as_str())).collect()
}

#[actix_web::test]
async fn an_id_of_another_organization_is_answered_like_one_of_nobody_and_changes_nothing() {
    let edge = Edge::start().await;
    let served = Served::read(&edge).await;
    let (acme, globex) =
        (Organization::found(&edge, "acme").await, Organization::found(&edge, "globex").await);
    let (theirs, ours) = (acme.everything(&served).await, globex.everything(&served).await);
    let secrets = secrets(&served, &theirs).await;
    assert_eq!(told(&secrets, &ours), Vec::<&String>::new(), "a list tells of others");
    for kind in
        ["api", "deployment", "usagePlan", "key", "product", "plan", "developer", "app", "subscription"]
    {
        assert!(secrets.contains(acme.id(kind)), "{kind} is not among what is looked for");
    }
    for case in cases() {
        for swapped in case.swaps() {
            ask_for_foreign(&served, &acme, &globex, &case, &swapped, &secrets).await;
        }
    }
    assert_same(&theirs, &acme.everything(&served).await);
    assert_same(&ours, &globex.everything(&served).await);
}

/// Asks with ids of nobody and with those of another organization, and compares the answers.
async fn ask_for_foreign(
    served: &Served,
    acme: &Organization<'_>,
    globex: &Organization<'_>,
    case: &Case,
    swapped: &BTreeSet<Reference>,
    secrets: &BTreeSet<String>,
) {
    let ask = async |ids: &BTreeMap<Reference, String>| {
        let arguments = case.arguments(|reference| {
            ids.get(reference).cloned().unwrap_or_else(|| globex.id(&reference.kind).to_owned())
        });
        let answer = globex.owner.ask_all(served, case.field, &arguments).await;
        let nothing = ["not_found", "invalid"].contains(&refusal(&answer)) || is_empty(&answer, case.field);
        assert!(nothing, "{} {arguments}: {answer}", case.field);
        blanked(answer, ids)
    };
    let with = |id: &dyn Fn(&str) -> String| -> BTreeMap<_, _> {
        swapped.iter().map(|reference| (reference.clone(), id(&reference.kind))).collect()
    };
    let unknown = ask(&with(&|kind| globex.unknown(kind))).await;
    let foreign = ask(&with(&|kind| acme.id(kind).to_owned())).await;
    assert_eq!(foreign, unknown, "{} tells what {swapped:?} is", case.field);
    assert_eq!(told(secrets, &foreign.into()), Vec::<&String>::new(), "{}", case.field);
}

#[actix_web::test]
async fn every_field_works_with_own_ids_and_shows_nothing_of_others() {
    let edge = Edge::start().await;
    let served = Served::read(&edge).await;
    let (acme, globex) =
        (Organization::found(&edge, "acme").await, Organization::found(&edge, "globex").await);
    let theirs = acme.everything(&served).await;
    let secrets = secrets(&served, &theirs).await;
    for case in cases() {
        let arguments = case.arguments(|reference| globex.id(&reference.kind).to_owned());
        let answer = globex.owner.ask_all(&served, case.field, &arguments).await;
        assert!(
            !is_refused(&answer) && !is_empty(&answer, case.field),
            "{} {arguments}: {answer}",
            case.field
        );
        assert_eq!(told(&secrets, &answer), Vec::<&String>::new(), "{}: {answer}", case.field);
    }
    assert_same(&theirs, &acme.everything(&served).await);
}

#[actix_web::test]
async fn a_reference_to_something_of_another_organization_leads_nowhere() {
    let edge = Edge::start().await;
    let (acme, globex) =
        (Organization::found(&edge, "acme").await, Organization::found(&edge, "globex").await);
    let request = RequestId::from_uuid(Uuid::new_v4());
    globex.record(request, &acme).await;
    let log =
        "query($id: ID!) { requestLog(requestId: $id) { nodes { apiId keyId api { name } key { name } } } }";
    let answer = globex.owner.run(&json!({ "query": log, "variables": { "id": request } })).await;
    let call = &answer["data"]["requestLog"]["nodes"][0];
    assert_eq!(call["apiId"], acme.id("api"), "{answer}");
    assert_eq!((&call["api"], &call["key"]), (&Value::Null, &Value::Null), "{answer}");
}

#[actix_web::test]
async fn an_idempotency_key_of_another_organization_means_nothing() {
    let edge = Edge::start().await;
    let (acme, globex) = (edge.sign_up("acme").await, edge.sign_up("globex").await);
    let create = json!({ "query": "mutation {
        tokenCreate(input: {name: \"t\"}) { secret }
        apiKeyCreate(input: {name: \"k\"}) { value }
        accessKeyCreate { secretAccessKey }
        developerCreate(input: {email: \"d@example.com\"}) { developer { id } }
    }" });
    let theirs = acme.run_under("once", &create).await["data"].take();
    assert_eq!(acme.run_under("once", &create).await["data"], theirs);
    let ours = globex.run_under("once", &create).await["data"].take();
    assert_eq!(texts(&theirs).len(), 4, "{theirs}");
    assert_eq!(texts(&ours).len(), 4, "{ours}");
    assert!(texts(&theirs).is_disjoint(&texts(&ours)), "{theirs} {ours}");
}

#[actix_web::test]
async fn a_key_value_of_another_organization_is_refused_without_a_word_about_its_key() {
    let edge = Edge::start().await;
    let served = Served::read(&edge).await;
    let (acme, globex) =
        (Organization::found(&edge, "acme").await, Organization::found(&edge, "globex").await);
    let reveal = json!({ "query": "mutation($id: ID!) { apiKeyReveal(id: $id) { value } }",
        "variables": { "id": acme.id("key") } });
    let value = acme.owner.run(&reveal).await["data"]["apiKeyReveal"]["value"].take();
    let theirs = acme.everything(&served).await;
    for (field, input) in [
        ("apiKeyCreate", json!({ "name": "mine", "value": value })),
        ("apiKeyRotate", json!({ "id": globex.id("key"), "value": value })),
    ] {
        let answer = globex.owner.ask_all(&served, field, &json!({ "input": input })).await;
        assert_eq!(refusal(&answer), "already_exists", "{field}: {answer}");
        assert!(!answer.to_string().contains("acme"), "{field}: {answer}");
        assert!(!answer.to_string().contains(acme.id("key")), "{field}: {answer}");
    }
    assert_same(&theirs, &acme.everything(&served).await);
}
