use super::*;

fn settings(file: Option<&str>, set: &[&str]) -> (tempfile::TempDir, cli::Settings) {
    let directory = tempfile::tempdir().unwrap();
    let config = file.map(|text| {
        let path = directory.path().join("panvault.toml");
        std::fs::write(&path, text).unwrap();
        path
    });
    let set = set.iter().map(|pair| (*pair).to_owned()).collect();
    (directory, cli::Settings { config, data: None, set })
}

fn fault(file: Option<&str>, set: &[&str]) -> String {
    let (_directory, settings) = settings(file, set);
    read(&settings, &[]).unwrap_err().chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[test]
fn a_flag_wins_over_the_file_and_that_over_the_default() {
    let file = "data_directory = \"vault\"\nlisten = \"127.0.0.1:1\"\ncvv_ttl_seconds = 60\n";
    let (directory, settings) = settings(Some(file), &["listen=127.0.0.1:2"]);
    let config = read(&settings, &[]).unwrap();
    assert_eq!(config.listen.port(), 2);
    assert_eq!(config.cvv_ttl_seconds, 60);
    assert_eq!(config.server.connections_max, 10_000);
    assert_eq!(config.data_directory, directory.path().join("vault"), "relative to the file");
    let origins: Vec<_> = shown(&settings, &[]).unwrap().into_iter().map(|shown| shown.origin).collect();
    assert!([Origin::Flag, Origin::File, Origin::Default].iter().all(|origin| origins.contains(origin)));
}

#[test]
fn unknown_names_are_errors() {
    assert!(fault(Some("lisen = \"x\""), &[]).contains("does not exist: lisen"));
    assert!(fault(None, &["lisen=x"]).contains("--set has a setting that does not exist: lisen"));
}

#[test]
fn every_fault_is_said_at_once() {
    let said = fault(None, &["listen=here", "cvv_ttl_seconds=86401", "log_format=xml", "tls_key_file=k"]);
    for name in ["data_directory", "listen", "cvv_ttl_seconds", "log_format", "tls_certificate_file"] {
        assert!(said.contains(&format!("the setting {name} (")), "{name}: {said}");
    }
}

#[test]
fn other_addresses_than_loopback_need_tls_or_a_proxy() {
    let data = "data_directory=d";
    assert!(fault(None, &[data, "listen=0.0.0.0:8420"]).contains("is not a loopback address"));
    assert!(fault(None, &[data, "metrics_listen=0.0.0.0:1"]).contains("metrics_listen"));
    for allowed in [["behind_proxy=true", ""], ["tls_certificate_file=c", "tls_key_file=k"]] {
        let set: Vec<&str> = [data, "listen=0.0.0.0:8420"]
            .into_iter()
            .chain(allowed.into_iter().filter(|pair| !pair.is_empty()))
            .collect();
        let (_directory, settings) = settings(None, &set);
        assert!(read(&settings, &[]).is_ok(), "{allowed:?}");
    }
}

#[test]
fn the_defaults_are_good() {
    let (_directory, settings) = settings(None, &["data_directory=d"]);
    assert!(read(&settings, &[]).is_ok());
}
