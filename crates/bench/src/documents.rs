use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use panvault_model::{Currency, OrganisationId, ProcessorId, Role};
use panvault_vault::{NewAccount, NewApiKey, NewOrganisation, Query, Webhooks};

use crate::directory::{self, Opened};
use crate::progress::Progress;

/// How many documents, and where.
#[derive(clap::Args)]
pub(crate) struct Documents {
    /// Directory of the vault that gets them.
    #[arg(long)]
    data: PathBuf,
    /// Directory of the vault that stays small.
    #[arg(long)]
    beside: PathBuf,
    /// Organisations to make, and as many accounts and API keys.
    #[arg(long)]
    documents: u64,
    /// Of the last of each, so many are timed, beside as many in the small vault.
    #[arg(long, default_value_t = 101)]
    samples: u64,
}

/// A vault, and what the documents of it are made below.
struct Place {
    opened: Opened,
    top: OrganisationId,
    processor: ProcessorId,
}

/// Microseconds that each kind of document took.
#[derive(Default)]
struct Took {
    organisation: Vec<u128>,
    account: Vec<u128>,
    api_key: Vec<u128>,
}

/// Makes documents one by one, and times the last of them in turn with the first of another vault: both meet whatever else the machine
/// and its disk do.
pub(crate) fn run(arguments: Documents) -> anyhow::Result<()> {
    crate::runtime()?.block_on(async {
        let place = Place::open(&arguments.data).await?;
        let timed = arguments.samples.min(arguments.documents);
        let (mut many, mut few) = (Took::default(), Took::default());
        let mut progress = Progress::start(arguments.documents, "merchants");
        for made in 0..arguments.documents - timed {
            place.make(&mut Took::default()).await?;
            progress.show(made);
        }
        progress.end();
        let beside = Place::open(&arguments.beside).await?;
        // The first of a process are not like the others.
        for _ in 0..10 {
            beside.make(&mut Took::default()).await?;
        }
        for _ in 0..timed {
            place.make(&mut many).await?;
            beside.make(&mut few).await?;
        }
        place.opened.vault.close().await?;
        beside.opened.vault.close().await?;
        for (name, many, few) in [
            ("organisation", many.organisation, few.organisation),
            ("account", many.account, few.account),
            ("apikey", many.api_key, few.api_key),
        ] {
            let (many, few) = (median(many), median(few));
            crate::line(format_args!("{{\"document\":\"{name}\",\"last_us\":{many},\"early_us\":{few}}}"));
        }
        Ok(())
    })
}

impl Place {
    async fn open(data: &std::path::Path) -> anyhow::Result<Self> {
        let opened = directory::open(data).await?;
        let (vault, operator) = (&opened.vault, opened.operator()?);
        let top = vault.organisation_list(&operator.permit()?, Query::newest(Vec::new(), 1)).await?.rows;
        let top = top.first().context("the vault has no organisation")?.id;
        let processor = vault.processor_list(&operator.permit()?, Query::newest(Vec::new(), 1)).await?.rows;
        let processor = processor.first().context("the vault has no processor")?.id;
        Ok(Self { opened, top, processor })
    }

    /// Makes an organisation with its keys, an account and an API key.
    #[expect(clippy::disallowed_methods, reason = "a tool that measures needs a clock")]
    async fn make(&self, took: &mut Took) -> anyhow::Result<()> {
        let operator = self.opened.operator()?;
        let new =
            NewOrganisation { name: "Shop".to_owned(), parent: Some(self.top), ..NewOrganisation::default() };
        let start = Instant::now();
        let organisation = self.opened.vault.organisation_create(&operator.permit()?, new).await?.id;
        took.organisation.push(start.elapsed().as_micros());
        // A caller sees the vault as it was when it came.
        let operator = self.opened.operator()?;
        let new = NewAccount {
            organisation,
            name: "Euro".to_owned(),
            description: None,
            currency: Currency::parse("EUR").context("a currency")?,
            processors: vec![self.processor],
            disabled: false,
            webhooks: Webhooks::default(),
            checkout_theme: Vec::new(),
        };
        let start = Instant::now();
        self.opened.vault.account_create(&operator.permit()?, new).await?;
        took.account.push(start.elapsed().as_micros());
        let roles = vec![Role::MerchantAdmin];
        let new = NewApiKey {
            organisation,
            name: "Till".to_owned(),
            roles,
            expires_at: None,
            allowed_origins: Vec::new(),
        };
        let start = Instant::now();
        self.opened.vault.apikey_create(&operator.permit()?, new).await?;
        took.api_key.push(start.elapsed().as_micros());
        Ok(())
    }
}

fn median(mut took: Vec<u128>) -> u128 {
    took.sort_unstable();
    took.get(took.len() / 2).copied().unwrap_or_default()
}
