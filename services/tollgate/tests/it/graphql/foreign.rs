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
    held.contains(&&json!([]))
}

#[actix_web::test]
async fn an_id_of_another_organization_is_answered_like_one_of_nobody_and_changes_nothing() {
    let edge = Edge::start().await;
    let served = Served::read(&edge).await;
    let (acme, globex) =
        (Organization::found(&edge, "acme").await, Organization::found(&edge, "globex").await);
    let (theirs, ours) = (acme.everything(&served).await, globex.everything(&served).await);
    let secrets: BTreeSet<_> = texts(&theirs).difference(&texts(&ours)).copied().collect();
    for kind in
        ["api", "deployment", "usagePlan", "key", "product", "plan", "developer", "app", "subscription"]
    {
        assert!(secrets.contains(acme.id(kind)), "{kind} cannot be read");
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
    secrets: &BTreeSet<&str>,
) {
    let ask = async |ids: &BTreeMap<Reference, String>| {
        let arguments = case.arguments(|reference| {
            ids.get(reference).cloned().unwrap_or_else(|| globex.id(&reference.kind).to_owned())
        });
        let answer = globex.owner.run(&served.ask_all(case.field, &arguments)).await;
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
    let told: Vec<_> = secrets.iter().filter(|secret| foreign.contains(**secret)).collect();
    assert!(told.is_empty(), "{} tells {told:?}: {foreign}", case.field);
}

#[actix_web::test]
async fn every_field_works_with_own_ids_and_shows_nothing_of_others() {
    let edge = Edge::start().await;
    let served = Served::read(&edge).await;
    let (acme, globex) =
        (Organization::found(&edge, "acme").await, Organization::found(&edge, "globex").await);
    let (theirs, ours) = (acme.everything(&served).await, globex.everything(&served).await);
    let secrets: BTreeSet<_> = texts(&theirs).difference(&texts(&ours)).copied().collect();
    for case in cases() {
        let arguments = case.arguments(|reference| globex.id(&reference.kind).to_owned());
        let answer = globex.owner.run(&served.ask_all(case.field, &arguments)).await;
        assert!(
            !is_refused(&answer) && !is_empty(&answer, case.field),
            "{} {arguments}: {answer}",
            case.field
        );
        let shown = answer.to_string();
        let told: Vec<_> = secrets.iter().filter(|secret| shown.contains(**secret)).collect();
        assert!(told.is_empty(), "{} tells {told:?}: {answer}", case.field);
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
