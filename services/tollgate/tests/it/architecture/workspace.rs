//! What the rules look at: crates, what they depend on, and sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// Folders that hold what people wrote.
const SOURCE_FOLDERS: [&str; 5] = ["services", "migrations", "web", "infra", "loadtests"];

/// Folders inside them that hold what tools made.
const GENERATED: [&str; 4] = ["node_modules", "dist", "target", ".cache"];

/// A crate of this workspace.
#[derive(Debug, Default)]
pub(super) struct Crate {
    /// Direct dependencies by name as in the manifest; `[dev-dependencies]` apart.
    pub(super) dependencies: BTreeSet<String>,
    pub(super) dev_dependencies: BTreeSet<String>,
    /// Everything that comes into its build, without dev-dependencies.
    pub(super) closure: BTreeSet<String>,
}

/// The crates, and the path (from the root) and text of every file.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    pub(super) crates: BTreeMap<String, Crate>,
    pub(super) files: BTreeMap<String, String>,
}

impl Workspace {
    /// The one that this test belongs to, read once.
    pub(super) fn this() -> &'static Self {
        static THIS: OnceLock<Workspace> = OnceLock::new();
        THIS.get_or_init(|| {
            let root = testkit::repository();
            let metadata = MetadataCommand::new()
                .manifest_path(root.join("Cargo.toml"))
                .other_options(
                    ["--locked", "--filter-platform", "x86_64-unknown-linux-gnu"].map(String::from),
                )
                .exec()
                .expect("cargo metadata");
            let mut files = BTreeMap::new();
            for folder in SOURCE_FOLDERS {
                read_files(root, &root.join(folder), &mut files);
            }
            Self { crates: crates(&metadata), files }
        })
    }

    /// The Rust sources whose path passes `filter`.
    pub(super) fn rust(&self, filter: impl Fn(&str) -> bool) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .filter(move |(path, _)| path.ends_with(".rs") && filter(path))
    }
}

fn read_files(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !GENERATED.contains(&name.as_str()) {
                read_files(root, &path, files);
            }
            continue;
        }
        let relative = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
        let text =
            if name.ends_with(".rs") { fs::read_to_string(&path).expect("source") } else { String::new() };
        files.insert(relative, text);
    }
}

fn crates(metadata: &Metadata) -> BTreeMap<String, Crate> {
    let edges = normal_edges(metadata);
    let names: BTreeMap<&PackageId, &str> =
        metadata.packages.iter().map(|package| (&package.id, package.name.as_str())).collect();
    let mut crates = BTreeMap::new();
    for package in metadata.workspace_packages() {
        let of_kind = |wanted: fn(DependencyKind) -> bool| {
            let dependencies = package.dependencies.iter().filter(|dependency| wanted(dependency.kind));
            dependencies.map(|dependency| dependency.name.clone()).collect()
        };
        crates.insert(
            package.name.to_string(),
            Crate {
                dependencies: of_kind(|kind| kind != DependencyKind::Development),
                dev_dependencies: of_kind(|kind| kind == DependencyKind::Development),
                closure: reachable(&package.id, &edges).into_iter().map(|id| names[id].to_owned()).collect(),
            },
        );
    }
    crates
}

fn normal_edges(metadata: &Metadata) -> BTreeMap<&PackageId, Vec<&PackageId>> {
    let nodes = &metadata.resolve.as_ref().expect("a resolved graph").nodes;
    let mut edges = BTreeMap::new();
    for node in nodes {
        let normal = node.deps.iter().filter(|dependency| {
            dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development)
        });
        edges.insert(&node.id, normal.map(|dependency| &dependency.pkg).collect());
    }
    edges
}

fn reachable<'a>(
    from: &'a PackageId,
    edges: &BTreeMap<&'a PackageId, Vec<&'a PackageId>>,
) -> BTreeSet<&'a PackageId> {
    let mut seen = BTreeSet::new();
    let mut next = vec![from];
    while let Some(id) = next.pop() {
        for dependency in edges.get(id).into_iter().flatten() {
            if seen.insert(*dependency) {
                next.push(*dependency);
            }
        }
    }
    seen
}
