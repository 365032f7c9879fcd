//! What cargo resolves for this machine: packages, who uses whom, licences.
//! Nothing is fetched: whoever runs this has just built the tree.
#![expect(clippy::unwrap_used, reason = "a test's harness: whatever is missing here fails the test")]

use figment::Figment;
use figment::providers::{Format, Toml};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

/// The workspace's root.
fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// A file of the repository, as text.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// A value of `deny.toml`.
pub(crate) fn deny<T: DeserializeOwned>(key: &str) -> T {
    Figment::from(Toml::file_exact(root().join("deny.toml"))).extract_inner(key).unwrap()
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
    workspace_members: Vec<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    license: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dep>,
}

#[derive(Deserialize)]
struct Dep {
    pkg: String,
    dep_kinds: Vec<DepKind>,
}

#[derive(Deserialize)]
struct DepKind {
    kind: Option<String>,
}

/// What a dependency is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Part of what is built for users, or of building it.
    Ships,
    /// For tests alone.
    Dev,
}

/// The resolved tree.
pub(crate) struct Tree {
    packages: BTreeMap<String, Package>,
    edges: BTreeMap<String, Vec<(String, Kind)>>,
    ours: Vec<String>,
}

impl Tree {
    /// Asks cargo.
    pub(crate) fn load() -> Self {
        let version = Command::new("rustc").arg("-vV").output().unwrap();
        let version = String::from_utf8(version.stdout).unwrap();
        let host = version.lines().find_map(|l| l.strip_prefix("host: ")).unwrap();
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version=1", "--offline", "--locked", "--filter-platform", host])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Metadata = serde_json::from_slice(&output.stdout).unwrap();
        let edges =
            metadata.resolve.nodes.into_iter().map(|n| (n.id, n.deps.into_iter().map(edge).collect()));
        Self {
            edges: edges.collect(),
            packages: metadata.packages.into_iter().map(|p| (p.id.clone(), p)).collect(),
            ours: metadata.workspace_members,
        }
    }

    /// The workspace's packages.
    pub(crate) fn ours(&self) -> impl Iterator<Item = &str> {
        self.ours.iter().map(|id| self.name(id))
    }

    /// Whether `name` is a package of the workspace.
    pub(crate) fn is_ours(&self, name: &str) -> bool {
        self.ours().any(|n| n == name)
    }

    /// What one of our packages depends on directly.
    pub(crate) fn uses(&self, package: &str) -> impl Iterator<Item = (&str, Kind)> {
        let id = self.ours.iter().find(|id| self.name(id) == package).unwrap();
        self.edges[id].iter().map(|(to, kind)| (self.name(to), *kind))
    }

    /// Everything that ships with one of our packages, each with the shortest
    /// way there.
    pub(crate) fn reach(&self, package: &str) -> BTreeMap<&str, Vec<&str>> {
        let start = self.ours.iter().find(|id| self.name(id) == package).unwrap();
        let mut ways = BTreeMap::from([(start.as_str(), vec![self.name(start)])]);
        let mut next = std::collections::VecDeque::from([start.as_str()]);
        while let Some(id) = next.pop_front() {
            for (to, kind) in &self.edges[id] {
                if *kind == Kind::Ships && !ways.contains_key(to.as_str()) {
                    let way = [ways[id].as_slice(), &[self.name(to)]].concat();
                    ways.insert(to, way);
                    next.push_back(to);
                }
            }
        }
        ways.into_iter().map(|(id, way)| (self.name(id), way)).collect()
    }

    /// Name and licence of every package.
    pub(crate) fn licences(&self) -> impl Iterator<Item = (String, Option<String>)> {
        self.packages.values().map(|p| (p.name.clone(), p.license.clone()))
    }

    fn name(&self, id: &str) -> &str {
        &self.packages[id].name
    }
}

fn edge(dep: Dep) -> (String, Kind) {
    let dev = dep.dep_kinds.iter().all(|k| k.kind.as_deref() == Some("dev"));
    (dep.pkg, if dev { Kind::Dev } else { Kind::Ships })
}
