//! The list of everything that went into the binary, in CycloneDX.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use cargo_metadata::MetadataCommand;
use cyclonedx_bom::models::component::{Classification, Scope};
use cyclonedx_bom::models::dependency::{Dependencies, Dependency};
use cyclonedx_bom::models::hash::{Hash, HashAlgorithm, HashValue, Hashes};
use cyclonedx_bom::models::license::{LicenseChoice, Licenses};
use cyclonedx_bom::prelude::*;
use toml::{Table, Value};

use crate::package::Release;
use crate::run;
use crate::workspace::Workspace;

const BINARY: &str = "panvault";

/// A crate of `Cargo.lock`.
struct Locked {
    name: String,
    version: String,
    /// SHA-256 of the crate's file; ours have none.
    checksum: Option<String>,
    /// As the file writes them: a name, with its version where there are several.
    dependencies: Vec<String>,
}

impl Locked {
    fn reference(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }
}

/// Writes the list: every crate of `Cargo.lock`, in scope when it is linked into the binary here, and excluded when only tests,
/// tools, builds or other systems use it. No time and no random number is in it.
pub(super) fn write(workspace: &Workspace, to: &Path) -> anyhow::Result<()> {
    let locked = locked(workspace)?;
    let linked = linked(workspace)?;
    let licences = licences(workspace)?;
    let component = |locked: &Locked| -> anyhow::Result<Component> {
        let is_linked = linked.contains(&(locked.name.clone(), locked.version.clone()));
        let licence = licences.get(&(locked.name.clone(), locked.version.clone()));
        let class = if locked.name == BINARY { Classification::Application } else { Classification::Library };
        let mut component = Component::new(class, &locked.name, &locked.version, Some(locked.reference()));
        component.scope = Some(if is_linked { Scope::Required } else { Scope::Excluded });
        component.purl = Some(Purl::new("cargo", &locked.name, &locked.version)?);
        component.licenses = licence
            .map(|licence| SpdxExpression::parse_lax(licence.clone()))
            .transpose()?
            .map(|expression| Licenses(vec![LicenseChoice::Expression(expression)]));
        component.hashes = locked
            .checksum
            .clone()
            .map(|sum| Hashes(vec![Hash { alg: HashAlgorithm::SHA_256, content: HashValue(sum) }]));
        Ok(component)
    };
    let mut components = Vec::new();
    let mut own = None;
    for locked in &locked {
        let component = component(locked).with_context(|| locked.reference())?;
        if locked.name == BINARY {
            own = Some(component);
        } else {
            components.push(component);
        }
    }
    let metadata = Metadata { component: own, ..Metadata::default() };
    let bom = Bom {
        serial_number: None,
        metadata: Some(metadata),
        components: Some(Components(components)),
        dependencies: Some(Dependencies(dependencies(&locked))),
        spec_version: SpecVersion::V1_5,
        ..Bom::default()
    };
    let mut bytes = Vec::new();
    bom.output_as_json_v1_5(&mut bytes).context("the list cannot be written")?;
    bytes.push(b'\n');
    Ok(fs::write(to, bytes)?)
}

/// Reads it back: it is CycloneDX, it has what a reader needs, and no crate is missing.
pub(super) fn check(workspace: &Workspace, release: &Release) -> anyhow::Result<()> {
    let text = fs::read_to_string(release.file(".cdx.json")?)?;
    let json: serde_json::Value = serde_json::from_str(&text)?;
    for (member, value) in [("bomFormat", "CycloneDX"), ("specVersion", "1.5")] {
        ensure!(json.get(member).and_then(|found| found.as_str()) == Some(value), "{member} is not {value}");
    }
    let bom = Bom::parse_from_json_v1_5(text.as_bytes()).context("the list is not CycloneDX 1.5")?;
    let result = bom.validate();
    ensure!(result.passed(), "the list is not valid: {result:?}");
    let own =
        bom.metadata.and_then(|metadata| metadata.component).context("the binary is not in the list")?;
    let components: Vec<Component> =
        bom.components.map(|all| all.0).into_iter().flatten().chain([own]).collect();
    let listed: BTreeSet<&str> =
        components.iter().filter_map(|component| component.bom_ref.as_deref()).collect();
    for locked in locked(workspace)? {
        ensure!(listed.contains(locked.reference().as_str()), "{} is not in the list", locked.reference());
    }
    for dependency in bom.dependencies.map(|all| all.0).unwrap_or_default() {
        for name in dependency.dependencies.iter().chain([&dependency.dependency_ref]) {
            ensure!(listed.contains(name.as_str()), "{name} is depended on and not in the list");
        }
    }
    for component in components.iter().filter(|component| component.scope == Some(Scope::Required)) {
        let name = component.name.to_string();
        ensure!(component.licenses.is_some(), "{name} has no licence");
        ensure!(
            component.hashes.is_some() || name.starts_with(BINARY),
            "{name} is linked, not ours, and has no checksum"
        );
    }
    Ok(())
}

fn locked(workspace: &Workspace) -> anyhow::Result<Vec<Locked>> {
    let lock: Table = fs::read_to_string(workspace.root.join("Cargo.lock"))?.parse()?;
    let text = |package: &Value, name: &str| package.get(name).and_then(Value::as_str).map(str::to_owned);
    let packages = lock.get("package").and_then(Value::as_array).context("Cargo.lock has no packages")?;
    let read = |package: &Value| {
        let dependencies = package.get("dependencies").and_then(Value::as_array).into_iter().flatten();
        Some(Locked {
            name: text(package, "name")?,
            version: text(package, "version")?,
            checksum: text(package, "checksum"),
            dependencies: dependencies.filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    };
    packages.iter().map(|package| read(package).context("Cargo.lock has a package without a name")).collect()
}

fn dependencies(locked: &[Locked]) -> Vec<Dependency> {
    let reference = |written: &String| {
        let mut words = written.split(' ');
        let (name, version) = (words.next()?, words.next());
        let is_it =
            |locked: &&Locked| locked.name == name && version.is_none_or(|version| locked.version == version);
        locked.iter().find(is_it).map(Locked::reference)
    };
    let of = |locked: &Locked| Dependency {
        dependency_ref: locked.reference(),
        dependencies: locked.dependencies.iter().filter_map(reference).collect(),
    };
    locked.iter().map(of).collect()
}

/// What is linked into the binary on this kind of machine.
fn linked(workspace: &Workspace) -> anyhow::Result<BTreeSet<(String, String)>> {
    let arguments = [
        "tree",
        "--locked",
        "--package",
        BINARY,
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    let printed = String::from_utf8(run::output(run::cargo(&workspace.root, &arguments))?)?;
    let read = |line: &str| {
        let mut words = line.split(' ');
        Some((words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned()))
    };
    let linked: BTreeSet<_> = printed.lines().filter_map(read).collect();
    ensure!(linked.len() > 50, "cargo tree printed something else");
    Ok(linked)
}

fn licences(workspace: &Workspace) -> anyhow::Result<BTreeMap<(String, String), String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(workspace.root.join("Cargo.toml"))
        .other_options(["--locked".to_owned()])
        .exec()
        .context("cargo metadata failed")?;
    let packages = metadata.packages.into_iter();
    let of = |package: cargo_metadata::Package| {
        Some(((package.name.to_string(), package.version.to_string()), package.license?))
    };
    Ok(packages.filter_map(of).collect())
}
