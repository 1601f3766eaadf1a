use super::*;
use crate::fault::FaultKind::{self, Down, Refused};
use crate::testing::{VAULT, answer, context, fake, key};

const REGION: &str = "eu-central-1";
const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const NOW: Timestamp = Timestamp::from_unix_millis(1_440_938_160_000);

#[expect(clippy::unnecessary_wraps, reason = "it stands for a function that fails")]
fn credentials(_: &std::path::Path) -> Result<Zeroizing<String>, String> {
    let text =
        "[default]\naws_access_key_id = AKID\naws_secret_access_key = secret\naws_session_token = session\n";
    Ok(Zeroizing::new(text.to_owned()))
}

fn kms(endpoint: PeerUrl) -> Kms {
    let settings = KmsSettings {
        region: REGION.to_owned(),
        key: KEY.to_owned(),
        endpoint,
        credentials_file: "/credentials".into(),
    };
    Kms::new(settings, credentials)
}

#[tokio::main(flavor = "current_thread")]
async fn unwrapped(kms: &Kms, key: &SlotKey) -> Result<Zeroizing<[u8; 32]>, Fault> {
    let lock = PeerLock::new(PeerKind::AwsKms, REGION, KEY, "", vec![9; 100]).unwrap();
    let entropy = panvault_keys::SystemEntropy::new();
    kms.unwrap(&lock, context(key), Env { now: NOW, entropy: &entropy }).await
}

fn fault(bytes: Vec<u8>) -> (FaultKind, String) {
    let (url, serving) = fake(vec![bytes]);
    let fault = unwrapped(&kms(url), &key()).err().unwrap();
    serving.join().unwrap();
    (fault.said().0, fault.said().1.to_owned())
}

#[test]
fn what_is_asked_and_answered_is_that_of_kms() {
    let plaintext = Base64::encode_string(&[7; 32]);
    let body = format!(
        "{{\"KeyId\":\"{KEY}\",\"Plaintext\":\"{plaintext}\",\"EncryptionAlgorithm\":\"SYMMETRIC_DEFAULT\"}}"
    );
    let (url, serving) = fake(vec![answer("200 OK", "", &body)]);
    let key = key();
    assert_eq!(unwrapped(&kms(url.clone()), &key).unwrap().as_slice(), &[7; 32]);
    let request = serving.join().unwrap().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    for line in [
        "POST / HTTP/1.1",
        "content-type: application/x-amz-json-1.1",
        "x-amz-date: 20150830T123600Z",
        "x-amz-security-token: session",
        "x-amz-target: TrentService.Decrypt",
        &format!("host: {}", url.authority),
    ] {
        assert!(head.lines().any(|found| found == line), "{line}: {head}");
    }
    let signed = "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature=";
    assert!(head.contains(signed), "{head}");
    assert!(head.contains("Credential=AKID/20150830/eu-central-1/kms/aws4_request, "), "{head}");
    assert!(!request.contains("secret"), "the secret signs and is not sent");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        (&body["KeyId"], &body["EncryptionContext"]["panvault-vault"]),
        (&KEY.into(), &VAULT.to_string().into())
    );
    let slot = body["EncryptionContext"]["panvault-slot"].as_str().unwrap();
    assert_eq!(slot, hex::encode(key.public().unwrap()));
}

#[test]
fn each_refusal_says_what_to_do_and_whether_to_wait() {
    let refusal = |name: &str| format!("{{\"__type\":\"{name}\",\"message\":\"why\"}}");
    for (name, kind, word) in [
        ("DisabledException", Refused, "the key is disabled"),
        ("com.amazonaws.kms#DisabledException", Refused, "the key is disabled"),
        ("KMSInvalidStateException", Refused, "to be deleted"),
        ("NotFoundException", Refused, "no such key"),
        ("InvalidCiphertextException", Refused, "another key, vault or slot"),
        ("IncorrectKeyException", Refused, "of another key"),
        ("AccessDeniedException", Refused, "kms:Decrypt"),
        ("ExpiredTokenException", Refused, "have expired"),
        ("UnrecognizedClientException", Refused, "does not know the credentials"),
        ("ThrottlingException", Down, "cannot now"),
        ("KMSInternalException", Down, "cannot now"),
        ("SomethingNewException", Refused, "it refuses (400 SomethingNewException; it says: why)"),
    ] {
        let (found, said) = fault(answer("400 Bad Request", "", &refusal(name)));
        assert!(found == kind && said.contains(word), "{name}: {found:?} {said}");
    }
    let (kind, said) = fault(answer("500 No", "", &refusal("SomethingNewException")));
    assert!(kind == Down, "{said}");
    let (kind, said) = fault(answer("403 Forbidden", "", "<html>"));
    assert!(kind == Down && said.contains("something in between"), "{said}");
}

#[test]
fn a_clock_that_is_wrong_is_told_from_a_secret_that_is() {
    let body = "{\"__type\":\"InvalidSignatureException\",\"message\":\"Signature expired\"}";
    let refused = |date: &str| fault(answer("400 Bad Request", &format!("date: {date}\r\n"), body)).1;
    let said = refused("Sun, 30 Aug 2015 12:41:01 GMT");
    assert!(said.contains("the clock of this machine is 301 s away"), "{said}");
    for date in ["Sun, 30 Aug 2015 12:41:00 GMT", "Sun, 30 Aug 2015 12:31:00 GMT", "yesterday"] {
        let said = refused(date);
        assert!(said.contains("the secret is another"), "{said}");
    }
    assert_eq!(unix_seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
}

#[test]
fn keys_are_named_whole_and_of_their_region() {
    assert!(is_key_arn(KEY, REGION) && is_key_arn(&KEY.replace("arn:aws:", "arn:aws-cn:"), REGION));
    assert!(is_key_arn(
        "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab",
        "us-east-1"
    ));
    for other in [
        "",
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        "alias/vault",
        "arn:aws:kms:eu-central-1:111122223333:alias/vault",
        "arn:aws:kms:eu-west-1:111122223333:key/1234abcd",
        "arn:aws:s3:eu-central-1:111122223333:key/1234abcd",
        "arn:aws:kms:eu-central-1:1111:key/1234abcd",
        "arn:aws:kms:eu-central-1:111122223333:key/",
        "arn:aws:kms:eu-central-1:111122223333:key/a\"b",
        "arn:aws:kms:eu-central-1:111122223333:key/a:b",
    ] {
        assert!(!is_key_arn(other, REGION), "{other}");
    }
    for (region, is_one) in [
        ("eu-central-1", true),
        ("us-gov-west-1", true),
        ("", false),
        ("eu/central", false),
        ("EU", false),
        ("a.b", false),
    ] {
        assert_eq!(is_region(region), is_one, "{region}");
    }
}
