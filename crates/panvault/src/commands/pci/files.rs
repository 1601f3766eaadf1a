//! The files of a vault, searched for what must not be in them.

use std::io::{self, Read};
use std::path::Path;

use panvault_scan::{What, scan};

use crate::commands::scan::walk::{Entry, walk};

/// What was searched, and found.
#[derive(Default)]
pub(super) struct Files {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) card_numbers: u64,
    pub(super) cvvs: u64,
    /// Files that could not be read whole.
    pub(super) unread: u64,
}

impl Files {
    /// Searches the directory of a vault, and that of its log where it is elsewhere.
    pub(super) fn search(directory: &Path, log: Option<&Path>) -> Self {
        let mut found = Self::default();
        for entry in walk(directory).chain(log.into_iter().flat_map(walk)) {
            match entry {
                Entry::File(_, file) => found.file(file),
                Entry::Directory(_) => {}
                Entry::Unread(_, error) => found.not_read(&error),
            }
        }
        found
    }

    fn file(&mut self, file: impl Read) {
        let mut counted = Counted { reader: file, bytes: 0 };
        let (mut card_numbers, mut cvvs) = (0, 0);
        let read = scan(&mut counted, |finding| match finding.what {
            What::CardNumber(_) => card_numbers += 1,
            What::Cvv(_) => cvvs += 1,
        });
        self.files += 1;
        self.bytes += counted.bytes;
        self.card_numbers += card_numbers;
        self.cvvs += cvvs;
        if let Err(error) = read {
            self.not_read(&error);
        }
    }

    /// What a running server has taken away meanwhile is no file of the vault any more.
    fn not_read(&mut self, error: &io::Error) {
        if error.kind() != io::ErrorKind::NotFound {
            self.unread += 1;
        }
    }
}

struct Counted<R> {
    reader: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use panvault_testkit::canary_cards;

    use super::*;

    #[test]
    fn a_card_number_in_a_file_is_counted_and_no_file_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let log = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("log")).unwrap();
        std::fs::write(directory.path().join("log/1.seg"), [7; 100]).unwrap();
        std::fs::write(log.path().join("2.seg"), [7; 10]).unwrap();
        let clean = Files::search(directory.path(), Some(log.path()));
        assert_eq!((clean.files, clean.bytes, clean.card_numbers, clean.cvvs), (2, 110, 0, 0));
        let number = &canary_cards(1, 1)[0].number;
        std::fs::write(log.path().join("3.seg"), format!("card {number}\ncvv: 123\n")).unwrap();
        let found = Files::search(directory.path(), Some(log.path()));
        assert_eq!((found.files, found.card_numbers, found.cvvs, found.unread), (3, 1, 1, 0));
    }
}
