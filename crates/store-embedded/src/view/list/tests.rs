use std::cell::Cell;

use panvault_model::VaultId;
use panvault_store::{Direction, Filter};
use panvault_testkit::Dice;

use super::*;
use crate::view::{self, Access};

thread_local! {
    /// Rows that are held now, and the most that were.
    static HELD: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// A row that is counted as long as it is held: id, organisation, a number.
struct Counted {
    id: [u8; 12],
    organisation: OrganisationId,
    number: u8,
}

impl Drop for Counted {
    fn drop(&mut self) {
        HELD.with(|held| held.set((held.get().0 - 1, held.get().1)));
    }
}

/// The number of a row.
#[derive(Clone, Copy)]
struct Number;

impl Field for Number {
    type Row = Counted;

    fn value(self, row: &Counted) -> FieldValue<'_> {
        FieldValue::Number(row.number.into())
    }
}

impl Listed for Number {
    const ROW: &'static str = CardField::ROW;
    const IDS: &'static str = CardField::IDS;
    const TOTAL: &'static str = CardField::TOTAL;

    fn decode(_id: &[u8; 12], bytes: &[u8]) -> Result<Counted, RowFault> {
        HELD.with(|held| {
            let now = held.get().0 + 1;
            held.set((now, held.get().1.max(now)));
        });
        let organisation = OrganisationId::from_bytes(bytes[12..24].try_into().unwrap());
        Ok(Counted { id: bytes[..12].try_into().unwrap(), organisation, number: bytes[24] })
    }

    fn key(id: [u8; 12]) -> RowKey {
        RowKey::Card(CardId::from_bytes(id))
    }

    fn organisation(row: &Counted) -> OrganisationId {
        row.organisation
    }

    fn id(row: &Counted) -> &[u8; 12] {
        &row.id
    }

    fn indexed(_: &Query<Self>, _: &Connection) -> Result<Option<Vec<[u8; 12]>>, rusqlite::Error> {
        Ok(None)
    }
}

/// A list held every row that matched, of ten kilobytes each, until it had sorted them, and the rows before the page when it had
/// none to sort: thirty at once took gigabytes. It now holds what they are sorted by, and the rows of the page.
#[test]
fn a_list_holds_its_page_and_finds_it() {
    let directory = tempfile::tempdir().unwrap();
    let held = panvault_directory::Directory::open(directory.path()).unwrap();
    view::create(&held, VaultId::from_bytes([7; 12])).unwrap();
    let view = view::connect(&held, Access::Write, 1024).unwrap();
    let mut dice = Dice::new(5);
    let organisations = [1, 2, 3].map(|n| OrganisationId::from_bytes([n; 12]));
    let mut all: Vec<([u8; 12], usize, u8)> = Vec::new();
    view.execute_batch("BEGIN").unwrap();
    for n in 0..3_000_u32 {
        let mut id = [0; 12];
        id[..4].copy_from_slice(&n.to_be_bytes());
        let (at, [number, ..]) = (dice.below(3), dice.roll().to_be_bytes());
        let row = [id.as_slice(), organisations[at].as_bytes(), &[number]].concat();
        view.execute("INSERT INTO card VALUES (?, ?)", (id, row)).unwrap();
        let entry = (organisations[at].as_bytes(), id);
        view.execute("INSERT INTO card_by_organisation VALUES (?, ?)", entry).unwrap();
        all.push((id, at, number));
    }
    view.execute_batch("COMMIT").unwrap();
    all.reverse();
    let filter = Filter { field: Number, test: Test::AtLeast, values: vec![FieldValue::Number(50)] };
    let sorts = [None, Some((Number, Direction::Ascending)), Some((Number, Direction::Descending))];
    for (sort, skip) in sorts.into_iter().flat_map(|sort| [0, 7, 1_000, 5_000].map(|skip| (sort, skip))) {
        let query = Query {
            organisations: vec![organisations[2], organisations[0]],
            filters: vec![filter.clone()],
            sort,
            skip,
            limit: 20,
        };
        let mut expected: Vec<_> = all.iter().filter(|(_, at, number)| *at != 1 && *number >= 50).collect();
        match sort {
            None => {}
            Some((_, Direction::Ascending)) => expected.sort_by_key(|(_, _, number)| *number),
            Some((_, Direction::Descending)) => {
                expected.sort_by_key(|(_, _, number)| core::cmp::Reverse(*number));
            }
        }
        HELD.set((0, 0));
        let page = list(&view, &query).unwrap();
        let most = HELD.get().1;
        assert!(most <= 21, "{most} rows are held for a page of 20");
        assert_eq!(page.total, expected.len() as u64);
        let skip = usize::try_from(skip).unwrap();
        let expected = expected.into_iter().skip(skip).take(20).map(|(id, ..)| *id);
        assert!(page.rows.iter().map(|row| row.id).eq(expected), "skip {skip}");
    }
    let plain = Query {
        filters: Vec::new(),
        organisations: organisations.to_vec(),
        sort: None::<(Number, _)>,
        skip: 2_990,
        limit: 20,
    };
    let page = list(&view, &plain).unwrap();
    assert!(page.rows.iter().map(|row| row.id).eq(all.iter().skip(2_990).map(|(id, ..)| *id)));
}
