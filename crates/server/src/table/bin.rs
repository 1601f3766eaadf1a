use const_format::formatcp;
use http::Method;
use panvault_card::limits::{BIN_DIGITS_MAX, BIN_DIGITS_MIN, ISSUER_DIGITS_MAX};
use panvault_vault::{BinRead, Operation};

use crate::error::ErrorCode;
use crate::object::Object;
use crate::object::bin::Bin;
use crate::routes::bin;
use crate::table::{AnswerSchema, Endpoint, handler};

pub(super) const READ: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/bin/{bin}",
    operation: "bin_read",
    roles: BinRead::ROLES,
    summary: "Look up an issuer",
    doc: formatcp!(
        "What the vault's table of issuers says of all numbers that begin with these {BIN_DIGITS_MIN} to {BIN_DIGITS_MAX} digits, by at most \
         {ISSUER_DIGITS_MAX} of them. Advisory. So many a minute for each API key (`bin_lookups_per_minute`). Never send a whole card number."
    ),
    success: 200,
    answer: Some(AnswerSchema::One(Bin::SPEC)),
    failures: &[ErrorCode::NotFound],
    body: None,
    list: None,
    handler: handler!(bin::read),
};
