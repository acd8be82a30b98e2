//! The parameters: shown as a list, and changed one at a time.

use super::json::Json;
use super::{JSON, Scene};
use crate::parameters::{Name, TABLE};
use crate::protocol::http::{Answer, Status};

/// Every parameter with its value, and what a page needs to offer it for change. A password is not shown.
pub(super) fn answer(scene: &Scene<'_>) -> Answer {
    let parameters = &scene.shared.parameters;
    let mut json = Json::default();
    json.array(|json| {
        for row in TABLE {
            json.object(|json| {
                json.key("name").string(row.text);
                let secret = row.name == Name::Requirepass;
                if secret && !parameters.text(row.name).is_empty() {
                    json.key("value").null();
                } else {
                    json.key("value").bytes(&parameters.show(row.name));
                }
                json.key("live").boolean(row.live && !row.kind.is_fixed());
                json.key("default").boolean(parameters.is_default(row.name));
                json.key("secret").boolean(secret);
                json.key("range").string(&row.kind.range());
                json.key("help").string(row.help);
            });
        }
    });
    Answer::document(JSON, json.finish())
}

/// The command that a body in the form of `name=maxmemory&value=2gb` asks for.
pub(super) fn change(body: &[u8]) -> Result<Vec<Vec<u8>>, Answer> {
    let (mut name, mut value) = (None, None);
    for pair in body.split(|byte| *byte == b'&') {
        let (field, text) = match pair.iter().position(|byte| *byte == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &b""[..]),
        };
        let place = match field {
            b"name" => &mut name,
            b"value" => &mut value,
            _ => continue,
        };
        *place = decode(text);
    }
    match (name, value) {
        (Some(name), Some(value)) => Ok(vec![b"config".to_vec(), b"set".to_vec(), name, value]),
        _ => Err(Answer::text(Status::BadRequest, "name=...&value=... is wanted")),
    }
}

/// A field of a form without its escapes.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'+' => plain.push(b' '),
            b'%' => {
                plain.push((digit(at + 1)? * 16 + digit(at + 2)?) as u8);
                at += 2;
            }
            byte => plain.push(byte),
        }
        at += 1;
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_becomes_a_command() {
        let words = |body: &[u8]| change(body).map(|words| String::from_utf8(words.join(&b'|')).unwrap());
        assert_eq!(words(b"name=hz&value=20").unwrap(), "config|set|hz|20");
        assert_eq!(words(b"value=a%20b+c%3D%26&name=save&x=y").unwrap(), "config|set|save|a b c=&");
        assert_eq!(words(b"name=requirepass&value=").unwrap(), "config|set|requirepass|");
        for bad in
            [&b""[..], b"name=hz", b"value=1", b"name=hz&value=%", b"name=hz&value=%4", b"name=%zz&value=1"]
        {
            assert_eq!(change(bad).unwrap_err().status, Status::BadRequest);
        }
    }
}
