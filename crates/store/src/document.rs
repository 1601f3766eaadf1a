//! Documents: the few rows that say who may do what and where money goes. Small, and cached whole by the vault.
//!
//! As it is stored:
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | format, 2 |
//! | 1 | kind |
//! | 12 | id |
//! | 4 | version |
//! | bytes | the encoded document |
//! | tag | keyed tag over all of the above |
//!
//! Every document begins with a format, 1, or 2 for a processor, or 3 for an account and for an API key (an organisation and an account with more have a later one), and has its parts in the order of the fields of its row: an id in 12 bytes, a
//! yes or no in one, a moment in 6, a currency in 3; an id or moment that may be absent as 0, or 1 and the value; a list
//! as a count in one byte and its items; a country and an address of a webhook as `text?`. The wrapped key of an organisation and the head are bytes of
//! `panvault-keys`.

use panvault_model::{
    AccountId, ApiKeyId, Country, Currency, Id, OrganisationId, ProcessorId, Role, Sealed, Tag, Timestamp,
};

use crate::codec::{Reader, RowFault, Writer};

/// What a document is. The numbers are those of stored records and are append-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DocumentKind {
    /// An [`OrganisationRow`].
    Organisation,
    /// An [`AccountRow`].
    Account,
    /// A [`ProcessorRow`].
    Processor,
    /// An [`ApiKeyRow`].
    ApiKey,
    /// A wrapped key of an organisation, bytes of `panvault-keys`. It is made with its organisation or after it.
    OrganisationKey,
    /// The head of all other documents, sealed bytes of `panvault-keys`. There is one as soon as there is any other document, its id is
    /// all zeroes, and every change of documents makes its next version.
    DocumentHead,
    /// Where nodes share a store, how far the audit trail of each is known to have come, and who began last. There is one, its id is all zeroes, and
    /// it lies beside the documents: no head covers it.
    AuditCheckpoint,
    /// How far the audit trail of a node came that has ended, whose id it has. It lies beside the documents, too.
    AuditEnd,
    /// Which documents one of the last changes touched ([`crate::change_log`]). It lies beside the documents, too.
    ChangeLog,
    /// The picture that an organisation shows to shoppers, under the id of the organisation: small rows stay small. No snapshot holds its bytes.
    Logo,
    /// How far the trail was exported, and who has how much of it ([`crate::trail`]). There is one, its id is all zeroes, and it lies beside the documents.
    TrailState,
    /// A checkpoint of the exported trail, with where its records are; its id is its number. It lies beside the documents, too.
    TrailCheckpoint,
    /// Which header of keys the documents name, and what nodes that serve are handed of it: bytes of `panvault-keys`. There is at most one, and its id is all
    /// zeroes.
    HandOver,
    /// Where what is kept of the audit trail of a node begins, whose id it has ([`crate::audit_start`]). It lies beside the documents, too.
    AuditStart,
}

impl DocumentKind {
    /// Whether it lies beside the documents, and the head does not cover it.
    pub const fn is_beside(self) -> bool {
        match self {
            Self::AuditCheckpoint
            | Self::AuditEnd
            | Self::AuditStart
            | Self::ChangeLog
            | Self::TrailState
            | Self::TrailCheckpoint => true,
            Self::Organisation
            | Self::Account
            | Self::Processor
            | Self::ApiKey
            | Self::OrganisationKey
            | Self::DocumentHead
            | Self::Logo
            | Self::HandOver => false,
        }
    }

    /// The number that stands for it in stored records.
    pub const fn code(self) -> u8 {
        match self {
            Self::Organisation => 1,
            Self::Account => 2,
            Self::Processor => 3,
            Self::ApiKey => 4,
            Self::OrganisationKey => 7,
            Self::DocumentHead => 8,
            Self::AuditCheckpoint => 9,
            Self::AuditEnd => 10,
            Self::ChangeLog => 11,
            Self::Logo => 12,
            Self::TrailState => 13,
            Self::TrailCheckpoint => 14,
            Self::HandOver => 15,
            Self::AuditStart => 16,
        }
    }

    /// The kind that a stored number stands for.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Organisation),
            2 => Some(Self::Account),
            3 => Some(Self::Processor),
            4 => Some(Self::ApiKey),
            // 5 and 6 were the registry of all keys and the list of all documents.
            7 => Some(Self::OrganisationKey),
            8 => Some(Self::DocumentHead),
            9 => Some(Self::AuditCheckpoint),
            10 => Some(Self::AuditEnd),
            11 => Some(Self::ChangeLog),
            12 => Some(Self::Logo),
            13 => Some(Self::TrailState),
            14 => Some(Self::TrailCheckpoint),
            15 => Some(Self::HandOver),
            16 => Some(Self::AuditStart),
            _ => None,
        }
    }
}

/// A document as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentRow {
    /// What it is.
    pub kind: DocumentKind,
    /// Names it.
    pub id: Id,
    /// Counts its changes, from 1.
    pub version: u32,
    /// The encoded document.
    pub body: Vec<u8>,
    /// Keyed tag over all of the above, made by the vault.
    pub tag: Tag,
}

impl DocumentRow {
    const FORMAT: u8 = 2;

    /// Appends everything that the tag covers.
    pub fn encode_clear(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.u8(Self::FORMAT);
        writer.u8(self.kind.code());
        writer.fixed(self.id.as_bytes());
        writer.u32(self.version);
        writer.bytes(&self.body);
    }

    /// Appends the whole row.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_clear(out);
        Writer::new(out).tag(&self.tag);
    }

    /// Reads a row that [`DocumentRow::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
        let mut reader = Reader::of_format(bytes, Self::FORMAT)?;
        let row = Self {
            kind: reader.code(DocumentKind::from_code)?,
            id: Id::from_bytes(reader.fixed()?),
            version: reader.u32()?,
            body: reader.bytes()?.to_vec(),
            tag: reader.tag()?,
        };
        reader.end()?;
        Ok(row)
    }
}

/// Who owns cards. Organisations form a tree by `parent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganisationRow {
    /// Names it.
    pub id: OrganisationId,
    /// The organisation above it.
    pub parent: Option<OrganisationId>,
    /// Its name.
    pub name: String,
    /// Whether its keys are refused.
    pub disabled: bool,
    /// Where it is.
    pub country_code: Option<Country>,
    /// Address, telephone and the like, under the names of the API.
    pub details: Vec<(String, String)>,
    /// Web origins (RFC 6454) whose pages may create its cards without a key; none where that is off.
    pub keyless_capture_origins: Vec<String>,
    /// Web origins (RFC 6454) to which checkouts of its accounts may send shoppers back; any, where there are none.
    pub return_origins: Vec<String>,
    /// How the pages of its checkouts look, under the names of the API.
    pub checkout_theme: Vec<(String, String)>,
    /// The picture on them, whose bytes are a document of their own.
    pub logo: Option<Logo>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What is known of an organisation's picture without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logo {
    /// How it is written.
    pub format: ImageFormat,
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// Keyed digest of its bytes, made by the vault: another picture has another name.
    pub digest: [u8; 16],
}

/// How a picture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageFormat {
    /// Portable Network Graphics.
    Png,
    /// A JPEG image.
    Jpeg,
}

impl ImageFormat {
    /// The number that stands for it in stored records.
    pub const fn code(self) -> u8 {
        match self {
            Self::Png => 1,
            Self::Jpeg => 2,
        }
    }

    /// The format that a stored number stands for.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Png),
            2 => Some(Self::Jpeg),
            _ => None,
        }
    }

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
        }
    }
}

impl Logo {
    /// The hexadecimal digits of the digest.
    pub fn digest_text(&self) -> String {
        self.digest.iter().fold(String::with_capacity(32), |mut text, byte| {
            for half in [byte >> 4, byte & 15] {
                text.push(char::from_digit(half.into(), 16).unwrap_or('0'));
            }
            text
        })
    }
}

/// The document of a picture: what its organisation's row says of it, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoRow {
    /// As the organisation has it.
    pub logo: Logo,
    /// The picture.
    pub bytes: Vec<u8>,
}

/// Where an organisation's money goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Names it.
    pub id: AccountId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Its name.
    pub name: String,
    /// In words.
    pub description: Option<String>,
    /// Its one currency.
    pub currency: Currency,
    /// At most one of each kind.
    pub processors: Vec<ProcessorId>,
    /// Whether it refuses transactions.
    pub disabled: bool,
    /// Who is told of changes of what belongs to it.
    pub webhooks: Webhooks,
    /// What they are signed with: the newest, and the one before it for as long as it signs too.
    pub webhook_secrets: Vec<SealedSecret>,
    /// How the pages of its checkouts look, in the place of what its organisation says of each, under the names of the API.
    pub checkout_theme: Vec<(String, String)>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A secret that webhooks of an account are signed with, sealed to its account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSecret {
    /// Counts the secrets of the account, from 1.
    pub number: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it no longer signs, once another took its place.
    pub ends_at: Option<Timestamp>,
    /// The secret.
    pub sealed: Sealed,
}

/// Addresses (URLs) of those who are told when something of an account changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Webhooks {
    /// Of its transactions.
    pub transaction_update: Option<String>,
    /// Of its refunds.
    pub refund_update: Option<String>,
    /// Of its chargebacks.
    pub chargeback_update: Option<String>,
}

/// A configured connection to an acquirer or PSP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessorRow {
    /// Names it.
    pub id: ProcessorId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Its name.
    pub name: String,
    /// `configuration._type`, such as `card_dummy`.
    pub type_name: String,
    /// The rest of the configuration that is no secret.
    pub settings: Vec<(String, String)>,
    /// Its secrets, each with its name and sealed to that and the processor.
    pub secrets: Vec<(String, Sealed)>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// An API key: what it may do, and a keyed hash to know it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyRow {
    /// Names it.
    pub id: ApiKeyId,
    /// Whose it is: its bearer sees this organisation and all below it.
    pub organisation: OrganisationId,
    /// Its name.
    pub name: String,
    /// What its bearer may do.
    pub roles: Vec<Role>,
    /// Version of the key that made the hash.
    pub hash_key: u16,
    /// Keyed hash of the key.
    pub hash: [u8; 32],
    /// Web origins (RFC 6454) whose pages may use it, where it is a browser's; else none.
    pub allowed_origins: Vec<String>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

macro_rules! document_codec {
    ($row:ident, $format:literal, |$self:ident, $writer:ident| $encode:block, |$reader:ident| $decode:expr) => {
        impl $row {
            /// The document's bytes.
            pub fn encode(&$self) -> Vec<u8> {
                let mut out = Vec::with_capacity(128);
                let mut writer = Writer::new(&mut out);
                writer.u8($format);
                let $writer = &mut writer;
                $encode
                out
            }

            /// Reads a document that `encode` wrote.
            pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
                let mut reader = Reader::of_format(bytes, $format)?;
                let $reader = &mut reader;
                let row = $decode;
                reader.end()?;
                Ok(row)
            }
        }
    };
}

impl OrganisationRow {
    const FORMAT: u8 = 1;
    /// With web origins at its end; without any, it is as it was before there were some.
    const FORMAT_KEYLESS: u8 = 2;
    /// With those, of which there may be none, and what its checkouts go by.
    const FORMAT_CHECKOUT: u8 = 3;
    /// With those, of which there may be none, and a picture.
    const FORMAT_LOGO: u8 = 4;

    /// The document's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        let mut writer = Writer::new(&mut out);
        let is_keyless = !self.keyless_capture_origins.is_empty();
        let has_logo = self.logo.is_some();
        let is_checkout = has_logo || !self.return_origins.is_empty() || !self.checkout_theme.is_empty();
        writer.u8(match (has_logo, is_checkout, is_keyless) {
            (true, _, _) => Self::FORMAT_LOGO,
            (false, true, _) => Self::FORMAT_CHECKOUT,
            (false, false, true) => Self::FORMAT_KEYLESS,
            (false, false, false) => Self::FORMAT,
        });
        writer.fixed(self.id.as_bytes());
        writer.u8(u8::from(self.parent.is_some()));
        if let Some(parent) = self.parent {
            writer.fixed(parent.as_bytes());
        }
        writer.text(&self.name);
        writer.u8(u8::from(self.disabled));
        writer.text_option(self.country_code.as_ref().map(Country::as_str));
        writer.pairs(&self.details);
        writer.timestamp(self.created_at);
        writer.timestamp(self.updated_at);
        if is_keyless || is_checkout {
            origins(&mut writer, &self.keyless_capture_origins);
        }
        if is_checkout {
            origins(&mut writer, &self.return_origins);
            writer.pairs(&self.checkout_theme);
        }
        if let Some(logo) = &self.logo {
            logo.write(&mut writer);
        }
        out
    }

    /// Reads a document that `encode` wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
        let later = [Self::FORMAT_KEYLESS, Self::FORMAT_CHECKOUT, Self::FORMAT_LOGO];
        let format = bytes.first().copied().filter(|format| later.contains(format)).unwrap_or(Self::FORMAT);
        let mut reader = Reader::of_format(bytes, format)?;
        let mut row = Self {
            id: OrganisationId::from_bytes(reader.fixed()?),
            parent: if reader.flag()? { Some(OrganisationId::from_bytes(reader.fixed()?)) } else { None },
            name: reader.text()?.to_owned(),
            disabled: reader.flag()?,
            country_code: match reader.text_option()? {
                None => None,
                Some(text) => {
                    let letters = text.as_bytes().try_into().map_err(|_| RowFault::Value)?;
                    Some(Country::from_bytes(letters).ok_or(RowFault::Value)?)
                }
            },
            details: reader.pairs()?,
            keyless_capture_origins: Vec::new(),
            return_origins: Vec::new(),
            checkout_theme: Vec::new(),
            logo: None,
            created_at: reader.timestamp()?,
            updated_at: reader.timestamp()?,
        };
        if format != Self::FORMAT {
            row.keyless_capture_origins = origins_read(&mut reader)?;
        }
        if format == Self::FORMAT_CHECKOUT || format == Self::FORMAT_LOGO {
            row.return_origins = origins_read(&mut reader)?;
            row.checkout_theme = reader.pairs()?;
        }
        if format == Self::FORMAT_LOGO {
            row.logo = Some(Logo::read(&mut reader)?);
        }
        // What has nothing more is written as what has no more.
        let is_none = match format {
            Self::FORMAT_KEYLESS => row.keyless_capture_origins.is_empty(),
            Self::FORMAT_CHECKOUT => row.return_origins.is_empty() && row.checkout_theme.is_empty(),
            _ => false,
        };
        if is_none {
            return Err(RowFault::Value);
        }
        reader.end()?;
        Ok(row)
    }
}

fn origins(writer: &mut Writer<'_>, origins: &[String]) {
    writer.u8(u8::try_from(origins.len()).unwrap_or(u8::MAX));
    for origin in origins {
        writer.text(origin);
    }
}

fn origins_read(reader: &mut Reader<'_>) -> Result<Vec<String>, RowFault> {
    let count = reader.u8()?;
    (0..count).map(|_| reader.text().map(str::to_owned)).collect()
}

impl Logo {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.u8(self.format.code());
        writer.u16(self.width);
        writer.u16(self.height);
        writer.fixed(&self.digest);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, RowFault> {
        Ok(Self {
            format: reader.code(ImageFormat::from_code)?,
            width: reader.u16()?,
            height: reader.u16()?,
            digest: reader.fixed()?,
        })
    }
}

document_codec!(
    LogoRow,
    1,
    |self, writer| {
        self.logo.write(writer);
        writer.bytes(&self.bytes);
    },
    |reader| LogoRow { logo: Logo::read(reader)?, bytes: reader.bytes()?.to_vec() }
);

impl AccountRow {
    /// The account without what signs its webhooks: what may be kept of it elsewhere.
    #[must_use]
    pub fn without_secrets(&self) -> Self {
        Self { webhook_secrets: Vec::new(), ..self.clone() }
    }
}

impl AccountRow {
    const FORMAT: u8 = 3;
    /// With what its checkouts look like at its end; without, it is as it was before they could.
    const FORMAT_CHECKOUT: u8 = 4;

    /// The document's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        let mut writer = Writer::new(&mut out);
        let is_checkout = !self.checkout_theme.is_empty();
        writer.u8(if is_checkout { Self::FORMAT_CHECKOUT } else { Self::FORMAT });
        writer.fixed(self.id.as_bytes());
        writer.fixed(self.organisation.as_bytes());
        writer.text(&self.name);
        writer.text_option(self.description.as_deref());
        writer.fixed(self.currency.as_bytes());
        writer.u8(u8::try_from(self.processors.len()).unwrap_or(u8::MAX));
        for processor in &self.processors {
            writer.fixed(processor.as_bytes());
        }
        writer.u8(u8::from(self.disabled));
        let Webhooks { transaction_update, refund_update, chargeback_update } = &self.webhooks;
        for address in [transaction_update, refund_update, chargeback_update] {
            writer.text_option(address.as_deref());
        }
        writer.u8(u8::try_from(self.webhook_secrets.len()).unwrap_or(u8::MAX));
        for secret in &self.webhook_secrets {
            writer.u32(secret.number);
            writer.timestamp(secret.created_at);
            writer.u8(u8::from(secret.ends_at.is_some()));
            if let Some(ends_at) = secret.ends_at {
                writer.timestamp(ends_at);
            }
            writer.bytes(secret.sealed.as_bytes());
        }
        writer.timestamp(self.created_at);
        writer.timestamp(self.updated_at);
        if is_checkout {
            writer.pairs(&self.checkout_theme);
        }
        out
    }

    /// Reads a document that `encode` wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
        let is_checkout = bytes.first() == Some(&Self::FORMAT_CHECKOUT);
        let mut reader =
            Reader::of_format(bytes, if is_checkout { Self::FORMAT_CHECKOUT } else { Self::FORMAT })?;
        let mut row = Self {
            id: AccountId::from_bytes(reader.fixed()?),
            organisation: OrganisationId::from_bytes(reader.fixed()?),
            name: reader.text()?.to_owned(),
            description: reader.text_option()?.map(str::to_owned),
            currency: Currency::from_bytes(reader.fixed()?).ok_or(RowFault::Value)?,
            processors: {
                let count = reader.u8()?;
                (0..count).map(|_| reader.fixed().map(ProcessorId::from_bytes)).collect::<Result<_, _>>()?
            },
            disabled: reader.flag()?,
            webhooks: Webhooks {
                transaction_update: reader.text_option()?.map(str::to_owned),
                refund_update: reader.text_option()?.map(str::to_owned),
                chargeback_update: reader.text_option()?.map(str::to_owned),
            },
            webhook_secrets: {
                let count = reader.u8()?;
                (0..count).map(|_| secret(&mut reader)).collect::<Result<_, _>>()?
            },
            created_at: reader.timestamp()?,
            updated_at: reader.timestamp()?,
            checkout_theme: Vec::new(),
        };
        if is_checkout {
            row.checkout_theme = reader.pairs()?;
            // What has none is written as what has no more.
            if row.checkout_theme.is_empty() {
                return Err(RowFault::Value);
            }
        }
        reader.end()?;
        Ok(row)
    }
}

fn secret(reader: &mut Reader<'_>) -> Result<SealedSecret, RowFault> {
    Ok(SealedSecret {
        number: reader.u32()?,
        created_at: reader.timestamp()?,
        ends_at: if reader.flag()? { Some(reader.timestamp()?) } else { None },
        sealed: Sealed::from_bytes(reader.bytes()?.to_vec()),
    })
}

impl ProcessorRow {
    /// The processor with only the names of its secrets: what may be kept of it elsewhere.
    #[must_use]
    pub fn without_secrets(&self) -> Self {
        let names = self.secrets.iter().map(|(name, _)| (name.clone(), Sealed::from_bytes(Vec::new())));
        Self { secrets: names.collect(), ..self.clone() }
    }
}

document_codec!(
    ProcessorRow,
    2,
    |self, writer| {
        writer.fixed(self.id.as_bytes());
        writer.fixed(self.organisation.as_bytes());
        writer.text(&self.name);
        writer.text(&self.type_name);
        writer.pairs(&self.settings);
        writer.u8(u8::try_from(self.secrets.len()).unwrap_or(u8::MAX));
        for (name, sealed) in &self.secrets {
            writer.text(name);
            writer.bytes(sealed.as_bytes());
        }
        writer.timestamp(self.created_at);
        writer.timestamp(self.updated_at);
    },
    |reader| ProcessorRow {
        id: ProcessorId::from_bytes(reader.fixed()?),
        organisation: OrganisationId::from_bytes(reader.fixed()?),
        name: reader.text()?.to_owned(),
        type_name: reader.text()?.to_owned(),
        settings: reader.pairs()?,
        secrets: {
            let count = reader.u8()?;
            let one = |_| Ok((reader.text()?.to_owned(), Sealed::from_bytes(reader.bytes()?.to_vec())));
            (0..count).map(one).collect::<Result<_, RowFault>>()?
        },
        created_at: reader.timestamp()?,
        updated_at: reader.timestamp()?,
    }
);

document_codec!(
    ApiKeyRow,
    3,
    |self, writer| {
        writer.fixed(self.id.as_bytes());
        writer.fixed(self.organisation.as_bytes());
        writer.text(&self.name);
        writer.u8(u8::try_from(self.roles.len()).unwrap_or(u8::MAX));
        for role in &self.roles {
            writer.u8(role.code());
        }
        writer.u16(self.hash_key);
        writer.fixed(&self.hash);
        writer.u8(u8::try_from(self.allowed_origins.len()).unwrap_or(u8::MAX));
        for origin in &self.allowed_origins {
            writer.text(origin);
        }
        writer.u8(u8::from(self.expires_at.is_some()));
        if let Some(expires_at) = self.expires_at {
            writer.timestamp(expires_at);
        }
        writer.timestamp(self.created_at);
        writer.timestamp(self.updated_at);
    },
    |reader| ApiKeyRow {
        id: ApiKeyId::from_bytes(reader.fixed()?),
        organisation: OrganisationId::from_bytes(reader.fixed()?),
        name: reader.text()?.to_owned(),
        roles: {
            let count = reader.u8()?;
            (0..count).map(|_| reader.code(Role::from_code)).collect::<Result<_, _>>()?
        },
        hash_key: reader.u16()?,
        hash: reader.fixed()?,
        allowed_origins: {
            let count = reader.u8()?;
            (0..count).map(|_| reader.text().map(str::to_owned)).collect::<Result<_, _>>()?
        },
        expires_at: if reader.flag()? { Some(reader.timestamp()?) } else { None },
        created_at: reader.timestamp()?,
        updated_at: reader.timestamp()?,
    }
);
