//! What commands print. Logs go elsewhere: see `telemetry.rs`.

use std::io::{self, Write};

/// Prints a line. A reader that has gone away ends the command quietly, as with any other program.
pub(crate) fn line(text: impl AsRef<str>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", text.as_ref())?;
    out.flush()
}

/// Prints an error with its causes, each once.
pub(crate) fn error(error: &anyhow::Error) {
    let mut shown = String::from("error");
    let mut last = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if text != last {
            shown.push_str(": ");
            shown.push_str(&text);
        }
        last = text;
    }
    // There is nowhere left to say that this failed.
    drop(writeln!(io::stderr(), "{shown}"));
}
