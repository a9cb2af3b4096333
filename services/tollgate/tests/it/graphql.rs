//! Who may ask what of the admin API: every field with no, weak, foreign and sufficient credentials.

mod cases;
mod edge;
mod exports;
mod foreign;
mod organization;
mod served;

use std::collections::{BTreeMap, BTreeSet};

use cases::cases;
use chrono::TimeDelta;
use contracts::Permission;
use edge::{Edge, Owner};
use organization::{Organization, assert_same};
use serde_json::{Value, json};
use served::Served;

const VIEWER: &str = "{ viewer { kind email tenant { name } permissions } }";

/// Kind of the refusal: of the whole request, or of the one mutation in it. Empty when there is none.
fn refusal(answer: &Value) -> &str {
    let whole = answer["errors"][0]["extensions"]["code"].as_str();
    let of_field = || answer["data"].as_object()?.values().next()?["userErrors"][0]["code"].as_str();
    whole.or_else(of_field).unwrap_or_default()
}

fn is_refused(answer: &Value) -> bool {
    answer["data"].is_null() || !refusal(answer).is_empty()
}

/// Asks every field with an organization's own ids; each must be refused as `code`, and nothing may change.
async fn refuses_everything(edge: &Edge, organization: &Organization<'_>, token: Option<&str>) {
    let served = Served::read(edge).await;
    let before = organization.everything(&served).await;
    for case in cases() {
        let arguments = case.arguments(|reference| organization.id(&reference.kind).to_owned());
        let answer = edge.run(token, &served.ask(case.field, &arguments)).await;
        assert_eq!(refusal(&answer), "unauthenticated", "{}: {answer}", case.field);
        assert!(answer["data"].get(case.field).is_none_or(Value::is_null), "{}: {answer}", case.field);
    }
    assert_same(&before, &organization.everything(&served).await);
}

#[actix_web::test]
async fn every_field_and_every_id_it_takes_has_a_case() {
    let edge = Edge::start().await;
    let served = Served::read(&edge).await;
    let mut known: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for case in cases() {
        let paths = case.references().into_iter().map(|reference| reference.schema_path());
        known.entry(case.field).or_default().extend(paths);
    }
    assert_eq!(
        served.fields(),
        known.keys().copied().collect(),
        "a field was added or removed: change the cases"
    );
    for (field, paths) in known {
        assert_eq!(served.id_paths(field), paths, "{field} takes other ids: change its cases");
    }
}

#[actix_web::test]
async fn nobody_gets_in_without_credentials() {
    let edge = Edge::start().await;
    let acme = Organization::found(&edge, "acme").await;
    refuses_everything(&edge, &acme, None).await;
}

#[actix_web::test]
async fn credentials_that_do_not_hold_are_refused_before_anything_runs() {
    let edge = Edge::start().await;
    let acme = Organization::found(&edge, "acme").await;
    refuses_everything(&edge, &acme, Some("tgt_unknown")).await;

    let revoked = acme.owner.token_for(Permission::ALL, None).await;
    let revoke = "mutation($id: ID!) { tokenRevoke(id: $id) { userErrors } }";
    acme.owner.run(&json!({ "query": revoke, "variables": { "id": revoked.id } })).await;
    refuses_everything(&edge, &acme, Some(&revoked.secret)).await;

    let expired = acme.owner.token_for(Permission::ALL, Some(1)).await;
    assert!(edge.clock.set(edge.clock.now() + TimeDelta::hours(1)));
    refuses_everything(&edge, &acme, Some(&expired.secret)).await;
}

#[actix_web::test]
async fn each_field_needs_its_permissions_and_no_other() {
    let edge = Edge::start().await;
    let served = Served::read(&edge).await;
    let acme = Organization::found(&edge, "acme").await;
    for case in cases() {
        let own = case.arguments(|reference| acme.id(&reference.kind).to_owned());
        for missing in case.needs {
            let others: Vec<_> = Permission::ALL.iter().copied().filter(|other| other != missing).collect();
            let weak = acme.owner.token(&others).await;
            let answer = edge.run(Some(&weak), &served.ask(case.field, &own)).await;
            assert_eq!(refusal(&answer), "forbidden", "{} without {missing:?}: {answer}", case.field);
        }
        if case.needs.is_empty() {
            continue;
        }
        let enough = acme.owner.token(case.needs).await;
        let unknown = case.arguments(|reference| acme.unknown(&reference.kind));
        let answer = edge.run(Some(&enough), &served.ask(case.field, &unknown)).await;
        let refusal = refusal(&answer);
        let let_in = !["forbidden", "unauthenticated"].contains(&refusal);
        assert!(let_in, "{} with {:?}: {answer}", case.field, case.needs);
    }
}

#[actix_web::test]
async fn a_viewer_reads_everything_and_changes_nothing() {
    let edge = Edge::start().await;
    let served = Served::read(&edge).await;
    let mut acme = Organization::found(&edge, "acme").await;
    edge.make_everybody_a_viewer().await;
    let email = acme.owner.email.clone();
    acme.owner = edge.sign_in(&email).await;
    let before = acme.everything(&served).await;
    for case in cases().iter().filter(|case| !served.is_query(case.field)) {
        let arguments = case.arguments(|reference| acme.id(&reference.kind).to_owned());
        let answer = acme.owner.ask_all(&served, case.field, &arguments).await;
        assert_eq!(refusal(&answer), "forbidden", "{}: {answer}", case.field);
        assert!(answer["data"].is_null(), "{}: {answer}", case.field);
    }
    assert_same(&before, &acme.everything(&served).await);
}

#[actix_web::test]
async fn a_session_works_with_its_header_until_it_is_ended() {
    let edge = Edge::start().await;
    let owner: Owner<'_> = edge.sign_up("acme").await;
    let viewer = json!({ "query": VIEWER });
    let answer = owner.run(&viewer).await;
    assert_eq!(answer["data"]["viewer"]["kind"], "MEMBER", "{answer}");
    assert_eq!(answer["data"]["viewer"]["tenant"]["name"], "acme", "{answer}");
    owner.sign_out().await;
    assert_eq!(refusal(&owner.run(&viewer).await), "unauthenticated");
}
