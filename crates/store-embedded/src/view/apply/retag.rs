use panvault_store::Row;

use crate::view::apply::Applying;

impl<'a> Applying<'a, '_> {
    /// A row has another tag. Indexes and counts go by nothing that changes with it.
    pub(super) fn retag(&mut self, row: &'a Row) -> Result<(), rusqlite::Error> {
        let (sql, id) = match row {
            Row::Card(row) => {
                // It may have come in this batch.
                self.new_cards()?;
                self.encoded(|buffer| row.encode_under_id(buffer));
                return self.run("UPDATE card SET row = ? WHERE id = ?", &[&self.buffer, row.id.as_bytes()]);
            }
            Row::Transaction(retagged) => {
                if let Some((waiting, _)) = self.transactions.get_mut(&retagged.id) {
                    *waiting = retagged;
                    return Ok(());
                }
                ("UPDATE payment SET row = ? WHERE id = ?", retagged.id.as_bytes())
            }
            Row::Refund(row) => ("UPDATE refund SET row = ? WHERE id = ?", row.id.as_bytes()),
            Row::Customer(row) => ("UPDATE customer SET row = ? WHERE id = ?", row.id.as_bytes()),
            Row::Delivery(row) => ("UPDATE delivery SET row = ? WHERE id = ?", row.id.as_bytes()),
            Row::Checkout(row) => ("UPDATE checkout SET row = ? WHERE id = ?", row.id.as_bytes()),
            Row::History(retagged) => {
                if let Some(waiting) = self.history.get_mut(&(retagged.transaction, retagged.version)) {
                    *waiting = retagged;
                    return Ok(());
                }
                return self.history_replace(retagged);
            }
            // They take the place of what is there under their key.
            Row::Document(_) | Row::Idempotency(_) | Row::CardCvv(_) | Row::Node(_) | Row::ApiKeyUse(_) => {
                return self.put(row);
            }
        };
        self.encoded(|buffer| row.encode(buffer));
        self.run(sql, &[&self.buffer, id])
    }
}
