use core::num::NonZeroU32;
use core::sync::atomic::Ordering;
use std::sync::Arc;

use panvault_model::CardId;
use panvault_store::{
    CvvClaim, CvvClaimed, CvvCounts, CvvFault, CvvKeyComponent, CvvKeyCurrent, CvvOwner, CvvPending,
    CvvShown, CvvStore, CvvTicket, HeldCvv,
};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use crate::connect::Connector;
use crate::limits::REMAINING_MILLIS_MAX;
use crate::link::{Link, RedisClock, RedisState};
use crate::reach::Reach;
use crate::reply::{Reply, owner_bytes};
use crate::settings::{RedisRefused, RedisSettings};

/// CVVs in the memory of a server that nodes share.
pub struct RedisCvvs {
    link: Arc<Link>,
    reach: Reach,
    keeper: JoinHandle<()>,
}

/// The way to the server ends with it.
impl Drop for RedisCvvs {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl RedisCvvs {
    /// CVVs on this server. One that is out of reach is waited for in the background, and each request answered
    /// [`CvvFault::Unavailable`] until it is there; one that is reached and may not hold CVVs is refused.
    ///
    /// Runs on the runtime that it is called on, and so do all requests.
    pub async fn connect(settings: &RedisSettings) -> Result<Self, RedisRefused> {
        Self::connect_by(settings, RedisClock::Server).await
    }

    /// The same by another clock than the server's.
    pub async fn connect_by(settings: &RedisSettings, clock: RedisClock) -> Result<Self, RedisRefused> {
        let connector = Connector::new(settings)?;
        let link = Link::new(connector, settings.vault, settings.url.to_string(), settings.held_max, clock);
        link.first().await.map_err(RedisRefused::Unfit)?;
        let link = Arc::new(link);
        let keeper = tokio::spawn(Arc::clone(&link).keep());
        Ok(Self { link, reach: Reach::default(), keeper })
    }

    /// How it stands with the server; does not wait.
    pub fn state(&self) -> RedisState {
        self.link.state()
    }

    /// Waits until it stands so with the server.
    pub async fn wait_for(&self, is: impl Fn(RedisState) -> bool) {
        self.link.wait_for(is).await;
    }

    async fn hold(&self, card: CardId, owner: CvvOwner, number: u64, cvv: HeldCvv) -> Result<bool, CvvFault> {
        let HeldCvv { sealed, expires_at, remaining_millis } = cvv;
        let component = sealed.component().map_or(0, NonZeroU32::get);
        let said = [
            owner_bytes(owner).as_slice(),
            &number.to_be_bytes(),
            &component.to_be_bytes(),
            &remaining_millis.min(REMAINING_MILLIS_MAX).to_be_bytes(),
            &expires_at.unix_millis().to_be_bytes(),
            sealed.as_bytes(),
            &self.link.heard.held_max().to_be_bytes(),
        ]
        .concat();
        let mut reply = self.link.ask(&self.link.scripts.hold, &[card_key(card)], &said).await?;
        match read(&mut reply, Reply::how)? {
            0 => Ok(false),
            1 => Ok(true),
            2 => Err(CvvFault::NoRoom),
            3 => Err(CvvFault::ComponentGone),
            _ => Err(CvvFault::Unavailable),
        }
    }

    async fn clear(&self, card: CardId, number: u64) -> Result<(), CvvFault> {
        let said = number.to_be_bytes();
        self.link.ask(&self.link.scripts.clear, &[card_key(card)], &said).await?;
        Ok(())
    }

    async fn claim(
        &self,
        card: CardId,
        ticket: CvvTicket,
        digest: Option<[u8; 16]>,
    ) -> Result<CvvClaimed, CvvFault> {
        let has_digest = [u8::from(digest.is_some())];
        let said = [ticket.as_bytes().as_slice(), &has_digest, &digest.unwrap_or_default()].concat();
        let mut reply = self.link.ask(&self.link.scripts.claim, &[card_key(card)], &said).await?;
        let is_new = match read(&mut reply, Reply::how)? {
            0 => return Ok(CvvClaimed::Nothing),
            1 => true,
            2 => false,
            3 => return Ok(CvvClaimed::Twin),
            _ => return Err(CvvFault::Unavailable),
        };
        let (number, cvv) = read(&mut reply, Reply::claimed)?;
        if is_new {
            self.link.heard.claimed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(CvvClaimed::Taken(CvvClaim { card, ticket, number, cvv }))
    }

    async fn put_back(&self, claim: CvvClaim) -> Result<(), CvvFault> {
        let (script, said) = (&self.link.scripts.put_back, claim.ticket.as_bytes());
        let mut reply = self.link.ask(script, &[card_key(claim.card)], said).await?;
        if read(&mut reply, Reply::how)? == 1 {
            self.link.heard.put_back.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn read_many(&self, cards: Vec<CardId>) -> Result<Vec<Option<CvvShown>>, CvvFault> {
        if cards.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<_> = cards.into_iter().map(card_key).collect();
        let mut reply = self.link.ask(&self.link.scripts.read, &keys, &[]).await?;
        let shown = keys.iter().map(|_| read(&mut reply, Reply::shown)).collect::<Result<Vec<_>, _>>()?;
        if reply.is_read() { Ok(shown) } else { Err(CvvFault::Unavailable) }
    }

    async fn key_current(&self, offered: CvvKeyComponent) -> Result<CvvKeyCurrent, CvvFault> {
        let mut said = Zeroizing::new([0; 36]);
        let offer = offered.number().get().to_be_bytes();
        for (to, from) in said.iter_mut().zip(offer.iter().chain(offered.as_bytes())) {
            *to = *from;
        }
        let mut reply = self.link.ask(&self.link.scripts.key_current, NO_KEYS, said.as_slice()).await?;
        match read(&mut reply, Reply::how)? {
            1 => {
                let (component, remaining_millis) = read(&mut reply, Reply::component_current)?;
                Ok(CvvKeyCurrent { component, remaining_millis })
            }
            _ => Err(CvvFault::Unavailable),
        }
    }

    async fn key_component(&self, number: NonZeroU32) -> Result<Option<CvvKeyComponent>, CvvFault> {
        let said = number.get().to_be_bytes();
        let mut reply = self.link.ask(&self.link.scripts.key_component, NO_KEYS, &said).await?;
        if reply.is_read() {
            return Ok(None);
        }
        read(&mut reply, |reply| reply.component(number)).map(Some)
    }
}

const NO_KEYS: &[[u8; 0]] = &[];

/// The key of what is known of a card.
fn card_key(card: CardId) -> [u8; 16] {
    let mut key = *b"pv:c............";
    for (to, from) in key.iter_mut().skip(4).zip(card.as_bytes()) {
        *to = *from;
    }
    key
}

/// What a script of ours does not answer is taken for no answer.
fn read<T>(reply: &mut Reply, part: impl FnOnce(&mut Reply) -> Option<T>) -> Result<T, CvvFault> {
    part(reply).ok_or(CvvFault::Unavailable)
}

impl CvvStore for RedisCvvs {
    fn is_shared(&self) -> bool {
        true
    }

    fn cvv_hold(&self, card: CardId, owner: CvvOwner, number: u64, cvv: HeldCvv) -> CvvPending<'_, bool> {
        Box::pin(self.hold(card, owner, number, cvv))
    }

    fn cvv_room(&self, owner: CvvOwner) -> bool {
        self.link.heard.has_room(owner)
    }

    fn cvv_admits(&self) -> CvvPending<'_, ()> {
        Box::pin(self.reach.ask(async {
            self.link.ask(&self.link.scripts.admit, NO_KEYS, &[]).await?;
            Ok(())
        }))
    }

    fn cvv_clear(&self, card: CardId, number: u64) -> CvvPending<'_, ()> {
        Box::pin(self.clear(card, number))
    }

    fn cvv_clear_now(&self, card: CardId) -> CvvPending<'_, ()> {
        Box::pin(async move {
            self.link.ask(&self.link.scripts.clear_now, &[card_key(card)], &[]).await?;
            Ok(())
        })
    }

    fn cvv_claim(
        &self,
        card: CardId,
        ticket: CvvTicket,
        digest: Option<[u8; 16]>,
    ) -> CvvPending<'_, CvvClaimed> {
        Box::pin(self.claim(card, ticket, digest))
    }

    fn cvv_put_back(&self, claim: CvvClaim) -> CvvPending<'_, ()> {
        Box::pin(self.put_back(claim))
    }

    fn cvv_discard(&self, claim: CvvClaim) -> CvvPending<'_, ()> {
        Box::pin(async move {
            let (script, said) = (&self.link.scripts.discard, claim.ticket.as_bytes());
            self.link.ask(script, &[card_key(claim.card)], said).await?;
            Ok(())
        })
    }

    fn cvv_read(&self, card: CardId) -> CvvPending<'_, Option<CvvShown>> {
        Box::pin(async move { Ok(self.read_many(vec![card]).await?.pop().flatten()) })
    }

    fn cvv_read_many(&self, cards: Vec<CardId>) -> CvvPending<'_, Vec<Option<CvvShown>>> {
        Box::pin(self.read_many(cards))
    }

    fn cvv_key_current(&self, offered: CvvKeyComponent) -> CvvPending<'_, CvvKeyCurrent> {
        Box::pin(self.key_current(offered))
    }

    fn cvv_key_component(&self, number: NonZeroU32) -> CvvPending<'_, Option<CvvKeyComponent>> {
        Box::pin(self.key_component(number))
    }

    fn cvv_sweep(&self) -> CvvPending<'_, ()> {
        Box::pin(async move {
            self.link.ask(&self.link.scripts.sweep, NO_KEYS, &[]).await?;
            Ok(())
        })
    }

    fn counts(&self) -> CvvCounts {
        self.link.heard.counts()
    }
}
