use std::sync::Arc;

use panvault_store::{DocumentKind, DocumentRow, Outcome, Store};

use crate::conformance::rows::{document, id};
use crate::conformance::{
    DocumentChange, StoreCase, cases, document_delete, document_put, documents_commit, done,
};

pub(super) const CASES: &[StoreCase] = cases! {
    documents_are_read_by_kind_and_id
    documents_are_read_by_their_keys
    a_document_changes_by_its_version
    a_document_goes_by_its_version
    a_document_may_be_made_again
    documents_change_all_or_none
    of_two_who_make_a_document_one_does
};

use DocumentKind::{Account, ApiKey, Organisation, OrganisationKey};

fn put(kind: DocumentKind, n: u64, version: u32) -> DocumentChange {
    document_put(document(kind, n, version))
}

fn shared(rows: Vec<DocumentRow>) -> Vec<Arc<DocumentRow>> {
    rows.into_iter().map(Arc::new).collect()
}

async fn documents_are_read_by_kind_and_id(store: &dyn Store) {
    assert_eq!(store.document_read_all().await, Ok(Vec::new()));
    let changes = vec![put(Account, 3, 1), put(OrganisationKey, 2, 1), put(OrganisationKey, 1, 1)];
    done(store.commit(documents_commit(changes)).await.unwrap());
    for n in [2, 1] {
        done(store.commit(documents_commit(vec![put(Organisation, n, 1)])).await.unwrap());
    }
    let all = vec![
        document(Organisation, 1, 1),
        document(Organisation, 2, 1),
        document(Account, 3, 1),
        document(OrganisationKey, 1, 1),
        document(OrganisationKey, 2, 1),
    ];
    assert_eq!(store.document_read_all().await, Ok(shared(all)));
}

async fn documents_are_read_by_their_keys(store: &dyn Store) {
    let keys = vec![(Organisation, id(1)), (Account, id(1)), (Organisation, id(2)), (Organisation, id(1))];
    let read = async || store.document_read_many(keys.clone()).await.unwrap();
    assert_eq!(read().await, vec![None; 4]);
    assert_eq!(store.document_read_many(Vec::new()).await, Ok(Vec::new()));
    for change in [put(Organisation, 1, 1), put(Account, 2, 1), put(Organisation, 2, 1)] {
        done(store.commit(documents_commit(vec![change])).await.unwrap());
    }
    let between = read().await;
    for change in [put(Organisation, 1, 2), document_delete(Organisation, id(2), 1)] {
        done(store.commit(documents_commit(vec![change])).await.unwrap());
    }
    let one = |n, version| Some(Arc::new(document(Organisation, n, version)));
    assert_eq!(between, vec![one(1, 1), None, one(2, 1), one(1, 1)]);
    assert_eq!(read().await, vec![one(1, 2), None, None, one(1, 2)], "what is durable is read at once");
}

async fn a_document_changes_by_its_version(store: &dyn Store) {
    done(store.commit(documents_commit(vec![put(Account, 1, 1)])).await.unwrap());
    for version in [1, 3, 4] {
        let change = documents_commit(vec![put(Account, 1, version)]);
        assert_eq!(store.commit(change).await, Ok(Outcome::Unmet(0)), "version {version} after 1");
    }
    done(store.commit(documents_commit(vec![put(Account, 1, 2)])).await.unwrap());
    assert_eq!(store.document_read_all().await, Ok(shared(vec![document(Account, 1, 2)])));
    for version in [2, 3] {
        let change = documents_commit(vec![put(Account, 2, version)]);
        assert_eq!(store.commit(change).await, Ok(Outcome::Unmet(0)), "version {version} of a new one");
    }
}

async fn a_document_goes_by_its_version(store: &dyn Store) {
    let gone = |version| documents_commit(vec![document_delete(ApiKey, id(1), version)]);
    for version in [0, 1] {
        assert_eq!(store.commit(gone(version)).await, Ok(Outcome::Unmet(0)), "nothing is there");
    }
    done(store.commit(documents_commit(vec![put(ApiKey, 1, 1)])).await.unwrap());
    for version in [0, 2] {
        assert_eq!(store.commit(gone(version)).await, Ok(Outcome::Unmet(0)), "version {version}");
    }
    done(store.commit(gone(1)).await.unwrap());
    assert_eq!(store.document_read_all().await, Ok(Vec::new()));
}

async fn a_document_may_be_made_again(store: &dyn Store) {
    for _ in 0..2 {
        done(store.commit(documents_commit(vec![put(ApiKey, 1, 1)])).await.unwrap());
        let gone = documents_commit(vec![document_delete(ApiKey, id(1), 1)]);
        done(store.commit(gone).await.unwrap());
    }
}

async fn documents_change_all_or_none(store: &dyn Store) {
    let first = vec![put(Account, 1, 1), put(OrganisationKey, 1, 1)];
    done(store.commit(documents_commit(first)).await.unwrap());
    let gone = || document_delete(OrganisationKey, id(1), 1);
    let one_is_stale = vec![put(Account, 2, 1), gone(), put(OrganisationKey, 3, 2)];
    assert_eq!(store.commit(documents_commit(one_is_stale)).await, Ok(Outcome::Unmet(2)));
    let all = vec![document(Account, 1, 1), document(OrganisationKey, 1, 1)];
    assert_eq!(store.document_read_all().await, Ok(shared(all)));
    let all_are_right = vec![put(Account, 2, 1), gone(), put(OrganisationKey, 3, 1)];
    done(store.commit(documents_commit(all_are_right)).await.unwrap());
    let all = vec![document(Account, 1, 1), document(Account, 2, 1), document(OrganisationKey, 3, 1)];
    assert_eq!(store.document_read_all().await, Ok(shared(all)));
}

async fn of_two_who_make_a_document_one_does(store: &dyn Store) {
    let one = store.commit(documents_commit(vec![put(Account, 1, 1)]));
    let other = store.commit(documents_commit(vec![put(Account, 1, 1)]));
    done(one.await.unwrap());
    assert_eq!(other.await, Ok(Outcome::Unmet(0)));
}
