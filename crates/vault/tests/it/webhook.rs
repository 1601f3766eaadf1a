//! Receivers over loopback are told of what happens to transactions.

use core::time::Duration;
use std::borrow::Cow;
use std::sync::{Arc, Mutex};

use panvault_keys::WebhookSecret;
use panvault_model::{Amount, DeliveryFault, DeliveryStatus, RefundStatus, TransactionId, TransactionStatus};
use panvault_store::{DeliveryQuery, DeliveryRow, Store, TransactionRow};
use panvault_testkit::operator;
use panvault_vault::{
    AccountChange, NewRefund, NewTransaction, TransactionCapture, TransactionCreate, VaultError,
    WebhookDeliveryRetry,
};
use panvault_webhook::{AddressPolicy, Sender};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::refund::{NOTHING, please};
use crate::world::{Shop, World, new_transaction};

/// Answers with a status, or not at all, and keeps the bodies that came.
pub(crate) struct Receiver {
    pub(crate) url: String,
    came: watch::Receiver<Vec<String>>,
    /// What came before each body.
    heads: Arc<Mutex<Vec<String>>>,
    status: Arc<Mutex<Option<u16>>>,
}

impl Receiver {
    pub(crate) async fn start(status: Option<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?key=secret", listener.local_addr().unwrap());
        let (came, seen) = watch::channel(Vec::new());
        let (came, status) = (Arc::new(came), Arc::new(Mutex::new(status)));
        let answer = Arc::clone(&status);
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen_heads = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&came), Arc::clone(&heads), Arc::clone(&answer)));
            }
        });
        Self { url, came: seen, heads: seen_heads, status }
    }

    pub(crate) fn answers(&self, status: u16) {
        *self.status.lock().unwrap() = Some(status);
    }

    /// Which of these secrets the message is signed with that came as the last of so many, and how many signatures it bears.
    async fn signed_with(&self, count: usize, secrets: &[&WebhookSecret]) -> (Vec<usize>, usize) {
        let body = self.came(count).await[count - 1].clone();
        let head = self.heads.lock().unwrap()[count - 1].clone();
        let header = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.unwrap_or_default().to_owned()
        };
        let (id, timestamp, signatures) =
            (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
        assert!(body.contains(&format!(r#""event":"{id}""#)), "{body}");
        let timestamp = timestamp.parse().unwrap();
        let verifies = |at: &usize| secrets[*at].verifies(&signatures, &id, timestamp, body.as_bytes());
        ((0..secrets.len()).filter(verifies).collect(), signatures.split_whitespace().count())
    }

    /// What came, when so many have.
    pub(crate) async fn came(&self, count: usize) -> Vec<String> {
        let mut came = self.came.clone();
        let waited = tokio::time::timeout(Duration::from_secs(60), came.wait_for(|came| came.len() >= count));
        waited.await.expect("the receiver is told").unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    came: Arc<watch::Sender<Vec<String>>>,
    heads: Arc<Mutex<Vec<String>>>,
    status: Arc<Mutex<Option<u16>>>,
) {
    let mut request = Vec::new();
    let mut part = [0; 4096];
    while !request.ends_with(b"}") {
        match stream.read(&mut part).await {
            Ok(read) if read > 0 => request.extend_from_slice(&part[..read]),
            _ => return,
        }
    }
    let request = String::from_utf8(request).unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /hook?key=secret HTTP/1.1\r\n"), "{head}");
    let status = *status.lock().unwrap();
    heads.lock().unwrap().push(head.to_owned());
    came.send_modify(|came| came.push(body.to_owned()));
    match status {
        Some(status) => {
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
        None => drop(stream.read(&mut part).await),
    }
}

/// Lets receivers on this machine be named.
pub(crate) fn allow(world: &World) {
    world.vault.webhooks_allow(AddressPolicy::allowing(["127.0.0.1"]).unwrap());
}

pub(crate) fn deliver(world: &World) {
    allow(world);
    let policy = AddressPolicy::allowing(["127.0.0.1"]).unwrap();
    world.vault.webhooks_start(Sender::new(policy, Vec::new()).unwrap());
}

pub(crate) async fn transact(
    world: &World,
    shop: &Shop,
    url: Option<&str>,
    capture_now: bool,
) -> Arc<TransactionRow> {
    allow(world);
    let card = world.card(shop).await;
    let new = NewTransaction {
        webhook_transaction_update: url.map(str::to_owned),
        capture_now,
        ..new_transaction(shop.account, card, 1_000)
    };
    let permit = world.permit::<TransactionCreate>(&shop.key);
    world.vault.transaction_create(&permit, new, None).await.unwrap().value
}

pub(crate) async fn account_tells(world: &World, shop: &Shop, url: &str) -> Option<WebhookSecret> {
    let url = Some(Some(url.to_owned()));
    account_changes(
        world,
        shop,
        AccountChange { webhook_transaction_update: url, ..AccountChange::default() },
    )
    .await
}

/// The secret is what was made with it.
async fn account_changes(world: &World, shop: &Shop, change: AccountChange) -> Option<WebhookSecret> {
    allow(world);
    let permit = operator(&world.vault, 1).permit().unwrap();
    world.vault.account_update(&permit, shop.account, change, None).await.unwrap().value.secret
}

async fn secret_made(world: &World, shop: &Shop) -> WebhookSecret {
    let permit = operator(&world.vault, 1).permit().unwrap();
    let made = world.vault.account_webhook_secret(&permit, shop.account, None).await.unwrap();
    made.value.secret.expect("a secret that was made is shown")
}

/// Deliveries of a shop, by versions of their objects and then by where they go.
pub(crate) async fn deliveries(world: &World, shop: &Shop) -> Vec<Arc<DeliveryRow>> {
    let all = DeliveryQuery::newest(vec![shop.organisation], 1_000);
    let mut rows = world.store.delivery_list(all).await.unwrap().rows;
    rows.sort_by(|a, b| (a.object_version, &a.url).cmp(&(b.object_version, &b.url)));
    rows
}

/// Waits until this holds of them.
pub(crate) async fn when(
    world: &World,
    shop: &Shop,
    holds: impl Fn(&[Arc<DeliveryRow>]) -> bool,
) -> Vec<Arc<DeliveryRow>> {
    let waited = async {
        loop {
            let rows = deliveries(world, shop).await;
            if holds(&rows) {
                return rows;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waited).await.expect("it comes to hold")
}

fn tells(body: &str, id: TransactionId, status: TransactionStatus) -> bool {
    body.starts_with(&format!(r#"{{"type":"transaction","_id":"{id}","status":"{status}","updated_at":"#))
}

#[tokio::test]
async fn whom_a_transaction_names_is_told_and_else_whom_its_account_names() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let (own, of_account) = (Receiver::start(Some(200)).await, Receiver::start(Some(204)).await);
    drop(account_tells(&world, &shop, &of_account.url).await);
    deliver(&world);
    let first = transact(&world, &shop, Some(&own.url), true).await;
    let second = transact(&world, &shop, None, false).await;
    let told = own.came(1).await;
    assert!(tells(&told[0], first.id, TransactionStatus::SettlementRequested), "{told:?}");
    let told = of_account.came(1).await;
    assert!(tells(&told[0], second.id, TransactionStatus::Authorized), "{told:?}");
    let rows = when(&world, &shop, |rows| rows.iter().all(|row| !row.is_waiting())).await;
    let row = rows.iter().find(|row| row.object == second.id.0).unwrap();
    assert!(told[0].ends_with(&format!(r#","event":"{}"}}"#, row.id)), "{told:?}");
    assert_eq!((rows.len(), rows[0].status, rows[0].attempts), (2, DeliveryStatus::Delivered, 1));
    assert_eq!((own.came(1).await.len(), of_account.came(1).await.len()), (1, 1));
}

/// The bug: nobody was told of refunds, whose outcomes come days later. Its cause: the outbox was asked by what settles transactions alone. Its
/// cure: what writes the outcome of a refund, and what settles it, ask it too.
#[tokio::test]
async fn of_refunds_is_told_whom_the_account_names_for_them() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let (receiver, of_transactions) = (Receiver::start(Some(200)).await, Receiver::start(Some(200)).await);
    let paid = world.completed(&shop).await;
    let change = AccountChange {
        webhook_transaction_update: Some(Some(of_transactions.url.clone())),
        webhook_refund_update: Some(Some(receiver.url.clone())),
        ..AccountChange::default()
    };
    drop(account_changes(&world, &shop, change).await);
    deliver(&world);
    let some = NewRefund { amount: Amount::new(10), ..NOTHING };
    let refund = world.refund(&shop, paid.id, some).await.unwrap();
    let told =
        |status| format!(r#"{{"type":"refund","_id":"{}","status":"{status}","updated_at":"#, refund.id);
    let came = receiver.came(1).await;
    assert!(came[0].starts_with(&told(RefundStatus::Pending)), "{came:?}");
    world.settle().await;
    let came = receiver.came(2).await;
    assert!(came[1].starts_with(&told(RefundStatus::Processed)), "{came:?}");
    world.refund(&shop, paid.id, please(20, "121")).await.unwrap();
    let came = receiver.came(3).await;
    assert!(came[2].contains(r#""type":"refund""#) && came[2].contains(r#""status":"FAILED""#), "{came:?}");
    assert_eq!(of_transactions.came(0).await, [] as [String; 0], "the transaction stands where it stood");
}

#[tokio::test]
async fn where_nobody_is_named_nothing_is_written() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    transact(&world, &shop, None, true).await;
    assert_eq!(deliveries(&world, &shop).await, []);
    assert_eq!(world.store.delivery_waiting().await, Ok(0));
}

#[tokio::test]
async fn a_delivery_that_fails_is_tried_five_times_more_over_restarts_and_then_given_up() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let receiver = Receiver::start(Some(500)).await;
    deliver(&world);
    let row = transact(&world, &shop, Some(&receiver.url), true).await;
    for (attempts, minutes) in (1..).zip([1, 8, 27, 64, 125]) {
        let rows = when(&world, &shop, |rows| rows[0].attempts == attempts).await;
        assert_eq!((rows[0].fault, rows[0].answer), (Some(DeliveryFault::Refused), 500));
        assert_eq!(rows[0].due_at, world.vault.now().wall.plus_seconds(minutes * 60), "after {attempts}");
        if attempts == 3 {
            world.reopen().await.unwrap();
            deliver(&world);
        }
        world.clock.pass_millis(minutes * 60_000);
    }
    let rows = when(&world, &shop, |rows| !rows[0].is_waiting()).await;
    assert_eq!((rows[0].status, rows[0].attempts), (DeliveryStatus::Failed, 6));
    let came = receiver.came(6).await;
    assert!(came.len() == 6 && came.iter().all(|body| *body == came[0]), "{came:?}");
    assert!(tells(&came[0], row.id, TransactionStatus::SettlementRequested));
    // It is kept for a while, to be looked at.
    world.clock.pass_millis(6 * 24 * 3_600_000);
    world.vault.sweep().await.unwrap();
    assert_eq!(deliveries(&world, &shop).await.len(), 1);
    world.clock.pass_millis(2 * 24 * 3_600_000);
    world.vault.sweep().await.unwrap();
    assert_eq!(deliveries(&world, &shop).await, []);
}

#[tokio::test]
async fn news_of_one_object_arrive_in_their_order() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let receiver = Receiver::start(Some(503)).await;
    deliver(&world);
    let row = transact(&world, &shop, Some(&receiver.url), false).await;
    let first = when(&world, &shop, |rows| rows[0].attempts == 1).await;
    receiver.answers(200);
    let permit = world.permit::<TransactionCapture>(&shop.key);
    world.vault.transaction_capture(&permit, row.id, Amount::new(1_000), None).await.unwrap();
    // The second is put off until the first is sent again.
    let rows = when(&world, &shop, |rows| rows.get(1).is_some_and(|row| row.due_at == first[0].due_at)).await;
    assert_eq!((rows[1].attempts, receiver.came(1).await.len()), (0, 1));
    world.clock.pass_millis(60_000);
    let came = receiver.came(3).await;
    assert!(tells(&came[1], row.id, TransactionStatus::Authorized), "{came:?}");
    assert!(tells(&came[2], row.id, TransactionStatus::SettlementRequested), "{came:?}");
}

#[tokio::test]
async fn a_receiver_that_hangs_delays_no_other() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let (dead, alive) = (Receiver::start(None).await, Receiver::start(Some(200)).await);
    deliver(&world);
    for _ in 0..100 {
        transact(&world, &shop, Some(&dead.url), true).await;
    }
    transact(&world, &shop, Some(&alive.url), true).await;
    alive.came(1).await;
    assert_eq!(dead.came(4).await.len(), 4, "connections to it are bounded");
    let waits = |row: &&Arc<DeliveryRow>| row.is_waiting() && row.attempts == 0;
    when(&world, &shop, |rows| rows.iter().filter(waits).count() == 100).await;
}

#[tokio::test]
async fn what_may_not_be_called_is_not_and_says_why() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let receiver = Receiver::start(Some(200)).await;
    // It was allowed when it was stored, and is no longer.
    allow(&world);
    world.vault.webhooks_start(Sender::new(AddressPolicy::default(), Vec::new()).unwrap());
    transact(&world, &shop, Some(&receiver.url), true).await;
    let rows = when(&world, &shop, |rows| rows.iter().all(|row| row.attempts == 1)).await;
    assert_eq!(
        (rows[0].status, rows[0].fault),
        (DeliveryStatus::Waiting, Some(DeliveryFault::AddressRefused))
    );
    assert_eq!(receiver.came(0).await, [] as [String; 0]);
}

#[tokio::test]
async fn what_an_account_tells_is_signed_with_the_secret_that_was_shown_with_its_first_url() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let receiver = Receiver::start(Some(200)).await;
    let secret = account_tells(&world, &shop, &receiver.url).await.expect("its first URL makes a secret");
    assert!(account_tells(&world, &shop, "http://127.0.0.1:9/other").await.is_none());
    drop(account_tells(&world, &shop, &receiver.url).await);
    deliver(&world);
    transact(&world, &shop, None, true).await;
    assert_eq!(receiver.signed_with(1, &[&secret]).await, (vec![0], 1));
    transact(&world, &shop, Some(&receiver.url), true).await;
    assert_eq!(receiver.signed_with(2, &[&secret]).await, (vec![0], 1), "the transaction's own receiver");
    let other = world.shop(None).await;
    transact(&world, &other, Some(&receiver.url), true).await;
    assert_eq!(receiver.signed_with(3, &[&secret]).await, (vec![], 0), "an account without a secret");
}

#[tokio::test]
async fn a_secret_that_is_replaced_signs_beside_the_new_one_for_a_day() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    let receiver = Receiver::start(Some(200)).await;
    let first = account_tells(&world, &shop, &receiver.url).await.unwrap();
    let second = secret_made(&world, &shop).await;
    let secrets = [&first, &second];
    deliver(&world);
    transact(&world, &shop, None, true).await;
    assert_eq!(receiver.signed_with(1, &secrets).await, (vec![0, 1], 2));
    world.clock.pass_millis(24 * 3_600_000 - 1);
    transact(&world, &shop, None, true).await;
    assert_eq!(receiver.signed_with(2, &secrets).await, (vec![0, 1], 2), "also just before its end");
    world.clock.pass_millis(1);
    transact(&world, &shop, None, true).await;
    assert_eq!(receiver.signed_with(3, &secrets).await, (vec![1], 1));
    // Of three within a day the first signs no longer, also after a restart.
    let (third, fourth) = (secret_made(&world, &shop).await, secret_made(&world, &shop).await);
    world.reopen().await.unwrap();
    deliver(&world);
    transact(&world, &shop, None, true).await;
    assert_eq!(receiver.signed_with(4, &[&second, &third, &fourth]).await, (vec![1, 2], 2));
}

#[tokio::test]
async fn a_secret_is_shown_to_no_request_that_is_repeated() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let permit = operator(&world.vault, 1).permit().unwrap();
    let key = world.idempotency(&permit, "make", "");
    let made = world.vault.account_webhook_secret(&permit, shop.account, Some(key)).await.unwrap();
    assert!(!made.replayed && made.value.secret.is_some());
    let again = world.vault.account_webhook_secret(&permit, shop.account, Some(key)).await.unwrap();
    assert!(again.replayed && again.value.secret.is_none());
    assert_eq!(again.value.row, made.value.row.without_secrets(), "nothing sealed is in the record");
    let other = world.shop(None).await;
    let permit = operator(&world.vault, 1).permit().unwrap();
    let key = world.idempotency(&permit, "change", "");
    for is_shown in [true, false] {
        let url = Some(Some("https://shop.example/hook".to_owned()));
        let change = AccountChange { webhook_refund_update: url, ..AccountChange::default() };
        let done = world.vault.account_update(&permit, other.account, change, Some(key)).await.unwrap();
        assert_eq!((done.value.secret.is_some(), done.replayed), (is_shown, !is_shown));
    }
}

/// The bug: an account took any text that begins like a URL, a transaction any that has a host, and each attempt found out anew that it is never
/// called. Its cause: they were read by other rules than what sends. Its cure: what sends judges them when they are stored.
#[tokio::test]
async fn a_url_that_is_never_called_is_refused_when_it_is_stored() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    for (url, reason) in [
        ("https://user:secret@shop.example/hook", "must have no user name or password in it"),
        ("https://shop.example/hook#part", "must have no fragment (#)"),
        ("https://127.1/hook", "must name its host by a name, or by an address in the usual notation"),
        (
            "https://169.254.169.254/latest",
            "must not name a private, local or reserved address, unless webhook_allow names it",
        ),
        ("http://shop.example/hook", "must be https: plain http is for addresses that webhook_allow names"),
    ] {
        let change =
            AccountChange { webhook_refund_update: Some(Some(url.to_owned())), ..AccountChange::default() };
        let permit = operator(&world.vault, 1).permit().unwrap();
        let refused = world.vault.account_update(&permit, shop.account, change, None).await.map(drop);
        assert_eq!(fault(refused.unwrap_err()), ("webhook_refund_update".into(), reason.to_owned()), "{url}");
        let new = NewTransaction {
            webhook_transaction_update: Some(url.to_owned()),
            ..new_transaction(shop.account, card, 1_000)
        };
        let permit = world.permit::<TransactionCreate>(&shop.key);
        let refused = world.vault.transaction_create(&permit, new, None).await.map(drop);
        assert_eq!(
            fault(refused.unwrap_err()),
            ("webhook_transaction_update".into(), reason.to_owned()),
            "{url}"
        );
    }
}

fn fault(error: VaultError) -> (Cow<'static, str>, String) {
    let VaultError::Faults(faults) = error else { panic!("{error:?}") };
    let [fault] = faults.as_slice() else { panic!("{faults:?}") };
    (fault.field.clone(), fault.reason.clone())
}

#[tokio::test]
async fn what_was_given_up_or_lost_is_sent_again_when_somebody_asks_for_it() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let receiver = Receiver::start(Some(500)).await;
    deliver(&world);
    transact(&world, &shop, Some(&receiver.url), true).await;
    for (attempts, minutes) in (1..).zip([1, 8, 27, 64, 125]) {
        when(&world, &shop, |rows| rows[0].attempts == attempts).await;
        world.clock.pass_millis(minutes * 60_000);
    }
    let given_up = when(&world, &shop, |rows| !rows[0].is_waiting()).await[0].clone();
    assert_eq!(given_up.status, DeliveryStatus::Failed);
    let retry = async || {
        let permit = world.permit::<WebhookDeliveryRetry>(&shop.key);
        world.vault.webhook_delivery_retry(&permit, given_up.id, None).await.unwrap().value
    };
    assert!(retry().await.is_waiting());
    // Once, and it is given up again.
    let rows = when(&world, &shop, |rows| rows[0].attempts == 7).await;
    assert_eq!(rows[0].status, DeliveryStatus::Failed);
    receiver.answers(200);
    for attempts in [8, 9] {
        retry().await;
        let rows = when(&world, &shop, |rows| rows[0].attempts == attempts).await;
        assert_eq!((rows[0].status, rows[0].fault), (DeliveryStatus::Delivered, None));
    }
    let came = receiver.came(9).await;
    assert!(came.iter().all(|body| *body == came[0]), "it is the same event: {came:?}");
}
