use panvault_model::DeliveryId;
use panvault_store::DeliveryRow;

use crate::view::apply::Applying;

impl Applying<'_, '_> {
    pub(super) fn delivery(&mut self, row: &DeliveryRow) -> Result<(), rusqlite::Error> {
        let id = row.id.as_bytes();
        if self.is_new(row.version) {
            let organisation = row.organisation.as_bytes();
            self.run("INSERT OR REPLACE INTO delivery_by_organisation VALUES (?, ?)", &[organisation, id])?;
            self.run(
                "INSERT OR REPLACE INTO delivery_by_object VALUES (?, ?)",
                &[row.object.as_bytes(), id],
            )?;
            let account = row.account.as_bytes();
            self.run(
                "INSERT OR REPLACE INTO delivery_by_account VALUES (?, ?, ?)",
                &[organisation, account, id],
            )?;
        } else {
            self.delivery_unindex(row.id)?;
        }
        self.encoded(|buffer| row.encode(buffer));
        self.run("INSERT OR REPLACE INTO delivery VALUES (?, ?)", &[id, &self.buffer])?;
        let sql = "INSERT OR REPLACE INTO delivery_by_status VALUES (?, ?, ?)";
        self.run(sql, &[row.organisation.as_bytes(), &row.status.code(), id])?;
        let due = row.due_at.unix_millis().cast_signed();
        if row.is_waiting() {
            let object = row.object.as_bytes();
            let sql = "INSERT OR REPLACE INTO delivery_waiting VALUES (?, ?, ?)";
            self.run(sql, &[object, &row.object_version, id])?;
            let organisation = row.organisation.as_bytes();
            let sql = "INSERT OR REPLACE INTO delivery_due VALUES (?, ?, ?, ?)";
            self.run(sql, &[organisation, &row.host, &due, id])
        } else {
            self.run("INSERT OR REPLACE INTO delivery_over VALUES (?, ?)", &[&due, id])
        }
    }

    pub(super) fn delivery_delete(&mut self, id: DeliveryId) -> Result<(), rusqlite::Error> {
        let Some(row) = self.delivery_unindex(id)? else { return Ok(()) };
        let (id, organisation) = (id.as_bytes(), row.organisation.as_bytes());
        self.run("DELETE FROM delivery WHERE id = ?", &[id])?;
        let sql = "DELETE FROM delivery_by_organisation WHERE organisation = ? AND id = ?";
        self.run(sql, &[organisation, id])?;
        self.run("DELETE FROM delivery_by_object WHERE object = ? AND id = ?", &[row.object.as_bytes(), id])?;
        let sql = "DELETE FROM delivery_by_account WHERE organisation = ? AND account = ? AND id = ?";
        self.run(sql, &[organisation, row.account.as_bytes(), id])
    }

    /// Takes a delivery out of the indexes by where it stands, as the view has it, and gives the row.
    fn delivery_unindex(&self, id: DeliveryId) -> Result<Option<DeliveryRow>, rusqlite::Error> {
        let stored =
            self.stored("SELECT row FROM delivery WHERE id = ?", id.as_bytes(), DeliveryRow::decode)?;
        let Some(row) = stored else { return Ok(None) };
        let (id, due) = (id.as_bytes(), row.due_at.unix_millis().cast_signed());
        let sql = "DELETE FROM delivery_by_status WHERE organisation = ? AND status = ? AND id = ?";
        self.run(sql, &[row.organisation.as_bytes(), &row.status.code(), id])?;
        if row.is_waiting() {
            let object = row.object.as_bytes();
            let sql = "DELETE FROM delivery_waiting WHERE object = ? AND version = ? AND id = ?";
            self.run(sql, &[object, &row.object_version, id])?;
            let sql = "DELETE FROM delivery_due WHERE organisation = ? AND host = ? AND due = ? AND id = ?";
            self.run(sql, &[row.organisation.as_bytes(), &row.host, &due, id])?;
        } else {
            self.run("DELETE FROM delivery_over WHERE due = ? AND id = ?", &[&due, id])?;
        }
        Ok(Some(row))
    }
}
