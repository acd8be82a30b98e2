//! Base64 as memcached's binary keys use it (RFC 4648, the common alphabet, padded).

const PAD: u8 = b'=';
const NONE: u8 = 0xff;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut i = 0;
    while i < 64 {
        values[ALPHABET[i] as usize] = i as u8;
        i += 1;
    }
    values
};

/// Appends `bytes`, with the padding that fills the last group.
pub fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    for group in bytes.chunks(3) {
        let bits = group.iter().zip([16, 8, 0]).fold(0u32, |bits, (&byte, by)| bits | u32::from(byte) << by);
        for (place, by) in [18, 12, 6, 0].into_iter().enumerate() {
            out.push(if place > group.len() { PAD } else { ALPHABET[(bits >> by & 63) as usize] });
        }
    }
}

/// Decodes `text` into `out`, which has room for three bytes of four. `None`: it is not whole groups of four, has
/// other characters, or padding elsewhere than at its end.
pub fn decode<'a>(text: &[u8], out: &'a mut [u8]) -> Option<&'a [u8]> {
    if text.is_empty() || !text.len().is_multiple_of(4) {
        return None;
    }
    let digits = text.len() - text.iter().rev().take(2).take_while(|&&byte| byte == PAD).count();
    let mut len = 0;
    for group in text[..digits].chunks(4) {
        let mut bits = 0u32;
        for (i, &byte) in group.iter().enumerate() {
            let value = VALUES[usize::from(byte)];
            if value == NONE {
                return None;
            }
            bits |= u32::from(value) << (18 - 6 * i);
        }
        for byte in &bits.to_be_bytes()[1..group.len()] {
            *out.get_mut(len)? = *byte;
            len += 1;
        }
    }
    Some(&out[..len])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The naive twin: bits, six at a time.
    fn encode_naively(bytes: &[u8]) -> Vec<u8> {
        let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
        let mut text: Vec<u8> = bits
            .as_bytes()
            .chunks(6)
            .map(|six| {
                let six = format!("{:0<6}", std::str::from_utf8(six).unwrap());
                ALPHABET[usize::from_str_radix(&six, 2).unwrap()]
            })
            .collect();
        text.resize(text.len().next_multiple_of(4), PAD);
        text
    }

    fn encoded(bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        encode(bytes, &mut text);
        text
    }

    fn decoded(text: &[u8]) -> Option<Vec<u8>> {
        decode(text, &mut [0; 300]).map(<[u8]>::to_vec)
    }

    #[test]
    fn known_texts_are_read() {
        for (text, bytes) in [("Zm9v", "foo"), ("YQ==", "a"), ("YWI=", "ab"), ("/+8=", "\u{0}")] {
            if bytes != "\u{0}" {
                assert_eq!(decoded(text.as_bytes()).as_deref(), Some(bytes.as_bytes()));
            }
        }
        assert_eq!(decoded(b"/+8="), Some(vec![0xff, 0xef]));
    }

    #[test]
    fn the_last_group_is_filled() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("fooba", "Zm9vYmE=")]
        {
            assert_eq!(encoded(bytes.as_bytes()), text.as_bytes());
        }
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        for text in
            ["", "Z", "Zm", "Zm9", "!!!!", "Zm9v=", "=Zm9", "Z=9v", "YQ==YQ==", "Y===", "====", "Zm9v\n"]
        {
            assert_eq!(decoded(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(decode(b"Zm9v", &mut [0; 2]), None, "no room");
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(bytes in proptest::collection::vec(any::<u8>(), 1..200)) {
            prop_assert_eq!(encoded(&bytes), encode_naively(&bytes));
            prop_assert_eq!(decoded(&encoded(&bytes)), Some(bytes));
        }
    }
}
