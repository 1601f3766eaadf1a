use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::{
    ADYEN_API_KEY, ADYEN_MERCHANT_ACCOUNT, Adyen, CHECKOUT_SECRET_KEY, Checkout, Manner, Notification, Peer,
    Psp, PspAnswer, PspRequest, STRIPE_SECRET_KEY, Stripe,
};

/// A provider behind a description that is shipped.
pub struct DescribedPsp {
    /// `card_…`
    pub type_name: String,
    /// What an operator sets, but for the secret.
    pub settings: &'static [(&'static str, &'static str)],
    /// The secret that requests are made with, and its name.
    pub secret: (&'static str, &'static str),
    /// The provider: with TLS, and a connection for each request.
    pub peer: Peer<Box<dyn Psp>>,
}

/// Every provider whose description is shipped, and two more of them for a route to try; with a directory of descriptions that name their origins and roots.
pub struct DescribedPsps {
    /// As they are numbered by [`Self::DIRECT`] and [`Self::ROUTED`].
    pub psps: Vec<DescribedPsp>,
    directory: TempDir,
}

/// The description that is shipped, the origin in it that is a fake's here, and what an operator sets.
struct Shipped {
    name: &'static str,
    text: &'static str,
    origin: &'static str,
    settings: &'static [(&'static str, &'static str)],
    secret: (&'static str, &'static str),
    psp: fn() -> Box<dyn Psp>,
}

const STRIPE: Shipped = Shipped {
    name: "stripe",
    text: include_str!("../../../processor/descriptions/stripe.toml"),
    origin: "https://api.stripe.com",
    settings: &[],
    secret: ("secret_key", STRIPE_SECRET_KEY),
    psp: || Box::new(Stripe::default()),
};
const ADYEN: Shipped = Shipped {
    name: "adyen",
    text: include_str!("../../../processor/descriptions/adyen.toml"),
    origin: "https://checkout-test.adyen.com",
    settings: &[("merchant_account", ADYEN_MERCHANT_ACCOUNT), ("return_url", "https://shop.example/paid")],
    secret: ("api_key", ADYEN_API_KEY),
    psp: || Box::new(Adyen::default()),
};
const CHECKOUT: Shipped = Shipped {
    name: "checkout",
    text: include_str!("../../../processor/descriptions/checkout.toml"),
    origin: "https://api.sandbox.checkout.com",
    settings: &[],
    secret: ("secret_key", CHECKOUT_SECRET_KEY),
    psp: || Box::new(Checkout::default()),
};

impl DescribedPsps {
    /// Those that are paid by as they are.
    pub const DIRECT: [usize; 3] = [0, 1, 2];
    /// Those that are for a route, in its order.
    pub const ROUTED: [usize; 2] = [3, 4];

    /// Starts all of them.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let names = [
            (STRIPE, "stripe"),
            (ADYEN, "adyen"),
            (CHECKOUT, "checkout"),
            (STRIPE, "first"),
            (CHECKOUT, "second"),
        ];
        let psps = names.map(|(shipped, name)| {
            let peer = Peer::tls((shipped.psp)());
            peer.always(Manner::Close);
            fs::write(directory.path().join(format!("{name}.pem")), peer.root_pem()).unwrap();
            let text = shipped.described(name, &peer.origin());
            fs::write(directory.path().join(format!("{name}.toml")), text).unwrap();
            let Shipped { settings, secret, .. } = shipped;
            DescribedPsp { type_name: format!("card_{name}"), settings, secret, peer }
        });
        Self { psps: psps.into(), directory }
    }

    /// Where their descriptions are.
    pub fn descriptions(&self) -> &Path {
        self.directory.path()
    }
}

impl Shipped {
    /// The description, under this name, of a provider at this origin with a root of its own beside it.
    fn described(&self, name: &str, origin: &str) -> String {
        let replaces = if name == self.name { "replaces_shipped = true\n" } else { "" };
        let text = self
            .text
            .replace(
                &format!("name = \"{}\"\n", self.name),
                &format!("name = \"{name}\"\n{replaces}roots = \"{name}.pem\"\n"),
            )
            .replace(&format!("test = \"{}\"", self.origin), &format!("test = \"{origin}\""));
        assert!(text.contains(origin) && text.contains("roots"), "{name}: the description has another form");
        text
    }
}

impl Psp for Box<dyn Psp> {
    fn answer(&mut self, request: &PspRequest) -> PspAnswer {
        (**self).answer(request)
    }

    fn take_notifications(&mut self) -> Vec<Notification> {
        (**self).take_notifications()
    }
}
