//! What the fuzz targets of this crate run (`fuzz/`). A test runs them too, over the kept corpus. Each says whether what it was given was taken.

use panvault_keys::NotificationSecret;
use panvault_model::Timestamp;

use crate::notification::{NOTIFICATION_ITEMS_MAX, Notification, NotificationScheme};

/// The key that Adyen publishes with an example of its signature; the items of the corpus are signed with it.
const SECRET: &[u8] = b"44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056";

/// A body of a notification, read under each scheme; where a header has the signature, under the right one and under a wrong one.
///
/// # Panics
///
/// When something is believed that is not signed, or there is more to it than there may be.
pub fn notification(body: &[u8]) -> bool {
    let now = Timestamp::from_unix_millis(1_772_366_400_000);
    let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (stripe, checkout) = match NotificationSecret::of_text(SECRET) {
        Some(secret) => (hex(secret.sign(&[b"1772366400.", body])), hex(secret.sign(&[body]))),
        None => return false,
    };
    let mut taken = false;
    for (scheme, right) in [
        (NotificationScheme::Stripe, format!("t=1772366400,v1={stripe}")),
        (NotificationScheme::Checkout, checkout),
        (NotificationScheme::Adyen, String::new()),
    ] {
        let read =
            |signature: &str| scheme.read(Notification { body, signatures: &[signature] }, SECRET, now);
        if let Ok(notices) = read(&right) {
            assert!(notices.len() <= NOTIFICATION_ITEMS_MAX, "too many");
            assert!(notices.iter().all(|notice| notice.reason_code.len() <= 128), "a code without end");
            taken |= !notices.is_empty();
        }
        // The same, signed by somebody else.
        let wrong = right.replace(['0', '1', '2', '3', '4', '5', '6', '7'], "8");
        assert!(scheme.signature_header().is_none() || read(&wrong).is_err(), "it was not signed");
    }
    taken
}
