//! The fuzz targets over their kept corpus, and beside it.

use panvault_processor::fuzz;
use panvault_testkit::corpus;

#[test]
fn notifications_of_the_corpus_and_beside_it() {
    corpus::replay("notification", fuzz::notification);
}
