use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use panvault_directory::is_own_or_roots;
use panvault_model::ProcessorId;

use super::description::{Description, Fault};
use super::limits::{
    DESCRIPTION_BYTES_MAX, DESCRIPTIONS_MAX, HttpLimits, LIMITS_BYTES_MAX, ROOTS_BYTES_MAX, TypeLimits,
};
use super::read;

/// The descriptions that come with the program: name and text.
const SHIPPED: &[(&str, &str)] = &[
    ("adyen", include_str!("../../descriptions/adyen.toml")),
    ("checkout", include_str!("../../descriptions/checkout.toml")),
    ("stripe", include_str!("../../descriptions/stripe.toml")),
];

/// The file of a directory of descriptions that sets limits of processors, whatever description they go by.
const LIMITS_FILE: &str = "limits.toml";

/// The descriptions that a vault may choose among, and the limits of processors that go by them.
#[derive(PartialEq, Eq)]
pub struct Registry {
    descriptions: Vec<Arc<Description>>,
    /// Of the operator's descriptions the type and the file.
    files: Vec<(String, PathBuf)>,
    limits: Vec<TypeLimits>,
    limits_file: Option<PathBuf>,
}

/// What is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file} cannot be used: {}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct FileFault {
    /// Its path.
    pub file: String,
    /// In the order of their lines.
    pub faults: Vec<Fault>,
}

impl Registry {
    /// Those that come with the program.
    pub fn shipped() -> Self {
        let read = |(_, text): &(&str, &str)| Description::parse(text).ok().map(Arc::new);
        let descriptions: Vec<_> = SHIPPED.iter().filter_map(read).collect();
        assert_eq!(descriptions.len(), SHIPPED.len(), "a description that is shipped is sound");
        Self { descriptions, files: Vec::new(), limits: Vec::new(), limits_file: None }
    }

    /// These, and each `*.toml` of a directory of the operator, within the limits of its `limits.toml`. One with the name of another is refused, but
    /// for one that says that it replaces a shipped one.
    pub fn load(directory: &Path) -> Result<Self, Vec<FileFault>> {
        let (limits, descriptions): (Vec<_>, Vec<_>) =
            files(directory).map_err(|fault| vec![fault])?.into_iter().partition(|file| is_of_limits(file));
        let mut registry = Self::described(descriptions)?;
        for file in limits {
            let named = |faults| vec![FileFault { file: file.display().to_string(), faults }];
            registry.limits = registry.limits_read(&file).map_err(named)?;
            registry.limits_file = Some(file);
        }
        Ok(registry)
    }

    /// The shipped descriptions, and these.
    fn described(files: Vec<PathBuf>) -> Result<Self, Vec<FileFault>> {
        let mut registry = Self::shipped();
        let shipped = registry.descriptions.len();
        let mut faults = Vec::new();
        for file in files {
            match Description::read(&file) {
                Ok(description) => {
                    let type_name = description.type_name();
                    match registry.add(description, shipped) {
                        Ok(()) => registry.files.push((type_name, file)),
                        Err(words) => faults.push(file_fault(&file, words)),
                    }
                }
                Err(found) => faults.push(FileFault { file: file.display().to_string(), faults: found }),
            }
        }
        if faults.is_empty() { Ok(registry) } else { Err(faults) }
    }

    /// Reads one file as it would be among those that come with the program.
    pub fn check(file: &Path) -> Result<Arc<Description>, Vec<Fault>> {
        let description = Description::read(file)?;
        let type_name = description.type_name();
        let mut registry = Self::shipped();
        let shipped = registry.descriptions.len();
        let whole = |words| vec![Fault { line: 1, words }];
        registry.add(description, shipped).map_err(whole)?;
        registry.of_type(&type_name).cloned().ok_or_else(|| whole(format!("is not found as {type_name}")))
    }

    /// Reads a file of limits as a server does that finds it in its directory of descriptions; nothing of a file that is none, by its name.
    pub fn check_limits(file: &Path) -> Option<Result<Vec<TypeLimits>, Vec<Fault>>> {
        if !is_of_limits(file) {
            return None;
        }
        let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
        let described =
            files(directory.unwrap_or(Path::new("."))).map_err(|fault| vec![fault]).and_then(|files| {
                Self::described(files.into_iter().filter(|file| !is_of_limits(file)).collect())
            });
        Some(match described {
            Ok(registry) => registry.limits_read(file),
            Err(faults) => {
                Err(faults.iter().map(|fault| Fault { line: 1, words: fault.to_string() }).collect())
            }
        })
    }

    fn limits_read(&self, file: &Path) -> Result<Vec<TypeLimits>, Vec<Fault>> {
        let text = text_of(file, LIMITS_BYTES_MAX)?;
        read::limits::file(&text, &|type_name| {
            self.of_type(type_name).map(|description| description.limits())
        })
    }

    /// The limits of a processor: those that are set for it, or for its type, or those of the description.
    pub fn limits(&self, type_name: &str, id: ProcessorId) -> HttpLimits {
        let described = || self.of_type(type_name).map_or_else(HttpLimits::default, |one| one.limits());
        let set = self.limits.iter().find(|one| one.type_name == type_name);
        set.map_or_else(described, |of_type| {
            let own = of_type.processors.iter().find(|other| other.id == id);
            own.map_or(of_type.limits, |own| own.limits)
        })
    }

    /// The operator's descriptions, each by its type, with the file that it is in.
    pub fn files(&self) -> &[(String, PathBuf)] {
        &self.files
    }

    /// The operator's limits, and the file that they are in.
    pub fn limits_set(&self) -> Option<(&Path, &[TypeLimits])> {
        Some((self.limits_file.as_deref()?, &self.limits))
    }

    /// Limits of processors that are not there, or of another type: they bind nobody. `type_of` knows the processors of the vault.
    pub fn limits_of_nobody(&self, type_of: impl Fn(ProcessorId) -> Option<String>) -> Option<FileFault> {
        let fault = |limits: &TypeLimits, id: ProcessorId, line| {
            let words = match type_of(id) {
                None => format!("there is no processor {id}: these limits are nobody's"),
                Some(other) if other != limits.type_name => {
                    format!("processor {id} is a {other}: these limits are nobody's")
                }
                Some(_) => return None,
            };
            Some(Fault { line, words })
        };
        let of_type = |limits: &TypeLimits| {
            let faults = limits.processors.iter().filter_map(|one| fault(limits, one.id, one.line));
            faults.collect::<Vec<_>>()
        };
        let mut faults: Vec<_> = self.limits.iter().flat_map(of_type).collect();
        faults.sort_by_key(|fault| fault.line);
        let file = self.limits_file.as_ref().filter(|_| !faults.is_empty())?;
        Some(FileFault { file: file.display().to_string(), faults })
    }

    /// The types of processors that other descriptions or limits than these change.
    pub fn changed(&self, other: &Self) -> Vec<String> {
        let types = self.descriptions.iter().chain(&other.descriptions).map(|one| one.type_name());
        let is_other = |type_name: &String| {
            let set =
                |registry: &Self| registry.limits.iter().find(|one| one.type_name == *type_name).cloned();
            self.of_type(type_name) != other.of_type(type_name) || set(self) != set(other)
        };
        let mut changed: Vec<_> = types.filter(is_other).collect();
        changed.sort();
        changed.dedup();
        changed
    }

    /// Takes a description in, or says why not.
    fn add(&mut self, description: Description, shipped: usize) -> Result<(), String> {
        let name = description.name();
        match self.descriptions.iter().position(|other| other.name() == name) {
            None if description.replaces_shipped => {
                Err(format!("there is no shipped description {name} to replace"))
            }
            None => {
                self.descriptions.push(Arc::new(description));
                Ok(())
            }
            Some(at)
                if at < shipped && description.replaces_shipped && is_shipped(self.descriptions.get(at)) =>
            {
                if let Some(place) = self.descriptions.get_mut(at) {
                    *place = Arc::new(description);
                }
                Ok(())
            }
            Some(at) if at < shipped && is_shipped(self.descriptions.get(at)) => {
                Err(format!("{name} is shipped: give it another name, or say replaces_shipped = true"))
            }
            Some(_) => {
                let type_name = description.type_name();
                let first = self.files.iter().find(|(known, _)| *known == type_name);
                let first = first.map_or_else(String::new, |(_, file)| format!(" ({})", file.display()));
                Err(format!("another file{first} has the name {name}"))
            }
        }
    }

    /// The description for a type of processor, `card_…`.
    pub fn of_type(&self, type_name: &str) -> Option<&Arc<Description>> {
        let name = type_name.strip_prefix("card_")?;
        self.descriptions.iter().find(|description| description.name() == name)
    }

    /// All of them.
    pub fn descriptions(&self) -> impl Iterator<Item = &Arc<Description>> {
        self.descriptions.iter()
    }
}

impl Description {
    /// Reads a description whose PSP the public authorities vouch for.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        read::read(text, &|_| Err("there are no files beside this one".to_owned()))
    }

    /// Reads a file, and the certificates beside it that it names.
    pub fn read(path: &Path) -> Result<Self, Vec<Fault>> {
        let text = text_of(path, DESCRIPTION_BYTES_MAX)?;
        let beside = |name: &str| {
            let directory = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
            bytes_of(&directory.join(name), ROOTS_BYTES_MAX)
        };
        read::read(&text, &beside)
    }
}

/// One that came with the program does not say that it replaces one.
fn is_shipped(description: Option<&Arc<Description>>) -> bool {
    description.is_some_and(|description| !description.replaces_shipped)
}

fn file_fault(file: &Path, words: String) -> FileFault {
    FileFault { file: file.display().to_string(), faults: vec![Fault { line: 1, words }] }
}

fn files(directory: &Path) -> Result<Vec<PathBuf>, FileFault> {
    let unread = |_| file_fault(directory, "the directory cannot be read".to_owned());
    // Whoever can write a description says where card numbers are sent.
    if let Some(words) = others_decide(&fs::metadata(directory).map_err(unread)?) {
        return Err(file_fault(directory, words.to_owned()));
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    if files.len() > DESCRIPTIONS_MAX {
        return Err(file_fault(directory, format!("has more than {DESCRIPTIONS_MAX} descriptions")));
    }
    files.sort();
    Ok(files)
}

fn is_of_limits(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name == LIMITS_FILE)
}

fn text_of(path: &Path, bytes_max: u64) -> Result<String, Vec<Fault>> {
    let whole = |words: String| vec![Fault { line: 1, words }];
    let bytes = bytes_of(path, bytes_max).map_err(whole)?;
    String::from_utf8(bytes).map_err(|_| whole("is not UTF-8".to_owned()))
}

fn bytes_of(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let unread = || format!("{} cannot be read", path.display());
    // A pipe or a device may have no end, and waits when it is opened.
    if !fs::metadata(path).map_err(|_| unread())?.is_file() {
        return Err(format!("{} is no file", path.display()));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|_| unread())?;
    // Of what was opened: the name may lead elsewhere by now.
    if let Some(words) = others_decide(&file.metadata().map_err(|_| unread())?) {
        return Err(format!("{} {words}", path.display()));
    }
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|_| unread())?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > bytes_max {
        return Err(format!("{} has more than {bytes_max} bytes", path.display()));
    }
    Ok(bytes)
}

/// Why others decide what is said there, if they do.
fn others_decide(metadata: &fs::Metadata) -> Option<&'static str> {
    if !is_own_or_roots(metadata) {
        return Some(
            "belongs to another user, who then says where cards are sent: give it to root, or to the user who runs panvault (chown)",
        );
    }
    let is_written_by_others = metadata.permissions().mode() & 0o022 != 0;
    is_written_by_others.then_some(
        "may be written by others than its owner, who then say where cards are sent: take that right away (chmod go-w)",
    )
}
