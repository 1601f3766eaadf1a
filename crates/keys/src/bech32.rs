//! Bech32 (BIP 173), as the keys of age are spelled.

use zeroize::Zeroizing;

const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const CHECKSUM_LETTERS: usize = 6;

/// Bytes behind a prefix, in small letters.
pub(crate) fn bech32_encode(prefix: &str, bytes: &[u8]) -> String {
    let (mut bits, mut count, mut values) = (0_u32, 0_u32, Vec::new());
    for byte in bytes {
        bits = (bits << 8 | u32::from(*byte)) & 0xfff;
        count += 8;
        while count >= 5 {
            count -= 5;
            values.push(bits >> count & 31);
        }
    }
    if count > 0 {
        values.push(bits << (5 - count) & 31);
    }
    let small = values.iter().filter_map(|value| u8::try_from(*value).ok());
    let sum = polymod(expanded(prefix).chain(small).chain([0; CHECKSUM_LETTERS])) ^ 1;
    values.extend([25, 20, 15, 10, 5, 0].map(|shift| sum >> shift & 31));
    let letter = |value: &u32| LETTERS.get(usize::try_from(*value).ok()?).map(|letter| char::from(*letter));
    let letters: String = values.iter().filter_map(letter).collect();
    format!("{prefix}1{letters}")
}

/// Bech32 (BIP 173) without its limit of 90 characters: what stands behind the prefix, if the checksum is right.
pub(crate) fn bech32_decode(prefix: &str, text: &str) -> Option<Vec<u8>> {
    // Capitals alone are as good; both are a mistake. What is read may be a secret.
    let small = Zeroizing::new(text.to_ascii_lowercase());
    if *small != text && *Zeroizing::new(text.to_ascii_uppercase()) != text {
        return None;
    }
    let data = small.strip_prefix(prefix)?.strip_prefix('1')?;
    let value = |byte: u8| LETTERS.iter().position(|letter| *letter == byte);
    let values = data.bytes().map(|byte| u8::try_from(value(byte)?).ok()).collect::<Option<Vec<u8>>>();
    let values = Zeroizing::new(values?);
    if polymod(expanded(prefix).chain(values.iter().copied())) != 1 {
        return None;
    }
    // It does not grow, which would leave parts of it behind.
    let (mut bits, mut count, mut out) = (0_u32, 0_u32, Vec::with_capacity(values.len()));
    for value in values.get(..values.len().checked_sub(6)?)? {
        bits = (bits << 5 | u32::from(*value)) & 0xfff;
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    // Less than a letter is left over, and it is zeroes.
    (count < 5 && bits & ((1 << count) - 1) == 0).then_some(out)
}

fn polymod(values: impl Iterator<Item = u8>) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    values.fold(1_u32, |sum, value| {
        let top = sum >> 25;
        let shifted = (sum & 0x01ff_ffff) << 5 ^ u32::from(value);
        let applied = GENERATOR.iter().enumerate().filter(|(bit, _)| top >> bit & 1 == 1);
        applied.fold(shifted, |sum, (_, generator)| sum ^ generator)
    })
}

/// The prefix as it goes into the checksum.
fn expanded(prefix: &str) -> impl Iterator<Item = u8> {
    prefix.bytes().map(|byte| byte >> 5).chain([0]).chain(prefix.bytes().map(|byte| byte & 31))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_and_written_as_bip_173_has_them() {
        // BIP 173's own vectors: whole, and of another prefix.
        assert!(
            bech32_decode("a", "A12UEL5L").is_some()
                && bech32_decode("abcdef", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw").is_some()
        );
        for wrong in ["A1G7SGD8", "a12uel5L", "1qzzfhee", "a1"] {
            assert!(bech32_decode("a", wrong).is_none(), "{wrong}");
        }
        let bytes = bech32_decode("abcdef", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw").unwrap();
        assert_eq!(hex::encode(&bytes), "00443214c74254b635cf84653a56d7c675be77df");
        assert_eq!(bech32_encode("abcdef", &bytes), "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw");
        for length in 0..40 {
            let bytes = vec![0xa5; length];
            assert_eq!(bech32_decode("a", &bech32_encode("a", &bytes)).unwrap(), bytes);
        }
    }
}
