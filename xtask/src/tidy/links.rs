use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::workspace::Workspace;

/// Links of the documentation that lead to no file.
pub(super) fn findings(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let mut findings = Vec::new();
    for path in pages(&workspace.root)? {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let directory = path.parent().unwrap_or(&workspace.root);
        for link in links(&text).filter(|link| !directory.join(link).exists()) {
            let page = path.strip_prefix(&workspace.root).unwrap_or(&path);
            findings.push(format!("{}: the link to {link} leads nowhere", page.display()));
        }
    }
    Ok(findings)
}

/// The pages that are read as files; READMEs of crates are checked as documentation by rustdoc.
fn pages(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    for directory in ["", "docs", "docs/adr"] {
        for entry in fs::read_dir(root.join(directory))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    Ok(pages)
}

/// Relative links, without the place in the page that they lead to.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| {
        let link = rest.split([')', '#']).next()?;
        let is_relative = !link.is_empty() && !link.contains("://") && !link.starts_with("mailto:");
        is_relative.then_some(link)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_relative_links() {
        let text = "[a](docs/a.md) [b](b.md#part), [c](#here) [d](https://example.com/x) ![e](e.svg)";
        assert_eq!(links(text).collect::<Vec<_>>(), ["docs/a.md", "b.md", "e.svg"]);
    }
}
