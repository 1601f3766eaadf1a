use core::error::Error;
use std::borrow::Cow;

use panvault_keys::KeysError;
use panvault_model::{NodeId, OrganisationId, TransactionAction, TransactionStatus};
use panvault_store::{CvvFault, RowFault, RowKey, StoreFault};

use crate::limit::LimitReached;

/// Why an operation was not done. None of them says anything of a card number, a CVV or a value that was sent.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// No key, an unknown key, an expired key, or a key of a disabled organisation.
    #[error("the caller is not authenticated")]
    NotAuthenticated,
    /// None of the caller's roles allows this.
    #[error("the caller's roles do not allow this")]
    RoleNotAllowed,
    /// There is no such object, or it is a stranger's: what named it, once for each.
    #[error("there is no such object")]
    NotFound(Vec<Named>),
    /// Fields whose values do not fit what is stored.
    #[error("fields do not fit")]
    Faults(Vec<FieldFault>),
    /// The object is in a state in which this cannot be done.
    #[error("wrong state: {reason}")]
    WrongState {
        /// In words.
        reason: &'static str,
    },
    /// The processor cannot do this; nothing was stored or sent.
    #[error("the processor cannot do this")]
    NotSupported,
    /// A transaction stands where this cannot be done with it.
    #[error("{action} cannot be done with a transaction that is {status}")]
    WrongMove {
        /// Where it stands.
        status: TransactionStatus,
        /// What was to be done.
        action: TransactionAction,
    },
    /// This organisation is disabled: it refuses what changes or pays, for itself and all below it.
    #[error("the organisation {0} is disabled")]
    Disabled(OrganisationId),
    /// An earlier request with this idempotency key still runs.
    #[error("the idempotency key is in use")]
    IdempotencyInUse,
    /// The idempotency key was used with another body.
    #[error("the idempotency key was used with another body")]
    IdempotencyMismatch,
    /// It was asked for more often than is allowed. Nothing was done.
    #[error("the limit {} is reached", .0.limit)]
    TooMany(LimitReached),
    /// A rule of this vault is against the payment. Nothing was sent.
    #[error("a rule is against it: {reason}")]
    Blocked {
        /// The field that names what the rule is about, by its name in the API.
        field: &'static str,
        /// In words.
        reason: &'static str,
        /// The limit that the rule is about; `None` where somebody tries the rule.
        limit: Option<LimitReached>,
    },
    /// A checkout takes no card and no payment any more, or not yet.
    #[error("the checkout refuses: {0:?}")]
    Checkout(CheckoutRefusal),
    /// More work waits than is good; nothing was done.
    #[error("too much work is waiting")]
    Busy,
    /// No room to hold a CVV: all that may be held are, or the organisation has its share. Nothing was done.
    #[error("no room to hold another CVV")]
    CvvFull,
    /// The place that holds CVVs was not reached. A CVV may be lost by it; none is used twice.
    #[error("the place that holds CVVs is out of reach")]
    CvvUnavailable,
    /// Others may have given this node up, until it has renewed its lease. Nothing was done.
    #[error("this node has no lease")]
    LeaseLost,
    /// Somebody has sealed the vault. Nothing was done.
    #[error("the vault is sealed until somebody unseals it")]
    Sealed,
    /// Another node serves, or did until its lease ends in so many seconds, and CVVs are held in the process of one of the two.
    #[error(
        "another node, {node}, serves this vault or did until lately (its lease is over in {seconds} seconds), and of two nodes neither sees a \
         CVV that is in the process of the other"
    )]
    NotAlone {
        /// The other.
        node: NodeId,
        /// Until it is taken to have ended.
        seconds: u64,
    },
    /// This node has not seen for a while whether another has changed who may do what. Nothing was done.
    #[error("this node has not seen the documents for a while")]
    DocumentsUnseen,
    /// The trail has not left the machine for longer than the settings let changes be made. Nothing was done.
    #[error("the trail is not exported")]
    TrailBehind,
    /// The store is full, has stopped or could not read, or takes nothing so large.
    #[error("the store failed")]
    Store(#[source] StoreFault),
    /// A stored row is not what was written.
    #[error("{0} was changed from outside")]
    Tampered(RowKey),
    /// A stored row has a tag of a key that is later than those of this node: another node has that, unless somebody changed the row.
    #[error("{0} has a tag of a later key than there is here")]
    TaggedLater(RowKey),
    /// A key operation failed.
    #[error("a key operation failed")]
    Keys(#[source] KeysError),
    /// A stored row cannot be read.
    #[error("a stored row cannot be read")]
    Row(#[source] RowFault),
    /// An e-mail address is digested for each organisation, and these are too many.
    #[error("the list would look for an e-mail address in too many organisations")]
    TooManyOrganisations,
    /// Several tries met something that kept changing: a card, its CVV, documents, a lease.
    #[error("the object kept changing")]
    Contended,
}

/// What named an object that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// The operation, which is about the object itself.
    Subject,
    /// A field, by its name in the API.
    Field(&'static str),
    /// A condition of a list, by the name of its field in the API.
    Condition(&'static str),
}

/// A field whose value does not fit what is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// The field, by its name in the request body.
    pub field: Cow<'static, str>,
    /// Whether there should be no field of that name.
    pub is_unexpected: bool,
    /// Whether it was not sent and is needed.
    pub is_missing: bool,
    /// What is wrong with it; never its value.
    pub reason: String,
}

/// Why a checkout does not do what its page asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckoutRefusal {
    /// It was tried as often as it may be.
    Failed,
    /// It is completed.
    Completed,
    /// Its time is over.
    Expired,
    /// No card is bound to it that was not tried yet.
    NoCard,
}

impl FieldFault {
    /// A field with a value that does not fit.
    pub(crate) fn new(field: impl Into<Cow<'static, str>>, reason: impl ToString) -> Self {
        Self { field: field.into(), is_unexpected: false, is_missing: false, reason: reason.to_string() }
    }

    /// A field that is needed and was not sent.
    pub(crate) fn missing(field: impl Into<Cow<'static, str>>, reason: impl ToString) -> Self {
        Self { is_missing: true, ..Self::new(field, reason) }
    }
}

/// An error and every cause below it, in one line.
pub fn with_causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}

impl VaultError {
    /// Whether something was sealed or tagged with a key that this node does not have yet.
    pub const fn is_of_later_key(&self) -> bool {
        matches!(self, Self::Keys(KeysError::KeyLater) | Self::TaggedLater(_))
    }

    /// The row that is not what was written, where one is known.
    pub const fn row(&self) -> Option<RowKey> {
        match self {
            Self::Tampered(row) | Self::TaggedLater(row) => Some(*row),
            Self::Store(_)
            | Self::Keys(_)
            | Self::Row(_)
            | Self::NotAuthenticated
            | Self::RoleNotAllowed
            | Self::NotFound(_)
            | Self::Faults(_)
            | Self::WrongState { .. }
            | Self::NotSupported
            | Self::WrongMove { .. }
            | Self::Disabled(_)
            | Self::IdempotencyInUse
            | Self::IdempotencyMismatch
            | Self::TooMany(_)
            | Self::Blocked { .. }
            | Self::Busy
            | Self::CvvFull
            | Self::CvvUnavailable
            | Self::LeaseLost
            | Self::Sealed
            | Self::NotAlone { .. }
            | Self::DocumentsUnseen
            | Self::TrailBehind
            | Self::TooManyOrganisations
            | Self::Checkout(_)
            | Self::Contended => None,
        }
    }

    /// One object that is not there.
    pub fn not_found(named: Named) -> Self {
        Self::NotFound(vec![named])
    }

    /// Whether what is stored refuses the request, so that it might have been done before or may be later.
    pub(crate) const fn is_of_documents(&self) -> bool {
        matches!(
            self,
            Self::NotFound(_)
                | Self::Faults(_)
                | Self::WrongState { .. }
                | Self::Disabled(_)
                | Self::Contended
        )
    }

    /// One field that does not fit.
    pub fn field(field: impl Into<Cow<'static, str>>, reason: impl ToString) -> Self {
        Self::Faults(vec![FieldFault::new(field, reason)])
    }
}

/// Fields that do not fit, collected so that all of them are said at once.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    fields: Vec<FieldFault>,
    missing: Vec<Named>,
}

impl Faults {
    /// Notes what is wrong with a field, or that it names nothing, and gives back the value if nothing is. What is not of a field
    /// ends it.
    pub(crate) fn note<T>(&mut self, read: Result<T, VaultError>) -> Result<Option<T>, VaultError> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(VaultError::Faults(faults)) => {
                self.fields.extend(faults);
                Ok(None)
            }
            Err(VaultError::NotFound(named)) => {
                self.missing.extend(named);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Notes a field that does not fit.
    pub(crate) fn field(&mut self, field: &'static str, reason: impl ToString) {
        self.fields.push(FieldFault::new(field, reason));
    }

    /// Notes one that was made elsewhere.
    pub(crate) fn fault(&mut self, fault: FieldFault) {
        self.fields.push(fault);
    }

    /// Everything that was noted, or nothing. Where all that is wrong is that something was not found, that is the error.
    pub(crate) fn end(mut self) -> Result<(), VaultError> {
        if self.fields.is_empty() {
            return if self.missing.is_empty() { Ok(()) } else { Err(VaultError::NotFound(self.missing)) };
        }
        for named in core::mem::take(&mut self.missing) {
            let (Named::Field(field) | Named::Condition(field)) = named else { continue };
            self.field(field, "names nothing that you may use");
        }
        Err(VaultError::Faults(self.fields))
    }
}

impl From<StoreFault> for VaultError {
    fn from(fault: StoreFault) -> Self {
        match fault {
            StoreFault::Busy => Self::Busy,
            StoreFault::Damaged { row: Some(row), .. } => Self::Tampered(row),
            StoreFault::Damaged { row: None, .. }
            | StoreFault::Full
            | StoreFault::Stopped
            | StoreFault::Unreachable
            | StoreFault::Unresolved
            | StoreFault::Read(_)
            | StoreFault::TooLarge
            | StoreFault::TooManyRows
            | StoreFault::TooManyExamined
            | StoreFault::TimedOut => Self::Store(fault),
        }
    }
}

impl From<CvvFault> for VaultError {
    fn from(fault: CvvFault) -> Self {
        match fault {
            CvvFault::NoRoom => Self::CvvFull,
            CvvFault::ComponentGone | CvvFault::Unavailable => Self::CvvUnavailable,
        }
    }
}

impl From<RowFault> for VaultError {
    fn from(fault: RowFault) -> Self {
        Self::Row(fault)
    }
}

impl From<KeysError> for VaultError {
    fn from(error: KeysError) -> Self {
        Self::Keys(error)
    }
}
