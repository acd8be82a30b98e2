//! `stat`: what the text protocol's `stats` says, a packet for each line.

use super::{header, packet_row};
use crate::command::table::TABLE;
use crate::command::{Asker, Command, Every, Fault, Handler, Keys, Local, Outcome, flag};
use crate::protocol::binary::{Header, Status};
use crate::protocol::{Args, Proto, Reply, Span};
use std::sync::LazyLock;

/// The commands of this file.
pub static ROWS: &[Command] = &[packet_row(
    "mcb:stat",
    flag::ADMIN,
    Keys::NONE,
    "Answers statistics of the server.",
    Handler::Every(Every { check: |_, _| Ok(()), ask, merge, atomic: false }),
)];

/// The text protocol's command.
static STATS: LazyLock<Every> = LazyLock::new(|| {
    let row = TABLE.by_name(b"mc:stats").expect("the text protocol has stats");
    let Handler::Every(every) = TABLE.row(row).handler else { panic!("stats asks every core") };
    every
});

/// Runs something with the words of the text command: `stats`, and the words of the packet's key.
fn with_words<T>(args: Args<'_>, run: impl FnOnce(Args<'_>) -> T) -> T {
    let line = [b"stats ", &args[1]].concat();
    let mut words = Vec::new();
    let mut start = 0;
    for word in line.split(|&byte| byte == b' ') {
        if !word.is_empty() {
            words.push(Span { start, len: word.len() as u32 });
        }
        start += word.len() as u32 + 1;
    }
    run(Args::new(&line, &words))
}

fn ask(local: &mut Local<'_>, args: Args<'_>, asker: &Asker) -> Vec<u8> {
    let databases = local.shard.databases();
    with_words(args, |words| match (STATS.check)(words, databases) {
        Ok(()) => (STATS.ask)(local, words, asker),
        Err(_) => Vec::new(),
    })
}

fn merge(args: Args<'_>, parts: &[Vec<u8>], asker: &Asker, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let to = header(args);
    let mut text = Vec::new();
    let done = with_words(args, |words| {
        (STATS.check)(words, 1)?;
        (STATS.merge)(words, parts, asker, &mut Reply::new(&mut text, Proto::Memcache))
    });
    match done.ok().and_then(|_| body(&text)) {
        Some(lines) if args[1].starts_with(b"detail dump") => {
            // The report by prefixes is one packet, its end included.
            reply.packet(&to, 0, b"", b"detailed", &[lines, b"END\r\n"].concat());
            reply.packet(&to, 0, b"", b"", b"");
        }
        Some(lines) => write(&to, lines, reply),
        None => reply.packet_error(&to, Status::NotFound),
    }
    Ok(Outcome::READ)
}

/// The lines of a report without the word that ends it; `None` for an error.
fn body(text: &[u8]) -> Option<&[u8]> {
    [&b"END\r\n"[..], b"RESET\r\n", b"OK\r\n"].iter().find_map(|end| text.strip_suffix(*end))
}

/// A packet for each `STAT name value`, and one without a name.
fn write(to: &Header, lines: &[u8], reply: &mut Reply<'_>) {
    for line in lines.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(stat) = line.strip_prefix(b"STAT ") else { continue };
        let name_bytes = memchr::memchr(b' ', stat).unwrap_or(stat.len());
        let (name, value) = stat.split_at(name_bytes);
        reply.packet(to, 0, b"", name, value.get(1..).unwrap_or_default());
    }
    reply.packet(to, 0, b"", b"", b"");
}
