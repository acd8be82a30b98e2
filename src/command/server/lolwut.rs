//! `LOLWUT`: a larder with jars on its shelves, different with every client.

use super::Done;
use crate::command::{Context, Fault, Outcome};
use crate::protocol::{Args, Reply};
use crate::text::parse_i64;
use crate::version::{LARDER_VERSION, REDIS_VERSION};

const SHELVES: u64 = 3;
const JARS: u64 = 8;

/// `LOLWUT [VERSION n] [...]`. There is one drawing; versions and sizes are taken and change nothing.
pub(super) fn lolwut(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Done {
    if args.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"version"))
        && let Some(version) = args.get(2)
    {
        parse_i64(version).ok_or(Fault::NotInteger)?;
    }
    let seed = context.session().client_id ^ context.local.now.unix_ms;
    reply.verbatim(*b"txt", drawing(seed).as_bytes());
    Ok(Outcome::READ)
}

fn drawing(mut seed: u64) -> String {
    let width = JARS as usize * 7 + 1;
    let mut text = format!(".{}.\n", "=".repeat(width));
    for _ in 0..SHELVES {
        let jars: Vec<[&str; 3]> = (0..JARS).map(|_| jar(&mut seed)).collect();
        for line in 0..3 {
            let row: Vec<&str> = jars.iter().map(|jar| jar[line]).collect();
            text.push_str(&format!("| {} |\n", row.join(" ")));
        }
        text.push_str(&format!("|{}|\n", "_".repeat(width)));
    }
    text.push_str(&format!("\nlarder {LARDER_VERSION}, speaks as Redis ver. {REDIS_VERSION}\n"));
    text
}

/// A jar six wide: how full it is follows from the next number of a xorshift sequence.
fn jar(seed: &mut u64) -> [&'static str; 3] {
    *seed ^= *seed << 13 | 1;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    match *seed % 6 {
        0 => [" ____ ", "|    |", "|____|"],
        1 => [" ____ ", "|    |", "|::::|"],
        2 => [" ____ ", "|::::|", "|::::|"],
        3 => [" .--. ", "|~~~~|", "|~~~~|"],
        4 => [" .--. ", "|oooo|", "|oooo|"],
        _ => ["      ", "      ", "      "],
    }
}
