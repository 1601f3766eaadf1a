use panvault_model::{Role, Tag, Timestamp};
use panvault_processor::Unusable;

use super::*;

const AT: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

fn id(n: u8) -> Id {
    Id::from_bytes([n; 12])
}

fn row(kind: DocumentKind, n: u8, version: u32, body: Vec<u8>) -> DocumentRow {
    let [.., low] = version.to_be_bytes();
    DocumentRow { kind, id: id(n), version, body, tag: Tag { key: 1, bytes: [low; 16] } }
}

fn organisation(n: u8, version: u32, parent: Option<u8>) -> DocumentRow {
    let organisation = OrganisationRow {
        id: OrganisationId(id(n)),
        parent: parent.map(|parent| OrganisationId(id(parent))),
        name: "Shop".to_owned(),
        disabled: false,
        country_code: None,
        details: Vec::new(),
        keyless_capture_origins: Vec::new(),
        return_origins: Vec::new(),
        checkout_theme: Vec::new(),
        logo: None,
        created_at: AT,
        updated_at: AT,
    };
    row(DocumentKind::Organisation, n, version, organisation.encode())
}

fn processor(version: u32, name: &str) -> DocumentRow {
    let processor = ProcessorRow {
        id: ProcessorId(id(9)),
        organisation: OrganisationId(id(1)),
        name: name.to_owned(),
        type_name: "card_dummy".to_owned(),
        settings: Vec::new(),
        secrets: Vec::new(),
        created_at: AT,
        updated_at: AT,
    };
    row(DocumentKind::Processor, 9, version, processor.encode())
}

fn api_key(version: u32, hash: u8) -> DocumentRow {
    let key = ApiKeyRow {
        id: ApiKeyId(id(5)),
        organisation: OrganisationId(id(1)),
        name: "Till".to_owned(),
        roles: vec![Role::MerchantUser],
        hash_key: 1,
        hash: [hash; 32],
        allowed_origins: Vec::new(),
        expires_at: None,
        created_at: AT,
        updated_at: AT,
    };
    row(DocumentKind::ApiKey, 5, version, key.encode())
}

fn documents(rows: &[DocumentRow], before: Option<&Documents>) -> Documents {
    let mut documents = Documents::default();
    for row in rows {
        documents.put(row, true, before).unwrap();
    }
    documents
}

#[test]
fn a_connection_lives_on_while_its_row_is_the_same() {
    let connection = |documents: &Documents| {
        let connected = documents.connected(ProcessorId(id(9))).unwrap();
        Arc::clone(connected.connection(|_| Arc::new(Unusable::new("for this test"))))
    };
    let before = documents(&[processor(1, "Dummy")], None);
    let mut other_change = before.clone();
    other_change.put(&organisation(1, 1, None), true, None).unwrap();
    let read_again = documents(&[processor(1, "Dummy")], Some(&before));
    let tag = Tag { key: 2, bytes: [7; 16] };
    let retagged = documents(&[DocumentRow { tag, ..processor(1, "Dummy") }], Some(&before));
    for same in [other_change, read_again, retagged] {
        assert!(Arc::ptr_eq(&connection(&before), &connection(&same)));
    }
    let changed = documents(&[processor(2, "Other")], Some(&before));
    assert!(!Arc::ptr_eq(&connection(&before), &connection(&changed)));
}

#[test]
fn an_organisation_that_moves_is_below_where_it_is() {
    let mut moved =
        documents(&[organisation(1, 1, None), organisation(2, 1, None), organisation(3, 1, Some(1))], None);
    let before = moved.clone();
    moved.put(&organisation(3, 2, Some(2)), true, None).unwrap();
    let below = |documents: &Documents, top| documents.below(OrganisationId(id(top))).len();
    assert_eq!((below(&before, 1), below(&before, 2)), (2, 1), "as of one moment");
    assert_eq!((below(&moved, 1), below(&moved, 2)), (1, 2));
    assert_eq!(
        (before.version(DocumentKind::Organisation, id(3)), moved.version(DocumentKind::Organisation, id(3))),
        (1, 2)
    );
}

#[test]
fn an_api_key_is_known_by_the_hash_that_it_has() {
    let mut known = documents(&[api_key(1, 7)], None);
    let by_hash = |documents: &Documents, hash| documents.api_key_by_hash(1, [hash; 32]).is_some();
    assert!(by_hash(&known, 7) && !by_hash(&known, 8));
    known.put(&api_key(2, 8), true, None).unwrap();
    assert!(!by_hash(&known, 7) && by_hash(&known, 8));
    let gone = known.delete(DocumentKind::ApiKey, id(5));
    assert!(gone.is_some_and(|stamp| stamp.version == 2));
    assert!(!by_hash(&known, 8) && known.api_key(ApiKeyId(id(5))).is_none());
    assert!(known.stamp(DocumentKind::ApiKey, id(5)).is_none());
}
