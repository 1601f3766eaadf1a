use panvault_model::{CardType, Country, Currency, Tag, Timestamp};
use sha2::{Digest, Sha256};

use super::{
    About, Contents, FORMAT, Facts, HASH_BYTES, MAGIC, SCALE, Segment, TAG_BYTES, TagKey, UNIT_MAX, varint,
};
use crate::limits::{FILE_BYTES_MAX, RANGES_MAX};

/// Why bytes are not a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    /// It does not begin as one.
    #[error("is not a table of issuers")]
    Foreign,
    /// Its format is of an earlier version, which had no tag.
    #[error("is of format {0}, which this version does not read; import the list again")]
    Earlier(u16),
    /// Its format is one of a later version.
    #[error("was written by a later version of panvault")]
    Later,
    /// It does not have the hash that is at its end.
    #[error("is damaged: its hash does not fit")]
    Hash,
    /// It is whole, and this vault did not write it.
    #[error("was not made by this vault: its tag does not fit")]
    Tag,
    /// Its hash and tag fit, and what it says makes no sense.
    #[error("is damaged: it does not say what a table can say")]
    Value,
    /// It is larger than any table.
    #[error("is larger than a table can be")]
    Large,
}

/// The smallest encodings, by which counts are held against the bytes that are there before anything is allocated.
const STRING_BYTES_MIN: usize = 2;
const FACTS_BYTES_MIN: usize = 8;
const SEGMENT_BYTES_MIN: usize = 3;

impl Contents {
    /// Reads a file that [`Contents::encode`] wrote under a key of this vault: all of it, with its tag, or a fault.
    pub fn decode(file: &[u8], key: &dyn TagKey) -> Result<(Self, Tag), FileFault> {
        let behind = file.strip_prefix(&MAGIC).ok_or(FileFault::Foreign)?;
        if file.len() > FILE_BYTES_MAX {
            return Err(FileFault::Large);
        }
        // A later format may have its hash elsewhere.
        let format = behind.first_chunk().copied().map(u16::from_be_bytes).ok_or(FileFault::Hash)?;
        if format > FORMAT {
            return Err(FileFault::Later);
        }
        if format < FORMAT {
            return Err(FileFault::Earlier(format));
        }
        let (tagged, [version_high, version_low, tag @ ..]) =
            file.split_last_chunk::<TAG_BYTES>().ok_or(FileFault::Hash)?;
        let (body, hash) = tagged.split_last_chunk::<HASH_BYTES>().ok_or(FileFault::Hash)?;
        if Sha256::digest(body).as_slice() != hash {
            return Err(FileFault::Hash);
        }
        // Before anything that it says is read.
        let tag = Tag { key: u16::from_be_bytes([*version_high, *version_low]), bytes: *tag };
        if !key.matches(tagged, &tag) {
            return Err(FileFault::Tag);
        }
        let mut reader = Reader(body.get(MAGIC.len() + size_of::<u16>()..).ok_or(FileFault::Value)?);
        let contents = reader.contents().filter(|_| reader.0.is_empty()).ok_or(FileFault::Value)?;
        Ok((contents, tag))
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn contents(&mut self) -> Option<Contents> {
        let about_version = u32::from_be_bytes(self.fixed()?);
        let [a, b, c, d, e, f] = self.fixed()?;
        let millis = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        let rows = u32::from_be_bytes(self.fixed()?);
        let about = About {
            version: about_version,
            imported_at: Timestamp::from_unix_millis(millis),
            source: self.long_text()?,
            licence: self.long_text()?,
            attribution: Some(self.long_text()?).filter(|text| !text.is_empty()),
        };
        if about.fault().is_some() || about.version == 0 || about.imported_at.unix_millis() != millis {
            return None;
        }
        let strings = self.many(STRING_BYTES_MIN, |reader, _| reader.short_text())?;
        let facts = self.many(FACTS_BYTES_MIN, |reader, _| reader.facts(strings.len()))?;
        let mut next = 0;
        let segments = self.many(SEGMENT_BYTES_MIN, |reader, _| reader.segment(&mut next, facts.len()))?;
        Some(Contents { about, rows, strings, facts, segments })
    }

    fn many<T>(
        &mut self,
        bytes_min: usize,
        mut read: impl FnMut(&mut Self, usize) -> Option<T>,
    ) -> Option<Vec<T>> {
        let count = usize::try_from(varint::take(&mut self.0)?).ok()?;
        if count > self.0.len() / bytes_min || count > RANGES_MAX {
            return None;
        }
        let mut all = Vec::with_capacity(count);
        for at in 0..count {
            all.push(read(self, at)?);
        }
        Some(all)
    }

    fn facts(&mut self, strings: usize) -> Option<Facts> {
        let issuer = self.index(strings)?;
        let variant = self.index(strings)?;
        Some(Facts {
            issuer,
            variant,
            country: option(self.fixed()?, Country::from_bytes)?,
            currency: option(self.fixed()?, Currency::from_bytes)?,
            card_type: option(self.fixed()?, |[code]: [u8; 1]| CardType::from_code(code))?,
        })
    }

    fn segment(&mut self, next: &mut u64, facts: usize) -> Option<Segment> {
        let gap = varint::take(&mut self.0)?;
        let length = varint::take(&mut self.0)?;
        let index = varint::take(&mut self.0)?;
        let unit = u32::try_from(length & 7).ok().filter(|unit| *unit <= UNIT_MAX)?;
        let scaled = |number: u64| number.checked_mul(10u64.pow(unit));
        let start = next.checked_add(scaled(gap)?)?;
        let behind = start.checked_add(scaled(length >> 3)?)?;
        if behind > SCALE || behind == start || index >= facts as u64 {
            return None;
        }
        *next = behind;
        Some(Segment { start, end: behind - 1, facts: u32::try_from(index).ok()? })
    }

    /// The number of a string, or 0 for none: the inner option is that.
    fn index(&mut self, count: usize) -> Option<Option<u32>> {
        let number = varint::take(&mut self.0)?;
        if number > count as u64 {
            return None;
        }
        number.checked_sub(1).map(u32::try_from).transpose().ok()
    }

    fn short_text(&mut self) -> Option<String> {
        let [length] = self.fixed()?;
        self.text(usize::from(length)).filter(|text| !text.is_empty())
    }

    fn long_text(&mut self) -> Option<String> {
        let length = u16::from_be_bytes(self.fixed()?);
        self.text(usize::from(length))
    }

    fn text(&mut self, length: usize) -> Option<String> {
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        core::str::from_utf8(text).ok().map(str::to_owned)
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }
}

/// Zeroes are nothing; the outer option is that the bytes mean something.
fn option<const N: usize, T>(bytes: [u8; N], read: impl Fn([u8; N]) -> Option<T>) -> Option<Option<T>> {
    if bytes == [0; N] { Some(None) } else { read(bytes).map(Some) }
}
