//! The ceremony of a vault's keys (PCI DSS 3.7.6: split knowledge and dual control): custodians get shares of what opens it, each proves theirs, and nobody has all. What
//! was done is written down, and the trail has its digest. Nothing is made before the last share is proved: whoever interrupts it leaves nothing.

use std::fmt::Write as _;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use panvault_keys::{Entropy, NewSlot, ShareScheme, Shares, SystemEntropy};
use panvault_model::{Role, Timestamp};
use panvault_store_embedded::Settings;
use panvault_vault::{Clock, Mode, NewApiKey, NewOrganisation, SystemClock};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::cli::Init;
use crate::commands::init::{configuration, free_config_place, is_free, log_place, relative_to_config};
use crate::commands::slot::custodians;
use crate::data::{self, DataDirectory, OpenSettings, OpenVault, mode_name, named_beside, write_private};
use crate::output;
use crate::temporary::Temporary;

/// Bytes of a name that is written down.
const NAME_BYTES_MAX: usize = 64;
const TRANSCRIPT: &str = "ceremony.txt";

/// What was asked before anything is made.
struct Asked {
    leader: String,
    organisation: String,
    custodians: Vec<String>,
    needed: u8,
}

pub(super) fn run(args: &Init, mode: Mode, data: &Path) -> anyhow::Result<()> {
    ensure!(
        io::stdout().is_terminal() && io::stdin().is_terminal(),
        "a ceremony is held at a terminal: shares are shown there and nowhere else"
    );
    data::is_free_for_a_vault(data)?;
    // Whatever is in the way is found before the first share is shown.
    let config = free_config_place(data)?;
    let key_file = named_beside(data, ".api-key")?;
    is_free(&key_file, "the API key")?;
    let wal = log_place(args, data)?;
    if let Some(wal) = &wal {
        is_free(wal, "the log")?;
    }
    if args.rehearsal {
        output::line(
            "This is a rehearsal: its vault and its shares are worth nothing, and are gone at the end.\n",
        )?;
    }
    let asked = Asked::at_the_terminal()?;
    let begun = SystemClock::start().now().wall;
    let entropy = SystemEntropy::new();
    let mut set = [0; 4];
    entropy.fill_secret(&mut set)?;
    let made = u8::try_from(asked.custodians.len())?;
    let scheme = ShareScheme::new(asked.needed, made, u32::from_be_bytes(set));
    let scheme = scheme.context("at least 2 shares are needed, of at most 16")?;
    let (slot, shares) = NewSlot::of_shares(scheme, "custodians", &entropy)?;
    let name_of = |number: u8| asked.custodians.get(usize::from(number).saturating_sub(1));
    let mut proved = Vec::new();
    custodians::hand_out_to(
        &shares,
        |share| name_of(share.number()).cloned().unwrap_or_default(),
        |share| proved.push((share.number(), SystemClock::start().now().wall)),
    )?;
    let temporary = if args.rehearsal { Some(Temporary::make("panvault-rehearsal-")?) } else { None };
    let place =
        temporary.as_ref().map_or_else(|| data.to_owned(), |temporary| temporary.path().join("vault"));
    let mut set = vec![("data_directory", relative_to_config(data, data))];
    set.extend(wal.as_deref().map(|wal| ("wal_directory", relative_to_config(wal, data))));
    let store = Settings { log_directory: wal.filter(|_| !args.rehearsal), ..Settings::default() };
    let slot_of_shares = Shares(shares);
    let mut written = Vec::new();
    let made = data::create_by(
        &place,
        mode,
        &store,
        |_| Ok(slot),
        |directory| {
            let transcript = asked.transcript(directory, mode, scheme, begun, &proved);
            write_private(&directory.path.join(TRANSCRIPT), transcript.as_bytes())?;
            let api_key = fill(directory, &slot_of_shares, &asked.organisation, &transcript)?;
            if !args.rehearsal {
                write_private(&key_file, [api_key.as_bytes(), b"\n"].concat().as_slice())?;
                written.push(key_file.clone());
                write_private(&config, configuration(&set).as_bytes())?;
                written.push(config.clone());
            }
            Ok(())
        },
    );
    made.inspect_err(|_| {
        for file in &written {
            drop(std::fs::remove_file(file));
        }
    })?;
    drop(temporary);
    if args.rehearsal {
        return Ok(output::line(
            "\nThe rehearsal is over: nothing of it is left. Destroy what was written down of it.",
        )?);
    }
    Ok(output::line(asked.kept(data, &config, scheme))?)
}

impl Asked {
    fn at_the_terminal() -> anyhow::Result<Self> {
        let leader = name("Who leads this ceremony? ")?;
        let organisation = name("What is the organisation called that owns the cards? ")?;
        let made = number("How many custodians get a share (2 to 16)? ", 2, 16)?;
        let needed =
            number(&format!("How many of the {made} open the vault together (2 to {made})? "), 2, made)?;
        let mut custodians = Vec::new();
        while custodians.len() < usize::from(made) {
            let named = name(&format!("Custodian {}: ", custodians.len() + 1))?;
            if custodians.contains(&named) {
                output::note("that custodian has a share already: nobody has two");
            } else {
                custodians.push(named);
            }
        }
        Ok(Self { leader, organisation, custodians, needed })
    }

    /// What was done, by whom and when, without anything secret.
    fn transcript(
        &self,
        directory: &DataDirectory,
        mode: Mode,
        scheme: ShareScheme,
        begun: Timestamp,
        proved: &[(u8, Timestamp)],
    ) -> String {
        let ShareScheme { needed, made, set } = scheme;
        let mut text = format!(
            "Ceremony of the keys of a Panvault\n\nvault       {}, {}\nbegun       {begun}\nled by      {}\nversion     {}\nroot key    made here, 256 \
             bits, kept nowhere\nshares      {needed} of {made} open the vault (set {set:08x})\n\n",
            directory.vault,
            mode_name(mode),
            self.leader,
            env!("CARGO_PKG_VERSION"),
        );
        for (custodian, (number, at)) in self.custodians.iter().zip(proved) {
            // Writing into a text does not fail.
            let _ = writeln!(text, "share {number:2}    {custodian}, proved {at}");
        }
        text
    }

    /// What is to be kept where.
    fn kept(&self, data: &Path, config: &Path, scheme: ShareScheme) -> String {
        let ShareScheme { needed, made, set } = scheme;
        format!(
            "\nMade a vault in {data}, which {needed} of {made} custodians open.\n\n\
             Each custodian keeps their share (set {set:08x}) where no other custodian comes to it, and not with the vault's backups.\n\
             {data}/{TRANSCRIPT} says who was there; the audit trail has its digest. Print it, and have it signed.\n\
             {key} is the first key of {organisation}, with the role ProviderAdmin: hand it to who administers the vault, and remove it here.\n\n\
             Then serve it, and have {needed} custodians unseal it, one after the other:\n\n  \
             panvault serve --config {config}\n  panvault unseal --config {config}",
            data = data.display(),
            key = named_beside(data, ".api-key").unwrap_or_default().display(),
            organisation = self.organisation,
            config = config.display(),
        )
    }
}

/// Opens the vault as its custodians do, and puts into it what it begins with. Gives the first API key.
fn fill(
    directory: &DataDirectory,
    shares: &Shares,
    organisation: &str,
    transcript: &str,
) -> anyhow::Result<Zeroizing<String>> {
    let digest: [u8; 32] = Sha256::digest(transcript.as_bytes()).into();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let open: OpenVault = directory.open_by(shares, &OpenSettings::default()).await?;
        let made = async {
            open.vault.ceremony_note(&digest).await?;
            let new = NewOrganisation { name: organisation.to_owned(), ..NewOrganisation::default() };
            let organisation = open.vault.organisation_create(&open.operator()?.permit()?, new).await?.id;
            let new = NewApiKey {
                organisation,
                name: "first".to_owned(),
                roles: vec![Role::ProviderAdmin],
                allowed_origins: Vec::new(),
                expires_at: None,
            };
            let (_, key) = open.vault.apikey_create(&open.operator()?.permit()?, new).await?;
            anyhow::Ok(Zeroizing::new(key.expose_text().to_owned()))
        };
        let made = made.await;
        open.vault.close().await?;
        made
    })
}

/// A line that is typed and shown. An end of input is not taken for an empty line.
fn line(prompt: &str) -> anyhow::Result<String> {
    let mut out = io::stdout();
    out.write_all(prompt.as_bytes())?;
    out.flush()?;
    let mut typed = String::new();
    if io::stdin().lock().read_line(&mut typed)? == 0 {
        bail!("nothing was made: the input ended");
    }
    Ok(typed.trim().to_owned())
}

/// A name as it is written down.
fn name(prompt: &str) -> anyhow::Result<String> {
    loop {
        let typed = line(prompt)?;
        let fits = (1..=NAME_BYTES_MAX).contains(&typed.len()) && !typed.chars().any(char::is_control);
        if fits && !panvault_card::holds_card_number(&typed) {
            return Ok(typed);
        }
        output::note(format!("a name of at most {NAME_BYTES_MAX} bytes is wanted"));
    }
}

fn number(prompt: &str, least: u8, most: u8) -> anyhow::Result<u8> {
    loop {
        match line(prompt)?.parse() {
            Ok(number) if (least..=most).contains(&number) => return Ok(number),
            Ok(_) | Err(_) => output::note(format!("a number from {least} to {most} is wanted")),
        }
    }
}
