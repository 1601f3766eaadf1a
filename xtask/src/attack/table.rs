use super::keys::KEYS;
use super::{Attack, Test};

pub(super) const PANVAULT: &str = "panvault";
const SERVER: &str = "panvault-server";
pub(super) const VAULT: &str = "panvault-vault";
const EMBEDDED: &str = "panvault-store-embedded";
const TESTKIT: &str = "panvault-testkit";

pub(super) const fn attack(tried: &'static str, tests: &'static [Test], control: &'static str) -> Attack {
    Attack { tried, tests, control }
}

/// Every attack that a review made on one node, and the tests that make it again.
pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "a table of issuers with telling names is put into the directory, or imported",
        &[
            (PANVAULT, "bin::a_table_of_another_vault_is_not_taken_up"),
            (PANVAULT, "bin::a_table_that_nobody_imported_is_found_by_the_trail"),
            (VAULT, "issuer_digits::a_table_is_told_no_more_digits_than_may_be_kept"),
        ],
        "the vault's own table is taken up, and its names are shown",
    ),
    attack(
        "an API key is named in markup, for whoever opens a report for assessors",
        &[(PANVAULT, "pci::a_running_vault_is_reported_with_what_it_holds")],
        "the name is there as a text",
    ),
    attack(
        "a file of the directory is a link, a second name of the root key's file, a pipe, or open to others",
        &[
            (PANVAULT, "links::what_leads_elsewhere_is_refused_by_name_and_no_key_is_changed"),
            (EMBEDDED, "links::what_leads_elsewhere_is_refused_by_name_and_changes_nothing"),
            (EMBEDDED, "links::what_is_to_be_erased_is_not_erased_elsewhere"),
        ],
        "the same directory opens before and after",
    ),
    attack(
        "a key that was replaced, destroyed or is the newest is put back or withheld; a row names another key than sealed it, to have that destroyed",
        &[
            (VAULT, "rotation::a_key_that_is_put_back_is_found"),
            (VAULT, "rotation::no_key_is_destroyed_while_a_row_is_not_what_was_written"),
            (KEYS, "ring::tests::a_key_that_is_not_there_yet_is_told_from_one_that_never_was"),
        ],
        "the same vault opens, and destroys the key, when its rows are as they were",
    ),
    attack(
        "lists with hundreds of organisations and fingerprints, clients gone at once",
        &[
            (SERVER, "list::tests::a_condition_has_so_many_values_and_the_same_one_counts_once"),
            (EMBEDDED, "store::tests::an_organisation_is_served_while_another_floods"),
            (EMBEDDED, "store::tests::a_list_ends_soon_after_its_client_has_gone"),
        ],
        "the flood does hold every slot before its clients go",
    ),
    attack(
        "a flush of the view or its log fails once",
        &[
            (EMBEDDED, "checkpoint::a_checkpoint_that_cannot_be_flushed_ends_writing_for_good"),
            (EMBEDDED, "faults::a_flush_of_the_view_that_fails_ends_writing_for_good"),
            (EMBEDDED, "faults::a_call_of_the_writer_that_fails_ends_writing_for_good"),
        ],
        "without the fault, the same steps are taken and the log is erased behind them",
    ),
    attack(
        "standard error is full, closed, or read by nobody",
        &[
            (PANVAULT, "output::a_log_that_cannot_be_written_ends_nothing"),
            (PANVAULT, "output::a_log_that_nobody_reads_holds_up_nothing"),
            (PANVAULT, "output::a_metric_counts_the_lines_that_are_lost"),
        ],
        "where all of it is read, the metric counts nothing as lost",
    ),
    attack(
        "a command that reads a key is made to leave a core",
        &[(PANVAULT, "links::no_command_leaves_a_core_file")],
        "another program with the same limits may leave one",
    ),
    attack(
        "a body is sent slowly, past the end of its key, its CVV or its card",
        &[
            (SERVER, "slow::a_key_that_ends_while_the_body_arrives_is_refused"),
            (SERVER, "slow::a_card_that_expires_while_the_body_arrives_is_refused"),
            (SERVER, "slow::the_time_of_a_request_is_when_it_is_whole"),
        ],
        "the same key is taken before it ends",
    ),
    attack(
        "one idempotency key twice at once, with a CVV held",
        &[
            (PANVAULT, "race::of_twins_the_one_that_goes_out_has_the_cvv"),
            (VAULT, "crash::a_twin_of_a_request_that_has_the_cvv_does_not_go_on_without"),
        ],
        "with keys of their own, all but one go out without it",
    ),
    attack(
        "a publishable key and a guessed idempotency key",
        &[
            (SERVER, "idempotency::a_guess_at_a_browsers_key_tells_nothing"),
            (SERVER, "trail::refused_idempotency_keys_are_in_the_trail"),
        ],
        "the key that made the first request gets its answer again",
    ),
    attack(
        "`Publishable` beside another role",
        &[
            (VAULT, "administration::a_browsers_key_has_origins_and_no_other_role"),
            (VAULT, "role::a_browser_puts_a_cvv_back_and_changes_nothing_else"),
        ],
        "either alone is made, and does what it may",
    ),
    attack(
        "card numbers in every text that is kept",
        &[(SERVER, "kept::no_text_of_any_body_keeps_a_card_number")],
        "the same body without the number is taken",
    ),
    attack(
        "thousands of members in one object",
        &[(SERVER, "json::tests::has_256_members_and_elements_at_most")],
        "one member fewer is taken; `cargo xtask bench` shows that parsing grows with the size and no faster",
    ),
    attack(
        "a thread that commits or applies panics; rows of the view that are never written so, which once made it panic",
        &[
            (EMBEDDED, "threads::a_thread_that_panics_ends_the_store"),
            (EMBEDDED, "threads::without_a_panic_the_store_goes_on"),
            (EMBEDDED, "view::a_view_with_what_is_never_written_is_refused"),
        ],
        "without the panic the store goes on",
    ),
    attack(
        "`rm lock` under a running server, and a second server",
        &[
            (PANVAULT, "links::no_file_that_is_removed_lets_a_second_server_in"),
            (EMBEDDED, "links::no_file_that_is_removed_frees_the_lock"),
        ],
        "once the first has ended, the second gets in",
    ),
    attack(
        "another process holds a write transaction on the view",
        &[
            (EMBEDDED, "busy::another_that_writes_to_the_view_is_waited_for"),
            (EMBEDDED, "busy::the_end_does_not_wait_for_another_that_writes_to_the_view"),
        ],
        "what waits is not in the view until the other has ended, and then it is",
    ),
    attack(
        "a browser's flood of CVVs",
        &[
            (PANVAULT, "race::a_flood_of_browsers_leaves_room_for_servers"),
            (TESTKIT, "the_store_in_memory_conforms"),
        ],
        "the flood is refused at its own share",
    ),
    attack(
        "sixty clients ask for long lists and do not read",
        &[
            (SERVER, "long_answers::a_list_that_would_be_too_long_says_to_ask_for_fewer"),
            (SERVER, "long_answers::readers_that_do_not_read_take_so_much_and_leave_room_for_others"),
            (PANVAULT, "resident::a_flood_takes_no_more_than_is_said"),
        ],
        "lists of others are answered meanwhile, and the process does grow by what is held",
    ),
    attack(
        "a key is revoked or demoted while hundreds of its requests wait; slow requests hold a deletion up",
        &[
            (
                VAULT,
                "administration::what_waited_for_its_turn_is_refused_once_its_key_is_revoked_or_has_less",
            ),
            (VAULT, "administration::requests_that_begin_later_hold_no_deletion_up"),
        ],
        "while the key is as it was, the same request is done; the deletion does wait for those of before",
    ),
    attack(
        "the memory of an idle process is read",
        &[(PANVAULT, "memory::an_idle_process_holds_no_card_number_cvv_or_api_key")],
        "half a request that is under way is found in it",
    ),
    attack(
        "triggers, views and other tables in the view; a vault that names its own key; forged counts, rows and entries",
        &[
            (EMBEDDED, "schema::a_view_with_another_schema_is_refused"),
            (EMBEDDED, "schema::a_trigger_in_a_view_in_use_does_not_run"),
            (PANVAULT, "cli::a_vault_does_not_name_its_own_key"),
            (EMBEDDED, "tally::counts_that_were_forged_are_refused_at_start"),
            (EMBEDDED, "tally::rows_and_entries_that_were_put_there_or_taken_away_are_found_after_a_start"),
            (EMBEDDED, "tally::genuine_rows_of_before_are_found_after_a_start"),
            (EMBEDDED, "tally::what_changes_meanwhile_is_no_damage"),
            (VAULT, "tamper::a_card_cannot_be_moved_to_another_organisation"),
            (PANVAULT, "doctor::a_log_that_ends_in_no_whole_commit_is_not_all_well"),
        ],
        "the view as it was made opens, and what changes while it is looked through is no damage",
    ),
    attack(
        "answers are replayed once the CVV is gone, or for another one",
        &[
            (VAULT, "idempotency::a_repeated_answer_says_what_is_held_now"),
            (SERVER, "idempotency::a_repeated_request_tells_nothing_of_the_cvv"),
        ],
        "what is held is said while it is held",
    ),
    attack(
        "silent connections take every place",
        &[
            (SERVER, "room::silent_connections_keep_nobody_out"),
            (SERVER, "room::a_handshake_that_does_not_go_on_keeps_nobody_out"),
            (SERVER, "room::a_key_of_browsers_keeps_no_place"),
            (SERVER, "room::who_no_longer_has_a_valid_key_keeps_nobody_out"),
            (SERVER, "room::who_has_a_valid_key_stays_and_further_ones_are_told_that_there_is_no_room"),
        ],
        "connections with a valid key stay, and the next is told that there is no room",
    ),
    attack(
        "ids of others and of nobody are told apart",
        &[(SERVER, "callers::a_stranger_and_a_missing_object_get_the_same_answer_everywhere")],
        "the owner is answered",
    ),
    attack(
        "a request that two readers take differently",
        &[
            (SERVER, "framing::a_request_that_is_framed_in_doubt_is_refused_and_nothing_behind_it_is_read"),
            (SERVER, "connections::a_head_that_is_too_large_or_ambiguous_is_refused"),
        ],
        "framed without doubt, it is passed on",
    ),
    attack(
        "a card number as the name in a TLS handshake, at the most talkative log level",
        &[(PANVAULT, "trace::no_name_that_a_client_asks_for_is_logged")],
        "the name is read: the handshake is answered",
    ),
    attack(
        "reads, refusals and failed sign-ins that leave no trace",
        &[
            (SERVER, "trail::reads_of_cards_and_transactions_are_in_the_trail"),
            (SERVER, "trail::refusals_are_in_the_trail_with_their_reasons"),
            (SERVER, "trail::failed_signins_are_in_the_trail_by_reason"),
            (VAULT, "seen::a_flood_makes_a_bounded_number_of_records"),
            (VAULT, "seen::what_was_not_shown_was_not_read"),
        ],
        "what was not shown was not read, and is not there",
    ),
    attack(
        "numbers with known first and last digits are created until a fingerprint tells which one is somebody's",
        &[
            (SERVER, "limits::guesses_at_a_number_by_its_fingerprint_are_few"),
            (SERVER, "limits::guesses_at_a_number_by_an_idempotency_key_are_as_few"),
            (VAULT, "limit::limiter::tests::the_same_again_takes_nothing_but_needs_a_use_that_is_left"),
            (VAULT, "limit::table::tests::a_flood_of_new_keys_drives_out_no_key_that_says_more"),
        ],
        "without the guard the number is found; with it, the same number again and other cards are taken",
    ),
    attack(
        "cards are tested: numbers of a BIN in a row from many addresses, CVVs and expiries of one number, all at once",
        &[
            (SERVER, "limits::numbers_of_one_bin_in_a_row_are_blocked_before_fifty_and_others_pay"),
            (SERVER, "limits::guesses_at_the_cvv_of_one_number_are_blocked_after_five"),
            (SERVER, "limits::guesses_at_once_are_in_the_long_run_no_more_than_one_after_the_other"),
            (SERVER, "limits::an_account_whose_payments_are_all_declined_lets_only_a_few_through"),
            (SERVER, "limits::shoppers_behind_a_trusted_proxy_are_counted_each"),
        ],
        "without the guard all are tried; with it, other cards and other merchants pay",
    ),
    attack(
        "a valid key is sent over every connection of the console, with one byte of a body",
        &[(SERVER, "room::tests::where_nobody_stays_a_key_holds_no_connection")],
        "at the API's listener such connections stay, and one for which work is under way stays at both",
    ),
    attack(
        "ids of checkouts are guessed at by the frames of their page",
        &[(SERVER, "checkouts::a_guess_at_a_checkout_counts_like_a_request")],
        "frames of a checkout that is there are counted one by one",
    ),
    attack(
        "the console's proxy names people in what clients send, or adds its name to theirs",
        &[
            (SERVER, "proxies::tests::what_every_client_sends_names_nobody"),
            (SERVER, "console::tests::only_the_proxy_says_who_somebody_is_and_once"),
            (SERVER, "console::tests::a_name_that_cannot_be_read_is_nobody"),
        ],
        "one name of the proxy's own is taken",
    ),
    attack(
        "a checkout sends its shopper elsewhere: made before the origins were listed, or in an organisation below",
        &[(SERVER, "checkouts::a_list_of_return_origins_holds_below_and_for_what_is_open")],
        "without a list, and with one that has it, the way back is there",
    ),
];
