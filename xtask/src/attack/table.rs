use super::{Attack, Test};

const PANVAULT: &str = "panvault";
const SERVER: &str = "panvault-server";
const VAULT: &str = "panvault-vault";
const EMBEDDED: &str = "panvault-store-embedded";
const TESTKIT: &str = "panvault-testkit";

const fn attack(tried: &'static str, tests: &'static [Test], control: &'static str) -> Attack {
    Attack { tried, tests, control }
}

/// Every attack that a review made, and the tests that make it again.
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
        "a file of the directory is a link, a second name of the root key's file, a pipe, or somebody else's",
        &[
            (PANVAULT, "links::what_leads_elsewhere_is_refused_by_name_and_no_key_is_changed"),
            (EMBEDDED, "links::what_leads_elsewhere_is_refused_by_name_and_changes_nothing"),
            (EMBEDDED, "links::what_is_to_be_erased_is_not_erased_elsewhere"),
        ],
        "the same directory opens before and after",
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
        ],
        "what was dropped is counted in a metric",
    ),
    attack(
        "a command that reads a key is made to leave a core",
        &[(PANVAULT, "links::no_command_leaves_a_core_file")],
        "a program without the guard does leave one",
    ),
    attack(
        "a body is sent slowly, past the end of its key, its CVV or its card",
        &[
            (SERVER, "slow::a_key_that_ends_while_the_body_arrives_is_refused"),
            (SERVER, "slow::a_card_that_expires_while_the_body_arrives_is_refused"),
            (SERVER, "slow::the_time_of_a_request_is_when_it_is_whole"),
        ],
        "in time, the same requests are done",
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
        "an honest text in the same place is kept",
    ),
    attack(
        "thousands of members in one object",
        &[(SERVER, "json::tests::has_256_members_and_elements_at_most")],
        "one member fewer is taken; `cargo xtask bench` shows that parsing grows with the size and no faster",
    ),
    attack(
        "a thread that commits or applies panics; damage in the view makes it",
        &[
            (EMBEDDED, "threads::a_thread_that_panics_ends_the_store"),
            (EMBEDDED, "threads::without_a_panic_the_store_goes_on"),
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
        "the lock that is held refuses a plain write",
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
        "the memory of an idle process is read",
        &[(PANVAULT, "memory::an_idle_process_holds_no_card_number_cvv_or_api_key")],
        "half a request that is under way is found in it",
    ),
    attack(
        "triggers, views and other tables in the view; a vault that names its own key",
        &[
            (EMBEDDED, "schema::a_view_with_another_schema_is_refused"),
            (EMBEDDED, "schema::a_trigger_in_a_view_in_use_does_not_run"),
            (PANVAULT, "cli::a_vault_does_not_name_its_own_key"),
        ],
        "the view as it was made opens; the trigger does run in a plain SQLite",
    ),
    attack(
        "answers are replayed after a restart or for another CVV",
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
        "the log does tell of the handshake",
    ),
    attack(
        "reads, refusals and failed sign-ins that leave no trace",
        &[
            (SERVER, "trail::reads_of_cards_and_transactions_are_in_the_trail"),
            (SERVER, "trail::refusals_are_in_the_trail_with_their_reasons"),
            (SERVER, "trail::failed_signins_are_in_the_trail_by_reason"),
            (VAULT, "seen::a_flood_makes_a_bounded_number_of_records"),
        ],
        "what was not shown was not read, and is not there",
    ),
];
