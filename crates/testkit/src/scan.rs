//! The leak scan: looks for digits of known card numbers in anything that left the vault.
//!
//! A leak is any eight or more consecutive digits of a card number that reach past its first six, as [`Encoding`]s
//! say, or a CVV next to a label. What was found is told by place and never shown.

mod decode;
mod label;
mod needle;
mod process;
mod windows;

use core::fmt;
use std::fs;
use std::io;
use std::path::Path;

pub use self::needle::{NeedleScan, plain_blocks, triples};

use crate::scan::windows::Windows;

/// How digits were written where they were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encoding {
    /// ASCII digits, also with spaces, dashes or commas between them.
    Ascii,
    /// UTF-16, either byte order.
    Utf16,
    /// Hexadecimal digits of ASCII, also with spaces or commas between bytes.
    Hex,
    /// Decimal numbers of ASCII bytes, as `Debug` prints a slice.
    ByteList,
    /// Base64 at any alignment, standard or URL-safe.
    Base64,
    /// Two digits to a byte, at either half.
    Packed,
    /// Three or four digits beside a label that says that they are a CVV.
    CvvLabel,
}

/// A place where something was seen that should not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// The file, or what the bytes were called.
    pub source: String,
    /// Where in it, in bytes from its start.
    pub offset: usize,
    /// How it was written.
    pub encoding: Encoding,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}: {:?}", self.source, self.offset, self.encoding)
    }
}

/// Looks for these card numbers, any number of times.
pub struct LeakScan {
    windows: Windows,
}

/// Leaks told of one source; more would say nothing new.
const LEAKS_MAX: usize = 100;

impl LeakScan {
    /// Looks for these card numbers, ASCII digits.
    pub fn new<T: AsRef<str>>(card_numbers: impl IntoIterator<Item = T>) -> Self {
        Self { windows: Windows::new(card_numbers) }
    }

    /// Looks through some bytes.
    pub fn scan(&self, source: &str, bytes: &[u8]) -> Vec<Leak> {
        let mut leaks = Vec::new();
        let mut found = |encoding, offset| {
            if leaks.len() < LEAKS_MAX {
                leaks.push(Leak { source: source.to_owned(), offset, encoding });
            }
        };
        self.windows.find(bytes, &mut |offset| found(Encoding::Ascii, offset));
        for (encoding, decode) in decode::DECODERS {
            decode(bytes, &mut |digits, start| self.windows.find(digits, &mut |_| found(*encoding, start)));
        }
        self.windows.find_packed(bytes, &mut |offset| found(Encoding::Packed, offset));
        label::find(bytes, &mut |offset| found(Encoding::CvvLabel, offset));
        leaks.dedup();
        leaks
    }

    /// Looks through every byte of every file of a directory, all the way down, and through their names. Links are not
    /// followed, and what has a leak in its name is not gone into, for its place could not be told.
    pub fn scan_directory(&self, directory: &Path) -> io::Result<Vec<Leak>> {
        let mut leaks = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            let name = path.display().to_string();
            let named = self.scan(
                &format!("a file name in {}", directory.display()),
                entry.file_name().as_encoded_bytes(),
            );
            if !named.is_empty() {
                leaks.extend(named);
                continue;
            }
            if kind.is_dir() {
                leaks.extend(self.scan_directory(&path)?);
            } else if kind.is_file() {
                match fs::read(&path) {
                    Ok(bytes) => leaks.extend(self.scan(&name, &bytes)),
                    // A server that runs there has removed it.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(leaks)
    }
}

#[cfg(test)]
mod tests;
