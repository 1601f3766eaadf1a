use std::sync::Arc;

use panvault_card::BinPrefix;
use panvault_vault::BinRead;

use crate::answer::Answer;
use crate::app::App;
use crate::asked::Asked;
use crate::error::{ErrorCode, Refusal};
use crate::object::bin::Bin;

pub(crate) async fn read(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, mut faults) = asked.permit_and_faults::<BinRead>()?;
    app.rates().take_bin_lookup(&asked.caller).map_err(Refusal::too_many)?;
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
    Ok(Answer::of::<Bin>(&view))
}
