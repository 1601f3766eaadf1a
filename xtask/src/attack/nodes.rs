use super::Attack;
use super::keys::KEYS;
use super::table::{PANVAULT, VAULT, attack};

const POSTGRES: &str = "panvault-store-postgres";
const REDIS: &str = "panvault-store-redis";

/// The attacks that mean something where several nodes share a database and a server of CVVs: by whoever has a connection to a node, by whoever can write to the
/// database, and by whoever can write to the server of CVVs.
pub(super) const OVER_NODES: &[Attack] = &[
    attack(
        "card numbers and CVVs in the database, its log, its backups, the server of CVVs, a proxy or a node, with all on that may be logged",
        &[(
            PANVAULT,
            "cluster::leak::nothing_that_was_written_or_said_over_three_nodes_holds_a_card_number_or_a_cvv",
        )],
        "a number, a CVV, its block and a sealed one that are put into the database are found in its files",
    ),
    attack(
        "a trail is written under a key of the chain that another took the place of: a chain that is over anew, one that never was, one further; an end of before is put back",
        &[
            (VAULT, "stolen_chain_key::a_chain_that_is_over_and_was_rewritten_under_the_key_before_is_found"),
            (
                VAULT,
                "stolen_chain_key::a_chain_of_a_node_that_never_was_is_named_and_neither_shown_nor_retired",
            ),
            (VAULT, "stolen_chain_key::a_chain_that_goes_on_under_the_key_before_counts_up_to_there"),
            (VAULT, "stolen_chain_key::an_end_that_is_put_back_to_one_of_before_is_found"),
        ],
        "by its chain alone each is whole, and before and after it the examination finds nothing",
    ),
    attack(
        "what one node refuses, at another or through the proxy: others' objects and keys, one idempotency key twice, a revoked key, bodies that are none",
        &[
            (PANVAULT, "cluster::attacks::every_door_refuses_what_one_node_refuses"),
            (PANVAULT, "cluster::one_idempotency_key_is_one_payment_over_all_nodes"),
            (PANVAULT, "cluster::refunds_over_two_nodes_are_not_more_than_was_paid"),
            (VAULT, "node::documents::a_key_that_is_revoked_at_one_node_is_refused_at_every_other"),
            (VAULT, "node::documents::a_node_that_does_not_reach_the_store_refuses_until_it_does"),
        ],
        "the same key, before it is revoked, gets its card at every door",
    ),
    attack(
        "one CVV at all nodes at once, with nodes killed, and with a server of CVVs that is put back to what it was",
        &[
            (PANVAULT, "cluster::one_cvv_goes_out_once_over_all_nodes"),
            (PANVAULT, "cluster::one_cvv_never_goes_out_twice_when_a_node_is_killed"),
            (VAULT, "shared::restored::what_was_used_does_not_go_out_again"),
            (VAULT, "shared::revived::what_was_ended_or_replaced_is_refused_too"),
            (VAULT, "shared::weather::whatever_happens_a_cvv_goes_out_once_and_none_that_was_ended"),
        ],
        "without the rows of the database it goes out twice (`shared::revived::without_a_row_it_would_go_out_again`)",
    ),
    attack(
        "CVVs are exchanged between cards, given the number of another or more time, on the server that holds them",
        &[
            (PANVAULT, "cluster::tampered::a_cvv_that_was_exchanged_or_prolonged_does_not_go_out"),
            (VAULT, "shared::revived::a_used_one_does_not_go_out_in_the_place_of_the_next"),
            (KEYS, "cvv_key::tests::opens_for_its_card_and_its_time_only_and_only_with_this_key"),
            (VAULT, "shared::rows::a_row_that_was_changed_is_refused"),
            (VAULT, "shared::rows::a_row_is_not_moved_to_another_card"),
        ],
        "a CVV that is put anew goes out",
    ),
    attack(
        "the server of CVVs answers anything, is another vault's, writes to a disk, or has its clock set back",
        &[
            (REDIS, "hostile::whatever_a_server_answers_is_an_answer_or_a_fault"),
            (REDIS, "unfit::a_server_is_one_vaults_and_nobody_elses"),
            (REDIS, "unfit::what_is_set_while_it_runs_is_seen_and_ends_what_is_held"),
            (REDIS, "unfit::what_comes_from_a_file_is_refused_until_it_is_emptied"),
            (REDIS, "late::a_clock_that_is_set_back_stands_still"),
            (REDIS, "late::a_request_that_comes_late_does_nothing"),
        ],
        "an answer as our scripts give it is taken",
    ),
    attack(
        "rows in the database are exchanged, changed, cut, made long, or moved to another organisation, card or account",
        &[
            (PANVAULT, "cluster::tampered::rows_that_were_moved_or_changed_are_refused_by_every_node"),
            (POSTGRES, "tests::found::a_row_that_is_found_by_what_it_does_not_say_is_damaged"),
            (POSTGRES, "tests::found::what_is_done_for_each_is_done_past_what_is_damaged"),
            (VAULT, "tamper::any_changed_byte_of_a_card_is_noticed"),
            (VAULT, "tamper::any_changed_byte_of_a_transaction_is_noticed"),
            (VAULT, "tamper::a_changed_idempotency_record_is_never_an_answer"),
        ],
        "put back as it was, the card is read at every node",
    ),
    attack(
        "triggers, rules, columns and types that no migration made",
        &[
            (PANVAULT, "cluster::tampered::a_schema_that_was_changed_acknowledges_nothing_and_ends_no_node"),
            (POSTGRES, "migrate::a_schema_that_is_not_known_is_left_alone"),
        ],
        "a column that is in nobody's way stops nothing",
    ),
    attack(
        "leases are stolen, rows of nodes forged or put back, clocks set wrong",
        &[
            (PANVAULT, "cluster::tampered::leases_that_were_stolen_and_trails_that_were_taken_away_show"),
            (VAULT, "node::duty::a_row_that_is_not_of_the_vault_has_no_duty"),
            (VAULT, "node::duty::leases_go_by_the_clock_that_nodes_share"),
            (VAULT, "node::duty::a_node_whose_calendar_is_wrong_pays_and_sweeps_nothing"),
        ],
        "with its lease, a node pays",
    ),
    attack(
        "documents are put back, alone or all together; the header of keys is replaced",
        &[
            (PANVAULT, "cluster::tampered::a_revoked_key_does_not_come_back_unseen"),
            (PANVAULT, "cluster::tampered::a_header_that_was_replaced_opens_nothing"),
            (VAULT, "node::documents::documents_of_another_moment_are_not_gone_by"),
            (VAULT, "node::trail::documents_that_were_put_back_together_show"),
        ],
        "with the header as it was, the node starts",
    ),
    attack(
        "a trail is cut, taken away, forged, or its checkpoint put back",
        &[
            (POSTGRES, "trail::a_trail_that_was_changed_is_not_believed"),
            (POSTGRES, "trail::a_database_that_lost_a_step_is_not_written_to"),
            (VAULT, "node::trail::what_is_cut_off_or_taken_away_shows"),
            (
                VAULT,
                "node::trail::trails_that_have_ended_leave_the_checkpoint_and_are_still_held_against_their_end",
            ),
        ],
        "put back, the trail is whole again",
    ),
];
