//! Shares on their way to custodians.

use std::fs::{self, DirBuilder};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use panvault_keys::{AgeRecipient, Entropy, Share};
use zeroize::Zeroizing;

use crate::commands::slot::key::ask;
use crate::config::secret;
use crate::data::write_private;
use crate::output;

/// Bytes of a file with a recipient at most.
const RECIPIENT_BYTES_MAX: usize = 4096;

/// One file for each share, in a new directory that its owner alone can look into; each is read back as proof. How many there are.
pub(super) fn write(directory: &Path, shares: &[Share]) -> anyhow::Result<usize> {
    make(directory)?;
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

fn make(directory: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().mode(0o700).create(directory);
    made.with_context(|| {
        format!("{} cannot be made: it must not be there yet, and what it is in must", directory.display())
    })
}

/// To whom shares are sealed: nobody, or one custodian for each share. Each is `age1…`, or a file whose one line is that; lines with `#` before them are passed over.
pub(super) fn recipients(named: &[String], made: u8) -> anyhow::Result<Vec<AgeRecipient>> {
    ensure!(
        named.is_empty() || named.len() == usize::from(made),
        "there are {made} shares and {} recipients: name one for each share, in their order",
        named.len()
    );
    let mut recipients = Vec::new();
    for name in named {
        let is_key = name.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("age1"));
        let text = if is_key {
            name.clone()
        } else {
            let bytes = fs::read(name).with_context(|| {
                format!("the recipient {name} is no key of age, and no file that can be read")
            })?;
            ensure!(bytes.len() <= RECIPIENT_BYTES_MAX, "the file {name} is longer than a recipient's");
            String::from_utf8(bytes)
                .with_context(|| format!("the file {name} is not one of a recipient of age"))?
        };
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let recipient = match (lines.next(), lines.next()) {
            (Some(line), None) => AgeRecipient::parse(line),
            _ => None,
        };
        let Some(recipient) = recipient else {
            bail!(
                "the recipient {name} has a typing error, or is not a native one of age (age1 and 58 characters)"
            )
        };
        ensure!(
            !recipients.contains(&recipient),
            "the recipient {name} is named twice: a custodian has one share"
        );
        recipients.push(recipient);
    }
    Ok(recipients)
}

/// One file for each share, in a new directory, which its custodian alone can read.
pub(super) fn seal(
    directory: &Path,
    shares: &[Share],
    recipients: &[AgeRecipient],
    entropy: &dyn Entropy,
) -> anyhow::Result<()> {
    make(directory)?;
    for (share, recipient) in shares.iter().zip(recipients) {
        let file = recipient.seal(share.expose_text().as_bytes(), entropy)?;
        write_private(&directory.join(format!("share-{}.age", share.number())), file.as_bytes())?;
    }
    Ok(())
}

/// Asks for each share on the terminal: one that its custodian could not read does not count.
pub(super) fn prove(shares: &[Share], directory: &Path) -> anyhow::Result<()> {
    ensure!(
        io::stdin().is_terminal(),
        "each custodian types their share before it counts, and there is no terminal to type at"
    );
    output::line(format!(
        "Each share is in {}, sealed to its custodian, who reads it by: age --decrypt --identity FILE share-N.age",
        directory.display()
    ))?;
    shares.iter().try_for_each(asked_for)
}

/// Has somebody type a share until it is right.
fn asked_for(share: &Share) -> anyhow::Result<()> {
    loop {
        let typed = Share::parse(&ask(&format!("Type share {}, as proof: ", share.number()))?);
        match typed {
            Ok(typed) if typed.expose_text().as_str() == share.expose_text().as_str() => return Ok(()),
            Ok(_) => output::note("that is another share"),
            Err(fault) => output::note(fault.to_string()),
        }
    }
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
        asked_for(share)?;
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
