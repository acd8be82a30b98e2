//! What a client reads that calls a command which does not exist. Clients match on these texts to
//! find out what a server can do, so they are Redis's to the byte.

use crate::protocol::{Args, Reply};

/// Bytes of a name, and of all arguments together, that are quoted.
const QUOTED_BYTES_MAX: usize = 128;

/// Replies that `args[0]` is no command.
pub fn unknown_command(args: Args<'_>, reply: &mut Reply<'_>) {
    let mut text = b"ERR unknown command '".to_vec();
    text.extend(as_c_string(&args[0], QUOTED_BYTES_MAX));
    text.extend(b"', with args beginning with: ");
    let start = text.len();
    for arg in args.from(1).iter() {
        let used = text.len() - start;
        if used >= QUOTED_BYTES_MAX {
            break;
        }
        text.push(b'\'');
        text.extend(as_c_string(arg, QUOTED_BYTES_MAX - used));
        text.extend(b"' ");
    }
    reply.error_bytes(&text);
}

/// Replies that `args[1]` is no subcommand of `args[0]`.
pub fn unknown_subcommand(args: Args<'_>, reply: &mut Reply<'_>) {
    let mut text = b"ERR unknown subcommand ".to_vec();
    if args[0].eq_ignore_ascii_case(b"debug") {
        // In Redis it is one command that finds its subcommands itself, and says less.
        text.extend(b"or wrong number of arguments for ");
    }
    text.push(b'\'');
    text.extend(as_c_string(args.get(1).unwrap_or_default(), QUOTED_BYTES_MAX));
    text.extend(b"'. Try ");
    text.extend(args[0].to_ascii_uppercase());
    text.extend(b" HELP.");
    reply.error_bytes(&text);
}

/// The part of `bytes` before a zero, at most so many.
fn as_c_string(bytes: &[u8], bytes_max: usize) -> &[u8] {
    let bytes = &bytes[..bytes.len().min(bytes_max)];
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::one_core::words;
    use crate::protocol::Proto;

    fn said(write: fn(Args<'_>, &mut Reply<'_>), line: &[&[u8]]) -> String {
        let mut out = Vec::new();
        words(line, |args| write(args, &mut Reply::new(&mut out, Proto::Resp2)));
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn an_unknown_command_is_quoted_with_its_arguments() {
        assert_eq!(
            said(unknown_command, &[b"FOO"]),
            "-ERR unknown command 'FOO', with args beginning with: \r\n"
        );
        assert_eq!(
            said(unknown_command, &[b"foo", b"a", b"b\r\nc", b"d\0e"]),
            "-ERR unknown command 'foo', with args beginning with: 'a' 'b  c' 'd' \r\n"
        );
    }

    #[test]
    fn no_more_than_a_line_is_quoted() {
        let long = [b'x'; 1000];
        let text = said(unknown_command, &[&long, &long, &long]);
        assert_eq!(text.matches('x').count(), 256);
        let text = said(unknown_command, &[b"f", &[b'y'; 100], &[b'z'; 100], b"w"]);
        assert_eq!(
            (text.matches('y').count(), text.matches('z').count(), text.matches('w').count()),
            (100, 25, 3)
        );
    }

    #[test]
    fn an_unknown_subcommand_is_quoted_with_its_container() {
        assert_eq!(
            said(unknown_subcommand, &[b"client", b"Maint_Notifications", b"ON"]),
            "-ERR unknown subcommand 'Maint_Notifications'. Try CLIENT HELP.\r\n"
        );
    }
}
