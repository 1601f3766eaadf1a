use std::sync::Arc;

use panvault_card::{CardBlock, NewCard};
use panvault_model::{CardId, CardKind, OrganisationId, Sealed, Tag};
use panvault_store::{Action, CardRow, CheckoutRow, Commit, CvvOwner, Expect, Outcome, RowKey};

use crate::card::{CardView, Metadata, NO_CVV};
use crate::cvv::{self, CvvSeen, SealedCvv};
use crate::env::Env;
use crate::error::{Named, VaultError};
use crate::idempotency::{Done, Idempotency, answer_of};
use crate::limit::Guards;
use crate::permit::{CardCreate, Permit};
use crate::seal;
use crate::text::pairs_storable;
use crate::vault::Vault;

/// A card ready to be stored: ciphertext and metadata only.
struct Planned {
    row: Arc<CardRow>,
    cvv: Option<SealedCvv>,
}

impl Vault {
    /// Stores a card and holds its CVV. Plans at once, while the plaintext is at hand; the future commits.
    ///
    /// A card that is stored is answered as such, also when its CVV then found no room, or no way to where it is held:
    /// `cvv_expires_at` says whether one is held. [`VaultError::NotFound`] when the caller does not see the organisation;
    /// [`VaultError::Disabled`]; [`VaultError::Faults`] when the card has expired; [`VaultError::CvvFull`] when there is no room for its
    /// CVV to begin with. A request that was answered before is answered the same again, whatever is so now.
    pub fn card_create(
        &self,
        permit: &Permit<CardCreate>,
        organisation: OrganisationId,
        card: NewCard,
        metadata: Metadata,
        idempotency: Option<Idempotency>,
    ) -> impl Future<Output = Result<Done<CardView>, VaultError>> + Send + use<> {
        self.card_create_at(permit, organisation, card, metadata, idempotency, None)
    }

    /// The same, and binds the card to a checkout, in the same step. [`VaultError::Contended`] where that has changed meanwhile.
    pub(crate) fn card_create_at(
        &self,
        permit: &Permit<CardCreate>,
        organisation: OrganisationId,
        card: NewCard,
        metadata: Metadata,
        idempotency: Option<Idempotency>,
        checkout: Option<Arc<CheckoutRow>>,
    ) -> impl Future<Output = Result<Done<CardView>, VaultError>> + Send + use<> {
        let env = self.env(permit.snapshot(), permit.now());
        let planned = card_create_plan(permit, organisation, card, metadata, &env, self.guards());
        let (asked, now, source) = (*permit.asked(), permit.now(), permit.cvv_source());
        let vault = self.clone();
        // Until it is stored, its key is not one that nobody seals with any more.
        let sealed_by = Arc::clone(permit.snapshot());
        async move {
            let _sealed_by = sealed_by;
            let Planned { row, cvv } = match (planned, &idempotency) {
                (Ok(planned), _) => planned,
                // Whether there is an earlier answer would tell whether the number is the one that it was given for.
                (Err(refused @ VaultError::TooMany(_)), _) => return Err(refused),
                (Err(refused), None) => return Err(refused),
                // What there was for the first request may be gone: the organisation is disabled, or the card has expired.
                (Err(refused), Some(claim)) => {
                    let earlier = vault.idempotency_earlier(claim, now).await?.ok_or(refused)?;
                    return vault.card_answered(earlier, now).await;
                }
            };
            let owner = CvvOwner { organisation: row.organisation, source };
            let admitted = match &cvv {
                Some(_) => vault.cvv_admitted(owner, now).await,
                None => Ok(()),
            };
            if let Err(refused) = admitted {
                // A request that was answered before is answered the same again, room or not.
                return match &idempotency {
                    Some(claim) => match vault.idempotency_earlier(claim, now).await? {
                        Some(earlier) => vault.card_answered(earlier, now).await,
                        None => Err(refused),
                    },
                    None => Err(refused),
                };
            }
            let mut commit = Commit {
                claim: idempotency.map(|claim| claim.claim(vault.keys(), now.wall, answer_of(row.as_ref()))),
                expects: vec![Expect::Absent(RowKey::Card(row.id))],
                effects: vec![Arc::clone(&row).into()],
                audit: asked.note(now.wall, Action::CardCreate, row.organisation, row.id.0),
            };
            if let Some(checkout) = &checkout {
                commit.expects.push(Expect::Version(RowKey::Checkout(checkout.id), checkout.version));
                commit.effects.push(vault.checkout_bound(checkout, row.id, now.wall)?.into());
            }
            let cvv = match cvv {
                Some(cvv) => {
                    let step = vault.cvv_first(row.id, cvv.expires_at, now.wall)?;
                    Some((cvv, step.add_to(&mut commit)))
                }
                None => None,
            };
            vault.in_time(now)?;
            match vault.store().commit(commit).await? {
                Outcome::Done { order } => {
                    let cvv_expires_at = match cvv {
                        Some((cvv, number)) => vault.cvv_held(&row, source, number.of(order), cvv).await,
                        None => None,
                    };
                    Ok(Done::new(CardView::new(row, CvvSeen::known(cvv_expires_at))))
                }
                Outcome::Claimed(earlier) => vault.card_replayed(idempotency.as_ref(), earlier, now).await,
                // An id is made for one card; that another has it is chance of one in a great many. A checkout changes at any time.
                Outcome::Unmet(_) => Err(VaultError::Contended),
            }
        }
    }
}

/// Finds the issuer, makes the fingerprint, seals. The plaintext ends here.
///
/// Before anything else is said of the card, it is counted as a guess at its number: whatever else is refused, an earlier answer to the same
/// request may be told. A command on this machine has the root key anyway.
fn card_create_plan(
    permit: &Permit<CardCreate>,
    organisation: OrganisationId,
    card: NewCard,
    metadata: Metadata,
    env: &Env<'_>,
    guards: &Guards,
) -> Result<Planned, VaultError> {
    let NewCard { pan, kind, expiry, cvv, holder } = card;
    let organisation = permit.within(organisation, Named::Field("organisation"))?;
    let (fingerprint, fingerprint_key) = env.keys.fingerprint(organisation, kind, pan.expose_digits())?;
    if !permit.is_operator() {
        let clear = (pan.brand(), pan.bin(), pan.last_four());
        let seen = permit.is_whole().then_some(fingerprint);
        guards.created(organisation, clear, seen, permit.now())?;
    }
    let expiry = expiry.in_future(env.now.wall).map_err(|fault| VaultError::field("expiry_year", fault))?;
    if kind == CardKind::NetworkToken && !permit.is_whole() {
        return Err(VaultError::field(
            "kind",
            "cannot come from a browser: a network token is the merchant's own",
        ));
    }
    if kind == CardKind::NetworkToken && cvv.is_some() {
        return Err(VaultError::field("cvv", NO_CVV));
    }
    permit.within_enabled(organisation, Named::Field("organisation"))?;
    pairs_storable(&metadata)?;
    let id = CardId::make(env.now.wall, env.make_id_bytes()?);
    let row = CardRow {
        id,
        organisation,
        version: 1,
        kind,
        brand: pan.brand(),
        bin: pan.bin(),
        last_four: pan.last_four(),
        expiry,
        facts: env.bins.lookup(pan.issuer_digits()),
        fingerprint,
        fingerprint_key,
        fingerprint_before: None,
        metadata,
        created_at: env.now.wall,
        updated_at: env.now.wall,
        sealed_version: 1,
        sealed_at: env.now.wall,
        sealed: Sealed::from_bytes([]),
        tag: Tag::NONE,
    };
    let block = CardBlock::pack(&pan, holder.as_ref());
    drop((pan, holder));
    let row = seal::card_seal(row, &block, env)?;
    let cvv = match cvv {
        Some(cvv) => cvv::cvv_seal(cvv, id, organisation, env)?,
        None => None,
    };
    Ok(Planned { row: Arc::new(row), cvv })
}
