//! Signature Version 4 of AWS, for a POST to the path `/` without a query.

use aws_lc_rs::{digest, hmac};
use panvault_model::Timestamp;

use crate::credentials::Credentials;

/// Where a signature counts.
pub(crate) struct Scope<'a> {
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
}

/// A time as AWS writes it: `20150830T123600Z`.
pub(crate) fn amz_date(now: Timestamp) -> String {
    // RFC 3339 in UTC with milliseconds: 2015-08-30T12:36:00.000Z.
    let text = now.to_string();
    let seconds = text.split_once('.').map_or(text.as_str(), |(seconds, _)| seconds);
    let digits = seconds.chars().filter(|character| !matches!(character, '-' | ':'));
    digits.chain(['Z']).collect()
}

/// The value of `authorization`. `headers` are all that are signed, by their names in small letters, sorted; one of them is `x-amz-date` with this date.
pub(crate) fn authorization(
    credentials: &Credentials,
    scope: &Scope<'_>,
    date: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> String {
    let signed = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let listed: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let request = format!("POST\n/\n\n{listed}\n{signed}\n{}", hash(body));
    let day = date.get(..8).unwrap_or_default();
    let Scope { region, service } = scope;
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hash(request.as_bytes()));
    let secret = zeroize::Zeroizing::new(["AWS4", credentials.secret.as_str()].concat());
    let mut key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    for part in [day, region, service, "aws4_request"] {
        key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
    }
    let signature = hex::encode(hmac::sign(&key, to_sign.as_bytes()));
    format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed}, Signature={signature}",
        credentials.id
    )
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    const DATE: &str = "20150830T123600Z";
    const TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

    fn signed(headers: &[(&str, &str)], body: &[u8]) -> String {
        let credentials = Credentials {
            id: "AKIDEXAMPLE".to_owned(),
            secret: Zeroizing::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
            session: None,
        };
        let scope = Scope { region: "us-east-1", service: "service" };
        authorization(&credentials, &scope, DATE, headers, body)
    }

    /// The published vectors `post-vanilla`, `post-header-value-case`, `post-sts-header-before` and `post-x-www-form-urlencoded` of AWS's test suite.
    #[test]
    fn signs_as_the_published_vectors_do() {
        let host = ("host", "example.amazonaws.com");
        let date = ("x-amz-date", DATE);
        assert_eq!(
            signed(&[host, date], b""),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, \
             Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
        for (headers, body, signature) in [
            (
                vec![host, ("my-header1", "VALUE1"), date],
                "",
                "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
            ),
            (
                vec![host, date, ("x-amz-security-token", TOKEN)],
                "",
                "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
            ),
            (
                vec![("content-type", "application/x-www-form-urlencoded"), host, date],
                "Param1=value1",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        ] {
            let signed = signed(&headers, body.as_bytes());
            assert!(signed.ends_with(&format!("Signature={signature}")), "{signed}");
        }
    }

    #[test]
    fn times_are_written_as_aws_writes_them() {
        assert_eq!(amz_date(Timestamp::from_unix_millis(1_440_938_160_000)), DATE);
        assert_eq!(amz_date(Timestamp::from_unix_millis(1_440_938_160_999)), DATE);
    }
}
