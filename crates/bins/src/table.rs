use std::sync::Arc;

use panvault_card::{BinStatus, BinTable};
use panvault_model::{Id, IssuerFacts, Tag};

use crate::file::{About, Contents, FileFault, TagKey};
use crate::limits::{BIN_DIGITS_MIN, ISSUER_DIGITS_MAX};

/// The first level of the index: one bucket for each five leading digits.
const BUCKETS: usize = 100_000;
/// Numbers in a bucket, on the scale of eight digits.
const BUCKET_NUMBERS: u64 = 1_000;

/// A table in memory, ready to be looked up in.
///
/// Tiles cover the whole scale of eight digits: each begins where the one before ends, and what no range covers is a tile of
/// nothing. A look-up goes to a bucket by the first five digits and finds its tile there by halving.
pub struct Table {
    about: About,
    tag: Tag,
    rows: u32,
    ranges: usize,
    /// For each bucket the tile that its first number is in, and one more for the end.
    buckets: Box<[u32]>,
    starts: Box<[u64]>,
    /// For each tile the number of its facts; 0 is nothing.
    tiles: Box<[u32]>,
    facts: Box<[IssuerFacts]>,
}

impl Table {
    /// Reads a file of this vault: all of it, or a fault.
    pub fn read(file: &[u8], key: &dyn TagKey) -> Result<Self, FileFault> {
        let (contents, tag) = Contents::decode(file, key)?;
        Self::new(&contents, tag).ok_or(FileFault::Value)
    }

    /// `None` when there is more of something than fits, which no file can hold.
    fn new(contents: &Contents, tag: Tag) -> Option<Self> {
        let strings: Vec<Arc<str>> = contents.strings.iter().map(|text| Arc::from(text.as_str())).collect();
        let text = |number: Option<u32>| strings.get(number? as usize).cloned();
        let table_version = contents.about.version;
        let mut facts = vec![IssuerFacts { table_version, ..IssuerFacts::default() }];
        facts.extend(contents.facts.iter().map(|facts| IssuerFacts {
            issuer_name: text(facts.issuer),
            issuer_country: facts.country,
            currency: facts.currency,
            card_type: facts.card_type,
            variant: text(facts.variant),
            table_version,
        }));
        let room = contents.segments.len() * 2 + 1;
        let (mut starts, mut tiles) = (Vec::with_capacity(room), Vec::with_capacity(room));
        let mut next = 0;
        for segment in &contents.segments {
            if segment.start > next {
                starts.push(next);
                tiles.push(0);
            }
            starts.push(segment.start);
            tiles.push(segment.facts.checked_add(1)?);
            next = segment.end + 1;
        }
        if next < BUCKET_NUMBERS * BUCKETS as u64 {
            starts.push(next);
            tiles.push(0);
        }
        Some(Self {
            about: contents.about.clone(),
            tag,
            rows: contents.rows,
            ranges: contents.segments.len(),
            buckets: buckets(&starts)?,
            starts: starts.into(),
            tiles: tiles.into(),
            facts: facts.into(),
        })
    }

    /// What it says of itself.
    pub const fn about(&self) -> &About {
        &self.about
    }

    /// Names it in the audit trail: version (4 bytes) and the first half of its tag (8).
    pub fn id(&self) -> Id {
        let mut id = [0; 12];
        let bytes = self.about.version.to_be_bytes().into_iter().chain(self.tag.bytes);
        id.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = byte);
        Id::from_bytes(id)
    }

    /// Rows of the list that are in it.
    pub const fn rows(&self) -> u32 {
        self.rows
    }

    /// Ranges that it is made of: rows that follow each other and say the same are one.
    pub const fn ranges(&self) -> usize {
        self.ranges
    }

    /// The tile that a number of eight digits is in.
    fn tile(&self, number: u64) -> Option<usize> {
        let bucket = usize::try_from(number / BUCKET_NUMBERS).ok()?;
        let first = *self.buckets.get(bucket)? as usize;
        let last = *self.buckets.get(bucket + 1)? as usize;
        let begins = self.starts.get(first..=last)?;
        // The first of them begins at or before the bucket.
        Some(first + begins.partition_point(|start| *start <= number) - 1)
    }

    fn facts(&self, tile: usize) -> Option<&IssuerFacts> {
        self.facts.get(*self.tiles.get(tile)? as usize)
    }

    /// What all numbers from `low` to `high` have in common.
    fn common(&self, low: u64, high: u64) -> Option<IssuerFacts> {
        let (first, last) = (self.tile(low)?, self.tile(high)?);
        let mut common = self.facts(first)?.clone();
        let mut before = self.tiles.get(first)?;
        for tile in self.tiles.get(first + 1..=last)? {
            if tile != before {
                keep_equal(&mut common, self.facts.get(*tile as usize)?);
                before = tile;
            }
        }
        Some(common)
    }
}

impl BinTable for Table {
    fn lookup(&self, digits: &[u8]) -> IssuerFacts {
        let nothing = || IssuerFacts { table_version: self.about.version, ..IssuerFacts::default() };
        let Some((low, high)) = numbers(digits) else { return nothing() };
        let found = if low == high {
            self.tile(low).and_then(|tile| self.facts(tile)).cloned()
        } else {
            self.common(low, high)
        };
        found.unwrap_or_else(nothing)
    }

    fn version(&self) -> u32 {
        self.about.version
    }

    fn tag_key(&self) -> Option<u16> {
        Some(self.tag.key)
    }

    fn status(&self) -> BinStatus {
        BinStatus {
            version: self.about.version,
            rows: u64::from(self.rows),
            imported_at: Some(self.about.imported_at),
        }
    }
}

fn keep_equal(common: &mut IssuerFacts, other: &IssuerFacts) {
    fn keep<T: PartialEq>(common: &mut Option<T>, other: &Option<T>) {
        if common != other {
            *common = None;
        }
    }
    keep(&mut common.issuer_name, &other.issuer_name);
    keep(&mut common.issuer_country, &other.issuer_country);
    keep(&mut common.currency, &other.currency);
    keep(&mut common.card_type, &other.card_type);
    keep(&mut common.variant, &other.variant);
}

/// The first and the last number of eight digits that begin so; `None` for what is not digits, or fewer than a BIN's. What is behind the
/// eighth is not looked at.
fn numbers(digits: &[u8]) -> Option<(u64, u64)> {
    let lead = digits.get(..ISSUER_DIGITS_MAX).unwrap_or(digits);
    if lead.len() < BIN_DIGITS_MIN {
        return None;
    }
    let mut low = 0;
    for digit in lead {
        low = low * 10 + u64::from(digit.checked_sub(b'0').filter(|digit| *digit <= 9)?);
    }
    let numbers = 10u64.pow(u32::try_from(ISSUER_DIGITS_MAX - lead.len()).ok()?);
    Some((low * numbers, low * numbers + (numbers - 1)))
}

fn buckets(starts: &[u64]) -> Option<Box<[u32]>> {
    let mut buckets = Vec::with_capacity(BUCKETS + 1);
    let mut tile = 0;
    for bucket in 0..=BUCKETS as u64 {
        while starts.get(tile + 1).is_some_and(|start| *start <= bucket * BUCKET_NUMBERS) {
            tile += 1;
        }
        buckets.push(u32::try_from(tile).ok()?);
    }
    Some(buckets.into())
}
