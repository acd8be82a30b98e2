//! What blocking commands have in common: how long they wait, on what, and what they become once there is something.
//!
//! A blocking command is a row like others, [`Handler::Hops`] with [`flag::BLOCKING`]: a try. It has served its client if
//! it writes something, and has failed if it ends with an error; if it does neither, there was nothing to be had, and
//! its reply is what a transaction answers in its place, for there it never waits. Elsewhere the core has the client
//! stand in line for its keys (`core::blocking`), and tries again when one of them holds something, for that key
//! alone ([`narrowed`]).
//!
//! To add one, add its row to its family: with [`wait`] at the end of its `keys` and [`within_reach`] first in its
//! `decide`; say here of which kind its keys are, and which of them it waits for.
//!
//! [`flag::BLOCKING`]: super::flag::BLOCKING
//! [`Handler::Hops`]: super::Handler::Hops

use super::{Command, Fault, KeyRef};
use crate::protocol::Args;
use crate::session::Queued;
use crate::shard::Kind;
use crate::text::{LongDouble, parse_i64};

const OUT_OF_RANGE: Fault = Fault::text("ERR timeout is out of range");

/// Where the timeout stands: behind the name if the keys are counted, else at the end.
fn timeout_place(args: Args<'_>, counted: bool) -> usize {
    if counted { 1 } else { args.len() - 1 }
}

/// The keys of this command are counted: they stand behind their number.
fn is_counted(command: &Command) -> bool {
    command.keys.first == 0
}

/// Milliseconds that a client waits at most; 0: for ever. Fractions of one count as a whole.
pub fn wait(text: &[u8]) -> Result<u64, Fault> {
    let seconds = LongDouble::parse(text).ok_or(Fault::text("ERR timeout is not a float or out of range"))?;
    let ms = seconds.to_millis().ok_or(OUT_OF_RANGE)?;
    u64::try_from(ms).map_err(|_| Fault::text("ERR timeout is negative"))
}

/// Refuses a timeout that ends beyond all time.
pub fn within_reach(text: &[u8], now_ms: u64) -> Result<(), Fault> {
    if wait(text)? > i64::MAX as u64 - now_ms { Err(OUT_OF_RANGE) } else { Ok(()) }
}

/// The timeout, where it stands at the end.
pub fn last<'a>(args: &Args<'a>) -> &'a [u8] {
    args.last().unwrap_or_default()
}

/// All arguments but the timeout at the end are keys (`BLPOP`, `BZPOPMIN` and their kin).
pub fn keys_before_timeout(args: Args<'_>, db: u8, _: u8, keys: &mut Vec<KeyRef>) -> Result<(), Fault> {
    wait(last(&args))?;
    keys.extend((1..args.len() - 1).map(|arg| KeyRef { arg, db, value: true }));
    Ok(())
}

/// `count` keys stand behind the timeout and their number (`BLMPOP`, `BZMPOP`).
pub fn keys_behind_timeout(
    args: Args<'_>,
    db: u8,
    count: usize,
    keys: &mut Vec<KeyRef>,
) -> Result<(), Fault> {
    wait(&args[1])?;
    keys.extend((3..3 + count).map(|arg| KeyRef { arg, db, value: true }));
    Ok(())
}

/// How long a command waits whose arguments were found right.
pub fn wait_of(command: &Command, args: Args<'_>) -> u64 {
    wait(&args[timeout_place(args, is_counted(command))]).unwrap_or(0)
}

/// The kind of value that a command waits for.
pub fn kind_of(command: &Command) -> Kind {
    if command.group == "list" { Kind::List } else { Kind::SortedSet }
}

/// Of a command's keys those that it waits for; what it moves an element to is none of them.
pub fn awaited<'k>(command: &Command, keys: &'k [KeyRef]) -> &'k [KeyRef] {
    if command.keys.last == 2 { &keys[..1] } else { keys }
}

/// The command that is tried once one of its keys, this argument, holds something: the same for that key alone.
pub fn narrowed(command: &Command, request: &Queued, argument: usize) -> Queued {
    let args = request.args();
    if command.keys.last == 2 {
        return request.clone();
    }
    if !is_counted(command) {
        let words = [args[0].to_vec(), args[argument].to_vec(), args[args.len() - 1].to_vec()];
        return Queued::of_words(request.row, &words);
    }
    let keys = parse_i64(&args[2]).and_then(|count| usize::try_from(count).ok()).unwrap_or(1);
    let head = [args[0].to_vec(), args[1].to_vec(), b"1".to_vec(), args[argument].to_vec()];
    let words: Vec<Vec<u8>> =
        head.into_iter().chain(args.from(3 + keys).iter().map(<[u8]>::to_vec)).collect();
    Queued::of_words(request.row, &words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_redis_reads_them() {
        for (text, ms) in [
            ("0", 0),
            ("0.1", 100),
            ("0.001", 1),
            ("0.0001", 1),
            ("1e-400", 1),
            ("-0.0001", 0),
            ("-0.001", 0),
            ("0x10p-9", 32),
            ("2.5", 2500),
            ("1.0005", 1001),
            ("3600", 3_600_000),
            ("9223372036854775", 9_223_372_036_854_775_000),
        ] {
            assert_eq!(wait(text.as_bytes()), Ok(ms), "{text}");
        }
        for (text, error) in [
            ("", "ERR timeout is not a float or out of range"),
            (" 1", "ERR timeout is not a float or out of range"),
            ("nan", "ERR timeout is not a float or out of range"),
            ("x", "ERR timeout is not a float or out of range"),
            ("-1", "ERR timeout is negative"),
            ("-0.002", "ERR timeout is negative"),
            ("inf", "ERR timeout is out of range"),
            ("1e30", "ERR timeout is out of range"),
        ] {
            assert_eq!(wait(text.as_bytes()).map_err(|fault| fault.line().into_owned()), Err(error.into()));
        }
        assert!(within_reach(b"9223372036854775", 1_800_000_000_000).is_err());
        assert!(within_reach(b"9223370000000000", 1_800_000_000_000).is_ok());
    }
}
