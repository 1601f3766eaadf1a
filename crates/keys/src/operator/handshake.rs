//! The three messages that open the socket of a running vault.
//!
//! | message | bytes |
//! | --- | --- |
//! | hello, of the command | `PANVSOCK` (8) · protocol (2) · nonce (32) |
//! | challenge, of the server | `PANVSOCK` (8) · protocol (2) · vault (12) · nonce (32) · proof of the server (32) |
//! | answer, of the command | proof of the command (32) |
//!
//! The server proves itself first, to anybody who asks: what it says is the value of a keyed function at a place that was never asked
//! before, of which nobody learns anything. Proofs differ by who makes them, so that neither can be sent back to whoever made it, and by
//! both nonces, so that neither can be sent again.

use panvault_model::VaultId;
use subtle::ConstantTimeEq;

use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::limits::{SOCKET_ANSWER_BYTES, SOCKET_CHALLENGE_BYTES, SOCKET_HELLO_BYTES, SOCKET_PROTOCOL};
use crate::operator::OperatorKey;
use crate::operator::record::{RecordOpener, RecordSealer};

const MAGIC: &[u8; 8] = b"PANVSOCK";
const NONCE_BYTES: usize = 32;
const PROOF_BYTES: usize = 32;

type Nonce = [u8; NONCE_BYTES];

/// A command that has said hello.
pub struct SocketClient<'k> {
    key: &'k OperatorKey,
    nonce: Nonce,
}

/// A server that waits for the answer to its challenge.
pub struct SocketServer<'k> {
    key: &'k OperatorKey,
    nonces: [Nonce; 2],
}

/// Both ends have proved that they have the root key: what each direction is sealed with from here on.
pub struct SocketHandshake {
    /// For what this end sends.
    pub sealer: RecordSealer,
    /// For what the other end sends.
    pub opener: RecordOpener,
}

impl<'k> SocketClient<'k> {
    /// Begins: gives the hello.
    pub fn hello(
        key: &'k OperatorKey,
        entropy: &dyn Entropy,
    ) -> Result<(Self, [u8; SOCKET_HELLO_BYTES]), KeysError> {
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill_secret(&mut nonce)?;
        let mut hello = [0; SOCKET_HELLO_BYTES];
        put(&mut hello, &[MAGIC, &SOCKET_PROTOCOL.to_be_bytes(), &nonce]);
        Ok((Self { key, nonce }, hello))
    }

    /// Judges the challenge, and answers it. [`KeysError::SocketUnproved`] when whoever sent it does not have the root key of this vault:
    /// it has learned a nonce. [`KeysError::SocketProtocol`] when it speaks another protocol.
    pub fn answer(
        self,
        challenge: &[u8; SOCKET_CHALLENGE_BYTES],
    ) -> Result<([u8; SOCKET_ANSWER_BYTES], SocketHandshake), KeysError> {
        let rest = protocol(challenge)?;
        let (vault, rest) = rest.split_first_chunk::<12>().ok_or(KeysError::SocketUnproved)?;
        let (nonce, proof) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(KeysError::SocketUnproved)?;
        let nonces = [self.nonce, *nonce];
        let expected = prove(self.key, "server", &nonces);
        if VaultId::from_bytes(*vault) != self.key.vault() || !bool::from(expected.ct_eq(proof)) {
            return Err(KeysError::SocketUnproved);
        }
        Ok((
            prove(self.key, "client", &nonces),
            SocketHandshake::of(self.key, "client-seals", "server-seals", &nonces)?,
        ))
    }
}

impl<'k> SocketServer<'k> {
    /// Judges a hello, and challenges whoever sent it. [`KeysError::SocketProtocol`] when it speaks another protocol;
    /// [`SocketServer::other_protocol`] is then what it is told.
    pub fn challenge(
        key: &'k OperatorKey,
        hello: &[u8; SOCKET_HELLO_BYTES],
        entropy: &dyn Entropy,
    ) -> Result<(Self, [u8; SOCKET_CHALLENGE_BYTES]), KeysError> {
        let theirs = protocol(hello)?.first_chunk().ok_or(KeysError::SocketUnproved)?;
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill_secret(&mut nonce)?;
        let nonces = [*theirs, nonce];
        let mut challenge = [0; SOCKET_CHALLENGE_BYTES];
        let proof = prove(key, "server", &nonces);
        let number = SOCKET_PROTOCOL.to_be_bytes();
        put(&mut challenge, &[MAGIC, &number, key.vault().as_bytes(), &nonce, &proof]);
        Ok((Self { key, nonces }, challenge))
    }

    /// Says which protocol this server speaks, and proves nothing.
    pub fn other_protocol() -> [u8; SOCKET_CHALLENGE_BYTES] {
        let mut challenge = [0; SOCKET_CHALLENGE_BYTES];
        put(&mut challenge, &[MAGIC, &SOCKET_PROTOCOL.to_be_bytes()]);
        challenge
    }

    /// Judges the answer. [`KeysError::SocketUnproved`] when whoever sent it does not have the root key of this vault.
    pub fn accept(self, answer: &[u8; SOCKET_ANSWER_BYTES]) -> Result<SocketHandshake, KeysError> {
        let nonces = &self.nonces;
        if !bool::from(prove(self.key, "client", nonces).ct_eq(answer)) {
            return Err(KeysError::SocketUnproved);
        }
        SocketHandshake::of(self.key, "server-seals", "client-seals", nonces)
    }
}

impl SocketHandshake {
    fn of(key: &OperatorKey, ours: &str, theirs: &str, [one, two]: &[Nonce; 2]) -> Result<Self, KeysError> {
        let sealer = RecordSealer::new(&key.derive(ours, &[one, two]))?;
        let opener = RecordOpener::new(&key.derive(theirs, &[one, two]))?;
        Ok(Self { sealer, opener })
    }
}

/// What the end of that name says to prove that it has the key.
fn prove(key: &OperatorKey, end: &str, [one, two]: &[Nonce; 2]) -> [u8; PROOF_BYTES] {
    *key.derive(end, &[one, two])
}

/// What follows magic and protocol.
fn protocol(message: &[u8]) -> Result<&[u8], KeysError> {
    let rest = message.strip_prefix(MAGIC.as_slice()).ok_or(KeysError::SocketUnproved)?;
    let (number, rest) = rest.split_first_chunk::<2>().ok_or(KeysError::SocketUnproved)?;
    match u16::from_be_bytes(*number) {
        SOCKET_PROTOCOL => Ok(rest),
        protocol => Err(KeysError::SocketProtocol { protocol }),
    }
}

fn put(out: &mut [u8], parts: &[&[u8]]) {
    for (slot, byte) in out.iter_mut().zip(parts.iter().flat_map(|part| part.iter())) {
        *slot = *byte;
    }
}
