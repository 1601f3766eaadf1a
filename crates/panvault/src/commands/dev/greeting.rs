//! What is printed when a development vault is served.

use std::path::Path;

use crate::commands::dev::DevVault;
use crate::run::Bound;

pub(super) fn json(bound: &Bound, dev: &DevVault, data: &Path) -> String {
    serde_json::json!({
        "url": bound.url,
        "metrics_url": bound.metrics_url,
        "console_url": bound.console_url,
        "organisation": dev.organisation,
        "account": dev.account,
        "processor": dev.processor,
        "api_key": dev.api_key,
        "publishable_key": dev.publishable_key,
        "data": data,
    })
    .to_string()
}

pub(super) fn greeting(bound: &Bound, dev: &DevVault, data: &Path, temporary: bool) -> String {
    let url = &bound.url;
    let kept = if temporary { " (removed at the end; keep a vault with --data DIR)" } else { "" };
    let metrics = bound
        .metrics_url
        .as_ref()
        .map_or_else(String::new, |url| format!("\n  metrics          {url}/metrics"));
    let console = bound.console_url.as_deref().unwrap_or_default();
    let post = |path: &str, body: &str| {
        let key = &dev.api_key;
        format!("curl -s {url}{path} -H 'X-APIKEY: {key}' -H 'Content-Type: application/json' -d '{body}'")
    };
    let (year, _) = bound.now().year_month();
    let year = (year + 3) % 100;
    let card = format!(
        r#"{{"card_number": "4111111111111111", "cvv": "111", "expiry_month": "12", "expiry_year": "{year}", "organisation": "{}"}}"#,
        dev.organisation
    );
    let transaction = format!(
        r#"{{"account": "{}", "amount": 1099, "card": "'$CARD'", "customer_ip": "203.0.113.7", "dynamic_descriptor": "Example shop", "merchant_reference": "order-1001", "user_agent": "curl"}}"#,
        dev.account
    );
    let update = format!(r#"{{"cvv": "222", "organisation": "{}"}}"#, dev.organisation);
    let names = format!(
        "export PANVAULT={url} KEY={} PUBLISHABLE_KEY={} ORGANISATION={} ACCOUNT={}",
        dev.api_key, dev.publishable_key, dev.organisation, dev.account
    );
    format!(
        "Panvault is ready: a test vault, for trying. It must never hold a real card.\n\n  \
         url              {url}\n  \
         docs             {url}/docs{metrics}\n  \
         a shop to try    {url}/try\n  \
         console          {console} (with the api key)\n  \
         organisation     {}\n  \
         account          {} (EUR, dummy processor {})\n  \
         api key          {}\n  \
         publishable key  {}\n  \
         data             {}{kept}\n\n\
         For another terminal, by the names of docs/guide.md:\n\n{names}\n\n\
         Create a token, and keep its _id:\n\n{}\nCARD=$({} | cut -c9-32)\n\n\
         Pay with it:\n\n{}\n\n\
         The CVV is used up now. Put one back, and pay again:\n\n{}\n\n\
         Stop with Ctrl-C.",
        dev.organisation,
        dev.account,
        dev.processor,
        dev.api_key,
        dev.publishable_key,
        data.display(),
        post("/v1/card", &card),
        post("/v1/card", &card),
        post("/v1/transaction", &transaction),
        post("/v1/card/$CARD", &update),
    )
}
