//! Records of the trail that are kept no longer, of a vault in a database that is put back from a dump or a base copy of before or after.

use core::time::Duration;
use std::sync::Arc;

use panvault_store_postgres::PostgresUrl;
use panvault_testkit::servers::{Postgres, PostgresDatabase, PostgresVersion};
use panvault_webhook::AddressPolicy;

use super::*;
use crate::config::{Cvvs, Shared};
use crate::data::backup::database::verify_database;
use crate::data::header::tests::fill;
use crate::data::{NodeDirectory, Unattended, create_shared};

/// A vault in a database.
struct Trial {
    postgres: Arc<Postgres>,
    database: PostgresDatabase,
    directory: TempDir,
}

impl Trial {
    fn new() -> Self {
        let postgres = Postgres::shared(PostgresVersion::V15);
        let (database, directory) = (postgres.database(), tempfile::tempdir().unwrap());
        let trial = Self { postgres, database, directory };
        let (node, slot) = (trial.here("node"), trial.here("slot.key"));
        let settings = shared(&trial.database);
        runtime().block_on(create_shared(&node, Mode::Test, &slot, &settings, || Ok(()))).unwrap();
        trial.with(async |open| fill(open).await);
        trial
    }

    fn here(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn slot(&self) -> KeyFile {
        KeyFile::new(self.here("slot.key"))
    }

    /// Of a node that serves: what one does for all is its duty.
    fn settings(&self) -> OpenSettings {
        let slot_key_file = Some(self.here("slot.key"));
        OpenSettings { slot_key_file, webhooks: Some(AddressPolicy::default()), ..OpenSettings::default() }
    }

    fn node(&self, database: &PostgresDatabase, directory: &str) -> NodeDirectory {
        NodeDirectory::find(&self.here(directory), &shared(database)).unwrap()
    }

    /// Opens the vault in a database from a directory, does something and closes it.
    fn with_vault<T>(
        &self,
        database: &PostgresDatabase,
        directory: &str,
        work: impl AsyncFnOnce(&OpenVault) -> T,
    ) -> anyhow::Result<T> {
        let node = self.node(database, directory);
        runtime().block_on(async {
            let open = node.open(&self.settings()).await?;
            let done = work(&open).await;
            open.vault.close().await?;
            Ok(done)
        })
    }

    fn with<T>(&self, work: impl AsyncFnOnce(&OpenVault) -> T) -> T {
        self.with_vault(&self.database, "node", work).unwrap()
    }

    async fn backup(&self, open: &OpenVault) -> PathBuf {
        let permit = open.operator().unwrap().permit().unwrap();
        open.backups(&self.here("node")).make(&permit, &self.here("backups"), None).await.unwrap().path
    }

    /// A database that is put back an hour later.
    fn dump(&self, name: &str) -> PostgresDatabase {
        self.postgres.dump(&self.database.name, "custom", &self.here(name));
        let database = self.postgres.put_back(&self.here(name));
        later(&self.postgres, &database);
        database
    }

    fn verify(&self, backup: &Path, database: &PostgresDatabase) -> Result<Verified, String> {
        let (slot, node) = (self.slot(), self.node(database, "verified"));
        let verified = runtime().block_on(verify_database(backup, &slot, &node, &mut |_| ()));
        verified.map_err(|error| format!("{error:#}"))
    }

    /// What `panvault doctor` finds.
    fn findings(&self, database: &PostgresDatabase) -> Vec<String> {
        let (node, slot) = (self.node(database, "looked-at"), self.here("slot.key"));
        let by = Unattended { slot_key_file: Some(&slot), peers: &[] };
        let examined = runtime().block_on(node.examined(by, 1000, &mut |_| ()));
        let rows = examined.rows.unwrap().findings;
        [examined.database, examined.documents, examined.trail, rows].concat()
    }
}

fn shared(database: &PostgresDatabase) -> Shared {
    Shared {
        drain: Duration::ZERO,
        store: PostgresUrl::parse(&database.url).unwrap(),
        store_password_file: Some(database.password_file.clone()),
        store_connections_max: 2,
        commit_rows_max: 64,
        cvvs: Cvvs::InProcess,
    }
}

/// Where its clock is looked for: in a schema that has another.
const LATER: &str = "later, pg_catalog, public";

/// The clock of a database shows an hour later: what was made a moment before is looked for by names in the trail, and records that have them are kept for a day at least.
fn later(postgres: &Postgres, database: &PostgresDatabase) {
    let name = &database.name;
    let clock = "SELECT pg_catalog.clock_timestamp() + interval '1 hour'";
    postgres.sql(name, "CREATE SCHEMA later");
    postgres.sql(
        name,
        &format!("CREATE FUNCTION later.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $${clock}$$"),
    );
    postgres.sql(name, &format!("ALTER DATABASE {name} SET search_path = {LATER}"));
}

async fn add(open: &OpenVault, name: &str) {
    let new = NewOrganisation { name: name.to_owned(), ..NewOrganisation::default() };
    open.vault.organisation_create(&open.operator().unwrap().permit().unwrap(), new).await.unwrap();
}

/// Writes down where the rest begins: what is before that goes with the next look.
async fn say(open: &OpenVault) {
    let mut retired = 0;
    while retired == 0 {
        retired = open.vault.audit_retire(0).await.unwrap();
        tokio::task::yield_now().await;
    }
}

async fn retire(open: &OpenVault) {
    say(open).await;
    open.vault.audit_retire(0).await.unwrap();
}

/// Chains whose first record is there.
fn whole_chains(trial: &Trial, database: &PostgresDatabase) -> u64 {
    trial.postgres.sql(&database.name, "SELECT count(*) FROM audit WHERE place = 1").parse().unwrap()
}

/// A dump or base copy of before has the records still, and one of after holds against a backup of after; what does not fit together is refused with the reason.
#[test]
fn a_database_of_before_or_after_its_records_went_fits_the_backup_of_then() {
    let trial = Trial::new();
    let first = trial.with(async |open| {
        let made = trial.backup(open).await;
        add(open, "Behind the first backup").await;
        made
    });
    let (before, copy_before) = (trial.dump("before"), trial.postgres.base_copy());
    // Records are there that nobody wants any more.
    trial.with(async |open| {
        say(open).await;
        add(open, "Between").await;
    });
    let between = trial.dump("between");
    let second = trial.with(async |open| {
        retire(open).await;
        let made = trial.backup(open).await;
        add(open, "Behind the second backup").await;
        made
    });
    let (after, copy_after) = (trial.dump("after"), trial.postgres.base_copy());
    assert!(whole_chains(&trial, &after) < whole_chains(&trial, &before), "they are gone");

    for database in [&before, &between] {
        trial.verify(&first, database).unwrap_or_else(|error| panic!("{error}"));
        assert!(trial.verify(&second, database).err().unwrap().contains("is older than backup"));
    }
    trial.verify(&second, &after).unwrap_or_else(|error| panic!("{error}"));
    let refused = trial.verify(&first, &after).err().unwrap();
    assert!(
        refused.contains("audit_retention_days was over since. Name a backup that was made later"),
        "{refused}"
    );
    for (copy, backup) in [(&copy_before, &first), (&copy_after, &second)] {
        copy.start_again();
        let database = copy.through(&trial.database, copy.port());
        later(copy, &database);
        trial.verify(backup, &database).unwrap_or_else(|error| panic!("{error}"));
    }

    // What is taken away from it, or cut off, shows as before.
    for (sql, said) in [
        ("DELETE FROM card", "a card of before"),
        ("DELETE FROM document WHERE get_byte(id, 0) = 16", "the trail of node"),
        ("DELETE FROM audit WHERE place = (SELECT min(place) FROM audit)", "the trail of node"),
    ] {
        let harmed = trial.postgres.copy(&after);
        let name = &harmed.name;
        trial.postgres.sql(name, &format!("ALTER DATABASE {name} SET search_path = {LATER}"));
        trial.postgres.sql(name, sql);
        let refused = trial.verify(&second, &harmed).err().unwrap();
        assert!(refused.contains(said), "{sql}: {refused}");
    }

    // A doctor finds nothing, whichever it is.
    for database in [&before, &between, &after] {
        assert_eq!(trial.findings(database), Vec::<String>::new());
    }
    // Not restored, it is refused where a later moment was served.
    let refused = trial.with_vault(&before, "node", async |_| ()).err().unwrap();
    assert!(format!("{refused:#}").contains("is older than it was"), "{refused:#}");
}
