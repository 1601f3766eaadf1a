use serde_json::json;

use crate::output;

/// Says which version this is.
pub(crate) fn run(as_json: bool) -> anyhow::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let said = if as_json {
        json!({ "name": "panvault", "version": version }).to_string()
    } else {
        format!("panvault {version}")
    };
    Ok(output::line(said)?)
}
