//! The direction of dependencies, and what may come into the tree at all.
//!
//! `protocol ← tunnel ← {proxy, edge} ← {cli, desktop}`: read from what cargo
//! itself resolves, not from the manifests' text, so that a dependency taken
//! through a third crate counts too. A package nobody has placed fails, so
//! that a new one is placed on purpose.

mod licence;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use tree::{Kind, Tree};

/// Which of our packages each of our packages may use, in what it ships.
const MAY_USE: &[(&str, &[&str])] = &[
    ("postern-protocol", &[]),
    ("postern-tls", &[]),
    ("postern-tunnel", &["postern-protocol"]),
    ("postern-proxy", &["postern-protocol", "postern-tls", "postern-tunnel"]),
    ("postern-edge", &["postern-protocol", "postern-tls", "postern-tunnel"]),
    ("postern", &["postern-protocol", "postern-tls", "postern-tunnel", "postern-proxy", "postern-edge"]),
    ("postern-desktop", &["postern-protocol", "postern-tunnel", "postern-edge"]),
    ("postern-testkit", &["postern-protocol", "postern-tunnel", "postern-proxy", "postern-edge"]),
    ("postern-bench", &["postern-protocol", "postern-tunnel", "postern-proxy", "postern-edge"]),
];

/// Packages that are tools for us: nothing that ships depends on them.
const TOOLS: &[&str] = &["postern-testkit", "postern-bench"];

/// Crates that a package must not reach, by whatever way.
const MUST_NOT_REACH: &[(&str, &[&str])] = &[
    // Pure: no I/O, no runtime, no server, no store.
    ("postern-protocol", &["tokio", "mio", "hyper", "axum", "reqwest", "rusqlite", "rustls", "tauri"]),
    ("postern-proxy", &["postern-edge", "tauri", "keyring"]),
    ("postern-edge", &["postern-proxy", "tauri", "clap"]),
    ("postern", &["tauri"]),
    ("postern-testkit", &["tauri"]),
    ("postern-bench", &["tauri"]),
];

#[test]
fn our_packages_depend_one_way() {
    let tree = Tree::load();
    let mut wrong = Vec::new();
    for package in tree.ours() {
        let Some((_, may)) = MAY_USE.iter().find(|(name, _)| *name == package) else {
            wrong.push(format!("{package} has no place in MAY_USE"));
            continue;
        };
        for (used, kind) in tree.uses(package).filter(|(used, _)| tree.is_ours(used)) {
            let allowed = match kind {
                Kind::Ships => may.contains(&used),
                Kind::Dev => may.contains(&used) || TOOLS.contains(&used),
            };
            if !allowed {
                wrong.push(format!("{package} depends on {used} ({kind:?})"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_package_reaches_only_what_its_place_allows() {
    let tree = Tree::load();
    let mut wrong = Vec::new();
    for (package, banned) in MUST_NOT_REACH.iter().filter(|(name, _)| tree.is_ours(name)) {
        let reached = tree.reach(package);
        wrong.extend(banned.iter().filter_map(|name| reached.get(name)).map(|way| way.join(" → ")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(
        tree.reach("postern-desktop").contains_key("tauri"),
        "the desktop package lost tauri: does the test still look?"
    );
}

#[test]
fn every_licence_is_on_the_list() {
    let allowed: BTreeSet<String> = tree::deny("licenses.allow");
    let mut wrong = BTreeMap::new();
    for (name, licence) in Tree::load().licences() {
        if !licence.as_deref().is_some_and(|l| licence::fits(l, &allowed)) {
            wrong.insert(name, licence);
        }
    }
    assert!(wrong.is_empty(), "not on deny.toml's list: {wrong:#?}");
}

#[test]
fn denied_crates_are_not_in_the_lock_file() {
    #[derive(serde::Deserialize)]
    struct Ban {
        #[serde(rename = "crate")]
        name: String,
    }
    let lock = tree::read("Cargo.lock");
    let bans: Vec<Ban> = tree::deny("bans.deny");
    assert!(!bans.is_empty());
    let found: Vec<_> = bans
        .iter()
        .filter(|b| lock.contains(&format!("\nname = \"{}\"\n", b.name)))
        .map(|b| &b.name)
        .collect();
    assert!(found.is_empty(), "denied, yet locked: {found:?}");
}

#[test]
fn everything_comes_from_crates_io() {
    let lock = tree::read("Cargo.lock");
    let elsewhere: Vec<_> = lock
        .lines()
        .filter_map(|l| l.strip_prefix("source = "))
        .filter(|s| *s != "\"registry+https://github.com/rust-lang/crates.io-index\"")
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}
