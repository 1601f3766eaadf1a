use panvault_model::CheckoutId;
use panvault_store::CheckoutRow;

use crate::view::apply::Applying;

impl Applying<'_, '_> {
    pub(super) fn checkout(&mut self, row: &CheckoutRow) -> Result<(), rusqlite::Error> {
        let id = row.id.as_bytes();
        if self.is_new(row.version) {
            let sql = "INSERT OR REPLACE INTO checkout_by_organisation VALUES (?, ?)";
            self.run(sql, &[row.organisation.as_bytes(), id])?;
        }
        self.encoded(|buffer| row.encode(buffer));
        let remove_at = row.remove_at.unix_millis().cast_signed();
        self.run("INSERT OR REPLACE INTO checkout VALUES (?, ?, ?)", &[id, &remove_at, &self.buffer])
    }

    pub(super) fn checkout_delete(&mut self, id: CheckoutId) -> Result<(), rusqlite::Error> {
        let stored =
            self.stored("SELECT row FROM checkout WHERE id = ?", id.as_bytes(), CheckoutRow::decode)?;
        let Some(row) = stored else { return Ok(()) };
        self.run("DELETE FROM checkout WHERE id = ?", &[id.as_bytes()])?;
        let sql = "DELETE FROM checkout_by_organisation WHERE organisation = ? AND id = ?";
        self.run(sql, &[row.organisation.as_bytes(), id.as_bytes()])
    }
}
