//! Glob patterns against their definition.

use larder::text::{glob_matches, glob_matches_nocase};

/// Pattern and text are on two lines.
pub fn check(data: &[u8]) {
    let Some(end) = memchr::memchr(b'\n', data) else { return };
    let (pattern, text) = (&data[..end], &data[end + 1..]);
    // The definition takes exponential time.
    let stars = pattern.iter().filter(|&&byte| byte == b'*').count();
    if stars > 4 || text.len() > 40 {
        glob_matches(pattern, text);
        return;
    }
    assert_eq!(glob_matches(pattern, text), defined(pattern, text, false));
    assert_eq!(glob_matches_nocase(pattern, text), defined(pattern, text, true));
}

fn defined(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    let same = |a: u8, b: u8| if nocase { a.eq_ignore_ascii_case(&b) } else { a == b };
    match (pattern, text) {
        ([], _) => text.is_empty(),
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|taken| defined(rest, &text[taken..], nocase)),
        (_, []) => false,
        ([b'?', rest @ ..], [_, behind @ ..]) => defined(rest, behind, nocase),
        ([b'[', rest @ ..], [byte, behind @ ..]) => {
            let (member, rest) = class(rest, *byte, nocase);
            member && defined(rest, behind, nocase)
        }
        ([b'\\', plain, rest @ ..], [byte, behind @ ..]) => {
            same(*plain, *byte) && defined(rest, behind, nocase)
        }
        ([plain, rest @ ..], [byte, behind @ ..]) => same(*plain, *byte) && defined(rest, behind, nocase),
    }
}

/// Members are gathered as a set of 256, then asked.
fn class(class: &[u8], byte: u8, nocase: bool) -> (bool, &[u8]) {
    let lower = |byte: u8| if nocase { byte.to_ascii_lowercase() } else { byte };
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut members = [false; 256];
    let mut exact = [false; 256];
    while at < class.len() && class[at] != b']' {
        if class[at] == b'\\' && at + 1 < class.len() {
            exact[usize::from(class[at + 1])] = true;
            at += 2;
        } else if at + 2 < class.len() && class[at + 1] == b'-' {
            let (one, other) = (class[at], class[at + 2]);
            // The ends are ordered as they are written, then folded.
            let (low, high) = (lower(one.min(other)), lower(one.max(other)));
            (low..=high).for_each(|member| members[usize::from(member)] = true);
            at += 3;
        } else {
            members[usize::from(lower(class[at]))] = true;
            at += 1;
        }
    }
    let found = members[usize::from(lower(byte))] || exact[usize::from(byte)];
    (found != negated, &class[(at + 1).min(class.len())..])
}
