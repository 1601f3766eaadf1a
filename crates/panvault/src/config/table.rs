/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) default: &'static str,
    /// In the file it stands without quotes.
    pub(crate) bare: bool,
    pub(crate) doc: &'static str,
}

const fn text(name: &'static str, default: &'static str, doc: &'static str) -> Setting {
    Setting { name, default, bare: false, doc }
}

const fn bare(name: &'static str, default: &'static str, doc: &'static str) -> Setting {
    Setting { name, default, bare: true, doc }
}

/// Every setting. In the environment it is `PANVAULT_` and the name in capitals. None of them is a secret: keys stay in
/// files of their own.
pub(crate) static SETTINGS: &[Setting] = &[
    text("data_directory", "", "The vault's directory; with store, this node's own."),
    text(
        "slot_key_file",
        "",
        "The key file; empty for DIR.slot-key beside the vault, where panvault init puts it.",
    ),
    text(
        "slot_pkcs11_library",
        "",
        "The library by which a token is spoken to (PKCS#11), such as /usr/lib/softhsm/libsofthsm2.so; empty where no token opens the vault.",
    ),
    text("slot_pkcs11_token", "", "The label of that token."),
    text("slot_pkcs11_key", "", "The label of the token's key that has wrapped a slot's."),
    text("slot_pkcs11_pin_file", "", "The file with the token's PIN, for its owner only."),
    text(
        "slot_aws_kms_region",
        "",
        "The region of AWS KMS, such as eu-central-1; empty where no KMS opens the vault.",
    ),
    text("slot_aws_kms_key", "", "The ARN of the KMS key that has wrapped a slot's; an alias is none."),
    text(
        "slot_aws_kms_endpoint",
        "",
        "Where KMS is, such as https://vpce-1a2b.kms.eu-central-1.vpce.amazonaws.com; empty for that of the region.",
    ),
    text(
        "slot_aws_kms_credentials_file",
        "",
        "The file with the credentials for KMS as AWS's programs have it, profile default, for its owner only; read at each request.",
    ),
    text(
        "slot_transit_address",
        "",
        "The OpenBao or HashiCorp Vault whose transit engine opens the vault, such as https://bao.example:8200; empty where none does.",
    ),
    text("slot_transit_mount", "transit", "Where that engine is mounted."),
    text("slot_transit_key", "", "The engine's key that has wrapped a slot's."),
    text(
        "slot_transit_token_file",
        "",
        "The file with the token for that server, for its owner only; read at each request, so that it can be renewed.",
    ),
    text(
        "slot_transit_ca_file",
        "",
        "Certificates that the server is known by, PEM; empty for those of the public authorities.",
    ),
    text(
        "wal_directory",
        "",
        "The directory of the write-ahead log, such as one on another disk; empty for log in the vault's.",
    ),
    bare(
        "backup_archive_bytes",
        "0",
        "Bytes of the log that are kept beside it until the next backup at most, so that one can be incremental, such as 1073741824; 0: none.",
    ),
    text(
        "store",
        "",
        "The database that several nodes share, such as postgres://panvault@db.example/panvault; empty for the vault's directory.",
    ),
    text(
        "store_password_file",
        "",
        "The file with the database's password, for its owner only; empty where the database asks for none.",
    ),
    bare("store_connections_max", "16", "Connections to the database at a time, 2 to 1000."),
    bare("commit_rows_max", "512", "Requests that are written to the database in one commit, 1 to 10000."),
    text(
        "cvv_store",
        "",
        "The Redis or Valkey that holds the CVVs of several nodes, such as rediss://cvv.example; empty for this process.",
    ),
    text("cvv_store_user", "", "Who this node is to cvv_store; empty for its default user."),
    text(
        "cvv_store_password_file",
        "",
        "The file with the password at cvv_store, for its owner only; empty where it asks for none.",
    ),
    text(
        "cvv_store_roots_file",
        "",
        "Certificates that cvv_store is known by, PEM; empty for those of the public authorities.",
    ),
    bare(
        "cvv_store_insecure",
        "false",
        "cvv_store may be reached without TLS at an address that is not this machine's.",
    ),
    text(
        "nodes",
        "several",
        "How many processes serve the vault in the database that store names: several, or one, which may then hold CVVs itself.",
    ),
    text(
        "processors",
        "",
        "A directory with descriptions of further PSPs (*.toml) and limits of processors (limits.toml), which only their owner may write; empty for those that come with the program.",
    ),
    text("listen", "127.0.0.1:8420", "Where to serve the API."),
    text(
        "metrics_listen",
        "127.0.0.1:8421",
        "Where to serve /metrics, /livez and /readyz; empty for nowhere.",
    ),
    text(
        "console_listen",
        "",
        "Where to serve the console, for the people who run the vault; empty for nowhere.",
    ),
    text(
        "console_client_ca_file",
        "",
        "Certificates, PEM, that sign those which people open the console with; read again on SIGHUP; empty: it asks for none.",
    ),
    text(
        "console_proxy_header",
        "",
        "The header in which a proxy that people sign in at says who opens the console, such as x-forwarded-user.",
    ),
    text(
        "console_proxies",
        "",
        "Addresses and networks of that proxy, with commas between; from no other is the console answered.",
    ),
    text("tls_certificate_file", "", "Certificate chain, PEM; read again on SIGHUP."),
    text("tls_key_file", "", "The certificate's key, PEM; read again on SIGHUP."),
    bare(
        "behind_proxy",
        "false",
        "A proxy in front ends TLS, so that listen may be any address without TLS.",
    ),
    bare(
        "allow_swap",
        "false",
        "A live vault may start though the machine has swap and memory cannot be locked.",
    ),
    bare("cvv_ttl_seconds", "3600", "Seconds for which a CVV is held, 0 to 86400; 0 is not at all."),
    bare(
        "cvvs_held_max",
        "1000000",
        "CVVs held at a time; the servers of one organisation get at most half, its browsers a quarter.",
    ),
    bare("connections_max", "10000", "Connections at a time."),
    bare(
        "header_timeout_seconds",
        "30",
        "Seconds for the head of a request to arrive, and for an idle connection to stay.",
    ),
    bare("body_timeout_seconds", "10", "Seconds for the body of a request to arrive."),
    bare("handshake_timeout_seconds", "10", "Seconds for a TLS handshake."),
    bare(
        "answers_bytes_max",
        "67108864",
        "Bytes of answers over 32 KiB that wait to be read, at a time; one organisation gets at most half.",
    ),
    bare("stop_grace_seconds", "30", "Seconds for running requests to end when the server stops."),
    bare(
        "drain_seconds",
        "5",
        "Seconds for which a node that is told to stop says that it is not ready and still takes requests, 0 to 3600; only with store.",
    ),
    text(
        "public_origin",
        "",
        "The web origin that browsers know this vault by, such as https://vault.example; empty: that of the host which a request names.",
    ),
    text(
        "trusted_proxies",
        "",
        "Addresses and networks, with commas, of proxies whose X-Forwarded-For says whose request it is.",
    ),
    bare(
        "limits",
        "true",
        "Whether the limits below bind; false is as if each but bin_lookups_per_minute were 0.",
    ),
    bare("requests_per_minute", "6000", "Requests of one API key of a server in a minute; 0 is any number."),
    bare(
        "organisation_requests_per_minute",
        "12000",
        "Requests of all API keys of one organisation in a minute; 0 is any number.",
    ),
    bare(
        "cards_per_minute",
        "1200",
        "Cards that one API key of a server creates in a minute; 0 is any number.",
    ),
    bare(
        "browser_requests_per_minute",
        "600",
        "Requests of one publishable API key in a minute; 0 is any number.",
    ),
    bare(
        "address_requests_per_minute",
        "60",
        "Requests with publishable API keys from one address (IPv6: 64 bits of it) in a minute; 0 is any number.",
    ),
    bare(
        "card_guesses_per_day",
        "24",
        "Different card numbers with the same first six and last four digits that an organisation's servers create in a day; 0 is any number.",
    ),
    bare(
        "card_declines_per_hour",
        "5",
        "Payments with one card number of an organisation that may fail in an hour; 0 is any number.",
    ),
    bare(
        "declines_percent_max",
        "80",
        "Percent of an account's or a BIN's payments of late that may be declined, 1 to 100; 0 is any share.",
    ),
    bare(
        "bin_lookups_per_minute",
        "600",
        "Look-ups of issuers (/v1/bin) that one API key may make in a minute.",
    ),
    bare(
        "key_days_max",
        "730",
        "Days for which a key is active, one of the vault or of an organisation, before it is said to be overdue; 0 is any number.",
    ),
    bare(
        "rotation_rows_per_second",
        "500",
        "Cards and customers that are sealed anew in a second while a key is replaced, at most, 1 to 1000000.",
    ),
    bare(
        "fingerprint_overlap_seconds",
        "86400",
        "Seconds for which cards are found by the fingerprint of before, too, once a key for fingerprints has the place of another, 0 to 31536000.",
    ),
    bare(
        "settle_seconds",
        "0",
        "Seconds after which what the dummy processor has captured is settled, again and again; 0 is by panvault settle only.",
    ),
    text(
        "trail_file",
        "",
        "The file that the audit trail is appended to as it is written, with signed checkpoints, such as one on another machine's disk; empty for none.",
    ),
    text(
        "trail_syslog",
        "",
        "The syslog server that the audit trail is sent to over TLS (RFC 5425), such as logs.example:6514; empty for none.",
    ),
    text(
        "trail_syslog_ca_file",
        "",
        "Certificates that this server is known by, PEM; empty for those of the public authorities.",
    ),
    text(
        "trail_syslog_server_name",
        "",
        "The name that its certificate is for; empty for the host in trail_syslog.",
    ),
    text(
        "trail_syslog_certificate_file",
        "",
        "The certificate that this node shows the syslog server, PEM; empty for none.",
    ),
    text("trail_syslog_key_file", "", "The key of that certificate, PEM, for its owner only."),
    text(
        "trail_https",
        "",
        "The URL that the audit trail is sent to with POST, such as https://collector.example/panvault; empty for none.",
    ),
    text(
        "trail_https_token_file",
        "",
        "The file with the token that goes along as Authorization: Bearer, for its owner only; read for each request, empty for none.",
    ),
    text(
        "trail_https_ca_file",
        "",
        "Certificates that this server is known by, PEM; empty for those of the public authorities.",
    ),
    text(
        "trail_https_certificate_file",
        "",
        "The certificate that this node shows that server, PEM; empty for none.",
    ),
    text("trail_https_key_file", "", "The key of that certificate, PEM, for its owner only."),
    text(
        "trail_recipients",
        "",
        "Public keys of age (age1 and 58 characters), with commas between, whose owners alone can read what trail_file, trail_syslog and trail_https are given, 8 at most; empty for no encryption.",
    ),
    bare(
        "trail_connect_seconds",
        "5",
        "Seconds for a connection to trail_syslog or trail_https, TLS included, 1 to 3600.",
    ),
    bare(
        "trail_send_seconds",
        "60",
        "Seconds within which one of them must have taken what one checkpoint signs, connection included, 1 to 3600.",
    ),
    bare(
        "trail_checkpoint_seconds",
        "60",
        "Seconds between two checkpoints of the exported trail, where something was done.",
    ),
    bare(
        "audit_retention_days",
        "0",
        "Days for which records of the audit trail are kept, 1 to 36500; 0 for ever. PCI DSS 10.5.1 asks for 12 months.",
    ),
    bare(
        "trail_refuse_changes_after_seconds",
        "0",
        "Seconds after which a destination that does not take the trail keeps anything from being changed; 0 for never.",
    ),
    text(
        "webhook_allow",
        "",
        "Private or local addresses and networks that webhooks may go to, and over plain HTTP, with commas between.",
    ),
    bare("list_seconds_max", "10", "Seconds that a list or count may wait for its turn, and then take."),
    text(
        "log_level",
        "info",
        "error, warn, info, debug, trace, or directives such as info,panvault_server=debug.",
    ),
    text("log_format", "auto", "json, text, or auto: text on a terminal, else json."),
];
