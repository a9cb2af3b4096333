//! Who may ask what of the admin API: every field with no, weak and sufficient credentials.

mod cases;
mod edge;

use std::collections::BTreeSet;

use cases::{CASES, Case};
use contracts::Permission;
use edge::Edge;
use serde_json::Value;

/// Kind of the refusal: of the whole request, or of the one mutation in it. Empty when there is none.
fn refusal(answer: &Value) -> &str {
    let whole = answer["errors"][0]["extensions"]["code"].as_str();
    let of_field = || answer["data"].as_object()?.values().next()?["errors"][0]["code"].as_str();
    whole.or_else(of_field).unwrap_or_default()
}

#[actix_web::test]
async fn every_field_has_a_case() {
    let edge = Edge::start().await;
    let schema = "{ __schema { queryType { fields { name } } mutationType { fields { name } } } }";
    let answer = edge.run(None, schema).await;
    let mut served = BTreeSet::new();
    for kind in ["queryType", "mutationType"] {
        for field in answer["data"]["__schema"][kind]["fields"].as_array().unwrap() {
            served.insert(field["name"].as_str().unwrap().to_owned());
        }
    }
    let known: BTreeSet<String> = CASES.iter().map(|case| case.field.to_owned()).collect();
    assert_eq!(served, known, "a field was added or removed: change CASES");
}

#[actix_web::test]
async fn nobody_gets_in_without_credentials() {
    let edge = Edge::start().await;
    for Case { field, operation, .. } in CASES {
        let answer = edge.run(None, operation).await;
        assert_eq!(refusal(&answer), "unauthenticated", "{field}: {answer}");
        assert!(answer["data"].get(field).is_none_or(Value::is_null), "{field}: {answer}");
    }
}

#[actix_web::test]
async fn credentials_that_do_not_hold_are_refused_before_anything_runs() {
    let edge = Edge::start().await;
    for Case { field, operation, .. } in CASES {
        let answer = edge.run(Some("tgt_unknown"), operation).await;
        assert_eq!(refusal(&answer), "unauthenticated", "{field}: {answer}");
        assert!(answer["data"].is_null(), "{field}: {answer}");
    }
}

#[actix_web::test]
async fn each_field_needs_its_permissions_and_no_other() {
    let edge = Edge::start().await;
    let owner = edge.sign_up("acme").await;
    for Case { field, operation, needs } in CASES {
        for missing in *needs {
            let others: Vec<_> = Permission::ALL.iter().copied().filter(|other| other != missing).collect();
            let weak = owner.token(&others).await;
            let answer = edge.run(Some(&weak), operation).await;
            assert_eq!(refusal(&answer), "forbidden", "{field} without {missing:?}: {answer}");
        }
        if needs.is_empty() {
            continue;
        }
        let enough = owner.token(needs).await;
        let answer = edge.run(Some(&enough), operation).await;
        assert_ne!(refusal(&answer), "forbidden", "{field} with {needs:?}: {answer}");
        assert_ne!(refusal(&answer), "unauthenticated", "{field} with {needs:?}: {answer}");
    }
}

#[actix_web::test]
async fn a_token_of_another_organization_is_not_found() {
    let edge = Edge::start().await;
    let (acme, globex) = (edge.sign_up("acme").await, edge.sign_up("globex").await);
    let token = acme.token(&[Permission::TokensWrite]).await;
    let created =
        edge.run(Some(&token), r#"mutation { tokenCreate(input: {name: "theirs"}) { token { id } } }"#).await;
    let id = created["data"]["tokenCreate"]["token"]["id"].as_str().unwrap();
    let foreign = globex.token(Permission::ALL).await;
    let revoke = format!(r#"mutation {{ tokenRevoke(id: "{id}") {{ revokedId errors {{ code }} }} }}"#);
    assert_eq!(refusal(&edge.run(Some(&foreign), &revoke).await), "not_found");
    assert!(!edge.run(Some(&foreign), "{ tokens { id } }").await.to_string().contains(id));
    let revoked = edge.run(Some(&token), &revoke).await;
    assert_eq!(revoked["data"]["tokenRevoke"]["revokedId"], id, "{revoked}");
}

#[actix_web::test]
async fn an_api_of_another_organization_is_not_found() {
    let edge = Edge::start().await;
    let (acme, globex) = (edge.sign_up("acme").await, edge.sign_up("globex").await);
    let import = r#"mutation { apiImport(input: {document: """
        {"openapi": "3.1.0", "info": {"title": "Pets", "version": "1"},
         "paths": {"/pets": {"get": {"responses": {"200": {"description": "all"}}}}}}
        """, upstreamUrl: "http://127.0.0.1:1", stage: "dev"}) { api { id document } invokeUrl warnings userErrors } }"#;
    let imported = acme.run(import).await;
    let outcome = &imported["data"]["apiImport"];
    let id = outcome["api"]["id"].as_str().unwrap_or_else(|| panic!("{imported}"));
    assert!(outcome["invokeUrl"].as_str().unwrap().ends_with(&format!("{id}/dev")), "{imported}");
    assert!(outcome["api"]["document"]["resources"]["/pets"].is_object(), "{imported}");

    let of_apis: Vec<_> = CASES.iter().filter(|case| case.operation.contains("abcdefghij")).collect();
    let foreign = of_apis.iter().filter(|case| !case.field.starts_with("usagePlan"));
    for Case { field, operation, .. } in foreign {
        let answer = globex.run(&operation.replace("abcdefghij", id)).await;
        assert_eq!(refusal(&answer), "not_found", "{field}: {answer}");
    }
    assert!(!globex.run("{ apis { nodes { id } } }").await.to_string().contains(id));
    let replaced =
        globex.run(&import.replacen("{document", &format!("{{apiId: \"{id}\", document"), 1)).await;
    assert_eq!(replaced["data"]["apiImport"]["userErrors"][0]["code"], "not_found", "{replaced}");
    let still = acme
        .run(&format!(
            r#"{{ api(id: "{id}") {{ name stages {{ name }} deployments {{ nodes {{ id }} }} }} }}"#
        ))
        .await;
    assert_eq!(still["data"]["api"]["stages"][0]["name"], "dev", "{still}");
    assert_eq!(still["data"]["api"]["deployments"]["nodes"].as_array().unwrap().len(), 1, "{still}");
}

#[actix_web::test]
async fn a_session_works_with_its_header_until_it_is_ended() {
    let edge = Edge::start().await;
    let owner = edge.sign_up("acme").await;
    let viewer = "{ viewer { kind email tenant { name } permissions } }";
    let answer = owner.run(viewer).await;
    assert_eq!(answer["data"]["viewer"]["kind"], "MEMBER", "{answer}");
    assert_eq!(answer["data"]["viewer"]["tenant"]["name"], "acme", "{answer}");
    owner.sign_out().await;
    assert_eq!(refusal(&owner.run(viewer).await), "unauthenticated");
}
