//! Requests through the parser and the rows behind it, on one shard. Replies as memcached 1.6.18 gives them,
//! unless a test says otherwise.

use super::{VERBS_SERVED, arrange, row, too_large_row};
use crate::clock::Now;
use crate::command::run::run_here;
use crate::command::table::TABLE;
use crate::command::{Asker, Context, Effect, Handler, Local, Outcome};
use crate::parameters::Parameters;
use crate::protocol::memcache::{Parsed, Parser, TOO_LARGE, Verb};
use crate::protocol::{Args, Limits, Proto, Reply, Span};
use crate::session::{Door, Session, Sessions};
use crate::shard::{Key, Kind, Meta, Shard};
use crate::shared::Shared;
use crate::slowlog::Slowlog;
use slabs::{Options, Policy, Store};
use std::sync::Arc;

mod administration;
mod meta;
mod process;

/// The first second of the year 2020.
const NOW_MS: u64 = 1_577_836_800_000;

/// A shard with one memcached client.
struct Client {
    shard: Shard,
    shared: Arc<Shared>,
    sessions: Sessions,
    limits: Limits,
    effects: Vec<Effect>,
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
        Client { shard, shared, sessions, limits: Limits::default(), effects: Vec::new() }
    }

    fn pass_ms(&mut self, ms: u64) {
        let Now { unix_ms, mono_us } = self.shard.now;
        self.shard.tick(Now { unix_ms: unix_ms + ms, mono_us: mono_us + ms * 1000 });
    }

    /// The bytes that a connection would send for these.
    fn talk(&mut self, mut input: &[u8]) -> String {
        let mut parser = Parser::new();
        let mut out = Vec::new();
        let mut spans = Vec::new();
        loop {
            spans.clear();
            let (used, quiet, reply) = match parser.parse(input, &mut spans, &self.limits) {
                Parsed::More => return String::from_utf8(out).unwrap(),
                Parsed::Swallowed { used } => (used, true, Vec::new()),
                Parsed::Bad { used, error, noreply } => {
                    (used, noreply, format!("{}\r\n", error.message()).into_bytes())
                }
                Parsed::TooLarge { used, verb, noreply } => {
                    (used, noreply, self.run(too_large_row(verb), Args::new(input, &spans)))
                }
                Parsed::Done { used, verb, noreply } => {
                    arrange(verb, &mut spans, 0);
                    let reply = match row(verb) {
                        Some(row) => self.run(row, Args::new(input, &spans)),
                        None => b"ERROR\r\n".to_vec(),
                    };
                    (used, noreply, reply)
                }
                other => panic!("{other:?}"),
            };
            if !quiet {
                out.extend(reply);
            }
            input = &input[used..];
        }
    }

    fn run(&mut self, row: u16, args: Args<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, Proto::Memcache);
        let command = TABLE.row(row);
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
                let asker = Asker { client_id: 1, db: 0, proto: Proto::Memcache };
                (every.check)(args, 16).and_then(|()| {
                    let part = (every.ask)(&mut local, args, &asker);
                    (every.merge)(args, &[part], &asker, &mut reply)
                })
            }
            Handler::Session(run) => {
                run(&mut Context { id: 0, local: &mut local, effects: &mut self.effects }, args, &mut reply)
            }
            Handler::Dump(dump) => (dump.check)(&mut local, args).map(|()| {
                let asker = Asker { client_id: 1, db: 0, proto: Proto::Memcache };
                let mut cursor = 0;
                loop {
                    cursor = (dump.slice)(&mut local, args, &asker, cursor, &mut reply);
                    if cursor == 0 {
                        break;
                    }
                }
                (dump.end)(args, &mut reply);
                Outcome::READ
            }),
            _ => run_here(command, local.shard, args, 0, &self.shared.hasher, true, &mut reply),
        };
        if let Err(fault) = result {
            reply.truncate(0);
            fault.write(&mut reply);
        }
        out
    }

    /// Requests and their replies, with a line end behind every one of them.
    #[track_caller]
    fn check(&mut self, dialogue: &[(&str, &str)]) {
        for (request, expected) in dialogue {
            let reply = self.talk(format!("{request}\r\n").as_bytes());
            assert_eq!(reply.trim_end_matches("\r\n"), *expected, "{request:?}");
        }
    }

    /// The cas unique that `gets` shows for a key.
    fn unique(&mut self, key: &str) -> u64 {
        let reply = self.talk(format!("gets {key}\r\n").as_bytes());
        let line = reply.lines().next().expect("a hit");
        line.split(' ').nth(4).expect("a unique").parse().expect("a number")
    }

    fn put(&mut self, key: &str, meta: Meta) {
        let at = Key::new(&self.shared.hasher, 0, key.as_bytes());
        self.shard.store.put(&at, b"12345678", &meta, self.shard.now_ms()).unwrap();
    }

    fn version(&self, key: &str) -> u32 {
        let at = Key::new(&self.shared.hasher, 0, key.as_bytes());
        self.shard.store.peek(&at, self.shard.now_ms()).expect("a live item").version()
    }
}

#[test]
fn every_served_verb_has_a_row_that_no_redis_client_can_call() {
    for &(verb, name) in VERBS_SERVED {
        let row = row(verb).expect(name);
        assert_eq!(TABLE.row(row).name, name);
        let spans = [Span { start: 0, len: name.len() as u32 }];
        assert!(matches!(
            TABLE.find(Args::new(name.as_bytes(), &spans)),
            crate::command::table::Found::UnknownCommand
        ));
    }
    assert_eq!(row(Verb::Other), None);
}

#[test]
fn values_are_stored_by_condition() {
    Client::new().check(&[
        ("replace a 0 0 1\r\nx", "NOT_STORED"),
        ("append a 0 0 1\r\nx", "NOT_STORED"),
        ("prepend a 0 0 1\r\nx", "NOT_STORED"),
        ("add a 5 0 3\r\nabc", "STORED"),
        ("add a 0 0 1\r\nx", "NOT_STORED"),
        ("get a", "VALUE a 5 3\r\nabc\r\nEND"),
        ("replace a 6 0 1\r\nd", "STORED"),
        ("append a 9 9 2\r\nef", "STORED"),
        ("prepend a 9 9 2\r\nbc", "STORED"),
        ("get a", "VALUE a 6 5\r\nbcdef\r\nEND"),
        ("set a 4294967295 0 0\r\n", "STORED"),
        ("get a", "VALUE a 4294967295 0\r\n\r\nEND"),
        ("get a b a", "VALUE a 4294967295 0\r\n\r\nVALUE a 4294967295 0\r\n\r\nEND"),
    ]);
}

#[test]
fn appending_keeps_the_expiry() {
    let mut client = Client::new();
    client.check(&[("set a 1 10 1\r\nx", "STORED"), ("append a 2 0 1\r\ny", "STORED")]);
    client.pass_ms(9_999);
    client.check(&[("get a", "VALUE a 1 2\r\nxy\r\nEND")]);
    client.pass_ms(1);
    client.check(&[("get a", "END"), ("append a 0 0 1\r\nz", "NOT_STORED")]);
}

#[test]
fn times_are_relative_absolute_never_or_over() {
    let mut client = Client::new();
    client.check(&[
        ("set never 0 0 1\r\nx", "STORED"),
        ("set month 0 2592000 1\r\nx", "STORED"),
        ("set past 0 2592001 1\r\nx", "STORED"),
        ("set at 0 1577836810 1\r\nx", "STORED"),
        ("set over 0 -1 1\r\nx", "STORED"),
        (
            "get never month past at over",
            "VALUE never 0 1\r\nx\r\nVALUE month 0 1\r\nx\r\nVALUE at 0 1\r\nx\r\nEND",
        ),
        ("replace never 0 -1 1\r\nx", "STORED"),
        ("get never", "END"),
    ]);
    client.pass_ms(10_000);
    client.check(&[("get at month", "VALUE month 0 1\r\nx\r\nEND")]);
    client.pass_ms(2_591_990_000);
    client.check(&[("get month", "END")]);
}

#[test]
fn cas_stores_only_what_nobody_has_changed() {
    let mut client = Client::new();
    client.check(&[("cas a 0 0 1 1\r\nx", "NOT_FOUND"), ("set a 3 0 1\r\nx", "STORED")]);
    let unique = client.unique("a");
    client.check(&[
        (&format!("cas a 0 0 1 {}\r\ny", unique + 1), "EXISTS"),
        (&format!("cas a 4 0 1 {unique}\r\ny"), "STORED"),
        (&format!("cas a 5 0 1 {unique}\r\nz"), "EXISTS"),
        ("get a", "VALUE a 4 1\r\ny\r\nEND"),
    ]);
    for change in
        ["set a 0 0 1\r\n5", "append a 0 0 1\r\n5", "prepend a 0 0 1\r\n5", "incr a 1", "decr a 600"]
    {
        let before = client.unique("a");
        client.talk(format!("{change}\r\n").as_bytes());
        assert_ne!(client.unique("a"), before, "{change}");
    }
}

#[test]
fn touching_keeps_the_unique() {
    let mut client = Client::new();
    client.check(&[("set a 1 0 1\r\nx", "STORED")]);
    let unique = client.unique("a");
    client.check(&[
        ("touch a 100", "TOUCHED"),
        ("gat 200 a", "VALUE a 1 1\r\nx\r\nEND"),
        ("gats 10 a", &format!("VALUE a 1 1 {unique}\r\nx\r\nEND")),
    ]);
    assert_eq!(client.unique("a"), unique);
    client.pass_ms(10_000);
    client.check(&[("get a", "END"), ("touch a 1", "NOT_FOUND"), ("gat 1 a", "END")]);
}

#[test]
fn each_key_of_a_gat_gets_its_time() {
    let mut client = Client::new();
    for key in ["a", "b", "c"] {
        client.check(&[(&format!("set {key} 0 0 1\r\nx"), "STORED")]);
    }
    client.check(&[
        ("gat 10 a x b", "VALUE a 0 1\r\nx\r\nVALUE b 0 1\r\nx\r\nEND"),
        ("gat 10", "CLIENT_ERROR bad command line format"),
        ("gat -1 c c", "VALUE c 0 1\r\nx\r\nEND"),
        ("get c", "END"),
        ("gat x a", "CLIENT_ERROR invalid exptime argument"),
    ]);
    client.pass_ms(10_000);
    client.check(&[("get a b", "END")]);
}

#[test]
fn numbers_wrap_upwards_and_stop_at_zero() {
    Client::new().check(&[
        ("incr n 1", "NOT_FOUND"),
        ("decr n 1", "NOT_FOUND"),
        ("set n 7 0 2\r\n99", "STORED"),
        ("incr n 1", "100"),
        ("get n", "VALUE n 7 3\r\n100\r\nEND"),
        ("decr n 1", "99"),
        ("get n", "VALUE n 7 3\r\n99 \r\nEND"),
        ("decr n 100", "0"),
        ("get n", "VALUE n 7 3\r\n0  \r\nEND"),
        ("incr n 18446744073709551615", "18446744073709551615"),
        ("incr n 2", "1"),
        ("get n", "VALUE n 7 20\r\n1                   \r\nEND"),
        ("set n 0 0 5\r\n 12 x", "STORED"),
        ("incr n 1", "13"),
        ("get n", "VALUE n 0 5\r\n13   \r\nEND"),
        ("incr n -1", "CLIENT_ERROR invalid numeric delta argument"),
    ]);
}

#[test]
fn what_is_no_number_is_not_counted() {
    const ERROR: &str = "CLIENT_ERROR cannot increment or decrement non-numeric value";
    let mut client = Client::new();
    for value in ["", "x", "1x", "-1", "18446744073709551616"] {
        client.check(&[(&format!("set n 0 0 {}\r\n{value}", value.len()), "STORED"), ("incr n 1", ERROR)]);
    }
    client.put("l", Meta { kind: Kind::List, ..Meta::default() });
    client.check(&[("incr l 1", ERROR), ("decr l 1", ERROR)]);
}

#[test]
fn delete_takes_a_zero() {
    Client::new().check(&[
        ("set a 0 0 1\r\nx", "STORED"),
        ("delete a 0", "DELETED"),
        ("delete a", "NOT_FOUND"),
        ("delete a 1", "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]"),
    ]);
}

#[test]
fn other_kinds_are_misses_and_are_replaced_as_a_whole() {
    let list = Meta { kind: Kind::List, ..Meta::default() };
    let mut client = Client::new();
    client.put("l", list);
    client.check(&[
        ("get l", "END"),
        ("gats 0 l", "END"),
        ("append l 0 0 1\r\nx", "NOT_STORED"),
        ("add l 0 0 1\r\nx", "NOT_STORED"),
        ("touch l 0", "TOUCHED"),
    ]);
    let version = client.version("l");
    client.check(&[
        (&format!("cas l 0 0 1 {version}\r\nx"), "NOT_FOUND"),
        ("replace l 0 0 1\r\nx", "STORED"),
        ("get l", "VALUE l 0 1\r\nx\r\nEND"),
    ]);
    client.put("l", list);
    client.check(&[("delete l", "DELETED")]);
}

#[test]
fn too_large_values_are_refused_and_a_set_loses_the_old_one() {
    let mut client = Client::new();
    client.limits.value_bytes_max = 10;
    let line = |verb: &str, unique: &str| format!("{verb} a 0 0 11{unique}\r\n{}", "x".repeat(11));
    client.check(&[("set a 0 0 1\r\nx", "STORED")]);
    for (verb, unique) in [("add", ""), ("replace", ""), ("append", ""), ("prepend", ""), ("cas", " 1")] {
        client.check(&[(&line(verb, unique), TOO_LARGE), ("get a", "VALUE a 0 1\r\nx\r\nEND")]);
    }
    client.check(&[(&line("set", ""), TOO_LARGE), ("get a", "END"), ("set a 0 0 1\r\nx", "STORED")]);
    client.check(&[(&line("set", " noreply"), ""), ("get a", "END")]);
    assert_eq!(client.shard.memcache.store_too_large, 7);
}

#[test]
fn growing_past_the_limit_stores_nothing() {
    let mut client = Client::with(Options { item_bytes_max: 10, ..Options::default() });
    client.check(&[
        ("set a 0 0 6\r\n123456", "STORED"),
        ("append a 0 0 6\r\n123456", "NOT_STORED"),
        ("prepend a 0 0 6\r\n123456", "NOT_STORED"),
        ("get a", "VALUE a 0 6\r\n123456\r\nEND"),
        ("set a 0 0 11\r\n12345678901", TOO_LARGE),
        ("get a", "END"),
    ]);
}

#[test]
fn a_full_store_that_may_not_evict_says_so() {
    let mut client =
        Client::with(Options { budget_bytes: 4 << 20, policy: Policy::NoEviction, ..Options::default() });
    let value = "x".repeat(100_000);
    let replies: Vec<String> =
        (0..60).map(|i| client.talk(format!("set k{i} 0 0 100000\r\n{value}\r\n").as_bytes())).collect();
    assert_eq!(replies[0], "STORED\r\n");
    assert_eq!(replies[59], "SERVER_ERROR out of memory storing object\r\n");
    let refused = replies.iter().filter(|reply| reply.starts_with("SERVER_ERROR")).count();
    assert_eq!(client.shard.memcache.store_no_memory, refused as u64);
    client.check(&[("get k0", &format!("VALUE k0 0 100000\r\n{value}\r\nEND"))]);
}

#[test]
fn a_flush_takes_everything_that_memcached_sees_and_nothing_else() {
    let mut client = Client::new();
    let other = Key::new(&client.shared.hasher.clone(), client.shard.physical(1), b"a");
    client.shard.store.put(&other, b"x", &Meta::default(), NOW_MS).unwrap();
    for flush in ["flush_all", "flush_all 0", "flush_all -1", "flush_all 1577836800"] {
        client.check(&[("set a 0 0 1\r\nx", "STORED"), (flush, "OK"), ("get a", "END")]);
    }
    client.check(&[("set a 0 0 1\r\nx", "STORED"), ("flush_all noreply", ""), ("get a", "END")]);
    client.check(&[("flush_all x", "CLIENT_ERROR invalid exptime argument")]);
    assert!(client.shard.store.peek(&other, NOW_MS).is_some());
}

#[test]
fn the_first_miss_of_a_flushed_item_is_counted_as_such() {
    let mut client = Client::new();
    for key in ["a", "b", "c", "d", "e", "f"] {
        client.check(&[(&format!("set {key} 0 0 1\r\n1"), "STORED")]);
    }
    client.check(&[("flush_all", "OK"), ("get a", "END"), ("get a", "END"), ("get never", "END")]);
    assert_eq!(client.shard.memcache.get_flushed, 1);
    let misses = [
        ("touch b 0", "NOT_FOUND"),
        ("delete c", "NOT_FOUND"),
        ("incr d 1", "NOT_FOUND"),
        ("gat 0 e", "END"),
        ("mg f", "EN"),
    ];
    for round in 0..2 {
        client.check(&misses);
        assert_eq!(client.shard.memcache.get_flushed, 6, "{round}");
    }
    client.check(&[("set a 0 0 1\r\n1", "STORED"), ("flush_all", "OK"), ("mg a", "EN"), ("mg a", "EN")]);
    assert_eq!(client.shard.memcache.get_flushed, 7);
}

#[test]
fn a_flush_may_come_later_and_the_last_word_counts() {
    let mut client = Client::new();
    client.check(&[("set a 0 0 1\r\nx", "STORED"), ("flush_all 10", "OK")]);
    client.pass_ms(9_999);
    client.check(&[("set b 0 0 1\r\nx", "STORED"), ("get a", "VALUE a 0 1\r\nx\r\nEND")]);
    client.pass_ms(1);
    client.check(&[("get a b", "END"), ("set c 0 0 1\r\nx", "STORED")]);
    client.pass_ms(60_000);
    client.check(&[
        ("get c", "VALUE c 0 1\r\nx\r\nEND"),
        ("flush_all 10", "OK"),
        ("flush_all 100 noreply", ""),
    ]);
    client.pass_ms(10_000);
    client.check(&[
        ("get c", "VALUE c 0 1\r\nx\r\nEND"),
        ("flush_all", "OK"),
        ("set d 0 0 1\r\nx", "STORED"),
    ]);
    client.pass_ms(100_000);
    client.check(&[("get c d", "VALUE d 0 1\r\nx\r\nEND")]);
}

#[test]
fn a_quiet_request_does_its_work() {
    Client::new().check(&[
        ("set n 0 0 1 noreply\r\n5", ""),
        ("incr n 1 noreply", ""),
        ("get n", "VALUE n 0 1\r\n6\r\nEND"),
        ("delete n 0 noreply", ""),
        ("get n", "END"),
    ]);
}
