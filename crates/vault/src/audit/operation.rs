//! Operations as refusals name them in the audit trail. The numbers are those of stored records and are append-only; 0 is none of them, and
//! 255 several.

/// Every operation that can be refused, by the name that the API has for it.
static OPERATIONS: &[(u8, &str)] = &[
    (1, "card_create"),
    (2, "card_list"),
    (3, "card_count"),
    (4, "card_read"),
    (5, "card_update"),
    (6, "card_delete"),
    (7, "bin_read"),
    (8, "transaction_create"),
    (9, "transaction_list"),
    (10, "transaction_count"),
    (11, "transaction_read"),
    (12, "transaction_history"),
    (13, "organisation_create"),
    (14, "organisation_list"),
    (15, "organisation_count"),
    (16, "organisation_read"),
    (17, "organisation_update"),
    (18, "organisation_delete"),
    (19, "account_create"),
    (20, "account_list"),
    (21, "account_count"),
    (22, "account_read"),
    (23, "account_update"),
    (24, "account_delete"),
    (25, "processor_create"),
    (26, "processor_list"),
    (27, "processor_count"),
    (28, "processor_read"),
    (29, "processor_update"),
    (30, "processor_delete"),
    (31, "apikey_create"),
    (32, "apikey_list"),
    (33, "apikey_count"),
    (34, "apikey_read"),
    (35, "apikey_update"),
    (36, "apikey_rotate"),
    (37, "apikey_delete"),
    (38, "audit_list"),
    (39, "audit_read"),
    (40, "status_read"),
    (41, "transaction_capture"),
    (42, "transaction_void_capture"),
    (43, "transaction_void"),
    (44, "transaction_void_authorization"),
    (45, "refund_create"),
    (46, "refund_list"),
    (47, "refund_count"),
    (48, "refund_read"),
    (49, "customer_create"),
    (50, "customer_list"),
    (51, "customer_count"),
    (52, "customer_read"),
    (53, "customer_update"),
    (54, "customer_delete"),
    (55, "account_webhook_secret"),
    (56, "webhook_delivery_list"),
    (57, "webhook_delivery_count"),
    (58, "webhook_delivery_read"),
    (59, "webhook_delivery_retry"),
    (60, "checkout_create"),
    (61, "checkout_list"),
    (62, "checkout_count"),
    (63, "checkout_read"),
    (64, "caller_read"),
    (65, "key_list"),
    (66, "key_rotate"),
    (67, "key_destroy"),
    (68, "key_inventory"),
    (69, "organisation_logo_set"),
    (70, "organisation_logo_delete"),
    (71, "checkout_delete"),
];

/// The number of an operation; 0 for one that has none.
pub(super) fn operation_number(name: &str) -> u8 {
    OPERATIONS.iter().find(|(_, known)| *known == name).map_or(0, |(number, _)| *number)
}

/// The operation of a stored number.
pub fn operation_name(number: u8) -> Option<&'static str> {
    OPERATIONS.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_both_ways() {
        assert!(OPERATIONS.is_sorted_by(|(one, _), (next, _)| one < next), "each has a number of its own");
        for (number, name) in OPERATIONS {
            assert_eq!((operation_number(name), operation_name(*number)), (*number, Some(*name)));
        }
        assert_eq!((operation_number("none"), operation_name(0), operation_name(255)), (0, None, None));
    }
}
