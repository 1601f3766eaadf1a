//! What is said of it: what to keep where, and what to do next.

use std::path::Path;

use serde_json::json;

use crate::commands::setup::answers::Entrance;
use crate::commands::setup::make::Filled;
use crate::commands::setup::plan::Plan;
use crate::commands::setup::shell::quoted;
use crate::commands::setup::unit::{SYSTEM, Unit};
use crate::data::mode_name;
use crate::run::reachable;

/// For a program.
pub(super) fn json(plan: &Plan, filled: &Filled) -> String {
    let unit = match &plan.unit {
        Unit::None { .. } => None,
        Unit::Packaged => Some("panvault.service".into()),
        Unit::File { path, .. } => Some(path.to_string_lossy()),
    };
    json!({
        "data": plan.place.data,
        "mode": mode_name(plan.mode),
        "slot_key_file": plan.place.slot_key_file,
        "config": plan.config,
        "unit": unit,
        "url": url(plan),
        "organisation": filled.organisation,
        "account": filled.account,
        "api_key": filled.api_key,
    })
    .to_string()
}

/// For a person. Its commands can be pasted as they are.
pub(super) fn text(plan: &Plan, filled: &Filled) -> String {
    let mode = mode_name(plan.mode);
    let (data, key) = (plan.place.data.display(), plan.place.slot_key_file.display());
    let config = quoted(&plan.config.to_string_lossy());
    let Filled { api_key, organisation, .. } = filled;
    let unit = match &plan.unit {
        Unit::None { why: Some(why) } => format!("  systemd unit  none, for {why}; --unit FILE makes one\n"),
        Unit::None { why: None } => String::new(),
        Unit::Packaged => "  systemd unit  panvault.service, from the package\n".to_owned(),
        Unit::File { path, .. } => format!("  systemd unit  {}\n", path.display()),
    };
    let by = match (&plan.owner.name, plan.owner.is_other) {
        // Root has this wherever there is Linux, and sudo not.
        (Some(name), true) => format!("runuser -u {} -- ", quoted(name)),
        (_, _) => String::new(),
    };
    format!(
        "Made a {mode} vault in {data}.\n\n\
         Keep:\n\n  \
         key file      {key}\n                \
         Copy it to a safe place, now: not where the backups of the vault are. Without it nothing\n                \
         in the vault opens, and whoever has both can open every card.\n  \
         API key       {api_key}\n                \
         It is shown this once. It may do everything; give each program a key of its own:\n                \
         {by}panvault apikey create --config {config} \\\n                  \
         --organisation {organisation} --name server --role MerchantAdmin\n\n\
         Change:\n\n  \
         settings      {}\n{unit}\n\
         Start it:\n\n{}\n\n\
         {}",
        plan.config.display(),
        start(plan, &by, &config),
        first_token(plan, filled),
    )
}

fn start(plan: &Plan, by: &str, config: &str) -> String {
    let sudo = if plan.owner.is_other { "" } else { "sudo " };
    match &plan.unit {
        Unit::None { .. } => format!("  {by}panvault serve --config {config}"),
        Unit::Packaged => "  systemctl enable --now panvault".to_owned(),
        Unit::File { path, .. } => {
            let name = quoted(&path.file_name().unwrap_or_default().to_string_lossy());
            let enable = format!("{sudo}systemctl daemon-reload\n  {sudo}systemctl enable --now {name}");
            if path.parent() == Some(Path::new(SYSTEM)) {
                return format!("  {enable}");
            }
            let path = quoted(&path.to_string_lossy());
            format!(
                "  {by}panvault serve --config {config}\n\n\
                 or, so that it starts with the machine:\n\n  \
                 {sudo}install -m 644 {path} {SYSTEM}/\n  {enable}"
            )
        }
    }
}

/// A token, and in a test vault a payment with it.
fn first_token(plan: &Plan, filled: &Filled) -> String {
    let Filled { organisation, account, api_key, expiry_year } = filled;
    let url = url(plan);
    // The last try, and what comes after it, says why it fails.
    let (quiet, curl) = (curl(plan, "-s"), curl(plan, "-sS"));
    let post = |path: &str, body: &str| {
        format!(
            "{curl} $PANVAULT{path} -H \"X-APIKEY: $KEY\" -H 'Content-Type: application/json' -d '{body}'"
        )
    };
    let card = post(
        "/v1/card",
        &format!(
            r#"{{"card_number": "4111111111111111", "cvv": "111", "expiry_month": "12", "expiry_year": "{expiry_year:02}", "organisation": "'$ORGANISATION'"}}"#
        ),
    );
    let (named, what, pay) = match account {
        None => (String::new(), "a first token", String::new()),
        Some(account) => {
            let body = r#"{"account": "'$ACCOUNT'", "amount": 1099, "card": "'$CARD'"}"#;
            (
                format!(" ACCOUNT={account}"),
                "a first token, and pay with it",
                format!("\n  {}", post("/v1/transaction", body)),
            )
        }
    };
    format!(
        "In another terminal, make {what}:\n\n  \
         PANVAULT={url} KEY={api_key} ORGANISATION={organisation}{named}\n  \
         for try in $(seq 300); do {quiet} -f -o /dev/null $PANVAULT/readyz && break; sleep 0.1; done\n  \
         {curl} -f -o /dev/null $PANVAULT/readyz\n  \
         CARD=$({card} | cut -c9-32)\n  \
         echo $CARD{pay}"
    )
}

fn url(plan: &Plan) -> String {
    let address = reachable(plan.listen);
    match &plan.entrance {
        Entrance::Here | Entrance::Proxy => format!("http://{address}"),
        Entrance::Tls { name: Some(name), .. } => format!("https://{name}:{}", address.port()),
        Entrance::Tls { name: None, .. } => format!("https://{address}"),
    }
}

/// Of TLS: the server is this machine's whatever the name says to others, and its certificate may be known to nobody yet.
fn curl(plan: &Plan, silent: &str) -> String {
    match &plan.entrance {
        Entrance::Here | Entrance::Proxy => format!("curl {silent}"),
        Entrance::Tls { certificate, .. } => {
            let certificate = quoted(&certificate.to_string_lossy());
            format!("curl {silent} --cacert {certificate} --connect-to ::{}", reachable(plan.listen))
        }
    }
}
