use super::Attack;
use super::table::{PANVAULT, VAULT, attack};

pub(super) const KEYS: &str = "panvault-keys";

/// The attacks on the keys of a vault, its slots and its header, also while these are replaced.
pub(super) const ON_KEYS: &[Attack] = &[
    attack(
        "a slot that was removed is used, with the header of now or the one of before put back",
        &[
            (PANVAULT, "slot::a_slot_that_was_removed_opens_nothing_from_then_on"),
            (PANVAULT, "slot::slots_and_keys_of_the_vault_are_changed_while_it_is_served"),
            (KEYS, "header::tests::a_slot_that_is_removed_opens_nothing_that_is_written_later"),
        ],
        "the slot that stays opens the same vault",
    ),
    attack(
        "the header is flipped, cut, forged with a good checksum, made under a root key of somebody's own, or rolled back",
        &[
            (KEYS, "header::tests::every_cut_and_every_flipped_bit_is_damage"),
            (KEYS, "header::tests::a_forged_header_never_opens"),
            (KEYS, "header::tests::a_header_of_somebody_without_the_root_key_is_opened_by_no_slot"),
            (KEYS, "header::tests::a_slot_opens_its_own_root_key_and_no_other"),
            (KEYS, "header::tests::only_the_named_header_or_the_next_is_taken"),
            (VAULT, "header::the_documents_follow_the_header_and_an_older_one_is_refused"),
            (VAULT, "vault_rotation::the_root_key_is_replaced_while_the_vault_is_served"),
        ],
        "the vault's own header opens by its slot, and with the next one the vault is served",
    ),
    attack(
        "what a token, a KMS or a transit engine wrapped is unwrapped for another vault or another slot",
        &[
            (PANVAULT, "slot::peers::a_token_holds_to_the_context"),
            (PANVAULT, "slot::peers::a_kms_opens_a_vault_and_holds_to_the_context"),
            (PANVAULT, "slot::peers::a_transit_engine_holds_to_the_context"),
        ],
        "for its own vault and slot it is given back",
    ),
    attack(
        "a key is used before every node knows it; a node that was away goes on with those of before",
        &[
            (VAULT, "vault_rotation::every_node_knows_a_key_before_any_uses_it"),
            (VAULT, "document_keys::nodes_change_documents_while_their_keys_are_replaced"),
            (VAULT, "row_tags::a_node_that_does_not_know_a_key_for_tags_says_so"),
        ],
        "the node that knows it opens what the other wrapped",
    ),
    attack(
        "rows and documents are changed or put back while they are given other tags, to be given a good one",
        &[
            (VAULT, "row_tags::a_row_that_was_changed_keeps_its_tag_and_the_rotation_stays_open"),
            (
                VAULT,
                "document_keys::a_document_that_was_changed_or_put_back_keeps_its_tag_and_the_rotation_stays_open",
            ),
        ],
        "the others are tagged anew meanwhile; as it was, it is given its tag, and the rotation ends",
    ),
    attack(
        "the trail is chained on with a key of before",
        &[(KEYS, "header::tests::a_chain_goes_to_a_later_key_and_not_back")],
        "what that key chained is checked by it until it is destroyed",
    ),
];
