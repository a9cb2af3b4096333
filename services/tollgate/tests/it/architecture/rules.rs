//! The rules. Each answers its violations, one line each, that say what to do.

use super::workspace::Workspace;

/// Ours, from the bottom to the top, each with those of ours that it may import.
const LAYERS: [(&str, &[&str]); 17] = [
    ("common", &[]),
    ("migrations", &[]),
    ("apidef", &["common"]),
    ("pricing", &["common"]),
    ("contracts", &["common", "apidef", "pricing"]),
    ("database", &["common", "contracts", "migrations"]),
    ("gateway", &["common", "apidef", "pricing", "contracts"]),
    ("loadtests", &["common", "apidef", "contracts", "gateway"]),
    ("tenants", DOMAIN_ROLE),
    ("apis", DOMAIN_ROLE),
    ("metering", DOMAIN_ROLE),
    ("billing", DOMAIN_ROLE),
    ("portal", DOMAIN_ROLE),
    ("admin", &["common", "apidef", "pricing", "contracts"]),
    ("stripe-sim", &["common"]),
    ("testkit", &["common", "contracts", "database", "migrations"]),
    (
        "tollgate",
        &[
            "common",
            "migrations",
            "apidef",
            "pricing",
            "contracts",
            "database",
            "gateway",
            "tenants",
            "apis",
            "metering",
            "billing",
            "portal",
            "admin",
            "stripe-sim",
        ],
    ),
];

const DOMAIN_ROLE: &[&str] = &["common", "apidef", "pricing", "contracts", "database", "migrations"];

const TESTKIT: &str = "testkit";

/// Each crate imports only from the layers below it; roles never import each other.
pub(super) fn layers(workspace: &Workspace) -> Vec<String> {
    let mut violations = Vec::new();
    for (name, found) in &workspace.crates {
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| layer == name) else {
            violations.push(format!(
                "{name} has no place among the layers: give it one in LAYERS and in docs/ARCHITECTURE.md"
            ));
            continue;
        };
        let imports = found.dependencies.iter().chain(&found.dev_dependencies);
        for import in imports.filter(|import| workspace.crates.contains_key(*import) && *import != TESTKIT) {
            if !allowed.contains(&import.as_str()) {
                violations.push(format!(
                    "{name} may not import {import}: move what both need down (common, contracts), or ask the other role by a call of contracts"
                ));
            }
        }
    }
    violations
}

/// Code for tests never reaches a build.
pub(super) fn testkit_only_for_tests(workspace: &Workspace) -> Vec<String> {
    let importing = workspace.crates.iter().filter(|(_, found)| found.dependencies.contains(TESTKIT));
    importing.map(|(name, _)| format!("{name} imports testkit: move it to [dev-dependencies]")).collect()
}

/// The data plane waits for no store, and its build stays small: directly and through others.
pub(super) fn gateway_is_lean(workspace: &Workspace) -> Vec<String> {
    const BANNED: [&str; 5] = ["sea-orm", "sqlx", "async-stripe", "async-graphql", "clickhouse"];
    let Some(gateway) = workspace.crates.get("gateway") else { return Vec::new() };
    let is_banned =
        |name: &str| BANNED.iter().any(|banned| name == *banned || name.starts_with(&format!("{banned}-")));
    let carried = gateway.closure.iter().filter(|name| is_banned(name));
    carried
        .map(|name| {
            format!("gateway carries {name}: find who brings it with `cargo tree -p gateway -i {name}`")
        })
        .collect()
}

/// Rows and queries are a store's business; a service may only hold the transaction.
pub(super) fn sea_orm_in_stores(workspace: &Workspace) -> Vec<String> {
    const FREE: [&str; 3] = ["services/database/", "services/testkit/", "migrations/"];
    let checked = |path: &str| {
        !FREE.iter().any(|free| path.starts_with(free)) && path.contains("/src/") && !is_part(path, "store")
    };
    let mut violations = Vec::new();
    for (path, text) in workspace.rust(checked) {
        for (number, line) in code_lines(text) {
            if !has_word(line, "sea_orm") || (is_part(path, "service") && is_transaction_handle(line)) {
                continue;
            }
            let cure = "move the query to store/, where the same noun has its file";
            violations.push(format!("{path}:{number} uses sea_orm: {cure}"));
        }
    }
    violations
}

/// Rules of the domain are functions of their arguments.
pub(super) fn pure_code(workspace: &Workspace) -> Vec<String> {
    const BANNED: [&str; 8] =
        ["actix_web", "actix_rt", "actix_http", "sea_orm", "tokio", "SystemTime", "Instant", "Clock"];
    const PURE_CRATES: [&str; 2] = ["apidef", "pricing"];
    let checked = |path: &str| {
        PURE_CRATES.iter().any(|name| path.starts_with(&format!("services/{name}/src/")))
            || is_part(path, "domain")
    };
    let mut violations = Vec::new();
    for (path, text) in workspace.rust(checked) {
        for (number, line) in code_lines(text) {
            let mut banned: Vec<&str> = BANNED.into_iter().filter(|word| has_word(line, word)).collect();
            if line.contains("clock::") || line.contains("Utc::now") || line.contains("Local::now") {
                banned.push("the clock");
            }
            for word in banned {
                violations.push(format!("{path}:{number} uses {word}: take what it gives as an argument, and let service/ ask for it"));
            }
        }
    }
    for name in PURE_CRATES {
        let Some(found) = workspace.crates.get(name) else { continue };
        let impure = found.dependencies.iter().filter(|name| {
            ["tokio", "sea-orm", "sqlx", "hyper"].contains(&name.as_str()) || name.starts_with("actix-")
        });
        violations.extend(
            impure.map(|import| format!("{name} depends on {import}: it is pure, move that use to a role")),
        );
    }
    violations
}

/// A file's name says what is in it.
pub(super) fn names(workspace: &Workspace) -> Vec<String> {
    const EMPTY_WORDS: [&str; 7] = ["util", "utils", "helper", "helpers", "manager", "managers", "data"];
    let mut violations = Vec::new();
    for path in workspace.files.keys() {
        let empty =
            path.split('/').find(|part| EMPTY_WORDS.contains(&part.split('.').next().unwrap_or_default()));
        if let Some(part) = empty {
            violations
                .push(format!("{path}: {part} says nothing, name it after the noun or the verb inside"));
        }
    }
    violations
}

/// Whether the path is `.../src/**/PART.rs` or lies below `.../src/**/PART/`.
fn is_part(path: &str, part: &str) -> bool {
    let Some((_, inside)) = path.split_once("/src/") else { return false };
    inside.split('/').any(|piece| piece == part || piece == format!("{part}.rs"))
}

fn is_transaction_handle(line: &str) -> bool {
    line.replace("sea_orm::DatabaseTransaction", "").split("sea_orm").count() == 1
}

/// Lines with their numbers, without comments.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    lines.map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
}

/// Whether `word` stands alone in the line.
fn has_word(line: &str, word: &str) -> bool {
    line.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|found| found == word)
}
