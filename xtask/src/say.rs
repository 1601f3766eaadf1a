//! The one place that prints. What tests of this crate print through it is kept from their output.

/// Prints a line.
#[expect(clippy::print_stdout, reason = "a command line tool answers on standard output")]
pub(crate) fn line(text: impl core::fmt::Display) {
    println!("{text}");
}

/// Prints a line about a problem.
pub(crate) fn trouble(text: impl core::fmt::Display) {
    line(format_args!("  ! {text}"));
}

/// Prints a line that is not part of the answer, on standard error.
#[expect(clippy::print_stderr, reason = "a command line tool says on standard error how far it is")]
pub(crate) fn note(text: impl core::fmt::Display) {
    eprintln!("{text}");
}
