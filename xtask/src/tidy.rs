//! Rules that every source and every manifest keeps, checked without compiling anything.

mod links;
mod manifests;
mod named;
mod sources;

use anyhow::bail;

use crate::say;
use crate::workspace::Workspace;

/// Fails when a rule is broken.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    let mut findings = manifests::findings(workspace)?;
    findings.extend(links::findings(workspace)?);
    findings.extend(named::findings(workspace)?);
    for file in workspace.sources(&["crates", "xtask/src"])? {
        sources::findings(&file, &mut findings);
    }
    findings.iter().for_each(say::trouble);
    match findings.len() {
        0 => Ok(()),
        many => bail!("{many} findings; the rules are in xtask/src/tidy"),
    }
}
