use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};

use crate::scan::{Encoding, Leak, LeakScan};

/// Bytes that are looked through at a time.
const CHUNK: usize = 1 << 20;
/// Bytes of a chunk that are looked at again with the next one, so that nothing hides between two: more than a card number or
/// an API key has.
const OVERLAP: usize = 256;

impl LeakScan {
    /// Looks through all memory of a running process that it can write to, of C libraries and stacks too: for digits of the card
    /// numbers in ASCII, and for these secrets byte by byte. Needs the right to trace the process.
    pub fn scan_process(&self, process: u32, secrets: &[&str]) -> io::Result<Vec<Leak>> {
        let mut memory = File::open(format!("/proc/{process}/mem"))?;
        let mut leaks = Vec::new();
        for mapping in fs::read_to_string(format!("/proc/{process}/maps"))?.lines() {
            let Some((from, to, name)) = writable(mapping) else { continue };
            let mut chunk = Vec::with_capacity(CHUNK);
            let mut at = from;
            while at < to {
                chunk.clear();
                let length = (to - at).min(CHUNK as u64);
                memory.seek(SeekFrom::Start(at))?;
                // What was mapped a moment ago may be gone.
                if (&mut memory).take(length).read_to_end(&mut chunk).is_err() {
                    break;
                }
                self.scan_chunk(&format!("{name} {at:x}"), &chunk, secrets, &mut leaks);
                at += if at + length < to { length - OVERLAP as u64 } else { length };
            }
        }
        Ok(leaks)
    }

    fn scan_chunk(&self, source: &str, chunk: &[u8], secrets: &[&str], leaks: &mut Vec<Leak>) {
        // Most of what an allocator has reserved was never touched.
        if chunk.iter().all(|byte| *byte == 0) {
            return;
        }
        let mut found =
            |offset| leaks.push(Leak { source: source.to_owned(), offset, encoding: Encoding::Ascii });
        self.windows.find(chunk, &mut found);
        for secret in secrets {
            for (offset, window) in chunk.windows(secret.len()).enumerate() {
                if window == secret.as_bytes() {
                    found(offset);
                }
            }
        }
    }
}

/// Where a mapping that can be written to begins and ends, and its name.
fn writable(mapping: &str) -> Option<(u64, u64, &str)> {
    let mut fields = mapping.split_ascii_whitespace();
    let (from, to) = fields.next()?.split_once('-')?;
    fields.next().filter(|rights| rights.starts_with("rw"))?;
    let name = fields.nth(3).unwrap_or("anonymous memory");
    Some((u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?, name))
}
