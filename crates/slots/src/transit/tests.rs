use core::time::Duration;
use std::net::TcpListener;

use super::*;
use crate::fault::FaultKind::{self, Down, Refused};
use crate::limits::ANSWER_BODY_BYTES_MAX;
use crate::testing::{answer, context, fake, key, token};

fn transit(address: PeerUrl) -> Transit {
    let settings = TransitSettings {
        address,
        mount: "transit".to_owned(),
        key: "vault".to_owned(),
        token_file: "/token".into(),
        ca_file: None,
    };
    Transit::new(settings, token)
}

fn lock() -> PeerLock {
    PeerLock::new(PeerKind::Transit, "transit", "vault", "1", b"vault:v1:AAAA".to_vec()).unwrap()
}

#[tokio::main(flavor = "current_thread")]
async fn unwrapped(transit: &Transit) -> Result<Zeroizing<[u8; 32]>, Fault> {
    transit.unwrap(&lock(), context(&key())).await
}

fn fault(bytes: Vec<u8>) -> (FaultKind, String) {
    let (url, serving) = fake(vec![bytes]);
    let fault = unwrapped(&transit(url)).err().unwrap();
    serving.join().unwrap();
    (fault.said().0, fault.said().1.to_owned())
}

#[test]
fn what_is_asked_and_answered_is_that_of_the_engine() {
    let plaintext = Base64::encode_string(&[7; 32]);
    let body = format!("{{\"request_id\":\"a\",\"data\":{{\"plaintext\":\"{plaintext}\"}}}}");
    let (url, serving) = fake(vec![answer("200 OK", "", &body)]);
    assert_eq!(unwrapped(&transit(url)).unwrap().as_slice(), &[7; 32]);
    let request = serving.join().unwrap().remove(0);
    assert!(request.starts_with("POST /v1/transit/decrypt/vault HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nx-vault-token: s.token\r\n"), "{request}");
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["ciphertext"], "vault:v1:AAAA");
    assert!(body["associated_data"] == body["context"] && body["context"].as_str().unwrap().len() > 60);
}

#[test]
fn what_is_no_answer_is_told_from_a_refusal() {
    let huge = "x".repeat(ANSWER_BODY_BYTES_MAX + 1);
    let long = format!("{{\"data\":{{\"plaintext\":\"{}\"}}}}", Base64::encode_string(&[7; 33]));
    for (bytes, kind, word) in [
        (b"SSH-2.0-OpenSSH\r\n".to_vec(), Down, "does not speak HTTP"),
        (vec![], Down, "ended before"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec(), Down, "ended before"),
        (answer("200 OK", "", "<html>"), Down, "no OpenBao or Vault"),
        (answer("200 OK", "", "{}"), Down, "no OpenBao or Vault"),
        (answer("200 OK", "", &huge), Down, "so it is something else"),
        (answer("502 Bad Gateway", "", "<html>"), Down, "it cannot now (502; it says no more)"),
        (answer("429 Too Many", "", "{\"errors\":[]}"), Down, "it cannot now"),
        (answer("503 No", "", "{\"errors\":[\"Vault is sealed\"]}"), Down, "it says: Vault is sealed"),
        (answer("403 No", "", "{\"errors\":[\"permission denied\"]}"), Refused, "the token is not valid"),
        (answer("302 Found", "location: http://127.0.0.1:1/\r\n", ""), Refused, "it refuses (302"),
        (answer("200 OK", "", "{\"data\":{\"plaintext\":\"AAAA\"}}"), Refused, "not a slot's key"),
        (answer("200 OK", "", "{\"data\":{\"plaintext\":\"?\"}}"), Refused, "not a slot's key"),
        (answer("200 OK", "", &long), Refused, "not a slot's key"),
    ] {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        let (found, said) = fault(bytes);
        assert!(found == kind && said.contains(word), "{shown}: {found:?} {said}");
    }
}

#[test]
fn one_that_is_away_or_says_nothing_is_down() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = PeerUrl::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let mut slow = transit(url);
    slow.time_outs = TimeOuts { connect: Duration::from_secs(5), answer: Duration::from_millis(50) };
    let fault = unwrapped(&slow).err().unwrap();
    assert!(fault.said().0 == Down && fault.said().1.contains("did not answer within 0.05 s"), "{fault:?}");
    drop(listener);
    let fault = unwrapped(&slow).err().unwrap();
    assert!(fault.said().0 == Down && fault.said().1.contains("could not be connected to"), "{fault:?}");
}

/// A header is read before anybody vouches for it: what it has goes into no request unless an engine could have made it.
#[test]
fn what_no_engine_made_is_not_sent() {
    let (url, _) = fake(vec![]);
    let transit = transit(url);
    for wrapped in
        ["", "vault:v1:", "vault:v:AAAA", "vault:v1:A\"B", "vault:v1x:AAAA", "vault:v1:A\r\n", "v1:AAAA"]
    {
        let Some(lock) = PeerLock::new(PeerKind::Transit, "transit", "vault", "1", wrapped.into()) else {
            continue;
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let fault = runtime.block_on(transit.unwrap(&lock, context(&key()))).err().unwrap();
        assert!(fault.said().1.contains("not what an engine made"), "{wrapped:?}: {fault:?}");
    }
}

#[test]
fn names_cannot_lead_elsewhere() {
    for (name, as_mount, as_key) in [
        ("transit", true, true),
        ("team/a/transit", true, false),
        ("a-b_c.d", true, true),
        ("", false, false),
        ("..", false, false),
        ("a/../b", false, false),
        ("a//b", false, false),
        ("/a", false, false),
        ("a?b", false, false),
        ("a b", false, false),
        ("a%2fb", false, false),
    ] {
        assert_eq!((is_path_name(name, true), is_path_name(name, false)), (as_mount, as_key), "{name:?}");
    }
}
