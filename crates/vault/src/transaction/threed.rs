//! What a 3-D Secure authentication that was made elsewhere has shown: held against what EMV 3-D Secure and the schemes say of it.

use panvault_processor::ThreeDSecure;

use crate::error::{FieldFault, VaultError};

const ECI: &str = "threed_authentication.eci_flag";
const CAVV: &str = "threed_authentication.cavv";
const DS_TRANSACTION_ID: &str = "threed_authentication.ds_transaction_id";
const VERSION: &str = "threed_authentication.threeds_version";
const STATUS: &str = "threed_authentication.pares_status";

/// Digits of base64 that 20 bytes are, without what they are filled up with.
const CAVV_DIGITS: usize = 27;

/// The result among the further members of a transaction, if there is one. Every fault of it.
pub(super) fn threed_secure(extras: &[(String, String)]) -> Result<Option<ThreeDSecure>, VaultError> {
    let member = |name| extras.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str());
    let [eci, cavv, ds_transaction_id, version] = [ECI, CAVV, DS_TRANSACTION_ID, VERSION].map(member);
    let mut faults = Vec::new();
    let mut judge = |name, text: Option<&str>, is_right: fn(&str) -> bool, what: &str| {
        if text.is_some_and(|text| !is_right(text)) {
            faults.push(FieldFault::new(name, what));
        }
    };
    judge(ECI, eci, is_eci, "must be two digits, such as 05");
    judge(CAVV, cavv, is_cavv, "must be base64 of 20 bytes");
    judge(DS_TRANSACTION_ID, ds_transaction_id, is_uuid, "must be a UUID");
    judge(VERSION, version, is_version, "must be a version, such as 2.2.0");
    if eci.is_none() && (cavv.is_some() || ds_transaction_id.is_some()) {
        faults.push(FieldFault::new(ECI, "must be there beside the rest of a result"));
    }
    if !faults.is_empty() {
        return Err(VaultError::Faults(faults));
    }
    let result = |eci: &str| ThreeDSecure {
        eci: eci.to_owned(),
        cavv: cavv.map(|cavv| format!("{}=", cavv.trim_end_matches('='))),
        ds_transaction_id: ds_transaction_id.map(str::to_owned),
        version: version.map(str::to_owned),
        status: member(STATUS).filter(|status| is_status(status)).map(str::to_owned),
    };
    Ok(eci.map(result))
}

pub(super) fn is_eci(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Older programs take the `=` off its end.
fn is_cavv(text: &str) -> bool {
    let digits = text.strip_suffix('=').unwrap_or(text);
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    digits.len() == CAVV_DIGITS && digits.bytes().all(is_digit)
}

/// What EMV 3-D Secure has as `transStatus`. Anything else is kept with the transaction, and no processor is told it.
fn is_status(text: &str) -> bool {
    matches!(text, "Y" | "A" | "N" | "U" | "C" | "D" | "R" | "I")
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<_> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

fn is_version(text: &str) -> bool {
    let parts: Vec<_> = text.split('.').collect();
    let is_number =
        |part: &&str| matches!(part.len(), 1 | 2) && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.len() <= 3 && parts.iter().all(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHENTICATED: [(&str, &str); 4] = [
        (ECI, "05"),
        (CAVV, "AAABBWcSNIdjeUZThmNHAAAAAAA="),
        (DS_TRANSACTION_ID, "f25084f0-5b16-4c0a-ae5d-b24808a95e4b"),
        (VERSION, "2.2.0"),
    ];

    fn read(members: &[(&str, &str)]) -> Result<Option<ThreeDSecure>, Vec<String>> {
        let extras: Vec<_> =
            members.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        threed_secure(&extras).map_err(|error| match error {
            VaultError::Faults(faults) => faults.into_iter().map(|fault| fault.field.into_owned()).collect(),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_result_is_read_as_it_was_sent() {
        let whole = read(&AUTHENTICATED).unwrap().unwrap();
        assert_eq!((whole.eci.as_str(), whole.version.as_deref()), ("05", Some("2.2.0")));
        assert_eq!(whole.cavv.as_deref(), Some(AUTHENTICATED[1].1));
        assert_eq!(whole.ds_transaction_id.as_deref(), Some(AUTHENTICATED[2].1));
        let bare = read(&[(ECI, "02"), (CAVV, "AAABBWcSNIdjeUZThmNHAAAAAAA")]).unwrap().unwrap();
        assert_eq!(bare.cavv, whole.cavv, "the end is put back");
        assert_eq!((whole.status, bare.status), (None, None), "nothing is said of it that was not sent");
        for (sent, passed) in [("Y", Some("Y")), ("A", Some("A")), ("y", None), ("yes", None)] {
            let read = read(&[(ECI, "06"), (STATUS, sent)]).unwrap().unwrap();
            assert_eq!(read.status.as_deref(), passed, "{sent}");
        }
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("threed_authentication.enrolled", "N")]), Ok(None), "nothing to pass on");
    }

    #[test]
    fn what_is_no_result_is_refused_by_name() {
        for (name, wrong) in [
            (ECI, vec!["5", "005", "0x", "٠٥"]),
            (CAVV, vec!["AAAB", "AAABBWcSNIdjeUZThmNHAAAAAAA==", "AAABBWcSNIdjeUZThmNHAAAAA-A="]),
            (
                DS_TRANSACTION_ID,
                vec!["f25084f0", "f25084f05b164c0aae5db24808a95e4b", "g25084f0-5b16-4c0a-ae5d-b24808a95e4b"],
            ),
            (VERSION, vec!["two", "2.", "2.2.0.1", "2.100"]),
        ] {
            for text in wrong {
                let members: Vec<_> = AUTHENTICATED
                    .iter()
                    .map(|(known, right)| (*known, if *known == name { text } else { right }))
                    .collect();
                assert_eq!(read(&members), Err(vec![name.to_owned()]), "{text}");
            }
        }
        assert_eq!(read(&AUTHENTICATED[1..]), Err(vec![ECI.to_owned()]), "half a result");
        assert_eq!(
            read(&[(ECI, "5"), (VERSION, "x")]),
            Err(vec![ECI.to_owned(), VERSION.to_owned()]),
            "every fault"
        );
    }
}
