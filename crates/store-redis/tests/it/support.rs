use std::sync::{Arc, LazyLock};

use panvault_model::{CardId, SEALED_CVV_BLOCK_BYTES, SealedCvvBlock, VaultId};
use panvault_store::{CvvClaimed, CvvFault, CvvStore, CvvTicket, HeldCvv};
use panvault_store_redis::{
    RedisClock, RedisCvvs, RedisRefused, RedisSettings, RedisState, RedisUnfit, RedisUrl,
};
use panvault_testkit::TestClock;
use panvault_testkit::conformance::rows::{at, id, servers_of};
use panvault_vault::Clock;
use tokio::runtime::Runtime;

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    RUNTIME.block_on(future)
}

/// A thousand CVVs of vault 1, at most.
pub(crate) fn settings(url: &str) -> RedisSettings {
    RedisSettings {
        url: RedisUrl::parse(url).unwrap(),
        username: None,
        password: None,
        tls_roots: None,
        insecure: false,
        held_max: 1000,
        vault: VaultId(id(1)),
    }
}

pub(crate) async fn connected(url: &str) -> RedisCvvs {
    let cvvs = RedisCvvs::connect(&settings(url)).await.unwrap();
    assert_eq!(cvvs.state(), RedisState::Ready);
    cvvs
}

/// The same, with a clock that stands still.
pub(crate) async fn connected_by(settings: &RedisSettings, clock: &Arc<TestClock>) -> RedisCvvs {
    let its = Arc::clone(clock);
    let clock = RedisClock::Given(Arc::new(move || its.monotonic_millis()));
    RedisCvvs::connect_by(settings, clock).await.unwrap()
}

/// A CVV that ends after a minute.
pub(crate) fn cvv(marked: u8) -> HeldCvv {
    let sealed = SealedCvvBlock::new(None, [marked; SEALED_CVV_BLOCK_BYTES]);
    HeldCvv { sealed, expires_at: at(60), remaining_millis: 60_000 }
}

pub(crate) fn card(n: u64) -> CardId {
    CardId(id(n))
}

pub(crate) const fn ticket(n: u8) -> CvvTicket {
    CvvTicket::from_bytes([n; 16])
}

pub(crate) async fn hold(cvvs: &RedisCvvs, n: u64, number: u64, marked: u8) -> Result<bool, CvvFault> {
    cvvs.cvv_hold(card(n), servers_of(1), number, cvv(marked)).await
}

/// Which CVV a claim took.
pub(crate) async fn claim(cvvs: &RedisCvvs, n: u64, by: u8) -> Result<Option<u8>, CvvFault> {
    Ok(match cvvs.cvv_claim(card(n), ticket(by), None).await? {
        CvvClaimed::Taken(claim) => Some(claim.cvv.sealed.as_bytes()[0]),
        CvvClaimed::Nothing => None,
        CvvClaimed::Twin => panic!("a twin without a digest"),
    })
}

pub(crate) async fn is_ready(cvvs: &RedisCvvs) {
    cvvs.wait_for(|state| state == RedisState::Ready).await;
}

pub(crate) async fn is_unfit(cvvs: &RedisCvvs, unfit: RedisUnfit) {
    cvvs.wait_for(|state| state == RedisState::Unfit(unfit)).await;
}

/// Why a server was refused.
pub(crate) async fn refused(settings: &RedisSettings) -> RedisUnfit {
    match RedisCvvs::connect(settings).await {
        Err(RedisRefused::Unfit(unfit)) => unfit,
        Err(refused) => panic!("refused otherwise: {refused:?}"),
        Ok(cvvs) => panic!("not refused: {:?}", cvvs.state()),
    }
}
