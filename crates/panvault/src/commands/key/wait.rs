//! How far a rotation is, while a command waits for its end; and that nobody waits for what does not end by itself.

use anyhow::ensure;
use serde_json::Value;

use crate::client::Client;
use crate::output;

/// What was said last.
#[derive(Default)]
pub(super) struct Waited {
    said: Option<(u64, u64)>,
    /// It was said that another node counts.
    is_elsewhere: bool,
}

/// What reads all rows for a key before and says how many are left: of the others there is nothing to count, or each node knows.
const COUNTED: [&str; 5] = ["data", "fingerprint", "row_tag", "document_tag", "idempotency"];

impl Waited {
    /// Says once that another node counts what is left of these keys, where this one does not.
    pub(super) async fn asks_who_counts(
        &mut self,
        client: &mut Client,
        before: &[&Value],
    ) -> anyhow::Result<()> {
        let is_uncounted = |key: &&Value| {
            let purpose = key.get("purpose").and_then(Value::as_str).unwrap_or_default();
            key.get("state").is_some_and(|state| state == "open_only")
                && key.get("rows_left").is_none()
                && COUNTED.contains(&purpose)
        };
        if self.is_elsewhere || !before.iter().any(is_uncounted) {
            return Ok(());
        }
        let status = client.get("/v1/status").await?;
        let named = |name| status.get(name).and_then(Value::as_str);
        if let (Some(own), Some(on_duty)) = (named("node"), named("node_on_duty"))
            && own != on_duty
        {
            self.is_elsewhere = true;
            output::note(format!(
                "node {on_duty} has the duty and counts what is left and what is damaged; this one, {own}, does not know: run the command beside that one to be told"
            ));
        }
        Ok(())
    }

    /// Says how much still needs these keys, which another took the place of, where that is another number than before. An error where a reading of all rows found nothing
    /// but what nobody can write anew. `now` is as times are in JSON.
    pub(super) fn sees(&mut self, before: &[&Value], now: &str) -> anyhow::Result<()> {
        let sum = |name| {
            let counts = before.iter().filter_map(|key| key.get(name)?.as_u64());
            counts.reduce(u64::saturating_add)
        };
        let (Some(left), damaged) = (sum("rows_left"), sum("rows_damaged").unwrap_or(0)) else {
            return Ok(());
        };
        if self.said != Some((left, damaged)) {
            self.said = Some((left, damaged));
            let damaged = if damaged == 0 { String::new() } else { format!(", and {damaged} are damaged") };
            output::note(format!("{left} rows are left{damaged}"));
        }
        // Both fingerprints are known for a time, which ends by itself.
        let is_known =
            |key: &&Value| key.get("destroyed_at").and_then(Value::as_str).is_some_and(|at| *at > *now);
        ensure!(
            left > 0 || damaged == 0 || before.iter().any(is_known),
            "{damaged} damaged rows keep the key before, and nothing else does: panvault doctor and key.row_damaged, key.row_not_resealed and key.rows_left in the log say which; \
             the rotation goes on by itself, within ten minutes, once they are put right or gone"
        );
        let is_kept_by_bins = |key: &&Value| key.get("needed_by_bins").and_then(Value::as_bool) == Some(true);
        ensure!(
            left > 0 || !before.iter().any(is_kept_by_bins),
            "the table of issuers keeps the key before, and nothing else does: it bears its tag and could not be given another. Why, bins.not_retagged, bins.kept or bins.foreign in the log of \
             the server say. See who may write to the directory, import the list again with panvault bin import, or remove it with panvault bin remove; the rotation goes on by itself then"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sees(waited: &mut Waited, keys: &[Value]) -> Option<String> {
        waited
            .sees(&keys.iter().collect::<Vec<_>>(), "2026-01-02T00:00:00.000Z")
            .err()
            .map(|error| error.to_string())
    }

    #[test]
    fn it_ends_where_nothing_but_damaged_rows_is_left() {
        let key = |left: u64, damaged: u64| json!({ "rows_left": left, "rows_damaged": damaged });
        let mut waited = Waited::default();
        assert_eq!(sees(&mut waited, &[json!({})]), None, "nobody has counted them yet");
        assert_eq!(sees(&mut waited, &[]), None);
        assert_eq!(sees(&mut waited, &[key(3, 0)]), None);
        assert_eq!(sees(&mut waited, &[key(1, 2)]), None, "something moves on yet");
        assert_eq!(waited.said, Some((1, 2)));
        assert_eq!(sees(&mut waited, &[key(1, 0), key(0, 2)]), None);
        assert_eq!(sees(&mut waited, &[key(0, 0)]), None, "it is about to be destroyed");
        let until = |day: u8| json!({ "rows_left": 0, "rows_damaged": 2, "destroyed_at": format!("2026-01-0{day}T00:00:00.000Z") });
        assert_eq!(sees(&mut waited, &[until(3)]), None, "until then both are known");
        assert!(sees(&mut waited, &[until(1)]).is_some());
        let said = sees(&mut waited, &[key(0, 2)]).unwrap();
        assert!(said.starts_with("2 damaged rows keep the key before") && said.contains("panvault doctor"));
        let by_bins = |left: u64| json!({ "rows_left": left, "rows_damaged": 0, "needed_by_bins": true });
        assert_eq!(sees(&mut waited, &[by_bins(1)]), None, "documents move on yet");
        let said = sees(&mut waited, &[by_bins(0)]).unwrap();
        assert!(said.starts_with("the table of issuers keeps the key before") && said.contains("bin import"));
    }
}
