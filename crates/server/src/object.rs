//! The objects of the API, one file each: what may be sent, and what is shown. A member of an answer stands there once, with its name, its
//! type, when it is there, how it is read and by what a list goes. The writer of JSON, the OpenAPI document, the page of
//! documentation and the conditions of lists are made from that.

pub(crate) mod account;
pub(crate) mod api_error;
pub(crate) mod api_key;
pub(crate) mod audit;
pub(crate) mod bin;
pub(crate) mod caller;
pub(crate) mod card;
pub(crate) mod checkout;
pub(crate) mod count;
pub(crate) mod customer;
pub(crate) mod key;
pub(crate) mod organisation;
pub(crate) mod processor;
pub(crate) mod refund;
pub(crate) mod route;
pub(crate) mod shape;
mod shown;
pub(crate) mod status;
pub(crate) mod transaction;
pub(crate) mod webhook_delivery;

use core::iter::once;

use serde_json::Value;

use crate::answer::Json;
use crate::fields::FieldSpec;

pub(crate) use shape::{Names, Shape};
pub(crate) use shown::{Flattened, MaskedNumber, Month, Number, Shown, Year, write_text};

/// Ids as the examples have them.
pub(crate) const EXAMPLE_ORGANISATION: &str = "65f1c0d00b5e6f708192a3b4";
pub(crate) const EXAMPLE_ACCOUNT: &str = "65f1c0d11c2d3e4f5a6b7c8d";
pub(crate) const EXAMPLE_CARD: &str = "65f1c0de8a4b3c2d1e0f9a8b";
pub(crate) const EXAMPLE_TRANSACTION: &str = "65f1c0e92b3c4d5e6f708192";
pub(crate) const EXAMPLE_REFUND: &str = "65f1c0ea3c4d5e6f70819213";
pub(crate) const EXAMPLE_CUSTOMER: &str = "65f1c0d45f60718293a4b5c6";
pub(crate) const EXAMPLE_PROCESSOR: &str = "65f1c0d23d4e5f60718293a4";
pub(crate) const EXAMPLE_API_KEY: &str = "65f1c0d34e5f60718293a4b5";
pub(crate) const EXAMPLE_CHECKOUT: &str = "65f1c0ec5e6f708192132435";
pub(crate) const EXAMPLE_DELIVERY: &str = "65f1c0eb4d5e6f7081921324";

/// Everything that is shown, in the order of the documentation.
pub(crate) static OBJECTS: &[&ObjectSpec] = &[
    card::Card::SPEC,
    bin::Bin::SPEC,
    transaction::Transaction::SPEC,
    transaction::HistoryStep::SPEC,
    refund::Refund::SPEC,
    customer::Customer::SPEC,
    checkout::Checkout::SPEC,
    webhook_delivery::WebhookDelivery::SPEC,
    organisation::Organisation::SPEC,
    organisation::CheckoutTheme::SPEC,
    organisation::LogoFacts::SPEC,
    key::Key::SPEC,
    key::VaultKey::SPEC,
    account::Account::SPEC,
    processor::Processor::SPEC,
    route::Route::SPEC,
    api_key::ApiKey::SPEC,
    account::MadeAccount::SPEC,
    api_key::MadeApiKey::SPEC,
    count::Count::SPEC,
    audit::Audit::SPEC,
    caller::Caller::SPEC,
    status::LogLine::SPEC,
    status::TrailAt::SPEC,
    status::Status::SPEC,
    api_error::ApiError::SPEC,
];

/// An object as it is shown: [`object!`] makes one.
pub(crate) trait Object {
    /// What it is read from.
    type Row;
    /// By what its lists go; [`NoList`] where there are none.
    type By;
    /// What the documentation says of it.
    const SPEC: &'static ObjectSpec;

    /// Writes its members: all of them, or those of its part.
    fn write<const WHOLE: bool>(row: &Self::Row, json: &mut Json<'_>);

    /// The field of that name by which its lists go, and what that may be compared with.
    fn by(name: &str) -> Option<(Self::By, Shape)>;
}

/// Of an object that has no lists.
#[derive(Clone, Copy)]
pub(crate) enum NoList {}

/// What the documentation says of an object that is shown.
pub struct ObjectSpec {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    /// The name of what is shown of it elsewhere, or to others, and in which only some of its members are.
    pub(crate) part: Option<&'static str>,
    members: &'static [MemberSpec],
    /// Objects whose members it has too.
    groups: &'static [&'static Self],
}

/// What the documentation says of a member that is shown.
pub(crate) struct MemberSpec {
    pub(crate) name: &'static str,
    doc: &'static str,
    pub(crate) shape: Shape,
    pub(crate) presence: Presence,
    /// As it is shown in the documentation, where its shape has no example of its own.
    pub(crate) example: Option<&'static str>,
    /// Whether lists go by it.
    pub(crate) is_by: bool,
    pub(crate) in_part: bool,
}

/// When a member is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Always,
    /// Left out where there is no value.
    Optional,
    /// `null` where the value is not known.
    Nullable,
}

impl ObjectSpec {
    /// Its own members and those of its groups.
    pub(crate) fn members(&self) -> impl Iterator<Item = &'static MemberSpec> {
        once(self.members).chain(self.groups.iter().map(|group| group.members)).flatten()
    }

    /// One that has what has an example.
    fn example(&self) -> Value {
        let example = |member: &MemberSpec| Some((member.name.to_owned(), member.example()?));
        Value::Object(self.members().filter_map(example).collect())
    }
}

impl BodySpec {
    /// A body that is taken as it is, once its ids are those of objects that are there.
    pub(crate) fn example(&self) -> Value {
        let shown = |spec: &&FieldSpec| spec.in_example();
        let member = |spec: &FieldSpec| (spec.name.to_owned(), spec.kind.example(spec.name));
        Value::Object(self.fields.iter().filter(shown).map(member).collect())
    }
}

impl MemberSpec {
    pub(crate) fn doc(&self) -> &'static str {
        self.doc.trim()
    }

    /// A value that it may have, as JSON.
    pub(crate) fn example(&self) -> Option<Value> {
        let of_its_own = |text: &str| match self.shape {
            Shape::Integer { .. } | Shape::Bool | Shape::List(_) | Shape::Numbers => {
                serde_json::from_str(text).ok()
            }
            Shape::Id
            | Shape::IdOr(_)
            | Shape::Names(_)
            | Shape::Country
            | Shape::Currency
            | Shape::Digits(_)
            | Shape::Month
            | Shape::Year
            | Shape::Hexadecimal(_)
            | Shape::Address
            | Shape::Text
            | Shape::Pattern(..)
            | Shape::Time
            | Shape::Texts
            | Shape::Object(_)
            | Shape::Configuration
            | Shape::Details => Some(Value::from(text)),
        };
        self.example.map_or_else(|| self.shape.example(), of_its_own)
    }
}

/// A body that may be sent.
pub(crate) struct BodySpec {
    /// Its name in the OpenAPI document.
    pub(crate) name: &'static str,
    /// Whether a request without one is taken as one in which nothing is said.
    pub(crate) may_lack: bool,
    pub(crate) fields: &'static [FieldSpec],
}

/// Describes an object that is shown, and makes what writes it.
///
/// ```text
/// object! {
///     /// What it is.
///     Card "Card" of view: CardView, part "BrowserCard", by CardField, with [Issuer of &view.row.facts] {
///         /// What the member is.
///         always "brand" => Brand = view.row.brand, by Brand, example "Visa", in part;
///     }
/// }
/// ```
///
/// A member is `always` there, `optional` or `nullable`; of the latter two, an `Option` of the type is read. `by` names a field of the
/// store's list, `in part` a member that the part has.
macro_rules! object {
    (
        $(#[doc = $doc:literal])+
        $object:ident $name:literal of $row:ident: $from:ty
        $(, part $part:literal)? $(, by $list:ty)? $(, with [$($group:ident of $group_row:expr),+])?
        {
            $(
                $(#[doc = $member_doc:literal])+
                $presence:ident $member:expr => $type:ty = $value:expr
                $(, by $by:ident)? $(, example $example:expr)? $(, in $in_part:ident)?;
            )+
        }
    ) => {
        $(#[doc = $doc])+
        pub(crate) struct $object;

        impl $crate::object::Object for $object {
            type Row = $from;
            type By = $crate::object::object!(@list $($list)?);
            const SPEC: &'static $crate::object::ObjectSpec = &$crate::object::ObjectSpec {
                name: $name,
                doc: concat!($($doc),+),
                part: $crate::object::object!(@option $($part)?),
                members: &[$($crate::object::MemberSpec {
                    name: $member,
                    doc: concat!($($member_doc),+),
                    shape: <$type as $crate::object::Shown>::SHAPE,
                    presence: $crate::object::object!(@presence $presence),
                    example: $crate::object::object!(@option $($example)?),
                    is_by: $crate::object::object!(@is $($by)?),
                    in_part: $crate::object::object!(@is $($in_part)?),
                },)+],
                groups: &[$($(<$group as $crate::object::Object>::SPEC),+)?],
            };

            #[inline]
            fn write<const WHOLE: bool>($row: &$from, json: &mut $crate::answer::Json<'_>) {
                $(if WHOLE || $crate::object::object!(@is $($in_part)?) {
                    json.$presence::<$type>($member, $value);
                })+
                $($(if WHOLE {
                    <$group as $crate::object::Object>::write::<true>($group_row, json);
                })+)?
            }

            fn by(name: &str) -> Option<(Self::By, $crate::object::Shape)> {
                $($(if name == $member {
                    return Some((Self::By::$by, <$type as $crate::object::Shown>::SHAPE));
                })?)+
                $crate::object::object!(@by name $($($group)+)?)
            }
        }
    };
    (@list) => { $crate::object::NoList };
    (@list $list:ty) => { $list };
    (@option) => { None };
    (@option $some:expr) => { Some($some) };
    (@is) => { false };
    (@is $some:ident) => { true };
    (@presence always) => { $crate::object::Presence::Always };
    (@presence optional) => { $crate::object::Presence::Optional };
    (@presence nullable) => { $crate::object::Presence::Nullable };
    (@by $name:ident) => {{
        let _ = $name;
        None
    }};
    (@by $name:ident $($group:ident)+) => { None$(.or_else(|| <$group as $crate::object::Object>::by($name)))+ };
}

pub(crate) use object;

#[cfg(test)]
mod tests {
    use core::fmt::Debug;

    use panvault_vault::{
        AccountField, ApiKeyField, AuditField, CardField, CheckoutField, CustomerField, OrganisationField,
        ProcessorField, RefundField, TransactionField,
    };

    use super::account::Account;
    use super::api_key::ApiKey;
    use super::audit::Audit;
    use super::card::Card;
    use super::checkout::Checkout;
    use super::customer::Customer;
    use super::organisation::Organisation;
    use super::processor::Processor;
    use super::refund::Refund;
    use super::transaction::Transaction;
    use super::*;

    /// Every field that a store has a list by is a member, and no two members are the same field.
    fn goes_by<O: Object<By: PartialEq + Debug + Copy>>(all: &[O::By]) {
        let members = O::SPEC.members().filter(|member| member.is_by);
        let by: Vec<_> = members.map(|member| O::by(member.name).unwrap().0).collect();
        assert_eq!(by.len(), all.len(), "{}", O::SPEC.name);
        all.iter().for_each(|field| assert!(by.contains(field), "{field:?}"));
        assert!(O::by("card_number").is_none() && O::by("").is_none());
    }

    #[test]
    fn lists_go_by_their_members() {
        goes_by::<Card>(CardField::ALL);
        goes_by::<Transaction>(TransactionField::ALL);
        goes_by::<Refund>(RefundField::ALL);
        goes_by::<Customer>(CustomerField::ALL);
        goes_by::<Checkout>(CheckoutField::ALL);
        goes_by::<Organisation>(OrganisationField::ALL);
        goes_by::<Account>(AccountField::ALL);
        goes_by::<Processor>(ProcessorField::ALL);
        goes_by::<ApiKey>(ApiKeyField::ALL);
        goes_by::<Audit>(AuditField::ALL);
    }

    #[test]
    fn members_have_names_of_their_own_and_are_explained() {
        for object in OBJECTS {
            let mut names: Vec<_> = object.members().map(|member| member.name).collect();
            assert!(object.members().all(|member| member.doc().ends_with('.')), "{}", object.name);
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), object.members().count(), "{}", object.name);
            assert_eq!(
                object.part.is_some(),
                object.members().any(|member| member.in_part),
                "{}",
                object.name
            );
        }
    }
}
