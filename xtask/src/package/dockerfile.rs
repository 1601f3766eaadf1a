//! The Dockerfile, as far as it can be looked at without Docker.

use std::path::{Path, PathBuf};

use anyhow::ensure;

use crate::python::Environment;
use crate::run;
use crate::workspace::Workspace;

const HADOLINT: Environment = Environment {
    what: "hadolint",
    directory: ".venv-hadolint",
    requirements: "xtask/hadolint/requirements.txt",
};
const PROGRAM: &str = "bin/hadolint";

/// Lints it.
pub(super) fn lint(workspace: &Workspace) -> anyhow::Result<()> {
    let works = |environment: &Path| {
        run::works(run::command(environment.join(PROGRAM), &workspace.root, &["--version"]))
    };
    let program: PathBuf = HADOLINT.ready(workspace, works)?.join(PROGRAM);
    let printed = run::output(run::command(program, &workspace.root, &["--no-color", "Dockerfile"]))?;
    ensure!(printed.is_empty(), "hadolint: {}", String::from_utf8_lossy(&printed));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Its instructions, continued lines joined.
    fn instructions(text: &str) -> Vec<Vec<String>> {
        let joined = text.replace("\\\n", " ");
        let lines = joined.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn what_it_copies_is_there_and_it_ends_as_a_user_without_a_shell() {
        let root = Workspace::find().unwrap().root;
        let all = instructions(&fs::read_to_string(root.join("Dockerfile")).unwrap());
        let mut stages = Vec::new();
        let ignored = fs::read_to_string(root.join(".dockerignore")).unwrap();
        for words in &all {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match words.as_slice() {
                ["FROM", image, "AS", name] => {
                    assert!(image.contains(':') && !image.ends_with(":latest"), "{image}");
                    stages.push(*name);
                }
                ["FROM", image] => assert_eq!(*image, "scratch"),
                ["COPY", from, rest @ ..] if from.starts_with("--from=") => {
                    assert!(stages.contains(&&from["--from=".len()..]), "{from} {rest:?}");
                }
                ["COPY", sources @ .., _] => {
                    for source in sources.iter().filter(|source| !source.starts_with("--")) {
                        assert!(root.join(source).exists(), "{source}");
                        assert!(!ignored.lines().any(|line| line == *source), "{source} is ignored");
                    }
                }
                _ => {}
            }
        }
        let last = |name: &str| all.iter().rev().find(|words| words[0] == name).unwrap()[1..].join(" ");
        assert_eq!(last("USER"), "65532:65532");
        // A shell would be needed by what is no list.
        assert!(last("ENTRYPOINT").starts_with("[\"/usr/bin/panvault\"") && last("CMD").starts_with('['));
    }
}
