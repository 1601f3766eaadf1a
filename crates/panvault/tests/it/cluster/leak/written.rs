//! What was written, looked through in every way.

use std::fs;
use std::path::Path;

use panvault_testkit::{LeakScan, NeedleScan, plain_blocks, triples};

/// Files and texts, each looked through when it is asked what was found.
#[derive(Default)]
pub(super) struct Written {
    parts: Vec<(String, Vec<u8>)>,
    counts: Vec<u64>,
}

impl Written {
    /// A text in which the database may show bytes: these are looked through as what they are.
    pub(super) fn text(&mut self, source: &str, text: &[u8]) {
        let (text, bytes) = readable(text);
        self.put(source.to_owned(), text);
        self.put(format!("bytes in {source}"), bytes);
    }

    pub(super) fn file(&mut self, path: &Path) {
        self.put(path.display().to_string(), fs::read(path).unwrap());
    }

    /// Every file, all the way down; nothing where there is no such directory.
    pub(super) fn directory(&mut self, directory: &Path) {
        let Ok(entries) = fs::read_dir(directory) else { return };
        for entry in entries {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                self.directory(&entry.path());
            } else if kind.is_file() {
                self.file(&entry.path());
            }
        }
    }

    pub(super) fn put(&mut self, source: String, bytes: Vec<u8>) {
        self.counts.resize(1_000, 0);
        for (all, count) in self.counts.iter_mut().zip(triples(&bytes)) {
            *all += count;
        }
        self.parts.push((source, bytes));
    }

    /// How often each three digits stand in all of it.
    pub(super) fn counts(&self) -> &[u64] {
        &self.counts
    }

    pub(super) fn bytes(&self) -> usize {
        self.parts.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// What should not be there, by place and kind. One source may have sealed CVVs.
    pub(super) fn found(
        &self,
        numbers: &LeakScan,
        sealed: &NeedleScan,
        may_have_sealed: &str,
    ) -> Vec<String> {
        let mut found = Vec::new();
        for (source, bytes) in &self.parts {
            found.extend(numbers.scan(source, bytes).iter().map(ToString::to_string));
            found.extend(plain_blocks(bytes).iter().map(|at| format!("{source} at byte {at}: a plain CVV")));
            if source != may_have_sealed {
                let sealed = sealed.find(bytes);
                found.extend(
                    sealed.iter().map(|at| format!("{source} at byte {at}: a sealed CVV or a key component")),
                );
            }
        }
        found
    }
}

/// A text of the database without what it shows as bytes (`\x` and hexadecimal digits), and these bytes.
pub(super) fn readable(text: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut rest, mut shown) = (Vec::with_capacity(text.len()), Vec::new());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        rest.push(*byte);
        at += 1;
        if !(*byte == b'x' && rest.ends_with(b"\\x")) {
            continue;
        }
        let digits = text[at..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        shown.extend(unhex(&text[at..at + digits]));
        shown.push(b'\n');
        at += digits;
    }
    (rest, shown)
}

/// The bytes of hexadecimal digits.
pub(super) fn unhex(digits: &[u8]) -> Vec<u8> {
    let value =
        |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok()).unwrap();
    digits.chunks_exact(2).map(|pair| value(pair[0]) << 4 | value(pair[1])).collect()
}
