//! A command's reply in RESP3, taken apart. It was made by this process, so it is taken to be well-formed;
//! one that is not ends where it stops to be.

use super::json::Json;

/// A reply.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Double(f64),
    /// A string of any kind.
    Bytes(&'a [u8]),
    /// An error, without its `-`.
    Error(&'a [u8]),
    /// An array, a set, a push.
    Array(Vec<Value<'a>>),
    /// A map.
    Map(Vec<(Value<'a>, Value<'a>)>),
    /// Yes or no.
    Boolean(bool),
    /// Nothing.
    Null,
}

/// Reads a reply.
pub(super) fn read(mut reply: &[u8]) -> Value<'_> {
    value(&mut reply).unwrap_or(Value::Null)
}

fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = memchr::memmem::find(rest, b"\r\n")?;
    let line = &rest[..end];
    *rest = &rest[end + 2..];
    Some(line)
}

fn value<'a>(rest: &mut &'a [u8]) -> Option<Value<'a>> {
    let (kind, text) = line(rest)?.split_first()?;
    let number = || std::str::from_utf8(text).ok()?.parse::<i64>().ok();
    Some(match kind {
        b'+' => Value::Bytes(text),
        b'-' => Value::Error(text),
        b':' => Value::Int(number()?),
        b',' => Value::Double(std::str::from_utf8(text).ok()?.parse().ok()?),
        b'#' => Value::Boolean(text == b"t"),
        b'_' => Value::Null,
        b'$' | b'=' => {
            let Ok(len) = usize::try_from(number()?) else { return Some(Value::Null) };
            let bytes = rest.get(..len)?;
            *rest = rest.get(len + 2..)?;
            // A verbatim string says first what it is.
            Value::Bytes(if *kind == b'=' { bytes.get(4..)? } else { bytes })
        }
        b'*' | b'~' | b'>' => {
            let Ok(len) = usize::try_from(number()?) else { return Some(Value::Null) };
            Value::Array((0..len).map(|_| value(rest)).collect::<Option<_>>()?)
        }
        b'%' => {
            let pair = |_| Some((value(rest)?, value(rest)?));
            Value::Map((0..usize::try_from(number()?).ok()?).map(pair).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

impl<'a> Value<'a> {
    /// The bytes of a string.
    pub fn bytes(&self) -> &'a [u8] {
        match self {
            Value::Bytes(bytes) | Value::Error(bytes) => bytes,
            _ => b"",
        }
    }

    /// Writes it as JSON.
    pub fn write(&self, json: &mut Json) {
        match self {
            Value::Int(number) => json.number(*number),
            Value::Double(number) => json.float(*number),
            Value::Bytes(bytes) | Value::Error(bytes) => json.bytes(bytes),
            Value::Array(values) => json.array(|json| values.iter().for_each(|value| value.write(json))),
            Value::Map(members) => json.object(|json| {
                for (name, value) in members {
                    json.key(&String::from_utf8_lossy(name.bytes()));
                    value.write(json);
                }
            }),
            Value::Boolean(yes) => json.boolean(*yes),
            Value::Null => json.null(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_of_all_kinds_become_json() {
        let reply =
            b"*7\r\n:-5\r\n$3\r\na\r\n\r\n=7\r\ntxt:hey\r\n%1\r\n+k\r\n,0.5\r\n_\r\n#t\r\n~1\r\n*0\r\n";
        let mut json = Json::default();
        read(reply).write(&mut json);
        assert_eq!(json.finish(), br#"[-5,"a\r\n","hey",{"k":0.5},null,true,[[]]]"#);
        assert_eq!(read(b"-ERR no\r\n"), Value::Error(b"ERR no"));
        for end in 0..reply.len() {
            assert_eq!(read(&reply[..end]), Value::Null);
        }
    }
}
