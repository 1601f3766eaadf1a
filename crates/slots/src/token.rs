use core::fmt;
use core::time::Duration;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use aws_lc_rs::digest;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use panvault_directory::is_own_or_roots;
use panvault_keys::{PeerKind, PeerLock, SlotKey};
use tokio::sync::oneshot;
use zeroize::{Zeroize, Zeroizing};

use crate::fault::{Fault, PeerFault};
use crate::limits::TOKEN_SECONDS_MAX;
use crate::peer::{Context, Env, ReadSecret};

/// A token that is spoken to by PKCS#11: a hardware security module, or what stands for one. It encrypts by AES-256-GCM under a key that never leaves it.
#[derive(Clone)]
pub struct Token {
    settings: TokenSettings,
    read: ReadSecret,
}

/// Which key of which token, and how it is spoken to.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// The maker's library, an absolute path. It becomes a part of this process.
    pub library: PathBuf,
    /// The label of the token.
    pub token: String,
    /// The label of the key.
    pub key: String,
    /// The file with the PIN.
    pub pin_file: PathBuf,
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(formatter)
    }
}

const IV_BYTES: usize = 12;
const TAG_BITS: u64 = 128;
const KEY_BYTES: u64 = 32;
const ID_BYTES: usize = 16;

/// The library that was loaded, of which there is one in a process, and whose calls come one at a time. It stays: to begin with a library anew is more than
/// some of them bear.
static LOADED: Mutex<Option<(PathBuf, Pkcs11)>> = Mutex::new(None);

/// The digest of a PIN that was wrong. A server asks again and again: not every token says that a wrong one was tried, and each locks after a few.
static WRONG_PIN: Mutex<Option<[u8; 32]>> = Mutex::new(None);

fn pin_digest(pin: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, pin.as_bytes()).as_ref());
    out
}

impl Token {
    /// The one that the settings name. It is not asked yet, and its library is not loaded.
    pub fn new(settings: TokenSettings, read: ReadSecret) -> Self {
        Self { settings, read }
    }

    pub(crate) fn describe(&self) -> String {
        format!("the key {} of the token {}", self.settings.key, self.settings.token)
    }

    pub(crate) fn names(&self) -> (&str, &str) {
        (&self.settings.token, &self.settings.key)
    }

    /// Makes a key on the token that never leaves it, under the label that the settings name. One of that label must not be there.
    pub async fn key_make(&self, env: Env<'_>) -> Result<(), PeerFault> {
        let mut id = [0; ID_BYTES];
        let drawn = env.entropy.fill_secret(&mut id).map_err(|_| Fault::refused("there is no randomness"));
        let made = match drawn {
            Ok(()) => self.with(move |token| token.open(true)?.key_make(id)).await,
            Err(fault) => Err(fault),
        };
        made.map_err(|fault| fault.of(self.describe()))
    }

    pub(crate) async fn wrap(
        &self,
        key: &SlotKey,
        context: Context,
        env: Env<'_>,
    ) -> Result<PeerLock, Fault> {
        let (plaintext, mut iv) = (Zeroizing::new(*key.expose_bytes()), [0; IV_BYTES]);
        env.entropy.fill_secret(&mut iv).map_err(|_| Fault::refused("there is no randomness"))?;
        self.with(move |token| {
            let opened = token.open(false)?;
            let (key, id) = opened.key(None)?;
            opened.is_kept(key)?;
            // A token may put an IV of its own in the place of ours.
            let associated = context.bytes();
            let mechanism = Mechanism::AesGcm(gcm(&mut iv, &associated)?);
            let sealed = opened.session.encrypt(&mechanism, key, plaintext.as_slice());
            let sealed = sealed.map_err(|error| said("the key does not encrypt by AES-GCM", &error))?;
            drop(mechanism);
            let wrapped = [iv.as_slice(), &sealed].concat();
            let TokenSettings { token, key, .. } = &token.settings;
            PeerLock::new(PeerKind::Pkcs11, token, key, &id, wrapped).ok_or_else(|| {
                Fault::refused("the key has an id, or gives an answer, that is longer than it can be")
            })
        })
        .await
    }

    pub(crate) async fn unwrap(
        &self,
        lock: &PeerLock,
        context: Context,
    ) -> Result<Zeroizing<[u8; 32]>, Fault> {
        let (id, wrapped) = (lock.detail().to_owned(), lock.wrapped().to_vec());
        self.with(move |token| {
            let Some((iv, sealed)) = wrapped.split_first_chunk::<IV_BYTES>() else {
                return Err(Fault::refused("what the slot has is not what a token made"));
            };
            let opened = token.open(false)?;
            let (key, _) = opened.key(Some(&id))?;
            let (mut iv, associated) = (*iv, context.bytes());
            let mechanism = Mechanism::AesGcm(gcm(&mut iv, &associated)?);
            let mut plaintext = match opened.session.decrypt(&mechanism, key, sealed) {
                Ok(plaintext) => Zeroizing::new(plaintext),
                Err(
                    error @ Error::Pkcs11(
                        RvError::EncryptedDataInvalid
                        | RvError::EncryptedDataLenRange
                        | RvError::GeneralError
                        | RvError::FunctionFailed,
                        _,
                    ),
                ) => {
                    return Err(said(
                        "another key, vault or slot is behind what the slot has: the key was replaced, or the slot is not of this vault",
                        &error,
                    ));
                }
                Err(error) => return Err(said("the key does not decrypt by AES-GCM", &error)),
            };
            let bytes = plaintext.first_chunk::<32>().filter(|_| plaintext.len() == 32);
            let bytes = bytes.map(|bytes| Zeroizing::new(*bytes));
            plaintext.zeroize();
            bytes.ok_or_else(|| Fault::refused("what it gives back is not a slot's key"))
        })
        .await
    }

    /// Calls of a library wait for as long as they like: they do so on a thread of their own, which is left alone when it takes too long.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let (own, (done, ended)) = (self.clone(), oneshot::channel());
        let spawned = thread::Builder::new().name("pkcs11".to_owned()).spawn(move || {
            // Nobody may wait for it any more.
            let _ = done.send(work(&own));
        });
        spawned.map_err(|_| Fault::down("no thread could be made to ask it"))?;
        match tokio::time::timeout(Duration::from_secs(TOKEN_SECONDS_MAX), ended).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(Fault::refused("its library ended the thread that asked it")),
            Err(_) => Err(Fault::down(format!("its library did not come back within {TOKEN_SECONDS_MAX} s"))),
        }
    }

    /// A session in which the user is logged in.
    fn open(&self, writes: bool) -> Result<Opened, Fault> {
        let library = self.library()?;
        let slot = self.slot(&library)?;
        let pin = (self.read)(&self.settings.pin_file).map_err(Fault::refused)?;
        let tried = pin_digest(&pin);
        let mut wrong = WRONG_PIN.lock().unwrap_or_else(PoisonError::into_inner);
        if *wrong == Some(tried) {
            return Err(Fault::locking(format!(
                "the PIN in {} was wrong, and is not tried again by this process: write the right one there",
                self.settings.pin_file.display()
            )));
        }
        self.may_log_in(&library, slot)?;
        let session = if writes { library.open_rw_session(slot) } else { library.open_ro_session(slot) };
        let session = session.map_err(|error| said("it gives no session", &error))?;
        let pin = AuthPin::new(pin.as_str().into());
        match session.login(UserType::User, Some(&pin)) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => *wrong = None,
            Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _)) => {
                *wrong = Some(tried);
                return Err(Fault::locking(format!(
                    "the PIN in {} is wrong. It is not tried again before somebody has logged in with the right one: a token locks after a few",
                    self.settings.pin_file.display()
                )));
            }
            Err(Error::Pkcs11(RvError::PinLocked, _)) => return Err(Fault::locking(LOCKED)),
            Err(Error::Pkcs11(RvError::PinExpired, _)) => {
                return Err(Fault::locking("its PIN has expired: set another by the tools of its maker"));
            }
            Err(error) => return Err(said("it does not log in", &error)),
        }
        Ok(Opened { session, label: self.settings.key.clone() })
    }

    /// The library, loaded if it is not yet.
    fn library(&self) -> Result<Pkcs11, Fault> {
        let path = judged(&self.settings.library)?;
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        match loaded.as_ref() {
            Some((of, library)) if *of == path => return Ok(library.clone()),
            Some(_) => return Err(Fault::refused("another library was loaded before: start anew")),
            None => {}
        }
        let unusable = |error: &Error| {
            Fault::refused(format!("the library {} cannot be used ({})", path.display(), words(error)))
        };
        let library = Pkcs11::new(&path).map_err(|error| unusable(&error))?;
        match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(unusable(&error)),
        }
        *loaded = Some((path, library.clone()));
        Ok(library)
    }

    /// The slot of the reader that the token is in.
    fn slot(&self, library: &Pkcs11) -> Result<Slot, Fault> {
        let slots =
            library.get_slots_with_token().map_err(|error| said("its library lists no tokens", &error))?;
        let of_label = |slot: &Slot| {
            library.get_token_info(*slot).is_ok_and(|info| info.label().trim_end() == self.settings.token)
        };
        let found: Vec<_> = slots.into_iter().filter(of_label).collect();
        match found.as_slice() {
            [slot] => Ok(*slot),
            [] => Err(Fault::down(
                "there is no token of that label: see that it is connected, and slot_pkcs11_token right",
            )),
            _ => Err(Fault::refused("there are two tokens of that label: give one another, or take it away")),
        }
    }

    /// Refuses to log in where a PIN that is wrong could lock the token: somebody has typed a wrong one since the last time it was right.
    fn may_log_in(&self, library: &Pkcs11, slot: Slot) -> Result<(), Fault> {
        let info = library.get_token_info(slot).map_err(|error| said("it says nothing of itself", &error))?;
        if info.user_pin_locked() {
            return Err(Fault::locking(LOCKED));
        }
        if info.user_pin_count_low() || info.user_pin_final_try() {
            return Err(Fault::locking(format!(
                "a wrong PIN was tried since it was last right, and a token locks after a few: see that the one in {} is right, and log in once by hand, such \
                 as with pkcs11-tool --module {} --token-label '{}' --login --list-objects",
                self.settings.pin_file.display(),
                self.settings.library.display(),
                self.settings.token
            )));
        }
        Ok(())
    }
}

const LOCKED: &str = "its PIN is locked after too many wrong ones: unlock it by the tools of its maker";

/// A token that is spoken to. The session ends when it goes, and with it the login.
struct Opened {
    session: Session,
    label: String,
}

impl Opened {
    /// The key of the label, and its id; with an id the one that has it too.
    fn key(&self, id: Option<&str>) -> Result<(ObjectHandle, String), Fault> {
        let mut wanted = self.template();
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            let id =
                hex::decode(id).map_err(|_| Fault::refused("what the slot has is not what a token made"))?;
            wanted.push(Attribute::Id(id));
        }
        let found = self.session.find_objects(&wanted).map_err(|error| said("it finds no keys", &error))?;
        match found.as_slice() {
            [key] => Ok((*key, self.id(*key)?)),
            [] if self.is_there()? => Err(Fault::refused(
                "a key of that label is there with another id: the one that wrapped the slot's key was replaced",
            )),
            [] => Err(Fault::refused("the token has no secret key of that label")),
            _ => Err(Fault::refused("the token has two keys of that label: give one another")),
        }
    }

    fn is_there(&self) -> Result<bool, Fault> {
        let found = self.session.find_objects(&self.template());
        found.map(|found| !found.is_empty()).map_err(|error| said("it finds no keys", &error))
    }

    fn template(&self) -> Vec<Attribute> {
        vec![Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Label(self.label.as_bytes().to_vec())]
    }

    fn id(&self, key: ObjectHandle) -> Result<String, Fault> {
        let found = self.session.get_attributes(key, &[AttributeType::Id]);
        let found = found.map_err(|error| said("it does not tell the id of the key", &error))?;
        let id = found.into_iter().find_map(|attribute| match attribute {
            Attribute::Id(id) => Some(hex::encode(id)),
            _ => None,
        });
        Ok(id.unwrap_or_default())
    }

    /// Refuses a key that the token gives away.
    fn is_kept(&self, key: ObjectHandle) -> Result<(), Fault> {
        let asked = [AttributeType::Sensitive, AttributeType::Extractable];
        let found = self.session.get_attributes(key, &asked);
        let found =
            found.map_err(|error| said("it does not tell whether the key can be taken out", &error))?;
        let is_kept =
            found.contains(&Attribute::Sensitive(true)) && found.contains(&Attribute::Extractable(false));
        if is_kept {
            Ok(())
        } else {
            Err(Fault::refused(
                "the key can be taken out of the token: make one that cannot, such as with --make-key",
            ))
        }
    }

    fn key_make(&self, id: [u8; ID_BYTES]) -> Result<(), Fault> {
        if self.is_there()? {
            return Err(Fault::refused(
                "the token has a key of that label already: leave --make-key out, or name another",
            ));
        }
        let template = [
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Modifiable(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
            Attribute::Wrap(false),
            Attribute::Unwrap(false),
            Attribute::Sign(false),
            Attribute::Verify(false),
            Attribute::KeyType(KeyType::AES),
            Attribute::ValueLen(KEY_BYTES.into()),
            Attribute::Label(self.label.as_bytes().to_vec()),
            Attribute::Id(id.to_vec()),
        ];
        let made = self.session.generate_key(&Mechanism::AesKeyGen, &template);
        made.map(drop).map_err(|error| said("it makes no AES key of 256 bits", &error))
    }
}

fn gcm<'a>(iv: &'a mut [u8; IV_BYTES], associated: &'a [u8]) -> Result<GcmParams<'a>, Fault> {
    GcmParams::new(iv, associated, TAG_BITS.into())
        .map_err(|error| said("its library takes no AES-GCM", &error))
}

/// What went wrong, with the number's name. What may come back by itself is told apart from what does not.
fn said(what: &str, error: &Error) -> Fault {
    let said = format!("{what} ({})", words(error));
    match error {
        Error::Pkcs11(
            RvError::DeviceError
            | RvError::DeviceMemory
            | RvError::DeviceRemoved
            | RvError::HostMemory
            | RvError::SessionCount
            | RvError::SessionClosed
            | RvError::SessionHandleInvalid
            | RvError::TokenNotPresent
            | RvError::SlotIdInvalid,
            _,
        ) => Fault::down(said),
        _ => Fault::refused(said),
    }
}

/// The name of the standard, `CKR_…`, as the library that speaks it spells it.
fn words(error: &Error) -> String {
    match error {
        Error::Pkcs11(code, _) => format!("PKCS#11 says {code:?}"),
        Error::LibraryLoading(_) => "it does not load, or is none of PKCS#11".to_owned(),
        _ => "it is not as PKCS#11 wants it".to_owned(),
    }
}

/// The library, if nobody can have put another there: it belongs, as every directory above it, to root or this user, and others can write to none of them.
fn judged(library: &Path) -> Result<PathBuf, Fault> {
    let shown = library.display();
    if !library.is_absolute() {
        return Err(Fault::refused(format!("the library {shown} must be named from the root on")));
    }
    let unread = |error: std::io::Error| {
        Fault::refused(format!("the library {shown} cannot be read: {}", error.kind()))
    };
    let path = fs::canonicalize(library).map_err(unread)?;
    for part in path.ancestors() {
        let metadata = fs::metadata(part).map_err(unread)?;
        let is_others = metadata.mode() & 0o022 != 0 || !is_own_or_roots(&metadata);
        if is_others {
            return Err(Fault::refused(format!(
                "the library {shown} is not loaded: {} is another user's, or others can write to it (mode {:04o})",
                part.display(),
                metadata.mode() & 0o7777
            )));
        }
    }
    if fs::metadata(&path).map_err(unread)?.is_file() {
        Ok(path)
    } else {
        Err(Fault::refused(format!("the library {shown} is not a file")))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::fault::FaultKind;

    fn refused(path: &Path) -> String {
        let fault = judged(path).err().unwrap();
        let (kind, said) = fault.said();
        assert!(kind == FaultKind::Refused);
        said.to_owned()
    }

    /// What is loaded has every key of the vault.
    #[test]
    fn a_library_that_others_could_have_put_there_is_not_loaded() {
        assert!(judged(Path::new("/bin/sh")).is_ok());
        assert!(refused(Path::new("lib/pkcs11.so")).contains("from the root on"));
        assert!(refused(Path::new("/usr/lib/none.so")).contains("cannot be read"));
        assert!(refused(Path::new("/usr/lib")).contains("is not a file"));
        // Below a directory that everybody writes to.
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pkcs11.so");
        fs::write(&file, "").unwrap();
        assert!(refused(&file).contains("others can write to it (mode 1777)"), "{}", refused(&file));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(refused(&file).contains("(mode 0666)"));
    }
}
