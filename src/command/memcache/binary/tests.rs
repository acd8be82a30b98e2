//! Packets through the parser and the rows behind it, on one shard. Replies as memcached 1.6.18 gives them.

use super::{row, too_large_row};
use crate::clock::Now;
use crate::command::run::run_here;
use crate::command::table::TABLE;
use crate::command::{Asker, Context, Effect, Handler, Local};
use crate::metrics::Counter;
use crate::parameters::Parameters;
use crate::protocol::binary::{HEADER_BYTES, Parsed, Parser, REPLY_MAGIC};
use crate::protocol::{Args, Limits, Proto, Reply};
use crate::session::{Door, Session, Sessions};
use crate::shard::{Key, Kind, Meta, Shard};
use crate::shared::Shared;
use crate::slowlog::Slowlog;
use crate::users::Users;
use slabs::{Options, Policy, Store};
use std::sync::Arc;

/// The first second of the year 2020.
const NOW_MS: u64 = 1_577_836_800_000;

/// A shard with one client.
struct Client {
    shard: Shard,
    shared: Arc<Shared>,
    sessions: Sessions,
    effects: Vec<Effect>,
}

/// A reply taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    opcode: u8,
    status: u16,
    extras: Vec<u8>,
    key: Vec<u8>,
    value: Vec<u8>,
    cas: u64,
}

impl Client {
    fn new() -> Client {
        Client::with(Options::default())
    }

    fn with(options: Options) -> Client {
        let options = Options { huge_pages: false, ..options };
        let now = Now { unix_ms: NOW_MS, mono_us: 0 };
        let mut shard = Shard::new(Store::new(&options).expect("a valid store"), 16);
        shard.tick(now);
        let mut sessions = Sessions::default();
        sessions.insert(0, Session::new(1, Door::Memcache, true, NOW_MS));
        let shared = Arc::new(Shared::new(Parameters::default(), 1, now, options.seeds));
        Client { shard, shared, sessions, effects: Vec::new() }
    }

    fn pass_ms(&mut self, ms: u64) {
        let Now { unix_ms, mono_us } = self.shard.now;
        self.shard.tick(Now { unix_ms: unix_ms + ms, mono_us: mono_us + ms * 1000 });
    }

    /// Runs one packet.
    fn ask(&mut self, opcode: u8, key: &[u8], extras: &[u8], value: &[u8], cas: u64) -> Vec<Answer> {
        let body = (key.len() + extras.len() + value.len()) as u32;
        let mut packet = vec![0x80, opcode];
        packet.extend_from_slice(&(key.len() as u16).to_be_bytes());
        packet.extend_from_slice(&[extras.len() as u8, 0, 0, 0]);
        packet.extend_from_slice(&body.to_be_bytes());
        packet.extend_from_slice(b"opaq");
        packet.extend_from_slice(&cas.to_be_bytes());
        let packet = [&packet[..], extras, key, value].concat();
        let mut spans = Vec::new();
        let out = match Parser::default().parse(&packet, &mut spans, &Limits::default()) {
            Parsed::Done { op, .. } => self.run(row(op), Args::new(&packet, &spans)),
            Parsed::TooLarge { .. } => self.run(too_large_row(), Args::new(&packet, &spans)),
            other => panic!("{other:?}"),
        };
        answers(&out)
    }

    /// The same where there must be one answer.
    #[track_caller]
    fn one(&mut self, opcode: u8, key: &str, extras: &[u8], value: &[u8], cas: u64) -> Answer {
        let mut answers = self.ask(opcode, key.as_bytes(), extras, value, cas);
        assert_eq!(answers.len(), 1);
        answers.remove(0)
    }

    fn run(&mut self, row: u16, args: Args<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, Proto::MemcacheBinary);
        let command = TABLE.row(row);
        assert!(command.arity_fits(args.len()), "{}", command.name);
        let now = self.shard.now;
        let mut slowlog = Slowlog::default();
        let mut local = Local {
            core: 0,
            cores: 1,
            shard: &mut self.shard,
            sessions: &mut self.sessions,
            slowlog: &mut slowlog,
            shared: &self.shared,
            now,
        };
        let result = match command.handler {
            Handler::Every(every) => {
                let asker = Asker { client_id: 1, db: 0, proto: Proto::MemcacheBinary };
                (every.check)(args, 16).and_then(|()| {
                    let part = (every.ask)(&mut local, args, &asker);
                    (every.merge)(args, &[part], &asker, &mut reply)
                })
            }
            Handler::Session(run) => {
                run(&mut Context { id: 0, local: &mut local, effects: &mut self.effects }, args, &mut reply)
            }
            _ => run_here(command, local.shard, args, 0, &self.shared.hasher, true, &mut reply),
        };
        assert!(result.is_ok(), "a packet's handler writes its errors itself");
        out
    }

    fn unique(&mut self, key: &str) -> u64 {
        self.one(0x00, key, b"", b"", 0).cas
    }
}

fn answers(mut out: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !out.is_empty() {
        let (header, rest) = out.split_at(HEADER_BYTES);
        let key = usize::from(u16::from_be_bytes(header[2..4].try_into().unwrap()));
        let extras = usize::from(header[4]);
        let body = u32::from_be_bytes(header[8..12].try_into().unwrap()) as usize;
        assert!(header[0] == REPLY_MAGIC && header[5] == 0 && &header[12..16] == b"opaq");
        answers.push(Answer {
            opcode: header[1],
            status: u16::from_be_bytes(header[6..8].try_into().unwrap()),
            extras: rest[..extras].to_vec(),
            key: rest[extras..extras + key].to_vec(),
            value: rest[extras + key..body].to_vec(),
            cas: u64::from_be_bytes(header[16..24].try_into().unwrap()),
        });
        out = &rest[body..];
    }
    answers
}

fn storing(flags: u32, exptime: u32) -> Vec<u8> {
    [flags.to_be_bytes(), exptime.to_be_bytes()].concat()
}

fn counting(delta: u64, initial: u64, exptime: u32) -> Vec<u8> {
    [&delta.to_be_bytes()[..], &initial.to_be_bytes(), &exptime.to_be_bytes()].concat()
}

/// Status and text.
fn error(status: u16, text: &str) -> (u16, String) {
    (status, text.to_string())
}

impl Answer {
    fn error(&self) -> (u16, String) {
        (self.status, String::from_utf8(self.value.clone()).unwrap())
    }
}

#[test]
fn the_reply_to_a_store_has_the_unique_that_the_item_has() {
    let mut client = Client::new();
    for round in 0..3000u32 {
        // Few keys that are changed often, then many that make the index grow.
        let key = format!("k{}", round * 7 % if round < 300 { 23 } else { 1999 });
        let value = vec![b'x'; (round * 37 % if round < 300 { 5000 } else { 50 }) as usize];
        for opcode in [0x01, 0x0e, 0x0f] {
            let extras = if opcode == 0x01 { storing(round, 0) } else { Vec::new() };
            let stored = client.one(opcode, &key, &extras, &value, 0);
            assert_eq!((stored.status, stored.cas), (0, client.unique(&key)), "{key} {opcode}");
        }
        let counted = client.one(0x05, "n", &counting(u64::from(round) << 20, 1, 0), b"", 0);
        assert_eq!((counted.status, counted.cas), (0, client.unique("n")));
    }
}

#[test]
fn a_unique_that_is_named_must_be_the_items() {
    let mut client = Client::new();
    let exists = error(2, "Data exists for key.");
    for opcode in [0x01, 0x02, 0x03] {
        assert_eq!(client.one(opcode, "a", &storing(0, 0), b"1", 5).error(), error(1, "Not found"));
    }
    let unique = client.one(0x01, "a", &storing(0, 0), b"1", 0).cas;
    for opcode in [0x01, 0x02, 0x03, 0x11] {
        assert_eq!(client.one(opcode, "a", &storing(0, 0), b"2", unique + 1).error(), exists);
    }
    assert_eq!(client.one(0x0e, "a", b"", b"2", unique + 1).error(), exists);
    assert_eq!(client.one(0x05, "a", &counting(1, 0, 0), b"", unique + 1).error(), exists);
    assert_eq!(client.one(0x04, "a", b"", b"", unique + 1).error(), exists);
    // With it even an add replaces.
    let unique = client.one(0x02, "a", &storing(0, 0), b"7", unique).cas;
    let unique = client.one(0x05, "a", &counting(3, 0, 0), b"", unique).cas;
    let unique = client.one(0x0f, "a", b"", b"2", unique).cas;
    assert_eq!(client.one(0x00, "a", b"", b"", 0).value, b"210");
    assert_eq!(client.one(0x04, "a", b"", b"", unique).status, 0);
    let counters = client.shard.memcache;
    assert_eq!((counters.cas_hits, counters.cas_misses, counters.cas_badval), (1, 3, 4));
}

#[test]
fn quiet_commands_say_what_is_worth_a_word() {
    let mut client = Client::new();
    let quiet = |client: &mut Client, opcode, key: &str, extras: &[u8], value: &[u8]| {
        client.ask(opcode, key.as_bytes(), extras, value, 0).first().map(Answer::error)
    };
    assert_eq!(quiet(&mut client, 0x11, "a", &storing(0, 0), b"1"), None);
    assert_eq!(quiet(&mut client, 0x12, "a", &storing(0, 0), b"1"), Some(error(2, "Data exists for key.")));
    assert_eq!(quiet(&mut client, 0x13, "b", &storing(0, 0), b"1"), Some(error(1, "Not found")));
    assert_eq!(quiet(&mut client, 0x19, "b", b"", b"1"), Some(error(5, "Not stored.")));
    assert_eq!(quiet(&mut client, 0x19, "a", b"", b"1"), None);
    assert_eq!(quiet(&mut client, 0x1a, "a", b"", b"1"), None);
    assert_eq!(quiet(&mut client, 0x15, "a", &counting(1, 0, 0), b""), None);
    assert_eq!(quiet(&mut client, 0x16, "a", &counting(2, 0, 0), b""), None);
    assert_eq!(quiet(&mut client, 0x09, "a", b"", b""), Some(error(0, "110")));
    assert_eq!(quiet(&mut client, 0x09, "b", b"", b""), None);
    assert_eq!(quiet(&mut client, 0x1e, "a", &[0; 4], b""), Some(error(0, "110")));
    assert_eq!(quiet(&mut client, 0x24, "b", &[0; 4], b""), None);
    assert_eq!(quiet(&mut client, 0x14, "b", b"", b""), Some(error(1, "Not found")));
    assert_eq!(quiet(&mut client, 0x14, "a", b"", b""), None);
    assert_eq!(quiet(&mut client, 0x18, "", b"", b""), None);
    assert_eq!(quiet(&mut client, 0x17, "", b"", b""), None);
    assert_eq!(client.effects, [Effect::CloseAfterReply]);
}

#[test]
fn misses_repeat_the_key_where_hits_do() {
    let mut client = Client::new();
    for (opcode, extras) in [(0x0c, &b""[..]), (0x23, &[0; 4])] {
        let miss = client.one(opcode, "key", extras, b"", 0);
        assert_eq!((miss.status, &miss.key[..], &miss.value[..]), (1, &b"key"[..], &b""[..]));
    }
    for (opcode, extras) in [(0x00, &b""[..]), (0x1d, &[0; 4]), (0x1c, &[0; 4])] {
        assert_eq!(client.one(opcode, "key", extras, b"", 0).error(), error(1, "Not found"));
    }
    client.one(0x01, "key", &storing(0xdead_beef, 0), b"value", 0);
    let unique = client.unique("key");
    for (opcode, extras, key, value) in [
        (0x00, &b""[..], "", "value"),
        (0x0c, b"", "key", "value"),
        (0x0d, b"", "key", "value"),
        (0x1d, &[0; 4], "", "value"),
        (0x23, &[0; 4], "key", "value"),
        (0x1c, &[0; 4], "", ""),
    ] {
        let expected = Answer {
            opcode,
            status: 0,
            extras: vec![0xde, 0xad, 0xbe, 0xef],
            key: key.into(),
            value: value.into(),
            cas: unique,
        };
        assert_eq!(client.one(opcode, "key", extras, b"", 0), expected);
    }
}

#[test]
fn the_first_number_is_stored_unless_it_must_not_be() {
    let mut client = Client::new();
    let forbidden = counting(1, 5, u32::MAX);
    assert_eq!(client.one(0x05, "n", &forbidden, b"", 0).error(), error(1, "Not found"));
    assert_eq!(client.one(0x06, "n", &forbidden, b"", 0).error(), error(1, "Not found"));
    let first = client.one(0x06, "n", &counting(1, u64::MAX, 100), b"", 0);
    assert_eq!(first.value, u64::MAX.to_be_bytes());
    assert_eq!(client.one(0x05, "n", &counting(2, 0, u32::MAX), b"", 0).value, 1u64.to_be_bytes());
    let held = client.one(0x00, "n", b"", b"", 0);
    assert_eq!((&held.value[..1], held.value.len()), (&b"1"[..], 20));
    assert_eq!(client.one(0x06, "n", &counting(2, 0, 0), b"", 0).value, 0u64.to_be_bytes());
    let counters = client.shard.memcache;
    assert_eq!((counters.incr_hits, counters.decr_hits), (1, 1));
    assert_eq!((counters.incr_misses, counters.decr_misses), (1, 1));
    // The expiry is the first number's.
    client.pass_ms(100_001);
    assert_eq!(client.one(0x00, "n", b"", b"", 0).status, 1);
    // One that has passed: counted, and gone.
    assert_eq!(client.one(0x05, "n", &counting(1, 5, 2_592_001), b"", 0).value, 5u64.to_be_bytes());
    assert_eq!(client.one(0x00, "n", b"", b"", 0).status, 1);
}

#[test]
fn what_is_no_number_is_not_counted_with() {
    let mut client = Client::new();
    let not_numeric = error(6, "Non-numeric server-side value for incr or decr");
    for value in [&b""[..], b"x", b"-1", b"1x", b"18446744073709551616"] {
        client.one(0x01, "a", &storing(0, 0), value, 0);
        assert_eq!(client.one(0x05, "a", &counting(1, 0, 0), b"", 0).error(), not_numeric);
    }
    let key = Key::new(&client.shared.hasher, client.shard.physical(0), b"list");
    let list = Meta { kind: Kind::List, ..Meta::default() };
    client.shard.store.put(&key, b"12345678", &list, NOW_MS).unwrap();
    assert_eq!(client.one(0x05, "list", &counting(1, 0, 0), b"", 0).error(), not_numeric);
    assert_eq!(client.one(0x00, "list", b"", b"", 0).status, 1);
    assert_eq!(client.one(0x0e, "list", b"", b"x", 0).status, 5);
    assert_eq!(client.one(0x01, "list", &storing(0, 0), b"x", 0).status, 0);
}

#[test]
fn times_are_read_as_unsigned_numbers() {
    let mut client = Client::new();
    client.one(0x01, "far", &storing(0, u32::MAX), b"x", 0);
    client.one(0x01, "soon", &storing(0, 10), b"x", 0);
    client.one(0x01, "past", &storing(0, 2_592_001), b"x", 0);
    client.one(0x01, "touched", &storing(0, 10), b"x", 0);
    assert_eq!(client.one(0x1c, "touched", &u32::MAX.to_be_bytes(), b"", 0).status, 0);
    assert_eq!(client.one(0x00, "past", b"", b"", 0).status, 1);
    client.pass_ms(10_001);
    let statuses = ["far", "soon", "touched"].map(|key| client.one(0x00, key, b"", b"", 0).status);
    assert_eq!(statuses, [0, 1, 0]);
    // A touch with a time that has passed answers the item once more.
    let last = client.one(0x1d, "far", &2_592_001u32.to_be_bytes(), b"", 0);
    assert_eq!((last.status, &last.value[..]), (0, &b"x"[..]));
    assert_eq!(client.one(0x00, "far", b"", b"", 0).status, 1);
}

#[test]
fn a_flush_may_wait() {
    let mut client = Client::new();
    client.one(0x01, "a", &storing(0, 0), b"x", 0);
    assert_eq!(client.one(0x08, "", &100u32.to_be_bytes(), b"", 0).status, 0);
    assert_eq!(client.one(0x00, "a", b"", b"", 0).status, 0);
    client.pass_ms(100_001);
    assert_eq!(client.one(0x00, "a", b"", b"", 0).status, 1);
    client.one(0x01, "a", &storing(0, 0), b"x", 0);
    assert_eq!(client.one(0x08, "", b"", b"", 0).status, 0);
    assert_eq!(client.one(0x00, "a", b"", b"", 0).status, 1);
    assert_eq!(client.shard.memcache.flush_commands, 2);
}

#[test]
fn a_value_that_is_too_large_takes_the_old_one_with_it() {
    let mut client = Client::new();
    let large = vec![0; (1 << 20) + 1];
    for (opcode, kept) in [(0x0e, true), (0x03, true), (0x01, false)] {
        client.one(0x01, "a", &storing(0, 0), b"old", 0);
        let extras = if opcode == 0x0e { Vec::new() } else { storing(0, 0) };
        assert_eq!(client.one(opcode, "a", &extras, &large, 0).error(), error(3, "Too large."));
        assert_eq!(client.one(0x00, "a", b"", b"", 0).status == 0, kept);
    }
    assert_eq!(client.shard.memcache.store_too_large, 3);
}

#[test]
fn a_full_store_says_so() {
    let options = Options { budget_bytes: 2 << 20, policy: Policy::NoEviction, ..Options::default() };
    let mut client = Client::with(options);
    let value = [b'x'; 60_000];
    let refused = (0..100)
        .map(|n| client.one(0x01, &format!("k{n}"), &storing(0, 0), &value, 0))
        .find(|answer| answer.status != 0)
        .expect("the store is full before the end");
    assert_eq!(refused.error(), error(0x82, "Out of memory"));
    assert!(client.shard.memcache.store_no_memory > 0);
}

#[test]
fn statistics_are_packets_and_the_last_has_no_name() {
    let mut client = Client::new();
    client.one(0x01, "a", &storing(0, 0), b"x", 0);
    let stats = client.ask(0x10, b"", b"", b"", 0);
    let named =
        |name: &str| stats.iter().find(|stat| stat.key == name.as_bytes()).map(|stat| &stat.value[..]);
    assert_eq!((named("curr_items"), named("cmd_set")), (Some(&b"1"[..]), Some(&b"1"[..])));
    let (last, others) = stats.split_last().unwrap();
    assert!(last.key.is_empty() && last.value.is_empty() && others.iter().all(|stat| !stat.key.is_empty()));
    assert!(client.ask(0x10, b"settings", b"", b"", 0).len() > 10);
    assert_eq!(client.ask(0x10, b"reset", b"", b"", 0).len(), 1);
    assert_eq!(client.one(0x10, "nonsense", b"", b"", 0).error(), error(1, "Not found"));
}

#[test]
fn plain_credentials_let_a_stranger_in() {
    let mut client = Client::new();
    let unknown = error(0x81, "Unknown command");
    for opcode in [0x21, 0x22] {
        assert_eq!(client.one(opcode, "PLAIN", b"", b"\0name\0word", 0).error(), unknown);
    }
    assert_eq!(client.one(0x20, "", b"", b"", 0).error(), unknown);
    client.shared.set_memcache_users(Users::parse(b"name:word\n").unwrap());
    client.sessions.get_mut(0).unwrap().authenticated = false;
    assert_eq!(client.one(0x20, "", b"", b"", 0).error(), error(0, "PLAIN"));
    let failure = error(0x20, "Auth failure.");
    for message in [&b""[..], b"name\0word", b"\0name\0wor", b"\0name\0word\0", b"other\0name\0word", b"\0\0"]
    {
        assert_eq!(client.one(0x21, "PLAIN", b"", message, 0).error(), failure, "{message:?}");
    }
    assert_eq!(client.one(0x21, "CRAM-MD5", b"", b"\0name\0word", 0).error(), failure);
    assert_eq!(client.one(0x22, "PLAIN", b"", b"\0name\0word", 0).error(), failure);
    assert!(!client.sessions.get(0).unwrap().authenticated);
    assert_eq!(client.one(0x21, "PLAIN", b"", b"\0name\0word", 0).error(), error(0, "Authenticated"));
    assert!(client.sessions.get(0).unwrap().authenticated);
    assert_eq!(client.one(0x21, "PLAIN", b"", b"name\0name\0word", 0).status, 0);
    let metrics = &client.shared.metrics[0];
    assert_eq!((metrics.get(Counter::AuthCommands), metrics.get(Counter::AuthErrors)), (10, 8));
}

#[test]
fn looking_whether_a_key_exists_fetches_nothing() {
    let mut client = Client::new();
    let extras = storing(0, 0);
    let counting = [1u64.to_be_bytes(), 0u64.to_be_bytes()].concat();
    let counting = [&counting[..], &[0; 4]].concat();
    client.one(0x01, "n", &extras, b"5", 0);
    let fetched = |client: &Client| {
        let hash = client.shared.hasher.hash(b"n");
        let key = Key { db: 0, bytes: b"n", hash };
        client.shard.store.peek(&key, NOW_MS).map(|item| item.is_fetched())
    };
    client.one(0x02, "n", &extras, b"x", 0);
    client.one(0x03, "n", &extras, b"x", 999);
    client.one(0x05, "n", &counting, b"", 0);
    client.one(0x0e, "n", b"", b"x", 999);
    client.one(0x04, "n", b"", b"", 999);
    assert_eq!(fetched(&client), Some(false));
    client.one(0x00, "n", b"", b"", 0);
    assert_eq!(fetched(&client), Some(true));
}
