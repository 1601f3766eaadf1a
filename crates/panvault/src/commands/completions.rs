use clap::CommandFactory;
use clap_complete::Shell as Dialect;

use crate::cli::{Cli, Shell};
use crate::output;

/// Prints what makes a shell complete the commands.
pub(crate) fn run(shell: Shell) -> anyhow::Result<()> {
    let dialect = match shell {
        Shell::Bash => Dialect::Bash,
        Shell::Zsh => Dialect::Zsh,
        Shell::Fish => Dialect::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(dialect, &mut Cli::command(), "panvault", &mut script);
    Ok(output::line(String::from_utf8(script)?.trim_end())?)
}
