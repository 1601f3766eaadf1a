use std::sync::Arc;

use http::StatusCode;
use panvault_card::BinPrefix;
use panvault_vault::{BinRead, BinView};

use crate::answer::{Answer, Json};
use crate::dispatch::{App, Asked};
use crate::error::{ErrorCode, Refusal};

pub(crate) async fn read(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let permit = asked.permit::<BinRead>()?;
    if let Some(key) = asked.caller.api_key() {
        app.bin_lookups().take(key, asked.caller.now()).map_err(Refusal::too_many)?;
    }
    // The fault does not repeat what was sent: it could be a card number.
    let digits = BinPrefix::parse(asked.id.as_deref().unwrap_or_default())
        .map_err(|fault| Refusal::with(ErrorCode::Malformed, "path.bin", fault.to_string()))?;
    Ok(Answer::new(StatusCode::OK, bin_json(&app.vault().bin_read(&permit, digits)?)))
}

/// With the names that a card has.
fn bin_json(view: &BinView) -> Vec<u8> {
    let mut json = Json::object();
    json.plain("bin", view.bin);
    json.plain_option("brand", view.brand);
    json.text_option("issuer_name", view.facts.issuer_name.as_deref());
    json.plain_option("issuer_country", view.facts.issuer_country);
    json.plain_option("currency_code", view.facts.currency_code);
    json.plain_option("type", view.facts.card_type);
    json.text_option("variant", view.facts.variant.as_deref());
    json.end()
}
