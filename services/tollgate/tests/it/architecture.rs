//! Who may import whom (docs/ARCHITECTURE.md). Every rule is a pure function over the workspace's dependencies and
//! sources, shown to fail on a planted violation.

mod planted;
mod rules;
mod workspace;

use workspace::Workspace;

#[track_caller]
fn holds(rule: fn(&Workspace) -> Vec<String>) {
    let violations = rule(Workspace::this());
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn crates_import_only_what_the_layers_allow() {
    holds(rules::layers);
}

#[test]
fn testkit_is_a_dev_dependency_only() {
    holds(rules::testkit_only_for_tests);
}

#[test]
fn the_gateway_carries_no_database_payment_or_graphql_code() {
    holds(rules::gateway_is_lean);
}

#[test]
fn sea_orm_stays_in_stores() {
    holds(rules::sea_orm_in_stores);
}

#[test]
fn pure_code_knows_no_runtime_store_or_clock() {
    holds(rules::pure_code);
}

#[test]
fn files_are_named_after_what_they_hold() {
    holds(rules::names);
}
