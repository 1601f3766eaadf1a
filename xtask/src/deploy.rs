//! What is in `deploy/`, as far as it can be looked at where nothing starts a container: each file by the schema or by the program that reads it, and
//! what the files say of each other.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::python::Environment;
use crate::workspace::Workspace;
use crate::{packages, run, say, servers};

const KUBERNETES: Environment = Environment {
    what: "kubernetes-validate",
    directory: ".venv-deploy",
    requirements: "xtask/deploy/requirements.txt",
};
const VALIDATE: &str = "bin/kubernetes-validate";
/// In tenths: a node's unit may not become less hardened than this.
const EXPOSURE_MAX: &str = "--threshold=17";
/// What `make-secrets.sh` makes certificates for.
const CERTIFIED: [&str; 3] = ["postgres", "redis", "node"];

/// Everything.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    let deploy = workspace.root.join("deploy");
    kubernetes(workspace, &deploy)?;
    compose(workspace, &deploy)?;
    let scratch = tempfile::tempdir_in(&workspace.target).context("no scratch directory could be made")?;
    unit(&deploy, scratch.path())?;
    haproxy(workspace, &deploy)?;
    secrets(&deploy, scratch.path())?;
    say::note(
        "no container was started and no cluster was asked: schemas, and programs that check what they would read",
    );
    Ok(())
}

/// Each manifest by the schemas of Kubernetes, where an unknown member is a fault.
fn kubernetes(workspace: &Workspace, deploy: &Path) -> anyhow::Result<()> {
    let works = |environment: &Path| {
        run::works(run::command(environment.join(VALIDATE), &workspace.root, &["--help"]))
    };
    let program = KUBERNETES.ready(workspace, works)?.join(VALIDATE);
    let mut command = run::command(program, deploy, &["--strict"]);
    command.args(manifests(deploy)?);
    run::succeed(command)
}

/// All but the list of them, which has no schema.
fn manifests(deploy: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(deploy.join("kubernetes"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "yaml") && !path.ends_with("kustomization.yaml") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// By the program that reads it.
fn compose(workspace: &Workspace, deploy: &Path) -> anyhow::Result<()> {
    packages::need(&workspace.root, "docker-compose", || {
        run::works(run::command("docker-compose", &workspace.root, &["--version"]))
    })?;
    run::succeed(run::command("docker-compose", deploy, &["--profile", "once", "config", "--quiet"]))
}

/// Verified, with a program in the place of ours, which need not be installed, and judged as the package's is.
fn unit(deploy: &Path, scratch: &Path) -> anyhow::Result<()> {
    if !run::works(run::command("systemd-analyze", scratch, &["--version"])) {
        say::note("the unit was not looked at: systemd-analyze is not on this machine");
        return Ok(());
    }
    let name = "panvault-node.service";
    let text = fs::read_to_string(deploy.join("systemd").join(name))?;
    ensure!(text.contains("ExecStart=/usr/bin/panvault "), "{name} starts something else");
    fs::write(scratch.join(name), text.replace("ExecStart=/usr/bin/panvault ", "ExecStart=/bin/true "))?;
    run::succeed(run::command("systemd-analyze", scratch, &["--man=no", "verify", &format!("./{name}")]))?;
    let arguments = ["security", "--offline=yes", "--no-pager", EXPOSURE_MAX, &format!("./{name}")];
    run::output(run::command("systemd-analyze", scratch, &arguments)).map(drop)
}

/// Read by HAProxy, with addresses for what the environment has.
fn haproxy(workspace: &Workspace, deploy: &Path) -> anyhow::Result<()> {
    servers::needed_from_debian(&workspace.root)?;
    let mut command = run::command("/usr/sbin/haproxy", deploy, &["-c", "-q", "-f", "haproxy.cfg"]);
    for name in ["LISTEN", "NODE_1", "NODE_2", "NODE_3"] {
        command.env(format!("PANVAULT_{name}"), "127.0.0.1:8420");
    }
    run::succeed(command)
}

/// Made, and each certificate is one of the authority's, for a name.
fn secrets(deploy: &Path, scratch: &Path) -> anyhow::Result<()> {
    run::succeed(run::command(deploy.join("make-secrets.sh"), scratch, &["secrets"]))?;
    let made = scratch.join("secrets");
    for name in CERTIFIED {
        let certificate = format!("{name}/server.crt");
        let arguments =
            ["verify", "-CAfile", "ca.crt", "-purpose", "sslserver", "-verify_hostname", "localhost"];
        let mut command = run::command("openssl", &made, &arguments);
        command.arg(&certificate);
        run::output(command).with_context(|| format!("{certificate} is not what it should be"))?;
    }
    let again = run::works(run::command(deploy.join("make-secrets.sh"), scratch, &["secrets"]));
    ensure!(!again, "secrets that are there were made anew");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deploy() -> PathBuf {
        Workspace::find().unwrap().root.join("deploy")
    }

    #[test]
    fn every_manifest_is_applied() {
        let listed = fs::read_to_string(deploy().join("kubernetes/kustomization.yaml")).unwrap();
        let mut listed: Vec<_> = listed.lines().filter_map(|line| line.strip_prefix("  - ")).collect();
        listed.sort_unstable();
        let names = manifests(&deploy()).unwrap();
        let names: Vec<_> = names.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(listed, names);
    }

    #[test]
    fn every_image_of_others_has_a_version() {
        let files = manifests(&deploy()).unwrap().into_iter().chain([deploy().join("docker-compose.yml")]);
        let mut seen = 0;
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let images = text.lines().filter_map(|line| line.trim().strip_prefix("image: "));
            for image in images.filter(|image| *image != "panvault") {
                let version = image.split_once(':').map_or("", |(_, version)| version);
                assert!(version.starts_with(|first: char| first.is_ascii_digit()), "{image}");
                seen += 1;
            }
        }
        assert!(seen >= 6, "{seen}");
    }

    /// Kubernetes sets variables for each service of a namespace, and ours would be called as settings are.
    #[test]
    fn no_pod_is_given_variables_that_look_like_settings() {
        for file in manifests(&deploy()).unwrap() {
            let text = fs::read_to_string(&file).unwrap();
            let pods = text.matches("      containers:\n").count();
            assert_eq!(text.matches("      enableServiceLinks: false\n").count(), pods, "{}", file.display());
            assert_eq!(
                text.matches("automountServiceAccountToken: false").count(),
                pods,
                "{}",
                file.display()
            );
            assert_eq!(text.matches("readOnlyRootFilesystem: true").count(), pods, "{}", file.display());
        }
    }
}
