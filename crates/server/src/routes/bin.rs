use std::sync::Arc;

use http::StatusCode;
use panvault_card::BinPrefix;
use panvault_vault::{BinRead, BinView};

use crate::answer::{Answer, Json};
use crate::app::App;
use crate::asked::Asked;
use crate::error::{ErrorCode, Refusal};

pub(crate) async fn read(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, mut faults) = asked.permit_and_faults::<BinRead>()?;
    if let Some(key) = asked.caller.api_key() {
        app.bin_lookups().take(key, asked.caller.now()).map_err(Refusal::too_many)?;
    }
    // The fault does not repeat what was sent: it could be a card number.
    let digits = BinPrefix::parse(asked.id.as_deref().unwrap_or_default());
    let digits = digits.map_err(|fault| faults.malformed("path.bin", fault)).ok();
    let Some(digits) = digits.filter(|_| faults.is_empty()) else { return Err(faults.into()) };
    let view = app.vault().bin_read(&permit, digits).map_err(|error| match Refusal::from(error) {
        refusal if refusal.code == ErrorCode::NotFound => {
            Refusal::with(ErrorCode::NotFound, "path.bin", "begins no number of which anything is known")
        }
        refusal => refusal,
    })?;
    Ok(Answer::new(StatusCode::OK, bin_json(&view)))
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
