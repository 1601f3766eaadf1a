//! The programs in `examples/`, each in its language's own runtime, against the real binary: all print the same lines.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};

use crate::dev_vault::DevVault;
use crate::webhook::Webhook;
use crate::workspace::Workspace;
use crate::{packages, run, say};

/// A language: the Debian package of its runtime, a command that works where it is there, and how the program is run.
struct Language {
    name: &'static str,
    package: &'static str,
    there: &'static [&'static str],
    run: &'static [&'static str],
}

const GSON: &str = "/usr/share/java/gson.jar";

const LANGUAGES: &[Language] = &[
    Language {
        name: "curl",
        package: "jq",
        there: &["jq", "--version"],
        run: &["bash", "examples/curl/steps.sh"],
    },
    Language {
        name: "Python",
        package: "python3",
        there: &["python3", "--version"],
        run: &["python3", "-B", "examples/python/steps.py"],
    },
    Language {
        name: "PHP",
        package: "php-cli",
        there: &["php", "--version"],
        run: &["php", "examples/php/steps.php"],
    },
    Language {
        name: "Node",
        package: "nodejs",
        there: &["node", "--version"],
        run: &["node", "examples/node/steps.mjs"],
    },
    Language {
        name: "Java",
        package: "default-jdk-headless",
        there: &["javac", "--version"],
        run: &["java", "--class-path", GSON, "examples/java/Steps.java"],
    },
    Language {
        name: "Go",
        package: "golang-go",
        there: &["go", "version"],
        run: &["go", "run", "examples/go/steps.go"],
    },
    Language {
        name: "Rust",
        package: "cargo",
        there: &["cargo", "--version"],
        run: &[
            "cargo",
            "run",
            "--quiet",
            "--locked",
            "--manifest-path",
            "examples/rust/Cargo.toml",
            "--target-dir",
            "target/examples",
        ],
    },
];

/// Installs the runtimes that are missing, starts a vault, and runs each program.
pub(crate) fn examples(workspace: &Workspace) -> anyhow::Result<()> {
    let root = &workspace.root;
    for language in LANGUAGES {
        packages::need(root, language.package, || works(root, language.there))?;
    }
    packages::need(root, "openssl", || works(root, &["openssl", "version"]))?;
    packages::need(root, "libgoogle-gson-java", || Path::new(GSON).exists())?;
    let expected = fs::read_to_string(root.join("examples/output.txt"))?;
    let binary = workspace.debug_binary()?;
    let log = workspace.target.join("examples/server.log");
    let data = tempfile::tempdir_in(&workspace.target).context("no directory for the data could be made")?;
    let more = ["--settle-seconds", "1"];
    let mut vault = DevVault::start_with(workspace, &binary, &data.path().join("data"), &log, &more)?;
    let webhook = Webhook::receive(&vault)?;
    for language in LANGUAGES {
        let printed = program(root, language, &vault, &webhook);
        vault.still_runs()?;
        let printed = printed.with_context(|| format!("the example in {}", language.name))?;
        ensure!(printed == expected, "the example in {} printed something else:\n{printed}", language.name);
        say::note(format_args!("the example in {} does as it says", language.name));
    }
    Ok(())
}

fn program(root: &Path, language: &Language, vault: &DevVault, webhook: &Webhook) -> anyhow::Result<String> {
    let (program, arguments) = language.run.split_first().context("a program has a name")?;
    let mut command = run::command(program, root, arguments);
    command
        .env("PANVAULT", &vault.url)
        .env("ORGANISATION", &vault.organisation)
        .env("ACCOUNT", &vault.account)
        .env("KEY", &vault.api_key)
        .env("WEBHOOK_ID", &webhook.id)
        .env("WEBHOOK_TIMESTAMP", &webhook.timestamp)
        .env("WEBHOOK_SIGNATURE", &webhook.signature)
        .env("WEBHOOK_BODY", &webhook.body)
        .env("WEBHOOK_SECRET", &webhook.secret)
        // What a build keeps stays in the workspace.
        .env("GOCACHE", root.join("target/examples/go"));
    Ok(String::from_utf8(run::output(command)?)?)
}

fn works(root: &Path, line: &[&str]) -> bool {
    line.split_first().is_some_and(|(program, arguments)| run::works(run::command(program, root, arguments)))
}
