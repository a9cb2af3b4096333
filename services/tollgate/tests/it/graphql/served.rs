//! The schema as it is served: what each field takes, and operations that ask it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::edge::Edge;

/// Items asked of every list.
const ITEMS: u32 = 3;
/// How many objects deep an operation asks for everything.
const DEPTH: usize = 5;

const INTROSPECTION: &str = "
    query { __schema { queryType { name } mutationType { name } types { name kind
        fields { name args { name type { ...Ref } } type { ...Ref } } inputFields { name type { ...Ref } } } } }
    fragment Ref on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// The schema.
pub(super) struct Served {
    types: BTreeMap<String, Value>,
    /// Fields of `Query` and `Mutation` with the keyword of their operation.
    roots: BTreeMap<String, (&'static str, Value)>,
}

impl Served {
    pub(super) async fn read(edge: &Edge) -> Self {
        let answer = edge.run(None, &json!({ "query": INTROSPECTION })).await;
        let schema = &answer["data"]["__schema"];
        let types: BTreeMap<_, _> =
            list(&schema["types"]).map(|one| (text(&one["name"]).to_owned(), one.clone())).collect();
        let mut roots = BTreeMap::new();
        for (keyword, of) in [("query", "queryType"), ("mutation", "mutationType")] {
            for field in list(&types[text(&schema[of]["name"])]["fields"]) {
                roots.insert(text(&field["name"]).to_owned(), (keyword, field.clone()));
            }
        }
        Self { types, roots }
    }

    /// The fields of `Query` and `Mutation`.
    pub(super) fn fields(&self) -> BTreeSet<&str> {
        self.roots.keys().map(String::as_str).collect()
    }

    pub(super) fn is_query(&self, field: &str) -> bool {
        self.roots[field].0 == "query"
    }

    /// Where the arguments of a field hold ids, as `input.stages.apiId`.
    pub(super) fn id_paths(&self, field: &str) -> BTreeSet<String> {
        let mut paths = BTreeSet::new();
        for argument in list(&self.roots[field].1["args"]) {
            self.collect_ids(text(&argument["name"]).to_owned(), &argument["type"], &mut paths);
        }
        paths
    }

    fn collect_ids(&self, path: String, of: &Value, paths: &mut BTreeSet<String>) {
        let name = named(of);
        if name == "ID" {
            paths.insert(path);
            return;
        }
        for input in list(&self.types[name]["inputFields"]) {
            self.collect_ids(format!("{path}.{}", text(&input["name"])), &input["type"], paths);
        }
    }

    /// Operations that ask a field for everything that can be reached from it, each for less than the one before: the first
    /// that does not cost too much is the one to run.
    pub(super) fn ask_all(&self, field: &str, arguments: &Value) -> impl Iterator<Item = Value> {
        let of = named(&self.roots[field].1["type"]);
        let attempts = (0..=DEPTH).rev().flat_map(|depth| [(depth, true), (depth, false)]);
        attempts.map(move |(depth, with_documents)| {
            self.operation(field, arguments, &self.everything(of, depth, with_documents))
        })
    }

    /// An operation that asks a field for no more than its own values.
    pub(super) fn ask(&self, field: &str, arguments: &Value) -> Value {
        let of = named(&self.roots[field].1["type"]);
        self.operation(field, arguments, &self.everything(of, 0, true))
    }

    fn operation(&self, field: &str, arguments: &Value, selection: &str) -> Value {
        let (keyword, root) = &self.roots[field];
        let empty = Map::new();
        let given = arguments.as_object().unwrap_or(&empty);
        let (mut declared, mut passed) = (Vec::new(), Vec::new());
        for argument in list(&root["args"]) {
            let name = text(&argument["name"]);
            if given.contains_key(name) {
                declared.push(format!("${name}: {}", written(&argument["type"])));
                passed.push(format!("{name}: ${name}"));
            } else if name == "first" {
                passed.push(format!("first: {ITEMS}"));
            }
        }
        let around = |items: Vec<String>| match items.is_empty() {
            true => String::new(),
            false => format!("({})", items.join(", ")),
        };
        let query = format!("{keyword}{} {{ {field}{} {selection} }}", around(declared), around(passed));
        json!({ "query": query, "variables": arguments })
    }

    fn everything(&self, of: &str, depth: usize, with_documents: bool) -> String {
        let mut selected = vec!["__typename".to_owned()];
        for field in list(&self.types[of]["fields"]) {
            let (name, inner) = (text(&field["name"]), named(&field["type"]));
            if self.types[inner]["kind"] != "OBJECT" {
                if with_documents || name != "document" {
                    selected.push(name.to_owned());
                }
            } else if depth > 0 {
                let is_list = list(&field["args"]).any(|argument| argument["name"] == "first");
                let first = if is_list { format!("(first: {ITEMS})") } else { String::new() };
                selected.push(format!("{name}{first} {}", self.everything(inner, depth - 1, with_documents)));
            }
        }
        format!("{{ {} }}", selected.join(" "))
    }
}

/// The name of a type without what is around it.
fn named(of: &Value) -> &str {
    match of["ofType"].is_object() {
        true => named(&of["ofType"]),
        false => text(&of["name"]),
    }
}

/// A type as it is written in an operation.
fn written(of: &Value) -> String {
    match of["kind"].as_str() {
        Some("NON_NULL") => format!("{}!", written(&of["ofType"])),
        Some("LIST") => format!("[{}]", written(&of["ofType"])),
        _ => text(&of["name"]).to_owned(),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}
