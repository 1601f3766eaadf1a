use panvault_keys::CIPHERS;

use crate::commands::pci::report::Section;

pub(super) fn section() -> Section {
    let rows = CIPHERS.iter().map(|of| {
        vec![of.what.to_owned(), of.algorithm.to_owned(), of.key_bits.to_string(), of.standard.to_owned()]
    });
    Section {
        name: "ciphers_at_rest",
        title: "Ciphers at rest",
        requirements: &["3.5.1", "3.5.1.1", "3.6.1.1", "12.3.3"],
        meaning: "Stored card numbers are unreadable by strong cryptography, their hashes are keyed and over the whole number, and what is in use is on a list. Records and keys name the version of their format and key, so that each can be replaced.",
        columns: &["what", "algorithm", "key_bits", "standard"],
        rows: rows.collect(),
        remarks: Vec::new(),
    }
}
