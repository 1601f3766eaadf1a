//! The pages of `docs/` that are made from the code.

use std::fs;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::workspace::Workspace;
use crate::{run, say};

/// Writes them.
pub(crate) fn write(workspace: &Workspace) -> anyhow::Result<()> {
    for (name, text) in pages(workspace)? {
        let path = workspace.root.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        say::line(format_args!("wrote {name}"));
    }
    Ok(())
}

/// Fails unless they are what would be written.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    for (name, text) in pages(workspace)? {
        if fs::read_to_string(workspace.root.join(name)).unwrap_or_default() != text {
            bail!("{name} is out of date: run `cargo xtask openapi`");
        }
    }
    Ok(())
}

/// Their names and texts: the OpenAPI document laid out for reading and for diffs, and the tables of errors and roles.
fn pages(workspace: &Workspace) -> anyhow::Result<[(&'static str, String); 3]> {
    let binary = workspace.debug_binary()?;
    let printed = |more: &[&str]| {
        let arguments = [&["openapi"], more].concat();
        let printed = run::output(run::command(&binary, &workspace.root, &arguments))?;
        String::from_utf8(printed).context("`panvault openapi` did not print text")
    };
    let document: Value =
        serde_json::from_str(&printed(&[])?).context("`panvault openapi` did not print one JSON document")?;
    let document = serde_json::to_string_pretty(&document)? + "\n";
    Ok([
        ("docs/openapi.json", document),
        ("docs/errors.md", printed(&["--errors"])?),
        ("docs/roles.md", printed(&["--roles"])?),
    ])
}
