//! A frame's audit notes as the view keeps them. They are kept for ever, and those of one frame are much alike: who, whose, from
//! where, in the same second. So a note is written as what differs from the one before.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | format, 2 |
//! | | then for each note: |
//! | 1 | flags, below |
//! | 2 | action and outcome; absent with flag 1 |
//! | 12 | API key; absent with flag 2 |
//! | 12 | organisation; absent with flag 4 |
//! | 16 | address; absent with flag 8 |
//! | 6, 1 or 0 | when; with flag 32 one byte, milliseconds after the note before; absent with flag 16: the same moment |
//! | 12 or 8 | object; with flag 64 without its first 4 bytes, which are the seconds of "when" |
//! | 12 or 8 | request, or of an action that is counted how often and between when; with flag 128 the same |
//!
//! The note before the first is all zeroes.

use panvault_model::{Id, OrganisationId, RequestId, Timestamp};
use panvault_store::codec::{Reader, Writer};
use panvault_store::{Action, AuditNote, RowFault};

const FORMAT: u8 = 2;

const SAME_ACTION: u8 = 1;
const SAME_ACTOR: u8 = 2;
const SAME_ORGANISATION: u8 = 4;
const SAME_ADDRESS: u8 = 8;
const SAME_TIME: u8 = 16;
const CLOSE_TIME: u8 = 32;
const OBJECT_OF_THE_SECOND: u8 = 64;
const REQUEST_OF_THE_SECOND: u8 = 128;

/// A note in parts, as it is packed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Parts {
    action: [u8; 2],
    actor: [u8; 12],
    organisation: [u8; 12],
    address: [u8; 16],
    at: u64,
    object: [u8; 12],
    /// The request, or how often and between when.
    occasion: [u8; 12],
}

impl Parts {
    fn of(note: &AuditNote) -> Self {
        Self {
            action: [note.action.code(), note.outcome],
            actor: note.actor.map_or([0; 12], |actor| *actor.as_bytes()),
            organisation: *note.organisation.as_bytes(),
            address: note.address,
            at: note.at.unix_millis(),
            object: *note.object.as_bytes(),
            occasion: note.occasion(),
        }
    }

    fn note(&self) -> Result<AuditNote, RowFault> {
        let [action, outcome] = self.action;
        if self.at > Timestamp::MAX.unix_millis() {
            return Err(RowFault::Value);
        }
        let note = AuditNote {
            at: Timestamp::from_unix_millis(self.at),
            action: Action::from_code(action).ok_or(RowFault::Value)?,
            actor: Some(self.actor)
                .filter(|bytes| *bytes != [0; 12])
                .map(panvault_model::ApiKeyId::from_bytes),
            organisation: OrganisationId::from_bytes(self.organisation),
            object: Id::from_bytes(self.object),
            request: RequestId::from_bytes([0; 12]),
            address: self.address,
            outcome,
            counted: None,
        };
        note.with_occasion(self.occasion)
    }

    /// The first four bytes of an id that is made now.
    fn second(&self) -> Option<[u8; 4]> {
        u32::try_from(self.at / 1000).ok().map(u32::to_be_bytes)
    }
}

/// Appends a frame's notes.
pub(crate) fn pack(notes: &[AuditNote], out: &mut Vec<u8>) {
    let mut writer = Writer::new(out);
    writer.u8(FORMAT);
    let mut before = Parts::default();
    for note in notes {
        let now = Parts::of(note);
        put(&mut writer, &before, &now);
        before = now;
    }
}

fn put(writer: &mut Writer<'_>, before: &Parts, now: &Parts) {
    let later = now.at.checked_sub(before.at).and_then(|later| u8::try_from(later).ok());
    let of_the_second = |id: &[u8; 12]| now.second().is_some_and(|second| id.starts_with(&second));
    let (object, request) = (of_the_second(&now.object), of_the_second(&now.occasion));
    let flags = [
        (SAME_ACTION, now.action == before.action),
        (SAME_ACTOR, now.actor == before.actor),
        (SAME_ORGANISATION, now.organisation == before.organisation),
        (SAME_ADDRESS, now.address == before.address),
        (SAME_TIME, later == Some(0)),
        (CLOSE_TIME, later.is_some_and(|later| later > 0)),
        (OBJECT_OF_THE_SECOND, object),
        (REQUEST_OF_THE_SECOND, request),
    ];
    writer.u8(flags.iter().filter(|(_, is)| *is).fold(0, |flags, (flag, _)| flags | flag));
    if now.action != before.action {
        writer.fixed(&now.action);
    }
    if now.actor != before.actor {
        writer.fixed(&now.actor);
    }
    if now.organisation != before.organisation {
        writer.fixed(&now.organisation);
    }
    if now.address != before.address {
        writer.fixed(&now.address);
    }
    match later {
        Some(0) => {}
        Some(later) => writer.u8(later),
        None => writer.timestamp(Timestamp::from_unix_millis(now.at)),
    }
    for (id, short) in [(&now.object, object), (&now.occasion, request)] {
        writer.fixed(id.get(if short { 4.. } else { 0.. }).unwrap_or_default());
    }
}

/// Reads a frame's notes.
pub(crate) fn unpack(bytes: &[u8]) -> Result<Vec<AuditNote>, RowFault> {
    let mut reader = Reader::new(bytes);
    let mut notes = Vec::new();
    match bytes.first() {
        Some(&FORMAT) => {
            reader.u8()?;
            let mut before = Parts::default();
            while !reader.is_empty() {
                before = take(&mut reader, &before)?;
                notes.push(before.note()?);
            }
        }
        Some(_) => return Err(RowFault::Value),
        None => return Err(RowFault::Short),
    }
    Ok(notes)
}

fn take(reader: &mut Reader<'_>, before: &Parts) -> Result<Parts, RowFault> {
    let flags = reader.u8()?;
    let has = |flag: u8| flags & flag != 0;
    let mut now = *before;
    if !has(SAME_ACTION) {
        now.action = reader.fixed()?;
    }
    if !has(SAME_ACTOR) {
        now.actor = reader.fixed()?;
    }
    if !has(SAME_ORGANISATION) {
        now.organisation = reader.fixed()?;
    }
    if !has(SAME_ADDRESS) {
        now.address = reader.fixed()?;
    }
    match (has(SAME_TIME), has(CLOSE_TIME)) {
        (true, true) => return Err(RowFault::Value),
        (true, false) => {}
        (false, true) => now.at = before.at.saturating_add(reader.u8()?.into()),
        (false, false) => now.at = reader.timestamp()?.unix_millis(),
    }
    let second = now.second();
    let mut id = |short: bool| {
        if !short {
            return reader.fixed();
        }
        let mut id = [0; 12];
        let (head, rest) = id.split_at_mut(4);
        head.copy_from_slice(&second.ok_or(RowFault::Value)?);
        rest.copy_from_slice(&reader.fixed::<8>()?);
        Ok(id)
    };
    now.object = id(has(OBJECT_OF_THE_SECOND))?;
    now.occasion = id(has(REQUEST_OF_THE_SECOND))?;
    Ok(now)
}

#[cfg(test)]
mod tests {
    use core::num::NonZeroU32;

    use panvault_model::ApiKeyId;
    use panvault_store::Counted;
    use panvault_testkit::SeededRandom;

    use super::*;

    fn note(at: u64, random: u8) -> AuditNote {
        let at = Timestamp::from_unix_millis(at);
        AuditNote {
            at,
            action: Action::CardCreate,
            actor: Some(ApiKeyId::from_bytes([7; 12])),
            organisation: OrganisationId::from_bytes([8; 12]),
            object: Id::make(at, [random; 8]),
            request: RequestId::make(at, [random; 8]),
            address: [9; 16],
            outcome: 0,
            counted: None,
        }
    }

    fn packed(notes: &[AuditNote]) -> Vec<u8> {
        let mut out = Vec::new();
        pack(notes, &mut out);
        out
    }

    #[test]
    fn two_notes_have_these_bytes() {
        let notes = [note(0x1_0000_0000, 1), note(0x1_0000_0002, 2)];
        let mut expected = vec![2, 0xc0, 1, 0];
        expected.extend([[7; 12], [8; 12]].concat());
        expected.extend([9; 16]);
        expected.extend([0, 1, 0, 0, 0, 0]);
        expected.extend([&notes[0].object.as_bytes()[4..], &notes[0].request.as_bytes()[4..]].concat());
        expected.extend([0xef, 2]);
        expected.extend([&notes[1].object.as_bytes()[4..], &notes[1].request.as_bytes()[4..]].concat());
        assert_eq!(packed(&notes), expected);
        assert_eq!(unpack(&expected), Ok(notes.to_vec()));
    }

    #[test]
    fn whatever_differs_is_read_back() {
        let mut dice = SeededRandom::new(0x0707);
        for _ in 0..500 {
            let count = 1 + dice.below(6);
            let notes: Vec<AuditNote> = (0..count)
                .map(|_| {
                    let mut one = note(*dice.pick(&[0, 3, 255, 256, 5_000_000_000_000]).unwrap(), 3);
                    let byte = u8::try_from(dice.below(3)).unwrap();
                    match dice.below(8) {
                        0 => one.actor = None,
                        1 => one.organisation = OrganisationId::from_bytes([byte; 12]),
                        2 => one.address = [byte; 16],
                        3 => one.object = Id::from_bytes([byte; 12]),
                        4 => one.request = RequestId::from_bytes([byte; 12]),
                        5 => one.outcome = byte,
                        6 => one.action = *dice.pick(Action::ALL).unwrap(),
                        _ => {}
                    }
                    if one.action.is_counted() {
                        let times = NonZeroU32::new(1 + u32::from(byte)).unwrap();
                        let first = Timestamp::from_unix_millis(one.at.unix_millis() / 2);
                        one.counted = Some(Counted::new(times, first, one.at, one.at, byte));
                        one.request = RequestId::from_bytes([0; 12]);
                    }
                    one
                })
                .collect();
            assert_eq!(unpack(&packed(&notes)), Ok(notes));
        }
    }

    #[test]
    fn what_is_cut_or_unknown_is_refused() {
        let notes = [note(5_000, 1), note(6_000, 2)];
        let whole = packed(&notes);
        let ends = [1, 1 + packed(&notes[..1]).len() - 1, whole.len()];
        for end in 0..whole.len() {
            let read = unpack(&whole[..end]);
            assert_eq!(read.is_ok(), ends.contains(&end), "cut at {end}: {read:?}");
        }
        assert_eq!(unpack(&[3]), Err(RowFault::Value));
        let mut both = whole.clone();
        both[1] |= SAME_TIME | CLOSE_TIME;
        assert_eq!(unpack(&both), Err(RowFault::Value));
    }
}
