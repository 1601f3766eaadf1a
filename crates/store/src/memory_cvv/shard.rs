//! Slots, in many parts that are locked each by itself.

use std::collections::HashMap;
use std::sync::Mutex;

use foldhash::fast::RandomState;
use panvault_model::CardId;

use crate::memory_cvv::slot::Slot;

const SHARDS_MIN: usize = 256;
pub(super) const SHARDS_MAX: usize = 1 << 16;
/// CVVs that a shard holds at most when all that may be held are: while its index grows, whoever wants a card of it waits.
pub(super) const SHARD_CVVS: u64 = 16_384;

/// Slots that are allocated together: 2 KiB of them.
const BLOCK_SLOTS: usize = 16;

/// A power of two of shards: so many that each stays small, whatever is held.
pub(super) struct Shards {
    last: Mutex<Shard>,
    others: Box<[Mutex<Shard>]>,
}

impl Shards {
    pub(super) fn new(held_max: u64) -> Self {
        let wanted = usize::try_from(held_max.div_ceil(SHARD_CVVS)).unwrap_or(SHARDS_MAX);
        let count = wanted.clamp(SHARDS_MIN, SHARDS_MAX).next_power_of_two();
        Self { last: Mutex::default(), others: (1..count).map(|_| Mutex::default()).collect() }
    }

    /// By the end of the id, which is random.
    pub(super) fn of(&self, card: CardId) -> &Mutex<Shard> {
        let [.., high, low] = *card.as_bytes();
        let at = usize::from(u16::from_be_bytes([high, low])) & self.others.len();
        self.others.get(at).unwrap_or(&self.last)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Mutex<Shard>> {
        self.others.iter().chain([&self.last])
    }
}

/// Slots lie side by side in blocks that never move or grow, with no gaps: what is removed is replaced by the last. So memory follows
/// what is held both ways, and what grows by copying is only the index, a small part.
#[derive(Default)]
pub(super) struct Shard {
    blocks: Vec<Vec<Slot>>,
    /// Where a card's slot is. Ids are of our own making, so that nobody chooses where they come to lie.
    index: HashMap<CardId, u32, RandomState>,
}

impl Shard {
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn find(&mut self, card: CardId) -> Option<&mut Slot> {
        let at = *self.index.get(&card)?;
        self.slot(at as usize)
    }

    /// The slot at a place below [`Self::len`].
    pub(super) fn slot(&mut self, at: usize) -> Option<&mut Slot> {
        self.blocks.get_mut(at / BLOCK_SLOTS)?.get_mut(at % BLOCK_SLOTS)
    }

    /// Adds the slot of a card that has none.
    pub(super) fn add(&mut self, slot: Slot) {
        // 2^32 slots of one shard are more than any memory has.
        let Ok(at) = u32::try_from(self.len()) else { return };
        self.index.insert(slot.card, at);
        match self.blocks.last_mut() {
            Some(block) if block.len() < BLOCK_SLOTS => block.push(slot),
            Some(_) | None => {
                let mut block = Vec::with_capacity(BLOCK_SLOTS);
                block.push(slot);
                self.blocks.push(block);
            }
        }
    }

    /// Removes the card's slot.
    pub(super) fn remove(&mut self, card: CardId) {
        let Some(at) = self.index.remove(&card) else { return };
        let (block_at, slot_at) = (at as usize / BLOCK_SLOTS, at as usize % BLOCK_SLOTS);
        let Some((last_block, blocks)) = self.blocks.split_last_mut() else { return };
        let last_at = last_block.len().saturating_sub(1);
        // Exchanged with the last and dropped where that lay, so that nothing of either stays behind the end.
        match blocks.get_mut(block_at).and_then(|block| block.get_mut(slot_at)).zip(last_block.last_mut()) {
            Some((slot, last)) => core::mem::swap(slot, last),
            None => last_block.swap(slot_at, last_at),
        }
        last_block.truncate(last_at);
        if last_block.is_empty() {
            self.blocks.pop();
        }
        if let Some(moved) = self.slot(at as usize).map(|slot| slot.card)
            && let Some(place) = self.index.get_mut(&moved)
        {
            *place = at;
        }
    }

    /// Gives back what the index has grown by and does not need any more.
    pub(super) fn shrink(&mut self) {
        if self.index.capacity() > 128 && self.index.len() < self.index.capacity() / 4 {
            self.index.shrink_to(self.index.len() * 2);
        }
    }
}

#[cfg(test)]
impl Shard {
    /// Bytes that are allocated, but for what claims remember: the index has a byte beside each bucket, of which there are a power of two, and
    /// at most seven of eight are taken.
    pub(super) fn allocated_bytes(&self) -> usize {
        let slots: usize = self.blocks.iter().map(|block| block.capacity() * size_of::<Slot>()).sum();
        let buckets = (self.index.capacity() * 8 / 7).next_power_of_two();
        slots
            + self.blocks.capacity() * size_of::<Vec<Slot>>()
            + buckets * (size_of::<(CardId, u32)>() + 1)
            + size_of::<Self>()
    }
}
