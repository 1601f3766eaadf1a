//! Rows as bytes: big-endian, every part of fixed length or with its length before it.
//!
//! | part | how it is written |
//! | --- | --- |
//! | number | 1, 2, 4 or 8 bytes, unsigned |
//! | tag | version of its key in 2 bytes, then 16 bytes |
//! | moment | 6 bytes: milliseconds since the Unix epoch |
//! | `bytes` | length in 4 bytes, then the bytes |
//! | `text` | length in 2 bytes, then UTF-8 |
//! | `text?` | 0; or 1 and a text |
//! | `pairs` | count in 1 byte, then that many pairs of texts |

use panvault_model::{Bin, Tag, Timestamp};

/// Why stored bytes are not a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    /// The bytes end before the row does.
    #[error("the row is cut short")]
    Short,
    /// Bytes are left over.
    #[error("the row has bytes behind its end")]
    Long,
    /// A number stands for nothing that this version knows.
    #[error("the row has a value that this version does not know")]
    Value,
    /// A text is not UTF-8.
    #[error("the row has a text that is not UTF-8")]
    Text,
    /// The row is another one's, under this one's key.
    #[error("the row of another lies in its place")]
    Misplaced,
    /// The vault did not write the row so, or rows of its organisation were put back or taken away.
    #[error("the vault did not write it so")]
    Forged,
    /// A part is too long to be written.
    #[error("a part of the row is too long")]
    Size,
}

/// Appends parts of a row to a buffer.
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Appends to `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    /// Two bytes.
    pub fn u16(&mut self, value: u16) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    /// Eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    /// A flag, and a moment where there is one.
    pub fn timestamp_option(&mut self, value: Option<Timestamp>) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            self.timestamp(value);
        }
    }

    /// Milliseconds since the Unix epoch, in six bytes.
    pub fn timestamp(&mut self, value: Timestamp) {
        let [_, _, millis @ ..] = value.unix_millis().to_be_bytes();
        self.out.extend_from_slice(&millis);
    }

    /// The version of its key in two bytes, then the MAC in sixteen.
    pub fn tag(&mut self, tag: &Tag) {
        self.u16(tag.key);
        self.fixed(&tag.bytes);
    }

    /// Bytes of a length that the reader knows.
    pub fn fixed(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// A length in four bytes, then the bytes. What is longer than the limits of rows allow is cut by nobody: it
    /// cannot occur, since every part is bounded where it enters.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.fixed(bytes);
    }

    /// A length in two bytes, then UTF-8.
    pub fn text(&mut self, text: &str) {
        self.u16(u16::try_from(text.len()).unwrap_or(u16::MAX));
        self.fixed(text.as_bytes());
    }

    /// 0 for nothing; 1 and a text.
    pub fn text_option(&mut self, text: Option<&str>) {
        self.u8(u8::from(text.is_some()));
        if let Some(text) = text {
            self.text(text);
        }
    }

    /// A count in one byte, then that many pairs of texts.
    pub fn pairs(&mut self, pairs: &[(String, String)]) {
        self.u8(u8::try_from(pairs.len()).unwrap_or(u8::MAX));
        for (name, value) in pairs {
            self.text(name);
            self.text(value);
        }
    }
}

/// Takes parts of a row from the front of a slice.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from the front.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Reads `bytes` from behind the number of their format, which must be this one.
    pub fn of_format(bytes: &'a [u8], format: u8) -> Result<Self, RowFault> {
        let mut reader = Self::new(bytes);
        if reader.u8()? == format { Ok(reader) } else { Err(RowFault::Value) }
    }

    /// Bytes of a known length.
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], RowFault> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(RowFault::Short)?;
        self.rest = rest;
        Ok(*head)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, RowFault> {
        self.fixed().map(u8::from_be_bytes)
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Result<u16, RowFault> {
        self.fixed().map(u16::from_be_bytes)
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, RowFault> {
        self.fixed().map(u32::from_be_bytes)
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Result<u64, RowFault> {
        self.fixed().map(u64::from_be_bytes)
    }

    /// A flag, and a moment where there is one.
    pub fn timestamp_option(&mut self) -> Result<Option<Timestamp>, RowFault> {
        if self.flag()? { self.timestamp().map(Some) } else { Ok(None) }
    }

    /// Milliseconds since the Unix epoch, in six bytes.
    pub fn timestamp(&mut self) -> Result<Timestamp, RowFault> {
        let [a, b, c, d, e, f] = self.fixed()?;
        let millis = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        if millis > Timestamp::MAX.unix_millis() {
            Err(RowFault::Value)
        } else {
            Ok(Timestamp::from_unix_millis(millis))
        }
    }

    /// The version of its key in two bytes, then the MAC in sixteen.
    pub fn tag(&mut self) -> Result<Tag, RowFault> {
        Ok(Tag { key: self.u16()?, bytes: self.fixed()? })
    }

    /// So many bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], RowFault> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(RowFault::Short)?;
        self.rest = rest;
        Ok(head)
    }

    /// A length in four bytes, then the bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8], RowFault> {
        let len = self.u32()?;
        self.take(usize::try_from(len).map_err(|_| RowFault::Size)?)
    }

    /// A length in two bytes, then UTF-8.
    pub fn text(&mut self) -> Result<&'a str, RowFault> {
        let len = self.u16()?;
        core::str::from_utf8(self.take(usize::from(len))?).map_err(|_| RowFault::Text)
    }

    /// 0 for nothing; 1 and a text.
    pub fn text_option(&mut self) -> Result<Option<&'a str>, RowFault> {
        if self.flag()? { self.text().map(Some) } else { Ok(None) }
    }

    /// 0 or 1.
    pub fn flag(&mut self) -> Result<bool, RowFault> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(RowFault::Value),
        }
    }

    /// A count in one byte, then that many pairs of texts.
    pub fn pairs(&mut self) -> Result<Vec<(String, String)>, RowFault> {
        let count = self.u8()?;
        (0..count).map(|_| Ok((self.text()?.to_owned(), self.text()?.to_owned()))).collect()
    }

    /// 0 for nothing, else the number of a value.
    pub fn code_option<T>(&mut self, from_code: fn(u8) -> Option<T>) -> Result<Option<T>, RowFault> {
        match self.u8()? {
            0 => Ok(None),
            code => from_code(code).map(Some).ok_or(RowFault::Value),
        }
    }

    /// The number of a value.
    pub fn code<T>(&mut self, from_code: fn(u8) -> Option<T>) -> Result<T, RowFault> {
        from_code(self.u8()?).ok_or(RowFault::Value)
    }

    /// Six ASCII digits; `None` for zeroes.
    pub fn bin(&mut self) -> Result<Option<Bin>, RowFault> {
        match self.fixed()? {
            [0, 0, 0, 0, 0, 0] => Ok(None),
            digits => Bin::from_digits(digits).map(Some).ok_or(RowFault::Value),
        }
    }

    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All that is left.
    pub const fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Nothing may be left.
    pub const fn end(&self) -> Result<(), RowFault> {
        if self.rest.is_empty() { Ok(()) } else { Err(RowFault::Long) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_big_endian_with_lengths_before_them() {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        writer.u16(0x0102);
        writer.timestamp(Timestamp::from_unix_millis(0x0304_0506));
        writer.text("é");
        writer.text_option(None);
        writer.bytes(&[9]);
        assert_eq!(out, [1, 2, 0, 0, 3, 4, 5, 6, 0, 2, 0xc3, 0xa9, 0, 0, 0, 0, 1, 9]);
    }

    #[test]
    fn refuses_what_is_cut_or_unknown() {
        assert_eq!(Reader::new(&[0, 0, 0]).u32(), Err(RowFault::Short));
        assert_eq!(Reader::new(&[0, 2, b'a']).text(), Err(RowFault::Short));
        assert_eq!(Reader::new(&[0, 1, 0xff]).text(), Err(RowFault::Text));
        assert_eq!(Reader::new(&[2]).flag(), Err(RowFault::Value));
        assert_eq!(Reader::new(&[0xff; 6]).timestamp(), Err(RowFault::Value));
        assert_eq!(Reader::new(&[0]).end(), Err(RowFault::Long));
    }
}
