use std::fs;

use anyhow::Context;
use toml::{Table, Value};

use crate::workspace::Workspace;

/// What is wrong with the manifests of all crates.
pub(super) fn findings(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let mut findings = Vec::new();
    let mut read = |path: &std::path::Path, check: fn(&str, &Table, &str, &mut Vec<String>)| {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let table = text.parse::<Table>().with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.strip_prefix(&workspace.root).unwrap_or(path).display().to_string();
        check(&name, &table, &text, &mut findings);
        anyhow::Ok(())
    };
    read(&workspace.root.join("Cargo.toml"), root)?;
    for package in workspace.metadata.workspace_packages() {
        read(package.manifest_path.as_std_path(), member)?;
    }
    Ok(findings)
}

/// The root: `unsafe` is forbidden, and every dependency says what it is for.
fn root(name: &str, table: &Table, text: &str, findings: &mut Vec<String>) {
    if path(table, &["workspace", "lints", "rust", "unsafe_code"]).and_then(Value::as_str) != Some("forbid") {
        findings.push(format!("{name}: unsafe_code is not forbidden"));
    }
    let dependencies = text.split_once("[workspace.dependencies]").map_or("", |(_, rest)| rest);
    let dependencies = dependencies.split_once("\n[").map_or(dependencies, |(before, _)| before);
    let mut before = "";
    for line in dependencies.lines().filter(|line| line.contains(" = ") && !line.contains("path = ")) {
        let dependency = line.split(" = ").next().unwrap_or_default();
        if !line.contains(" # ") {
            findings.push(format!("{name}: {dependency} does not say what it is for"));
        }
        if dependency < before {
            findings.push(format!("{name}: {dependency} is not in its place, sorted by name"));
        }
        before = dependency;
    }
}

/// A crate: the workspace's lints, the workspace's dependencies, no feature that changes behaviour.
fn member(name: &str, table: &Table, _text: &str, findings: &mut Vec<String>) {
    let is_true = |value: Option<&Value>| value.and_then(Value::as_bool) == Some(true);
    if !is_true(path(table, &["lints", "workspace"])) {
        findings.push(format!("{name}: does not take the lints of the workspace"));
    }
    if table.contains_key("features") {
        findings.push(format!("{name}: no Cargo feature changes behaviour"));
    }
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (dependency, value) in table.get(section).and_then(Value::as_table).into_iter().flatten() {
            if !is_true(value.get("workspace")) {
                findings.push(format!("{name}: {dependency} is not declared in the root manifest"));
            }
        }
    }
}

fn path<'a>(table: &'a Table, names: &[&str]) -> Option<&'a Value> {
    let (first, rest) = names.split_first()?;
    rest.iter().try_fold(table.get(*first)?, |value, name| value.get(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(check: fn(&str, &Table, &str, &mut Vec<String>), text: &str) -> usize {
        let mut findings = Vec::new();
        check("Cargo.toml", &text.parse().unwrap(), text, &mut findings);
        findings.len()
    }

    #[test]
    fn a_member_takes_all_from_the_workspace() {
        assert_eq!(found(member, "[lints]\nworkspace = true\n[dependencies]\na.workspace = true"), 0);
        let with_features =
            "[lints]\nworkspace = true\n[dependencies]\na = { workspace = true, features = ['b'] }";
        assert_eq!(found(member, with_features), 0);
        assert_eq!(found(member, "[dependencies]\na = '1'\n[dev-dependencies]\nb = { version = '1' }"), 3);
        assert_eq!(found(member, "[lints]\nworkspace = true\n[features]\nfast = []"), 1);
    }

    #[test]
    fn the_root_gives_reasons_in_order() {
        let lints = "\n[workspace.lints.rust]\nunsafe_code = 'forbid'\n";
        let good =
            format!("[workspace.dependencies]\nx = {{ path = 'x' }}\na = '1' # why\nb = '1' # why\n{lints}");
        assert_eq!(found(root, &good), 0);
        let bad = format!("[workspace.dependencies]\nb = '1' # why\na = '1'\n{lints}");
        assert_eq!(found(root, &bad), 2);
        assert_eq!(found(root, "[workspace.lints.rust]\nunsafe_code = 'deny'"), 1);
    }
}
