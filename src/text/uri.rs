//! Percent-encoding, as memcached shows keys in dumps and logs.

/// Appends `bytes` with everything but letters, digits and `-._~` as `%XX`.
pub fn uri_encode(bytes: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.reserve(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_encoded_as_memcached_does() {
        let mut out = Vec::new();
        uri_encode("aé~!$&'()*+,/:;=?@#[]b%2-._".as_bytes(), &mut out);
        let shown = "a%C3%A9~%21%24%26%27%28%29%2A%2B%2C%2F%3A%3B%3D%3F%40%23%5B%5Db%252-._";
        assert_eq!(String::from_utf8(out).unwrap(), shown);
    }
}
