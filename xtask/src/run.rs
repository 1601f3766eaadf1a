//! Starting other programs: always with standard input closed.

use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::say;

/// How often it is looked whether a program that says nothing has ended.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A command in a directory, without standard input.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>, directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory).stdin(Stdio::null());
    command
}

/// Cargo, in the root.
pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> Command {
    // Cargo sets this for what it runs, so that the same toolchain is used.
    command(option_env!("CARGO").unwrap_or("cargo"), root, arguments)
}

/// Runs it with its output where ours goes; fails when it fails.
pub(crate) fn succeed(command: Command) -> anyhow::Result<()> {
    say::line(format_args!("$ {}", show(&command)));
    succeed_quietly(command)
}

/// The same, and does not say what it runs: for what has an output of its own to be read.
pub(crate) fn succeed_quietly(mut command: Command) -> anyhow::Result<()> {
    let shown = show(&command);
    let status = command.status().with_context(|| format!("cannot start {shown}"))?;
    if status.success() { Ok(()) } else { bail!("{shown} ended with {status}") }
}

/// Runs it quietly and gives its standard output; fails when it fails.
pub(crate) fn output(mut command: Command) -> anyhow::Result<Vec<u8>> {
    let shown = show(&command);
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start {shown}"))?;
    if output.status.success() { Ok(output.stdout) } else { bail!("{shown} ended with {}", output.status) }
}

/// Runs it, prints every line of its output and of what it says about errors, and hands each to `each`. Answers whether it succeeded.
pub(crate) fn lines(command: Command, each: impl FnMut(&str)) -> anyhow::Result<bool> {
    lines_behind("", command, each)
}

/// The same for one of several that run beside each other: each line is printed behind its name.
pub(crate) fn lines_behind(
    before: &str,
    mut command: Command,
    mut each: impl FnMut(&str),
) -> anyhow::Result<bool> {
    let shown = show(&command);
    say::line(format_args!("$ {shown}"));
    let (output, input) = io::pipe()?;
    command.stdout(input.try_clone()?).stderr(input);
    let mut child = command.spawn().with_context(|| format!("cannot start {shown}"))?;
    // It holds our ends of the pipe, which would never end.
    drop(command);
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(output).split(b'\n');
        lines.map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    let mut has_ended = false;
    loop {
        match lines.recv_timeout(LOOK_EVERY) {
            Ok(line) => {
                let line = String::from_utf8_lossy(&line);
                say::line(format_args!("{before}{line}"));
                each(&line);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            // What it started and left behind may hold the pipe for ever.
            Err(RecvTimeoutError::Timeout) if has_ended => break,
            Err(RecvTimeoutError::Timeout) => has_ended = child.try_wait()?.is_some(),
        }
    }
    Ok(child.wait()?.success())
}

/// Whether it can be started and succeeds; prints nothing.
pub(crate) fn works(mut command: Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn show(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
    command.get_args().fold(program.into_owned(), |shown, argument| shown + " " + &argument.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_of_both_outputs_and_end_with_the_program() {
        let mut said = Vec::new();
        // The second program holds the pipe, and lives on for a while.
        let both = command("sh", Path::new("/"), &["-c", "sleep 20 & echo out; echo err >&2; exit 3"]);
        assert!(!lines_behind("", both, |line| said.push(line.to_owned())).unwrap());
        said.sort();
        assert_eq!(said, ["err", "out"]);
    }
}
