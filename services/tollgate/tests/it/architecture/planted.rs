//! Each rule finds what it is there to find.

use super::rules;
use super::workspace::{Crate, Workspace};

fn with_crate(name: &str, found: Crate) -> Workspace {
    let names = [
        "common",
        "apidef",
        "contracts",
        "database",
        "migrations",
        "gateway",
        "tenants",
        "billing",
        "testkit",
    ];
    let mut crates: std::collections::BTreeMap<_, _> =
        names.iter().map(|name| ((*name).to_owned(), Crate::default())).collect();
    crates.insert(name.to_owned(), found);
    Workspace { crates, ..Workspace::default() }
}

fn importing(name: &str, import: &str) -> Workspace {
    with_crate(name, Crate { dependencies: [import.to_owned()].into(), ..Crate::default() })
}

fn with_file(path: &str, text: &str) -> Workspace {
    Workspace { files: [(path.to_owned(), text.to_owned())].into(), ..Workspace::default() }
}

#[track_caller]
fn found(rule: fn(&Workspace) -> Vec<String>, workspace: &Workspace, expected: &str) {
    let violations = rule(workspace);
    assert!(violations.len() == 1 && violations[0].contains(expected), "{violations:#?}");
}

#[track_caller]
fn fine(rule: fn(&Workspace) -> Vec<String>, workspace: &Workspace) {
    assert_eq!(rule(workspace), Vec::<String>::new());
}

#[test]
fn a_role_that_imports_a_role() {
    found(rules::layers, &importing("billing", "tenants"), "billing may not import tenants");
    let in_tests = Crate { dev_dependencies: ["tenants".to_owned()].into(), ..Crate::default() };
    found(rules::layers, &with_crate("billing", in_tests), "billing may not import tenants");
}

#[test]
fn an_import_from_a_layer_above() {
    found(rules::layers, &importing("common", "contracts"), "common may not import contracts");
    found(rules::layers, &importing("apidef", "contracts"), "apidef may not import contracts");
    found(rules::layers, &importing("contracts", "database"), "contracts may not import database");
    found(rules::layers, &importing("migrations", "common"), "migrations may not import common");
    found(rules::layers, &importing("gateway", "database"), "gateway may not import database");
    fine(rules::layers, &importing("tenants", "database"));
}

#[test]
fn a_crate_nobody_placed() {
    found(rules::layers, &with_crate("extras", Crate::default()), "extras has no place");
}

#[test]
fn testkit_in_a_build() {
    found(rules::testkit_only_for_tests, &importing("tenants", "testkit"), "[dev-dependencies]");
    let in_tests = Crate { dev_dependencies: ["testkit".to_owned()].into(), ..Crate::default() };
    fine(rules::testkit_only_for_tests, &with_crate("tenants", in_tests));
}

#[test]
fn a_database_that_reaches_the_gateway_through_others() {
    for carried in ["sea-orm", "sqlx-core", "async-stripe-types", "async-graphql"] {
        let found_there = Crate { closure: [carried.to_owned()].into(), ..Crate::default() };
        found(rules::gateway_is_lean, &with_crate("gateway", found_there), carried);
    }
}

#[test]
fn a_query_outside_a_store() {
    let text = "use common::Code;\nuse sea_orm::EntityTrait;\n";
    found(
        rules::sea_orm_in_stores,
        &with_file("services/tenants/src/domain/key.rs", text),
        "key.rs:2 uses sea_orm",
    );
    found(
        rules::sea_orm_in_stores,
        &with_file("services/tenants/src/service/key.rs", text),
        "key.rs:2 uses sea_orm",
    );
    fine(rules::sea_orm_in_stores, &with_file("services/tenants/src/store/key.rs", text));
    fine(rules::sea_orm_in_stores, &with_file("services/tenants/src/store.rs", text));
    fine(rules::sea_orm_in_stores, &with_file("services/database/src/connection.rs", text));
}

#[test]
fn a_transaction_handle_in_a_service_and_nowhere_else() {
    let text = "async fn f(tx: &sea_orm::DatabaseTransaction) {}";
    fine(rules::sea_orm_in_stores, &with_file("services/tenants/src/service/key.rs", text));
    found(rules::sea_orm_in_stores, &with_file("services/tenants/src/jobs/sweep.rs", text), "sweep.rs:1");
    let both = "use sea_orm::DatabaseTransaction; use sea_orm::EntityTrait;";
    found(rules::sea_orm_in_stores, &with_file("services/tenants/src/service.rs", both), "service.rs:1");
}

#[test]
fn a_domain_that_looks_at_the_clock_or_waits() {
    for (text, banned) in [
        ("use tokio::time;", "tokio"),
        ("use actix_web::web;", "actix_web"),
        ("let now = chrono::Utc::now();", "the clock"),
        ("let now = common::clock::monotonic();", "the clock"),
        ("fn f(clock: &common::Clock) {}", "Clock"),
        ("use std::time::Instant;", "Instant"),
    ] {
        found(rules::pure_code, &with_file("services/metering/src/domain/quota.rs", text), banned);
        found(rules::pure_code, &with_file("services/apidef/src/matching.rs", text), banned);
        fine(rules::pure_code, &with_file("services/metering/src/service/quota.rs", text));
    }
    fine(
        rules::pure_code,
        &with_file("services/apidef/src/matching.rs", "// as tokio does it\nlet instant = 1;"),
    );
    found(rules::pure_code, &importing("apidef", "actix-web"), "apidef depends on actix-web");
}

#[test]
fn a_name_that_says_nothing() {
    found(rules::names, &with_file("services/common/src/utils.rs", ""), "utils.rs says nothing");
    found(rules::names, &with_file("web/apps/dashboard/src/helpers/money.ts", ""), "helpers says nothing");
    fine(rules::names, &with_file("services/database/src/connection.rs", ""));
}
