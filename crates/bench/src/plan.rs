use core::hint::black_box;
use std::sync::Arc;

use anyhow::Context;
use panvault_keys::{Header, KeyMode, NewSlot, RootKey, SlotKey, SystemEntropy};
use panvault_model::{OrganisationId, VaultId};
use panvault_store::MemoryStore;
use panvault_vault::{CardCreate, Clock, Metadata, NewOrganisation, Origin, SystemClock, Vault};

use crate::directory::{self, Opened};
use crate::numbers::{card_number, expiry_year, parse};

/// Numbers that are planned in turn. Making a number is none of what is counted.
const NUMBERS: u64 = 64;

/// Reads and plans so many cards, and stores none: number → issuer → fingerprint → seal, and the CVV sealed for memory.
pub(crate) fn run(plans: u64) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (Opened { vault, key }, organisation) = runtime.block_on(vault())?;
    let permit = vault.operator(&key, Origin::LOCAL)?.permit::<CardCreate>()?;
    let now = permit.now().wall;
    let year = expiry_year(now);
    let numbers: Vec<String> = (0..NUMBERS).map(card_number).collect();
    let card_plan = |number: &str| {
        let card = parse(number, Some("111"), &year, now).context("a card is refused")?;
        // The plan is made at the call; the commit would be made by what is dropped here.
        drop(black_box(vault.card_create(&permit, organisation, card, Metadata::default(), None)));
        anyhow::Ok(())
    };
    // What is set up at first use is not of a plan.
    card_plan(&card_number(0))?;
    plans_counted(plans, &numbers, card_plan)
}

/// All of the plans; callgrind counts while this function runs, and finds it by its name.
#[inline(never)]
fn plans_counted(
    plans: u64,
    numbers: &[String],
    card_plan: impl Fn(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    (0..plans).zip(numbers.iter().cycle()).try_for_each(|(_, number)| card_plan(black_box(number)))
}

async fn vault() -> anyhow::Result<(Opened, OrganisationId)> {
    let entropy = Arc::new(SystemEntropy::new());
    let root = RootKey::make(entropy.as_ref())?;
    let now = SystemClock::start().now().wall;
    let id = VaultId::make(now, [0; 8]);
    let slot = NewSlot::of_key_file(&SlotKey::make(entropy.as_ref())?, "bench")?;
    let header = Header::make(&root, slot, id, KeyMode::Test, now, entropy.as_ref())?;
    let keys = header.open(&root, id, KeyMode::Test)?;
    let vault = Vault::open(directory::parts(Arc::new(MemoryStore::new()), keys, entropy)).await?;
    let opened = Opened { vault, key: Arc::new(root.derive_operator_key(id)) };
    let new = NewOrganisation { name: "Plans".to_owned(), ..NewOrganisation::default() };
    let organisation = opened.vault.organisation_create(&opened.operator()?.permit()?, new).await?.id;
    Ok((opened, organisation))
}
