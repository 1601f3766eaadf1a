/// A keyed tag over a row, and the version of the key that made it. Only `panvault-keys` makes and checks one; stores keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Version of the key, from 1.
    pub key: u16,
    /// The first 128 bits of the MAC.
    pub bytes: [u8; 16],
}

impl Tag {
    /// The tag of a row that bears none: it is still to be made, or went with the sealed part of a card. No key has version 0.
    pub const NONE: Self = Self { key: 0, bytes: [0; 16] };
}
