//! The file of a table. Every byte is in `docs/record-format.md`, "The table of issuers".

mod read;
mod varint;

use panvault_card::holds_card_number;
use panvault_model::{CardType, Country, Currency, Tag, Timestamp};
use sha2::{Digest, Sha256};

use crate::limits::{ABOUT_BYTES_MAX, ISSUER_DIGITS_MAX};

pub use read::FileFault;

const MAGIC: [u8; 8] = *b"PANVBINS";
const FORMAT: u16 = 2;
const HASH_BYTES: usize = 32;
/// Version of the key, and the tag.
const TAG_BYTES: usize = 2 + 16;
/// Numbers are looked up by their first eight digits: no file can tell of more.
const SCALE: u64 = 100_000_000;
const _: () = assert!(ISSUER_DIGITS_MAX == 8, "the scale is of so many");
/// A range is written in units of a power of ten, up to this one.
const UNIT_MAX: u32 = 7;

/// The key of a vault under which its tables are tagged.
pub trait TagKey {
    /// The tag of these bytes.
    fn make(&self, bytes: &[u8]) -> Tag;
    /// Whether bytes bear their tag.
    fn matches(&self, bytes: &[u8], tag: &Tag) -> bool;
}

/// What a table says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Grows with every import into a vault.
    pub version: u32,
    /// When the list was imported.
    pub imported_at: Timestamp,
    /// Where the list is from.
    pub source: String,
    /// On what terms it may be used.
    pub licence: String,
    /// Who must be named, if anybody.
    pub attribution: Option<String>,
}

/// Texts about a list that cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} must have 1 to {ABOUT_BYTES_MAX} bytes, without control characters or what could be a card number",
    .fields.join(" and ")
)]
pub struct AboutFault {
    /// Which ones: all of them.
    pub fields: Vec<&'static str>,
}

impl About {
    pub(crate) fn fault(&self) -> Option<AboutFault> {
        let fields = [("source", Some(&self.source)), ("licence", Some(&self.licence))];
        let fields = fields.into_iter().chain([("attribution", self.attribution.as_ref())]);
        let unfit = |text: &String| {
            text.trim().is_empty()
                || text.len() > ABOUT_BYTES_MAX
                || text.contains(char::is_control)
                || holds_card_number(text)
        };
        let fields: Vec<_> =
            fields.filter(|(_, text)| text.is_some_and(unfit)).map(|(field, _)| field).collect();
        (!fields.is_empty()).then_some(AboutFault { fields })
    }
}

/// A table that can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// What it says of itself.
    pub about: About,
    /// Rows of the list that are in it.
    pub rows: u32,
    pub(crate) strings: Vec<String>,
    pub(crate) facts: Vec<Facts>,
    pub(crate) segments: Vec<Segment>,
}

/// What is known of a range. Texts are numbers of strings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Facts {
    pub(crate) issuer: Option<u32>,
    pub(crate) variant: Option<u32>,
    pub(crate) country: Option<Country>,
    pub(crate) currency: Option<Currency>,
    pub(crate) card_type: Option<CardType>,
}

/// A range of leading digits, eleven of a list and eight of a table, with the number of its facts. Segments are sorted, and do not overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) facts: u32,
}

impl Contents {
    /// The file, as the vault whose key it is reads it.
    pub fn encode(&self, key: &dyn TagKey) -> Vec<u8> {
        let mut out = Vec::with_capacity(
            64 + self.strings.len() * 24 + self.facts.len() * 12 + self.segments.len() * 6,
        );
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT.to_be_bytes());
        out.extend_from_slice(&self.about.version.to_be_bytes());
        let [_, _, imported_at @ ..] = self.about.imported_at.unix_millis().to_be_bytes();
        out.extend_from_slice(&imported_at);
        out.extend_from_slice(&self.rows.to_be_bytes());
        for text in [
            &self.about.source,
            &self.about.licence,
            self.about.attribution.as_ref().unwrap_or(&String::new()),
        ] {
            // The limit was held when the text was taken.
            out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(0).to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        varint::put(&mut out, self.strings.len() as u64);
        for text in &self.strings {
            out.push(u8::try_from(text.len()).unwrap_or(0));
            out.extend_from_slice(text.as_bytes());
        }
        varint::put(&mut out, self.facts.len() as u64);
        self.facts.iter().for_each(|facts| facts.encode(&mut out));
        varint::put(&mut out, self.segments.len() as u64);
        let mut next = 0;
        for segment in &self.segments {
            segment.encode(&mut next, &mut out);
        }
        let hash = Sha256::digest(&out);
        out.extend_from_slice(&hash);
        let tag = key.make(&out);
        out.extend_from_slice(&tag.key.to_be_bytes());
        out.extend_from_slice(&tag.bytes);
        out
    }
}

/// The same file with the tag that the key makes now; [`FileFault::Tag`] where it does not bear the tag that it has.
pub fn retagged(file: &[u8], key: &dyn TagKey) -> Result<Vec<u8>, FileFault> {
    Contents::decode(file, key)?;
    let tagged = file.len().checked_sub(TAG_BYTES).and_then(|len| file.get(..len)).ok_or(FileFault::Tag)?;
    let (mut out, tag) = (tagged.to_vec(), key.make(tagged));
    out.extend_from_slice(&tag.key.to_be_bytes());
    out.extend_from_slice(&tag.bytes);
    Ok(out)
}

impl Facts {
    fn encode(self, out: &mut Vec<u8>) {
        // 0 is nothing.
        varint::put(out, self.issuer.map_or(0, |issuer| u64::from(issuer) + 1));
        varint::put(out, self.variant.map_or(0, |variant| u64::from(variant) + 1));
        out.extend_from_slice(self.country.as_ref().map_or(&[0; 2], |code| code.as_bytes().as_slice()));
        out.extend_from_slice(self.currency.as_ref().map_or(&[0; 3], |code| code.as_bytes().as_slice()));
        out.push(self.card_type.map_or(0, CardType::code));
    }
}

impl Segment {
    /// The gap to what is before it, its length, and its facts. Most gaps and lengths are multiples of a power of ten.
    fn encode(self, next: &mut u64, out: &mut Vec<u8>) {
        let (mut gap, mut length, mut unit) = (self.start - *next, self.end - self.start + 1, 0);
        while unit < UNIT_MAX && gap.is_multiple_of(10) && length.is_multiple_of(10) {
            (gap, length, unit) = (gap / 10, length / 10, unit + 1);
        }
        varint::put(out, gap);
        varint::put(out, length << 3 | u64::from(unit));
        varint::put(out, u64::from(self.facts));
        *next = self.end + 1;
    }
}
