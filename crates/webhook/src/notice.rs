use bytes::Bytes;
use panvault_model::{DeliveryId, Id, Timestamp, WebhookObject};

/// What a receiver is told: which object came to which status. It is to be read again, for other news may be on its way.
#[derive(Clone, Copy, Debug)]
pub struct Notice<'a> {
    /// What it is.
    pub kind: WebhookObject,
    /// Which one.
    pub id: Id,
    /// Where it stood: a name in capitals.
    pub status: &'a str,
    /// Since when.
    pub updated_at: Timestamp,
    /// Names the delivery, the same at each attempt.
    pub event: DeliveryId,
}

impl Notice<'_> {
    /// The body, in JSON. Nothing in it is anybody's text, so that nothing needs an escape.
    pub fn body(&self) -> Bytes {
        let Self { kind, id, status, updated_at, event } = self;
        format!(r#"{{"type":"{kind}","_id":"{id}","status":"{status}","updated_at":"{updated_at}","event":"{event}"}}"#)
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_receivers_read() {
        let notice = Notice {
            kind: WebhookObject::Transaction,
            id: Id::from_bytes([0xab; 12]),
            status: "AUTHORIZED",
            updated_at: Timestamp::from_unix_millis(1_772_366_400_007),
            event: DeliveryId::from_bytes([1; 12]),
        };
        let expected = r#"{"type":"transaction","_id":"abababababababababababab","status":"AUTHORIZED","updated_at":"2026-03-01T12:00:00.007Z","event":"010101010101010101010101"}"#;
        assert_eq!(notice.body(), expected);
    }
}
