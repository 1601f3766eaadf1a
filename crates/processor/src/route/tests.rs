use super::*;
use crate::ConfigurationFault;

fn processor(number: u8) -> ProcessorId {
    ProcessorId::from_bytes([number; 12])
}

fn bare(number: u8) -> Route {
    Route {
        processor: processor(number),
        brands: Vec::new(),
        currencies: Vec::new(),
        amount_min: None,
        amount_max: None,
        issuer_countries: Vec::new(),
        percentage: None,
        again_after: Vec::new(),
    }
}

fn currency(code: &str) -> Currency {
    Currency::parse(code).unwrap()
}

fn country(code: &str) -> Country {
    Country::parse(code).unwrap()
}

fn amount(units: u32) -> Amount {
    Amount::new(units).unwrap()
}

/// 10 euros by a Dutch Visa, of the first hundredth.
fn payment() -> RoutedPayment {
    RoutedPayment {
        share: 0,
        brand: Some(Brand::Visa),
        issuer_country: Some(country("NL")),
        currency: currency("EUR"),
        amount: amount(1_000),
        first: None,
    }
}

fn chosen(routes: Vec<Route>, payment: RoutedPayment) -> Vec<u8> {
    let configuration = RouteConfiguration { routes };
    configuration.choose(&payment).iter().map(|route| route.processor.as_bytes()[0]).collect()
}

#[test]
fn every_condition_must_hold_and_what_is_left_out_holds_for_all() {
    let visa = || vec![Brand::Visa, Brand::Amex];
    let of = |change: fn(&mut RoutedPayment)| {
        let mut payment = payment();
        change(&mut payment);
        payment
    };
    let cases = [
        (bare(1), payment(), true),
        (Route { brands: visa(), ..bare(1) }, payment(), true),
        (Route { brands: visa(), ..bare(1) }, of(|of| of.brand = Some(Brand::Mastercard)), false),
        (Route { brands: visa(), ..bare(1) }, of(|of| of.brand = None), false),
        (bare(1), of(|of| (of.brand, of.issuer_country) = (None, None)), true),
        (Route { currencies: vec![currency("USD"), currency("EUR")], ..bare(1) }, payment(), true),
        (Route { currencies: vec![currency("USD")], ..bare(1) }, payment(), false),
        (Route { issuer_countries: vec![country("DE"), country("NL")], ..bare(1) }, payment(), true),
        (Route { issuer_countries: vec![country("DE")], ..bare(1) }, payment(), false),
        (
            Route { issuer_countries: vec![country("NL")], ..bare(1) },
            of(|of| of.issuer_country = None),
            false,
        ),
        (Route { amount_min: Some(amount(1_000)), ..bare(1) }, payment(), true),
        (Route { amount_min: Some(amount(1_001)), ..bare(1) }, payment(), false),
        (Route { amount_max: Some(amount(1_000)), ..bare(1) }, payment(), true),
        (Route { amount_max: Some(amount(999)), ..bare(1) }, payment(), false),
        (Route { amount_min: Some(amount(1)), ..bare(1) }, of(|of| of.amount = Amount::ZERO), false),
        (Route { brands: visa(), currencies: vec![currency("USD")], ..bare(1) }, payment(), false),
        (Route { percentage: Some(100), ..bare(1) }, of(|of| of.share = 99), true),
        (Route { percentage: Some(0), ..bare(1) }, payment(), false),
    ];
    for (at, (route, payment, fits)) in cases.into_iter().enumerate() {
        assert_eq!(!chosen(vec![route], payment).is_empty(), fits, "case {at}");
    }
}

#[test]
fn what_fits_is_tried_in_the_order_of_the_list() {
    let euro = Route { currencies: vec![currency("EUR")], ..bare(3) };
    let large = Route { amount_min: Some(amount(100_000)), ..bare(2) };
    assert_eq!(chosen(vec![euro.clone(), large.clone(), bare(1)], payment()), [3, 1]);
    assert_eq!(chosen(vec![bare(1), large, euro], payment()), [1, 3]);
}

#[test]
fn percentages_divide_what_fits_otherwise() {
    let with = |number, percentage| Route { percentage: Some(percentage), ..bare(number) };
    let usd = Route { currencies: vec![currency("USD")], ..with(9, 50) };
    let routes = vec![usd, with(1, 30), with(2, 50), bare(3), with(4, 60)];
    for (share, expected) in [
        (0, vec![1, 3]),
        (29, vec![1, 3]),
        (30, vec![2, 3]),
        (79, vec![2, 3]),
        // Twenty hundredths are left of the sixty.
        (80, vec![3, 4]),
        (99, vec![3, 4]),
    ] {
        assert_eq!(chosen(routes.clone(), RoutedPayment { share, ..payment() }), expected, "{share}");
    }
}

#[test]
fn a_later_payment_of_a_series_goes_first_to_where_the_first_one_was() {
    let with = |number, percentage| Route { percentage: Some(percentage), ..bare(number) };
    let routes = vec![with(1, 50), with(2, 50), bare(3)];
    for (first, share, expected) in [
        (Some(2), 0, vec![2, 1, 3]),
        (Some(2), 99, vec![2, 3]),
        (Some(3), 0, vec![3, 1]),
        (Some(7), 0, vec![1, 3]),
    ] {
        let payment = RoutedPayment { share, first: first.map(processor), ..payment() };
        assert_eq!(chosen(routes.clone(), payment), expected, "{first:?} {share}");
    }
    // What is not for it stays so.
    let large = Route { amount_min: Some(amount(100_000)), ..bare(2) };
    let payment = RoutedPayment { first: Some(processor(2)), ..payment() };
    assert_eq!(chosen(vec![bare(1), large], payment), [1]);
}

/// Ids end with random bits. These come of a fixed sequence, SplitMix64, so that the counts are always the same.
#[test]
fn of_ten_thousand_transactions_each_hundredth_has_its_share() {
    let mut state = 1_u64;
    let mut counts = [0_u32; 100];
    for _ in 0..10_000 {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let mut id = [0x65; 12];
        id[4..].copy_from_slice(&bits.to_be_bytes());
        let id = TransactionId::from_bytes(id);
        assert_eq!(share_of(id), share_of(id));
        counts[usize::from(share_of(id))] += 1;
    }
    // Five standard deviations of a binomial distribution on either side of a hundred are fifty.
    assert!(counts.iter().all(|count| (50..150).contains(count)), "{counts:?}");
    let thirty: u32 = counts[..30].iter().sum();
    assert!((2_770..3_230).contains(&thirty), "{thirty}");
    let one = |last: [u8; 4]| {
        share_of(TransactionId::from_bytes([0, 0, 0, 0, 9, 9, 9, 9, last[0], last[1], last[2], last[3]]))
    };
    assert_eq!((one([0, 0, 0, 99]), one([0, 0, 1, 0]), one([0xff; 4])), (99, 56, 95));
}

fn settings(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const ONE: &str = "010101010101010101010101";
const TWO: &str = "020202020202020202020202";

#[test]
fn settings_are_read_as_they_are_written() {
    let given = settings(&[
        ("routes.0.processor", ONE),
        ("routes.0.brands", "Visa\nMastercard"),
        ("routes.0.currencies", "EUR\nUSD"),
        ("routes.0.amount_min", "100"),
        ("routes.0.amount_max", "2147483647"),
        ("routes.0.issuer_countries", "NL\nBE"),
        ("routes.0.percentage", "30"),
        ("routes.0.again_after", "05\ninsufficient_funds"),
        ("routes.1.processor", TWO),
    ]);
    let read = RouteConfiguration::read(&given).unwrap();
    let first = Route {
        brands: vec![Brand::Visa, Brand::Mastercard],
        currencies: vec![currency("EUR"), currency("USD")],
        amount_min: Some(amount(100)),
        amount_max: Some(amount(2_147_483_647)),
        issuer_countries: vec![country("NL"), country("BE")],
        percentage: Some(30),
        again_after: vec!["05".to_owned(), "insufficient_funds".to_owned()],
        ..bare(1)
    };
    assert_eq!(read, RouteConfiguration { routes: vec![first, bare(2)] });
    assert_eq!(read.settings(), given);
    let mut turned = given.clone();
    turned.reverse();
    assert_eq!(RouteConfiguration::read(&turned).unwrap().settings(), given);
    for (number, named) in [(1, true), (2, true), (3, false)] {
        assert_eq!(RouteConfiguration::name_processor(&given, processor(number)), named);
    }
}

#[test]
fn what_is_no_route_is_refused_by_the_name_of_its_member() {
    let many = |count: usize, text: &str| vec![text; count].join("\n");
    let codes = (0..=ROUTE_AGAIN_MAX).map(|code| format!("{code:03}")).collect::<Vec<_>>().join("\n");
    let cases: &[(&str, &[&str])] = &[
        ("routes.0.processor", &["", "x", "0101010101010101010101", "01010101010101010101010G"]),
        ("routes.0.brands", &["", "visa", "Visa,Amex", "Visa\n", "Visa\nVisa", "Diner"]),
        ("routes.0.currencies", &["", "eur", "EURO", "XXQ", "EUR\nEUR", &many(65, "EUR")]),
        ("routes.0.issuer_countries", &["", "nl", "UK", "NLD", "NL\nNL"]),
        ("routes.0.amount_min", &["", "-1", "+1", "1.5", "2147483648", "99999999999", "١"]),
        ("routes.0.amount_max", &["", "x"]),
        ("routes.0.percentage", &["", "101", "-1", "30%", "256"]),
        (
            "routes.0.again_after",
            &["", "05,91", "0 5", "05\n05", &"x".repeat(41), &codes, "4111111111111111", "é"],
        ),
        ("routes.0.colour", &["red"]),
        ("routes.0", &["x"]),
        ("routes.00.processor", &[TWO]),
        ("routes.x.processor", &[TWO]),
        ("route", &["x"]),
        ("decline_without_cvv", &["20"]),
    ];
    for (name, values) in cases {
        for value in *values {
            let mut given = settings(&[("routes.0.processor", ONE)]);
            given.retain(|(known, _)| known != name);
            given.extend(settings(&[(name, value)]));
            let faults = RouteConfiguration::read(&given).unwrap_err();
            let at: Vec<_> = faults.iter().filter_map(|fault| fault.setting.as_deref()).collect();
            assert_eq!(at, [*name], "{name}={value}");
            assert!(faults.iter().all(|fault| value.len() < 3 || !fault.reason.contains(value)), "{value}");
        }
    }
}

fn faults(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let faults = RouteConfiguration::read(&settings(pairs)).unwrap_err();
    let words = |fault: ConfigurationFault| (fault.setting.unwrap_or_default(), fault.reason);
    faults.into_iter().map(words).collect()
}

#[test]
fn routes_are_one_to_sixteen_and_each_names_another_processor() {
    let count = |count: usize| {
        let pairs = (0..count).map(|at| (format!("routes.{at}.processor"), format!("{at:024x}")));
        RouteConfiguration::read(&pairs.collect::<Vec<_>>())
    };
    assert_eq!(count(ROUTES_MAX).unwrap().routes.len(), ROUTES_MAX);
    for wrong in [0, ROUTES_MAX + 1] {
        assert_eq!(count(wrong).unwrap_err()[0].setting.as_deref(), Some("routes"), "{wrong}");
    }
    assert_eq!(faults(&[("routes", "")])[0].0, "routes", "an empty list");
    let twice = faults(&[("routes.0.processor", ONE), ("routes.1.processor", ONE)]);
    assert_eq!(twice, [("routes.1.processor".to_owned(), "is named by an earlier route".to_owned())]);
    let gap = faults(&[("routes.0.processor", ONE), ("routes.2.processor", TWO)]);
    assert_eq!(gap, [("routes.1.processor".to_owned(), "is required".to_owned())]);
    let range =
        faults(&[("routes.0.processor", ONE), ("routes.0.amount_min", "2"), ("routes.0.amount_max", "1")]);
    assert_eq!(range[0].0, "routes.0.amount_max");
    let all = faults(&[("routes.0.brands", "x"), ("routes.0.percentage", "x"), ("x", "")]);
    assert_eq!(all.len(), 4, "every fault: {all:?}");
}

#[test]
fn brands_are_those_of_the_routes_that_are_for_the_amount() {
    let brands = |routes: Vec<Route>| RouteConfiguration { routes }.brands(currency("EUR"), amount(1_000));
    let of = |brands: &[Brand]| Route { brands: brands.to_vec(), ..bare(1) };
    assert_eq!(brands(vec![of(&[Brand::Visa])]), [Brand::Visa]);
    assert_eq!(brands(vec![of(&[Brand::Visa]), of(&[Brand::Amex, Brand::Visa])]).len(), 2);
    assert_eq!(brands(vec![of(&[Brand::Visa]), bare(2)]), Brand::ALL);
    let elsewhere = [
        Route { currencies: vec![currency("USD")], ..bare(2) },
        Route { amount_min: Some(amount(1_001)), ..bare(2) },
        Route { amount_max: Some(amount(999)), ..bare(2) },
    ];
    for route in elsewhere {
        assert_eq!(brands(vec![of(&[Brand::Visa]), route.clone()]), [Brand::Visa], "{route:?}");
        assert_eq!(brands(vec![route]), []);
    }
    // Of a card that is not known yet, whatever else it may be is possible.
    let some = Route { issuer_countries: vec![country("NL")], percentage: Some(1), ..of(&[Brand::Amex]) };
    assert_eq!(brands(vec![some]), [Brand::Amex]);
}
