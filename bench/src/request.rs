//! Requests as bytes of either protocol.

use crate::keys::KeyText;
use crate::options::Protocol;
use crate::values::Values;

/// Writes requests.
#[derive(Clone, Debug)]
pub struct Writer {
    protocol: Protocol,
    /// What comes before each key: all of a RESP `GET`'s head, or the words of memcached's.
    get_head: Vec<u8>,
    set_head: Vec<u8>,
    set_ttl_head: Vec<u8>,
    key_head: Vec<u8>,
}

impl Writer {
    /// A writer for keys of one length.
    pub fn new(protocol: Protocol, key_bytes: usize) -> Writer {
        let (get, set, set_ttl, key) = match protocol {
            Protocol::Memcache => ("get ".into(), "set ".into(), "set ".into(), String::new()),
            Protocol::Resp => (
                format!("*2\r\n$3\r\nGET\r\n${key_bytes}\r\n"),
                format!("*3\r\n$3\r\nSET\r\n${key_bytes}\r\n"),
                format!("*5\r\n$3\r\nSET\r\n${key_bytes}\r\n"),
                format!("${key_bytes}\r\n"),
            ),
        };
        Writer {
            protocol,
            get_head: get.into(),
            set_head: set.into(),
            set_ttl_head: set_ttl.into(),
            key_head: key.into(),
        }
    }

    /// Asks for one key, or for several at once.
    #[inline]
    pub fn get(&self, keys: &[u64], text: &KeyText, out: &mut Vec<u8>) {
        if let [key] = keys {
            out.extend_from_slice(&self.get_head);
            text.write(*key, out);
            out.extend_from_slice(b"\r\n");
            return;
        }
        match self.protocol {
            Protocol::Memcache => {
                out.extend_from_slice(b"get");
                for &key in keys {
                    out.push(b' ');
                    text.write(key, out);
                }
                out.extend_from_slice(b"\r\n");
            }
            Protocol::Resp => {
                out.push(b'*');
                decimal(keys.len() as u64 + 1, out);
                out.extend_from_slice(b"\r\n$4\r\nMGET\r\n");
                for &key in keys {
                    out.extend_from_slice(&self.key_head);
                    text.write(key, out);
                    out.extend_from_slice(b"\r\n");
                }
            }
        }
    }

    /// Stores a key's value, for `ttl_secs` seconds or, with 0, for good.
    #[inline]
    pub fn set(&self, key: u64, ttl_secs: u32, text: &KeyText, values: &Values, out: &mut Vec<u8>) {
        let bytes = values.bytes(key);
        let resp = self.protocol == Protocol::Resp;
        out.extend_from_slice(if ttl_secs > 0 { &self.set_ttl_head } else { &self.set_head });
        text.write(key, out);
        if resp {
            out.extend_from_slice(b"\r\n$");
        } else {
            out.extend_from_slice(b" 0 ");
            decimal(u64::from(ttl_secs), out);
            out.push(b' ');
        }
        decimal(bytes as u64, out);
        out.extend_from_slice(b"\r\n");
        values.write(key, bytes, out);
        out.extend_from_slice(b"\r\n");
        if resp && ttl_secs > 0 {
            out.extend_from_slice(b"$2\r\nEX\r\n$");
            decimal(u64::from(ttl_secs.ilog10() + 1), out);
            out.extend_from_slice(b"\r\n");
            decimal(u64::from(ttl_secs), out);
            out.extend_from_slice(b"\r\n");
        }
    }
}

#[inline]
fn decimal(mut n: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(protocol: Protocol, write: impl Fn(&Writer, &KeyText, &Values, &mut Vec<u8>)) -> String {
        let text = KeyText::new("k", 4, 100).unwrap();
        let values = Values::new("uniform:0-0".parse().unwrap());
        let mut out = Vec::new();
        write(&Writer::new(protocol, 4), &text, &values, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn requests_are_those_of_the_protocols() {
        use Protocol::{Memcache, Resp};
        let get = |protocol, keys: &[u64]| written(protocol, |w, text, _, out| w.get(keys, text, out));
        let set = |protocol, ttl| written(protocol, |w, text, values, out| w.set(42, ttl, text, values, out));
        assert_eq!(get(Memcache, &[7]), "get k007\r\n");
        assert_eq!(get(Memcache, &[7, 10]), "get k007 k010\r\n");
        assert_eq!(get(Resp, &[7]), "*2\r\n$3\r\nGET\r\n$4\r\nk007\r\n");
        assert_eq!(get(Resp, &[7, 10]), "*3\r\n$4\r\nMGET\r\n$4\r\nk007\r\n$4\r\nk010\r\n");
        assert_eq!(set(Memcache, 0), "set k042 0 0 0\r\n\r\n");
        assert_eq!(set(Memcache, 60), "set k042 0 60 0\r\n\r\n");
        assert_eq!(set(Resp, 0), "*3\r\n$3\r\nSET\r\n$4\r\nk042\r\n$0\r\n\r\n");
        assert_eq!(set(Resp, 60), "*5\r\n$3\r\nSET\r\n$4\r\nk042\r\n$0\r\n\r\n$2\r\nEX\r\n$2\r\n60\r\n");
    }
}
