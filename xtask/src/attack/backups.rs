use super::Attack;
use super::table::{PANVAULT, attack};

const TRAIL: &str = "panvault-trail";

/// The attacks by whoever has the backups, the dumps of the database or the exported trail, and can change them or have an older one restored.
pub(super) const ON_BACKUPS: &[Attack] = &[
    attack(
        "a file of a backup is flipped, cut, added or missing, is a link, a pipe or a second name, or is of another backup",
        &[
            (
                PANVAULT,
                "data::backup::tests::what_is_flipped_cut_added_missing_or_of_another_is_refused_by_name",
            ),
            (PANVAULT, "data::backup::tests::what_is_no_file_of_its_own_is_no_part_of_a_backup"),
            (
                PANVAULT,
                "data::backup::tests::increment::what_is_flipped_or_cut_of_any_of_them_is_refused_by_name",
            ),
        ],
        "put back as it was, the same backup verifies",
    ),
    attack(
        "a manifest is forged or is another vault's; a backup that was never finished is taken for one",
        &[
            (PANVAULT, "data::backup::tests::a_backup_of_another_vault_is_refused"),
            (PANVAULT, "data::backup::tests::what_was_never_finished_is_no_backup"),
        ],
        "the vault's own is found beside it; one like that is restored (`data::backup::tests::a_vault_is_restored_as_it_was_and_says_of_what`)",
    ),
    attack(
        "increments are left out, doubled, put in another order, taken from another vault, or put together anew",
        &[
            (
                PANVAULT,
                "data::backup::tests::increment::one_that_is_missing_doubled_in_another_order_or_of_another_vault_is_refused_by_name",
            ),
            (PANVAULT, "data::backup::tests::increment::a_base_that_was_put_together_anew_is_refused"),
            (
                PANVAULT,
                "data::backup::tests::increment::an_increment_is_asked_only_of_a_backup_that_is_this_vaults",
            ),
            (
                PANVAULT,
                "data::backup::tests::increment::a_vault_that_was_restored_does_not_go_on_from_backups_of_before",
            ),
        ],
        "whole and in their order they are the vault as of the last (`data::backup::tests::increment::a_full_backup_and_its_increments_are_the_vault_as_of_the_last`)",
    ),
    attack(
        "card numbers and CVVs in backups and increments, and keys that were destroyed in what is kept for the next increment",
        &[
            (PANVAULT, "leak::nothing_that_was_written_or_said_holds_a_card_number_or_a_cvv"),
            (
                PANVAULT,
                "increment::increments_of_a_vault_that_is_served_have_all_that_came_since_and_no_number",
            ),
            (PANVAULT, "data::backup::tests::increment::nothing_is_kept_of_before_keys_were_destroyed"),
        ],
        "a number that is put beside the increments is found by the same scan, and before the keys are destroyed something is kept",
    ),
    attack(
        "a backup or a restore is killed, or finds the disk full, at every step",
        &[
            (
                PANVAULT,
                "backup::a_backup_and_a_restore_that_are_killed_or_find_the_disk_full_leave_all_or_nothing",
            ),
            (
                PANVAULT,
                "increment::an_increment_and_its_restore_that_are_killed_or_find_the_disk_full_leave_all_or_nothing",
            ),
            (
                PANVAULT,
                "backup_database::a_backup_and_a_restore_of_a_database_that_are_killed_leave_all_or_nothing",
            ),
        ],
        "the first two count the steps at which a command ended early; where a restore into a database was cut off, the same command run again ends it",
    ),
    attack(
        "an older backup is restored, so that API keys that were revoked, cards that were deleted and keys that were destroyed since work again",
        &[
            (
                PANVAULT,
                "data::backup::tests::export::what_has_ended_since_the_backup_ends_in_the_restored_vault",
            ),
            (
                PANVAULT,
                "data::backup::tests::export::an_increment_is_held_against_the_export_as_a_full_backup_is",
            ),
            (
                PANVAULT,
                "data::backup::tests::export::what_cannot_be_applied_is_named_by_its_line_and_accepted_by_its_record",
            ),
            (
                PANVAULT,
                "backup_database::what_has_ended_since_the_dump_ends_in_the_database_that_was_put_back",
            ),
        ],
        "in the same restored vault keys that nobody revoked work, and a card that nobody deleted is there",
    ),
    attack(
        "a backup is restored beside an export that ends before it, begins after it, was changed, or is another vault's or of a copy that went on",
        &[
            (PANVAULT, "data::backup::tests::export::an_export_that_the_backup_does_not_stand_in_is_refused"),
            (
                PANVAULT,
                "data::backup::tests::export::a_backup_is_held_against_an_encrypted_export_by_its_identity",
            ),
        ],
        "an encrypted export that is refused without its identity is taken with it, and applied",
    ),
    attack(
        "rows of a dump are flipped, missing or of an earlier moment; the dump is older than the backup, another vault's or empty; it is restored below a node that serves it",
        &[
            (PANVAULT, "backup_database::what_is_not_the_vaults_last_word_is_refused_by_name"),
            (PANVAULT, "backup_database::a_database_that_is_served_is_not_restored"),
        ],
        "the dump that nobody changed verifies before and after",
    ),
    attack(
        "lines of an exported trail are flipped, removed, moved or put in; a checkpoint is forged, or signed with another key; two trails are mixed",
        &[
            (TRAIL, "tests::the_first_line_that_is_missing_moved_or_changed_is_named"),
            (TRAIL, "tests::every_bit_counts"),
            (TRAIL, "tests::a_checkpoint_is_not_forged"),
            (TRAIL, "tests::a_key_vouches_for_the_next_and_for_nothing_after"),
            (TRAIL, "tests::two_vaults_and_two_trails_of_one_are_told_apart"),
            (TRAIL, "tests::a_gap_in_what_one_node_wrote_is_seen_though_it_is_signed"),
            (TRAIL, "tests::sealed::what_was_done_to_a_sealed_export_is_named_by_its_line"),
            (TRAIL, "tests::sealed::what_others_put_into_an_export_is_judged_by_the_signatures"),
        ],
        "as it was written it is proved up to its last checkpoint (`tests::an_export_is_proved_up_to_its_last_checkpoint`), and a line that comes again unchanged is taken",
    ),
    attack(
        "the trail of a copy of the vault goes on in the export, or a key of before announces a restore",
        &[
            (
                TRAIL,
                "tests::restored::a_trail_that_goes_on_from_an_earlier_place_and_does_not_say_so_is_refused",
            ),
            (TRAIL, "tests::restored::a_key_whose_place_another_took_announces_no_restore"),
        ],
        "the key of now announces one, and it goes on (`tests::restored::a_restored_vault_goes_on_from_the_place_of_its_backup`)",
    ),
    attack(
        "a trail whose beginning is kept no longer is cut further or changed, and rows go that only its beginning told of",
        &[(PANVAULT, "data::backup::tests::retired::what_is_done_to_a_trail_whose_beginning_is_gone_shows")],
        "left alone it verifies, and is backed up and restored (`data::backup::tests::retired::a_trail_whose_beginning_is_gone_verifies_is_backed_up_and_restored`)",
    ),
];
