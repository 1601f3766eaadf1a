//! The questions. They go to standard error, so that standard output holds what came of them.

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use panvault_vault::Mode;

use crate::cli::Setup;
use crate::commands::setup::answers::{self, Answers, Entrance, NAME, Place};
use crate::commands::setup::owner::Owner;

const WHERE: &str = "Where is the vault to be?";
const MODE: &str =
    "Test or live? A test vault takes the dummy processor and test keys, a live vault refuses both.";
const WHO: &str = "What is the organisation called that owns the cards?";
const ENTRANCE: &str = "How do clients reach it? \"here\" is from this machine only, \"proxy\" through a proxy that ends TLS; \
                        or name two files, certificate chain and key.";

/// Asks for what no flag says. What a flag says is judged first: a fault of it ends the command.
pub(super) fn answers(args: &Setup, owner: &Owner) -> anyhow::Result<Answers> {
    let place = match &args.data {
        Some(data) => answers::place(args, Some(data), owner).map_err(anyhow::Error::msg)?,
        None => ask_place(args, owner)?,
    };
    let mode = match args.mode {
        Some(mode) => answers::mode(mode),
        None => ask(MODE, Some("test"), |answer| match answer {
            "test" => Ok(Mode::Test),
            "live" => Ok(Mode::Live),
            _ => Err("it must be test or live".to_owned()),
        })?,
    };
    let name = match &args.name {
        Some(name) => {
            answers::judge_name(name).map_err(|fault| anyhow::anyhow!("--{fault}"))?;
            name.clone()
        }
        None => {
            let default = (mode == Mode::Test).then_some(NAME);
            ask(WHO, default, |answer| answers::judge_name(answer).map(|()| answer.to_owned()))?
        }
    };
    let is_flagged = args.behind_proxy || args.tls_certificate.is_some() || args.tls_key.is_some();
    let entrance = if is_flagged {
        answers::flagged_entrance(args, owner).map_err(anyhow::Error::msg)?
    } else {
        ask(ENTRANCE, Some("here"), |answer| read_entrance(answer, owner))?
    };
    Ok(Answers { place, mode, name, entrance })
}

fn ask_place(args: &Setup, owner: &Owner) -> anyhow::Result<Place> {
    let mut default = answers::default_data(owner).and_then(|path| path.to_str().map(str::to_owned));
    let judged = default.as_ref().map(|path| answers::place(args, Some(Path::new(path)), owner));
    if let Some(Err(fault)) = judged {
        // What cannot be used is not offered: whoever takes what is offered would be asked for ever.
        writeln!(io::stderr(), "{fault}").context("nothing can be asked")?;
        default = None;
    }
    ask(WHERE, default.as_deref(), |answer| match answer {
        "" => {
            Err("it must be a directory, such as ~/vault; Ctrl-C ends this, and nothing was made".to_owned())
        }
        answer => answers::place(args, Some(&expanded(answer, owner)), owner),
    })
}

fn read_entrance(answer: &str, owner: &Owner) -> Result<Entrance, String> {
    match answer.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["here"] => Ok(Entrance::Here),
        ["proxy"] => Ok(Entrance::Proxy),
        [certificate, key] => answers::tls(&expanded(certificate, owner), &expanded(key, owner), owner),
        _ => Err("it must be here, proxy, or two files with a space between them (for names with spaces in them there \
                  are --tls-certificate and --tls-key)"
            .to_owned()),
    }
}

/// A path as a shell would read it: no shell does.
fn expanded(answer: &str, owner: &Owner) -> PathBuf {
    match (answer.strip_prefix("~/"), &owner.home) {
        (Some(rest), Some(home)) => home.join(rest),
        (_, _) => Path::new(answer).to_owned(),
    }
}

/// Asks until the answer is a good one. An empty answer is the default.
fn ask<T>(
    question: &str,
    default: Option<&str>,
    judge: impl Fn(&str) -> Result<T, String>,
) -> anyhow::Result<T> {
    let shown = default.map(|default| format!(" [{default}]")).unwrap_or_default();
    loop {
        let mut out = io::stderr().lock();
        write!(out, "{question}{shown}\n> ").and_then(|()| out.flush()).context("nothing can be asked")?;
        drop(out);
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line).context("no answer can be read, and nothing was made")?
            == 0
        {
            bail!("no answer was given, and nothing was made");
        }
        let answer = match line.trim() {
            "" => default.unwrap_or_default(),
            answer => answer,
        };
        match judge(answer) {
            Ok(judged) => return Ok(judged),
            Err(fault) => writeln!(io::stderr(), "{fault}").context("nothing can be asked")?,
        }
    }
}
