//! One line of `strace`, with every string in hexadecimal: `pwrite64(7, "\x00\x01", 2, 4095) = 2`.

use std::path::PathBuf;

/// A call that returned.
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    arguments: Vec<&'a [u8]>,
    /// What it returned; `None` when the process ended meanwhile.
    pub(super) returned: Option<i64>,
}

impl<'a> Line<'a> {
    pub(super) fn read(line: &'a [u8]) -> Self {
        let open = line.iter().position(|byte| *byte == b'(').unwrap();
        let equals = line.iter().rposition(|byte| *byte == b'=').unwrap();
        let arguments = line[open + 1..equals].trim_ascii_end().strip_suffix(b")").unwrap();
        let returned = text(&line[equals + 1..]).trim_ascii();
        Self {
            name: text(&line[..open]),
            arguments: arguments.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).collect(),
            returned: returned.split(' ').next().and_then(|word| word.parse().ok()),
        }
    }

    /// A number.
    pub(super) fn number(&self, nth: usize) -> i64 {
        let argument = text(self.arguments[nth]);
        argument.parse().unwrap_or_else(|_| panic!("{} has {argument} for a number", self.name))
    }

    /// The number of an open directory; `None` for the one that the process works in.
    pub(super) fn directory(&self, nth: usize) -> Option<i64> {
        (text(self.arguments[nth]) != "AT_FDCWD").then(|| self.number(nth))
    }

    /// Whether one of some flags is set.
    pub(super) fn has(&self, nth: usize, flag: &str) -> bool {
        text(self.arguments[nth]).split('|').any(|set| set == flag)
    }

    /// The bytes of a string.
    pub(super) fn bytes(&self, nth: usize) -> Vec<u8> {
        let argument = self.arguments[nth];
        let hex = argument.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
        let hex = hex.unwrap_or_else(|| panic!("{} has {} for a string", self.name, text(argument)));
        hex.chunks_exact(4).map(|byte| digit(byte[2]) << 4 | digit(byte[3])).collect()
    }

    /// A path, from the root on.
    pub(super) fn path(&self, nth: usize) -> PathBuf {
        PathBuf::from(String::from_utf8(self.bytes(nth)).unwrap())
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        _ => panic!("{byte:#x} is no digit"),
    }
}
