//! JSON, written front to back.

use std::fmt::Write as _;

/// A document that is being written.
#[derive(Debug, Default)]
pub struct Json {
    text: String,
    /// A value stands before what comes next.
    follows: bool,
}

impl Json {
    /// The document.
    pub fn finish(self) -> Vec<u8> {
        self.text.into_bytes()
    }

    fn value(&mut self) -> &mut String {
        if std::mem::replace(&mut self.follows, true) {
            self.text.push(',');
        }
        &mut self.text
    }

    /// An object with the members that `members` writes.
    pub fn object(&mut self, members: impl FnOnce(&mut Json)) {
        self.nested('{', '}', members);
    }

    /// An array of the values that `values` writes.
    pub fn array(&mut self, values: impl FnOnce(&mut Json)) {
        self.nested('[', ']', values);
    }

    fn nested(&mut self, open: char, close: char, inside: impl FnOnce(&mut Json)) {
        self.value().push(open);
        self.follows = false;
        inside(self);
        self.text.push(close);
        self.follows = true;
    }

    /// The name of the member whose value comes next.
    pub fn key(&mut self, name: &str) -> &mut Json {
        self.string(name);
        self.text.push(':');
        self.follows = false;
        self
    }

    /// A whole number. Above 2^53 readers in JavaScript round it.
    pub fn number(&mut self, number: impl Into<i128>) {
        let number = number.into();
        // Writing to a string cannot fail, here and below.
        let _ = write!(self.value(), "{number}");
    }

    /// A number with a fraction; what is no number is `null`.
    pub fn float(&mut self, number: f64) {
        let text = self.value();
        let _ = if number.is_finite() { write!(text, "{number}") } else { write!(text, "null") };
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, yes: bool) {
        self.value().push_str(if yes { "true" } else { "false" });
    }

    /// Nothing.
    pub fn null(&mut self) {
        self.value().push_str("null");
    }

    /// A text.
    pub fn string(&mut self, string: &str) {
        let text = self.value();
        text.push('"');
        for character in string.chars() {
            match character {
                '"' | '\\' => {
                    text.push('\\');
                    text.push(character);
                }
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                control if u32::from(control) < 0x20 => {
                    let _ = write!(text, "\\u{:04x}", u32::from(control));
                }
                other => text.push(other),
            }
        }
        text.push('"');
    }

    /// Bytes that are mostly text; what is none is replaced.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.string(&String::from_utf8_lossy(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_separated_and_texts_escaped() {
        let mut json = Json::default();
        json.object(|json| {
            json.key("a").array(|json| {
                json.number(1u64);
                json.number(-2i64);
                json.float(0.5);
                json.float(f64::NAN);
                json.array(|_| {});
            });
            json.key("b\"").string("\\ \n\u{1}é");
            json.key("c").object(|json| json.key("d").boolean(true));
            json.key("e").null();
            json.key("f").bytes(b"\xff");
        });
        let expected = "{\"a\":[1,-2,0.5,null,[]],\"b\\\"\":\"\\\\ \\n\\u0001é\",\"c\":{\"d\":true},\"e\":null,\"f\":\"\u{fffd}\"}";
        assert_eq!(String::from_utf8(json.finish()).unwrap(), expected);
    }
}
