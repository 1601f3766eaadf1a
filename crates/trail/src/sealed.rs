//! Lines of an export for those alone who have the other half of a key: each goes under an envelope that stands before it.

use std::borrow::Cow;
use std::collections::VecDeque;

use panvault_keys::{AgeIdentity, AgeRecipient, Entropy, KeysError, LineOpener, LineSealer, Sha256};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::limits::{ENVELOPES_MAX, LINE_BYTES_MAX, RECIPIENTS_MAX, SEALED_STEP_BYTES, WRITTEN_BYTES_MAX};
use crate::line::{before, without_kind};

const ENVELOPE: &str = "envelope";
const SEALED: &str = "sealed";
/// What each of the two begins with.
const BEGINNINGS: [&[u8]; 2] = [b"{\"type\":\"envelope\",", b"{\"type\":\"sealed\","];
/// What every line begins with.
const KIND_BYTES: usize = b"{\"type\":\"".len();

/// The key of the lines behind it, for those who may read them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    vault: String,
    recipients: Vec<String>,
    /// A file of age with the key, in base64.
    age: String,
}

/// A line of any other kind, sealed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedLine {
    /// The beginning of the hash of the line of the envelope.
    envelope: String,
    /// Counts the lines under it, from 1.
    line: u32,
    /// In base64.
    sealed: String,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Written<'a> {
    Envelope(&'a Envelope),
    Sealed(&'a SealedLine),
}

impl Written<'_> {
    fn encode(&self) -> Vec<u8> {
        // What has texts and numbers only is always written.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// Why lines cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealFault {
    /// A line would be longer than a reader takes.
    #[error("a line is longer than what can be sealed")]
    TooLong,
    /// Nobody could read them, or an envelope would be longer than a line.
    #[error("lines are sealed to one to {RECIPIENTS_MAX} recipients")]
    Recipients,
    /// The key was not made, or does not seal.
    #[error("the lines cannot be sealed")]
    Keys(#[from] KeysError),
}

/// Seals lines that go together to those who may read them: an envelope, and each line under it.
pub fn seal_lines(
    lines: &[u8],
    vault: &str,
    recipients: &[AgeRecipient],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, SealFault> {
    if !(1..=RECIPIENTS_MAX).contains(&recipients.len()) {
        return Err(SealFault::Recipients);
    }
    let mut sealer = LineSealer::make(entropy)?;
    let envelope = Written::Envelope(&Envelope {
        vault: vault.to_owned(),
        recipients: recipients.iter().map(AgeRecipient::to_string).collect(),
        age: sealer.wrap(recipients, entropy)?,
    })
    .encode();
    if envelope.len() > LINE_BYTES_MAX {
        return Err(SealFault::Recipients);
    }
    let hash = Sha256::of(&envelope);
    let mut out = envelope;
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        if line.len() > WRITTEN_BYTES_MAX {
            return Err(SealFault::TooLong);
        }
        let mut padded = line.to_vec();
        padded.resize(line.len().next_multiple_of(SEALED_STEP_BYTES), 0);
        let (line, sealed) = sealer.seal(&hash, padded)?;
        out.extend(Written::Sealed(&SealedLine { envelope: before(&hash), line, sealed }).encode());
    }
    Ok(out)
}

/// What of an export was sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Lines that were opened.
    pub lines: u64,
    /// Lines that stood there for all to read. What they say is judged as anything else is.
    pub lines_plain: u64,
    /// To whom envelopes are, by public keys of age, each once.
    pub recipients: Vec<String>,
}

/// Takes the lines of an export out of their envelopes. It proves nothing by itself: anybody can seal something to a public key. What comes out of it is for a [`Verifier`](crate::Verifier).
pub struct Unsealer {
    identities: Vec<AgeIdentity>,
    /// The envelopes that came last: what they are named by, the hash of the line, and what opens lines.
    envelopes: VecDeque<([u8; 32], LineOpener)>,
    sealed: Sealed,
}

impl Unsealer {
    /// Opens what is for one of these.
    pub fn new(identities: Vec<AgeIdentity>) -> Self {
        Self { identities, envelopes: VecDeque::new(), sealed: Sealed::default() }
    }

    /// The next line as it was before it was sealed, with its line feed; as it is where it was not. `None` for an envelope, and for what is left of a sealed line that was cut off: as
    /// what was cut off comes again under another envelope, it need not be the beginning of anything.
    pub fn line<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<Cow<'a, [u8]>>, Fault> {
        if bytes.len() > LINE_BYTES_MAX {
            return Err(Fault::TooLong);
        }
        if let Some(envelope) = parsed::<Envelope>(bytes, ENVELOPE, |one| Written::Envelope(one).encode()) {
            self.envelope(envelope, bytes)?;
            return Ok(None);
        }
        if let Some(sealed) = parsed::<SealedLine>(bytes, SEALED, |one| Written::Sealed(one).encode()) {
            return self.open(&sealed).map(|line| Some(Cow::Owned(line)));
        }
        if is_begun(bytes) {
            return Ok(None);
        }
        self.sealed.lines_plain += 1;
        Ok(Some(Cow::Borrowed(bytes)))
    }

    /// What was sealed of what was read.
    pub fn finish(self) -> Sealed {
        self.sealed
    }

    fn envelope(&mut self, envelope: Envelope, bytes: &[u8]) -> Result<(), Fault> {
        // Only what is a public key is ever repeated.
        let is_key = |text: &String| AgeRecipient::parse(text).is_some_and(|key| key.to_string() == *text);
        if !(1..=RECIPIENTS_MAX).contains(&envelope.recipients.len())
            || !envelope.recipients.iter().all(is_key)
        {
            return Err(Fault::Envelope);
        }
        let hash = Sha256::of(bytes);
        if self.envelopes.iter().any(|(known, _)| *known == hash) {
            return Ok(());
        }
        let is_named =
            |identity: &AgeIdentity| envelope.recipients.contains(&identity.recipient().to_string());
        let mut named = self.identities.iter().filter(|identity| is_named(identity)).peekable();
        if named.peek().is_none() {
            return Err(Fault::Encrypted { to: envelope.recipients });
        }
        let opener = named.find_map(|identity| LineOpener::unwrap(&envelope.age, identity));
        let opener = opener.ok_or(Fault::Envelope)?;
        if self.envelopes.len() >= ENVELOPES_MAX {
            self.envelopes.pop_front();
        }
        self.envelopes.push_back((hash, opener));
        for recipient in envelope.recipients {
            if !self.sealed.recipients.contains(&recipient) {
                self.sealed.recipients.push(recipient);
            }
        }
        Ok(())
    }

    fn open(&mut self, sealed: &SealedLine) -> Result<Vec<u8>, Fault> {
        let named = self.envelopes.iter().rev().find(|(hash, _)| before(hash) == sealed.envelope);
        let (hash, opener) = named.ok_or(Fault::EnvelopeMissing)?;
        let mut line = opener.open(hash, sealed.line, &sealed.sealed).ok_or(Fault::Sealed)?;
        let end = line.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        line.truncate(end);
        self.sealed.lines += 1;
        Ok(line)
    }
}

/// A whole line of a kind in its one form.
fn parsed<T: DeserializeOwned>(bytes: &[u8], kind: &str, encode: impl Fn(&T) -> Vec<u8>) -> Option<T> {
    let parsed: T = without_kind(bytes.strip_suffix(b"\n")?, kind)?;
    (encode(&parsed) == bytes).then_some(parsed)
}

/// Whether it is what is left of a line that was sealed, or of an envelope.
fn is_begun(bytes: &[u8]) -> bool {
    let begun = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let begins = |beginning: &&[u8]| begun.starts_with(beginning) || beginning.starts_with(begun);
    begun.len() > KIND_BYTES && BEGINNINGS.iter().any(begins)
}
