//! Shares on their way to custodians.

use std::fs::DirBuilder;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::{Context, ensure};
use panvault_keys::Share;
use zeroize::Zeroizing;

use crate::commands::slot::key::ask;
use crate::config::secret;
use crate::data::write_private;
use crate::output;

/// One file for each share, in a new directory that its owner alone can look into; each is read back as proof. How many there are.
pub(super) fn write(directory: &Path, shares: &[Share]) -> anyhow::Result<usize> {
    DirBuilder::new()
        .mode(0o700)
        .create(directory)
        .with_context(|| format!("{} cannot be made", directory.display()))?;
    for share in shares {
        let file = directory.join(format!("share-{}.txt", share.number()));
        let text = Zeroizing::new([share.expose_text().as_str(), "\n"].concat());
        write_private(&file, text.as_bytes())?;
        let again = secret::password(&file).map_err(anyhow::Error::msg)?;
        let again = Share::parse(&again).with_context(|| format!("the share in {}", file.display()))?;
        ensure!(again.number() == share.number(), "{} is not as it was written", file.display());
    }
    Ok(shares.len())
}

/// Shows each share to its custodian on the terminal and asks for it, so that only shares that were written down right count; each goes from the
/// screen before the next comes.
pub(super) fn hand_out(shares: &[Share]) -> anyhow::Result<()> {
    hand_out_to(shares, |_| "its custodian".to_owned(), |_| {})
}

/// The same to custodians that are named; of each that has proved their share is told.
pub(in crate::commands) fn hand_out_to(
    shares: &[Share],
    custodian: impl Fn(&Share) -> String,
    mut proved: impl FnMut(&Share),
) -> anyhow::Result<()> {
    ensure!(
        io::stdout().is_terminal() && io::stdin().is_terminal(),
        "shares are shown on a terminal alone: name a directory for them with --out"
    );
    for share in shares {
        let (number, made) = (share.number(), shares.len());
        let whose = custodian(share);
        output::line(format!("Share {number} of {made}, for {whose} alone to write down:\n"))?;
        output::line(share.expose_text().as_str())?;
        output::line("")?;
        ask("Press Enter when it is written down; it goes from the screen.")?;
        clear_screen()?;
        loop {
            let typed = Share::parse(&ask(&format!("Type share {number}, as proof: "))?);
            match typed {
                Ok(typed) if typed.expose_text().as_str() == share.expose_text().as_str() => break,
                Ok(_) => output::note("that is another share"),
                Err(fault) => output::note(fault.to_string()),
            }
        }
        proved(share);
    }
    Ok(())
}

/// Clears the screen and what can be scrolled back to (ECMA-48, ED 2; xterm, ED 3).
fn clear_screen() -> anyhow::Result<()> {
    let mut out = io::stdout();
    out.write_all(b"\x1b[2J\x1b[3J\x1b[H")?;
    Ok(out.flush()?)
}
