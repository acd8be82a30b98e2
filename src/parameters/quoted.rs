//! Words and quotes of a configuration line, in redis.conf's form.

/// Splits a line into words. `"..."` may hold `\n \r \t \b \a \xHH \\ \"`, `'...'` only `\'`. `None` where a quote
/// is not closed, or something sticks to its end.
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line.trim_ascii();
    while !rest.is_empty() {
        let (word, used) = match rest[0] {
            b'"' => double(rest)?,
            b'\'' => single(rest)?,
            _ => plain(rest),
        };
        words.push(word);
        if rest.get(used).is_some_and(|byte| !byte.is_ascii_whitespace()) {
            return None;
        }
        rest = rest[used..].trim_ascii_start();
    }
    Some(words)
}

fn plain(text: &[u8]) -> (Vec<u8>, usize) {
    let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    (text[..end].to_vec(), end)
}

fn single(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut word = Vec::new();
    let mut at = 1;
    loop {
        match (*text.get(at)?, text.get(at + 1)) {
            (b'\'', _) => return Some((word, at + 1)),
            (b'\\', Some(b'\'')) => {
                word.push(b'\'');
                at += 2;
            }
            (byte, _) => {
                word.push(byte);
                at += 1;
            }
        }
    }
}

fn double(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut word = Vec::new();
    let mut at = 1;
    loop {
        match *text.get(at)? {
            b'"' => return Some((word, at + 1)),
            b'\\' => {
                let (byte, used) = escape(&text[at + 1..])?;
                word.push(byte);
                at += 1 + used;
            }
            byte => {
                word.push(byte);
                at += 1;
            }
        }
    }
}

/// What stands behind a backslash: the byte that it means and how long it is.
fn escape(text: &[u8]) -> Option<(u8, usize)> {
    if let [b'x', high, low, ..] = *text
        && let (Some(high), Some(low)) = ((high as char).to_digit(16), (low as char).to_digit(16))
    {
        return Some(((high * 16 + low) as u8, 3));
    }
    let byte = match *text.first()? {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        byte => byte,
    };
    Some((byte, 1))
}

/// One word of a line that `split` reads back: quoted where it must be.
pub fn quote(word: &[u8]) -> Vec<u8> {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\' | b'#');
    if !word.is_empty() && word.iter().all(plain) { word.to_vec() } else { repr(word) }
}

/// A word in double quotes, printable whatever it holds: `MONITOR`, `CLIENT LIST` and configuration files have it.
pub fn repr(word: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(word.len() + 2);
    quoted.push(b'"');
    for &byte in word {
        match byte {
            b'"' | b'\\' => quoted.extend([b'\\', byte]),
            b'\n' => quoted.extend(b"\\n"),
            b'\r' => quoted.extend(b"\\r"),
            b'\t' => quoted.extend(b"\\t"),
            8 => quoted.extend(b"\\b"),
            7 => quoted.extend(b"\\a"),
            b' '..=b'~' => quoted.push(byte),
            _ => {
                quoted.extend(b"\\x");
                quoted.extend([
                    b"0123456789abcdef"[byte as usize >> 4],
                    b"0123456789abcdef"[byte as usize & 15],
                ]);
            }
        }
    }
    quoted.push(b'"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_split_at_blanks_and_quotes_keep_them() {
        let words = |line: &str| {
            let words = split(line.as_bytes())?;
            Some(words.into_iter().map(|word| String::from_utf8(word).unwrap()).collect::<Vec<_>>())
        };
        assert_eq!(words("").unwrap(), Vec::<String>::new());
        assert_eq!(words("  save 900\t1 ").unwrap(), ["save", "900", "1"]);
        assert_eq!(words(r#"save """#).unwrap(), ["save", ""]);
        assert_eq!(words(r#"a "b \"c\" \x41\n" 'd \'e\' \n'"#).unwrap(), ["a", "b \"c\" A\n", "d 'e' \\n"]);
        for bad in [r#"a "b"#, "a 'b", r#"a "b"c"#, r"a 'b'c", r#"a "\"#] {
            assert_eq!(words(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_quoted_word_reads_back(word: Vec<u8>) {
            prop_assert_eq!(split(&quote(&word)).unwrap(), vec![word.clone()]);
            prop_assert_eq!(split(&repr(&word)).unwrap(), vec![word]);
        }
    }
}
