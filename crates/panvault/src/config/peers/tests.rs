use panvault_keys::PeerKind;

use crate::cli;
use crate::config::{Config, read};

const ARN: &str = "slot_aws_kms_key=arn:aws:kms:eu-central-1:111122223333:key/1234abcd";

fn with(set: &[&str]) -> anyhow::Result<Config> {
    let set = ["data_directory=v"].iter().chain(set).map(|pair| (*pair).to_owned()).collect();
    read(&cli::Settings { config: None, data: None, set }, &[])
}

fn kinds(set: &[&str]) -> Vec<PeerKind> {
    with(set).unwrap().slot_peers.iter().map(panvault_slots::Peer::kind).collect()
}

#[track_caller]
fn refused(set: &[&str], said: &str) {
    let fault = with(set).err().unwrap().to_string();
    assert!(fault.contains(said), "{set:?}: {fault}");
}

const TOKEN: [&str; 4] = [
    "slot_pkcs11_library=/usr/lib/p.so",
    "slot_pkcs11_token=t",
    "slot_pkcs11_key=k",
    "slot_pkcs11_pin_file=p",
];
const KMS: [&str; 3] = ["slot_aws_kms_region=eu-central-1", ARN, "slot_aws_kms_credentials_file=c"];
const TRANSIT: [&str; 3] =
    ["slot_transit_address=https://bao.example", "slot_transit_key=k", "slot_transit_token_file=t"];

#[test]
fn peers_are_asked_in_one_order_and_none_is_by_default() {
    assert_eq!(kinds(&[]), []);
    assert_eq!(kinds(&TRANSIT), [PeerKind::Transit]);
    let all = [&TRANSIT[..], &KMS, &TOKEN].concat();
    assert_eq!(kinds(&all), PeerKind::ALL);
}

#[test]
fn a_peer_that_is_named_in_part_is_a_fault_and_so_is_one_that_leads_elsewhere() {
    refused(
        &TOKEN[..3],
        "the setting slot_pkcs11_pin_file (by default) is required beside slot_pkcs11_library",
    );
    refused(&TOKEN[1..], "slot_pkcs11_library (by default) is required beside slot_pkcs11_token");
    refused(&KMS[1..], "slot_aws_kms_region (by default) is required beside slot_aws_kms_key");
    refused(&["slot_aws_kms_endpoint=https://a.example"], "is required beside slot_aws_kms_endpoint");
    refused(
        &["slot_transit_ca_file=c"],
        "slot_transit_address (by default) is required beside slot_transit_ca_file",
    );
    let changed = |set: &[&'static str], other: &'static str| {
        let name = other.split_once('=').unwrap().0;
        let kept = set.iter().copied().filter(|pair| !pair.starts_with(&format!("{name}=")));
        kept.chain([other]).collect::<Vec<_>>()
    };
    for (set, other, said) in [
        (&TOKEN[..], "slot_pkcs11_library=p.so", "must be named from the root on"),
        (&TOKEN, "slot_pkcs11_token=a\u{1b}", "slot_pkcs11_token (from a flag) must be a label"),
        (&TOKEN, "slot_pkcs11_key= k", "slot_pkcs11_key (from a flag) must be a label"),
        (&KMS, "slot_aws_kms_region=eu/central", "must be the name of a region"),
        (&KMS, "slot_aws_kms_region=eu-west-1", "must be the ARN of a key in that region"),
        (&KMS, "slot_aws_kms_key=alias/vault", "must be the ARN of a key in that region"),
        (&KMS, "slot_aws_kms_endpoint=http://kms.example", "must begin with https://"),
        (&TRANSIT, "slot_transit_address=http://bao.example", "must begin with https://"),
        (&TRANSIT, "slot_transit_address=https://bao.example/v1", "and nothing behind it"),
        (&TRANSIT, "slot_transit_mount=../sys", "slot_transit_mount (from a flag) must be letters"),
        (&TRANSIT, "slot_transit_key=a/b", "slot_transit_key (from a flag) must be letters"),
    ] {
        refused(&changed(set, other), said);
    }
    assert_eq!(kinds(&changed(&TRANSIT, "slot_transit_address=http://127.0.0.1:8200")), [PeerKind::Transit]);
}
