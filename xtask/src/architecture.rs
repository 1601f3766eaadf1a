//! Who may use whom, held against `cargo metadata`.

mod table;

use std::collections::BTreeSet;

use anyhow::bail;
use cargo_metadata::DependencyKind;

use crate::say;
use crate::workspace::Workspace;

use table::{Crate, Library, ROOMS, Users};

/// One crate's wish to use another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Edge {
    from: String,
    to: String,
    /// Only its tests use it.
    tests: bool,
    /// The other is a crate of this repository.
    ours: bool,
}

/// Fails when a crate uses what it may not.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    let (crates, edges) = graph(workspace);
    let findings = findings(&crates, &edges);
    findings.iter().for_each(say::trouble);
    match findings.len() {
        0 => Ok(()),
        many => bail!("{many} findings; the table is xtask/src/architecture/table.rs"),
    }
}

fn graph(workspace: &Workspace) -> (BTreeSet<String>, Vec<Edge>) {
    let packages = workspace.metadata.workspace_packages();
    let crates: BTreeSet<String> = packages.iter().map(|package| package.name.to_string()).collect();
    let edges = packages
        .iter()
        .flat_map(|package| {
            package.dependencies.iter().map(|dependency| (package.name.to_string(), dependency))
        })
        .map(|(from, dependency)| Edge {
            from,
            to: dependency.name.clone(),
            tests: dependency.kind == DependencyKind::Development,
            ours: crates.contains(&dependency.name),
        })
        .collect();
    (crates, edges)
}

fn findings(crates: &BTreeSet<String>, edges: &[Edge]) -> Vec<String> {
    let mut findings = Vec::new();
    for name in crates.iter().filter(|name| room(name).is_none()) {
        findings.push(format!("{name} is not in the table"));
    }
    for name in ROOMS.iter().map(|room| room.name).filter(|name| !crates.contains(*name)) {
        findings.push(format!("{name} is in the table and is no crate"));
    }
    for edge in edges {
        let Some(room) = room(&edge.from) else { continue };
        let allowed = if edge.ours { may_use_crate(room, edge) } else { may_use_library(edge) };
        if !allowed {
            let how = if edge.tests { "in its tests" } else { "in its code" };
            findings.push(format!("{} may not use {} {how}", edge.from, edge.to));
        }
    }
    findings
}

fn room(name: &str) -> Option<&'static Crate> {
    ROOMS.iter().find(|room| room.name == name)
}

fn may_use_crate(room: &Crate, edge: &Edge) -> bool {
    let to = edge.to.as_str();
    room.uses.contains(&to) || (edge.tests && (to == table::TESTKIT || room.tests_use.contains(&to)))
}

fn may_use_library(edge: &Edge) -> bool {
    let Some(library) = table::LIBRARIES.iter().find(|library| library.name == edge.to) else { return false };
    let Library { code, tests, .. } = library;
    allows(code, &edge.from) || (edge.tests && allows(tests, &edge.from))
}

fn allows(users: &Users, name: &str) -> bool {
    match users {
        Users::Any => true,
        Users::These(names) => names.contains(&name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crates() -> BTreeSet<String> {
        ROOMS.iter().map(|room| room.name.to_owned()).collect()
    }

    fn edge(from: &str, to: &str, tests: bool) -> Edge {
        Edge { from: from.into(), to: to.into(), tests, ours: crates().contains(to) }
    }

    #[test]
    fn this_repository_is_as_it_is_written_down() {
        let (crates, edges) = graph(&Workspace::find().unwrap());
        assert_eq!(findings(&crates, &edges), Vec::<String>::new());
        assert!(edges.len() > 30, "the graph was read");
    }

    #[test]
    fn finds_every_broken_arrow() {
        for (from, to, tests) in [
            ("panvault-vault", "panvault-server", false),
            ("panvault-vault", "serde_json", false),
            ("panvault-vault", "http", false),
            ("panvault-vault", "rusqlite", true),
            ("panvault-server", "panvault-keys", false),
            ("panvault-server", "aws-lc-rs", false),
            ("panvault-server", "rusqlite", true),
            ("panvault-store", "panvault-card", false),
            ("panvault-store", "panvault-keys", true),
            ("panvault-store-embedded", "panvault-keys", false),
            ("panvault-store-embedded", "hyper", false),
            ("panvault-model", "panvault-card", false),
            ("panvault-card", "aws-lc-rs", false),
            ("panvault-processor", "panvault-vault", false),
            ("panvault", "rusqlite", false),
            ("panvault", "panvault-testkit", false),
            ("panvault-keys", "tokio", false),
            ("panvault-keys", "sha3", false),
            ("xtask", "panvault", false),
            ("panvault-vault", "a-library-that-nobody-declared", true),
        ] {
            assert_eq!(findings(&crates(), &[edge(from, to, tests)]).len(), 1, "{from} → {to}");
        }
    }

    #[test]
    fn lets_pass_what_is_allowed() {
        for (from, to, tests) in [
            ("panvault", "panvault-server", false),
            ("panvault-vault", "panvault-keys", false),
            ("panvault-keys", "aws-lc-rs", false),
            ("panvault-keys", "sha3", true),
            ("panvault-store-embedded", "rusqlite", false),
            ("panvault-store-embedded", "panvault-testkit", true),
            ("panvault-server", "hyper", false),
            ("panvault-card", "tempfile", true),
        ] {
            assert_eq!(findings(&crates(), &[edge(from, to, tests)]), Vec::<String>::new(), "{from} → {to}");
        }
    }

    #[test]
    fn knows_crates_that_come_and_go() {
        let mut changed = crates();
        changed.insert("panvault-new".to_owned());
        changed.remove("panvault-card");
        assert_eq!(findings(&changed, &[]).len(), 2);
    }
}
