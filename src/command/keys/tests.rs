//! Commands on keys on one shard, and those that ask every core on several. Replies as redis-server 7.0 gives
//! them, unless a test says otherwise.

use crate::clock::Now;
use crate::command::one_shard::OneShard;
use crate::command::table::TABLE;
use crate::command::{Asker, Fault, Handler, Local};
use crate::parameters::Parameters;
use crate::protocol::{Args, Proto, Reply, Span};
use crate::session::Sessions;
use crate::shard::{Key, Meta, Shard};
use crate::shared::Shared;
use crate::slowlog::Slowlog;
use slabs::{Options, Store};
use std::collections::BTreeSet;
use std::sync::Arc;

/// 1577836800000 is the present of a new `OneShard`.
const NOW_MS: u64 = 1_577_836_800_000;

#[test]
fn keys_are_counted_once_per_mention() {
    OneShard::new().check(&[
        ("set a 1", "+OK"),
        ("set b 2", "+OK"),
        ("exists a b c a", ":3"),
        ("touch a a c", ":2"),
        ("del a a c", ":1"),
        ("unlink b a", ":1"),
        ("exists a b", ":0"),
    ]);
}

#[test]
fn removal_changes_the_data_set_only_if_something_was_there() {
    let mut shard = OneShard::new();
    shard.run("set a 1");
    assert!(!shard.changes("del x y"));
    assert!(shard.changes("del x a"));
}

#[test]
fn kinds_have_names() {
    let mut shard = OneShard::new();
    shard.put_list("l");
    shard.check(&[("set s 1", "+OK"), ("type s", "+string"), ("type l", "+list"), ("type x", "+none")]);
}

#[test]
fn asking_about_a_key_is_no_use_of_it() {
    let mut shard = OneShard::new();
    shard.run("set a 1");
    let before = shard.item("a").unwrap().frequency();
    for line in ["exists a", "type a", "ttl a", "object encoding a", "expire a 100", "persist a"] {
        shard.run(line);
        assert_eq!(shard.item("a").unwrap().frequency(), before, "{line}");
    }
    shard.run("touch a");
    shard.run("touch a");
    assert!(shard.item("a").unwrap().frequency() > before);
}

#[test]
fn keys_die_when_their_time_has_come() {
    let mut shard = OneShard::new();
    shard.check(&[
        ("ttl a", ":-2"),
        ("pexpiretime a", ":-2"),
        ("set a 1", "+OK"),
        ("ttl a", ":-1"),
        ("expiretime a", ":-1"),
        ("pexpire a 1500", ":1"),
        ("pttl a", ":1500"),
        ("ttl a", ":2"),
        ("pexpiretime a", ":1577836801500"),
        ("expiretime a", ":1577836802"),
    ]);
    shard.pass_ms(1001);
    shard.check(&[("ttl a", ":0"), ("pttl a", ":499"), ("exists a", ":1")]);
    shard.pass_ms(499);
    shard.check(&[("pttl a", ":-2"), ("exists a", ":0"), ("expire a 10", ":0"), ("persist a", ":0")]);
}

#[test]
fn a_deadline_in_the_past_removes_the_key() {
    let mut shard = OneShard::new();
    for line in ["expire a 0", "expire a -1", "pexpire a -5", "expireat a 0", "pexpireat a 1577836800000"] {
        shard.check(&[("set a 1", "+OK"), (line, ":1"), ("exists a", ":0"), (line, ":0")]);
    }
}

#[test]
fn expiry_conditions() {
    let mut shard = OneShard::new();
    shard.check(&[
        ("set a 1", "+OK"),
        ("expire a 100 xx", ":0"),
        ("expire a 100 gt", ":0"),
        ("expire a 100 nx", ":1"),
        ("expire a 200 NX", ":0"),
        ("expire a 100 gt", ":0"),
        ("expire a 100 lt", ":0"),
        ("expire a 101 gt", ":1"),
        ("expire a 101 xx gt", ":0"),
        ("expire a 99 xx lt", ":1"),
        ("expire a -1 gt", ":0"),
        ("ttl a", ":99"),
        ("persist a", ":1"),
        ("persist a", ":0"),
        ("expire a 100 lt", ":1"),
        ("expire a -1 lt", ":1"),
        ("exists a", ":0"),
    ]);
}

#[test]
fn expiry_errors_come_before_the_key_is_looked_at() {
    OneShard::new().check(&[
        ("expire a x", "-ERR value is not an integer or out of range"),
        ("expire a x foo", "-ERR Unsupported option foo"),
        ("expire a 9223372036854775807", "-ERR invalid expire time in 'expire' command"),
        ("expire a -9223372036854775808", "-ERR invalid expire time in 'expire' command"),
        ("expire a 9223372036854775", "-ERR invalid expire time in 'expire' command"),
        ("pexpire a 9223372036854775807", "-ERR invalid expire time in 'pexpire' command"),
        ("expireat a 9223372036854776", "-ERR invalid expire time in 'expireat' command"),
        ("pexpireat a 9223372036854775807", ":0"),
        ("expire a 1 nx gt lt", "-ERR NX and XX, GT or LT options at the same time are not compatible"),
        ("expire a 1 gt lt", "-ERR GT and LT options at the same time are not compatible"),
        ("ttl", "-ERR wrong number of arguments for 'ttl' command"),
        ("expire a", "-ERR wrong number of arguments for 'expire' command"),
    ]);
}

#[test]
fn a_new_deadline_is_a_change_that_watchers_see() {
    let mut shard = OneShard::new();
    shard.run("set a 1");
    let before = shard.item("a").unwrap().version();
    assert!(shard.changes("expire a 10"));
    assert_ne!(shard.item("a").unwrap().version(), before);
    assert!(!shard.changes("expire a 10 nx"));
    assert!(shard.changes("persist a"));
    assert!(!shard.changes("persist a"));
}

#[test]
fn a_name_may_change() {
    let mut shard = OneShard::new();
    shard.put("a", b"value", Meta { client_flags: 7, expire_at_ms: NOW_MS + 5000, ..Meta::default() });
    shard.check(&[
        ("set b old", "+OK"),
        ("renamenx a b", ":0"),
        ("rename a b", "+OK"),
        ("exists a", ":0"),
        ("get b", "$5 value"),
        ("pttl b", ":5000"),
        ("renamenx b c", ":1"),
        ("exists b c", ":1"),
        ("rename x c", "-ERR no such key"),
        ("rename x x", "-ERR no such key"),
        ("renamenx x c", "-ERR no such key"),
        ("rename c c", "+OK"),
        ("renamenx c c", ":0"),
        ("get c", "$5 value"),
    ]);
    assert_eq!(shard.item("c").unwrap().client_flags(), 7);
    assert!(!shard.changes("rename c c"));
}

#[test]
fn copies_keep_value_and_expiry() {
    let mut shard = OneShard::new();
    shard.check(&[
        ("set a 1 ex 10", "+OK"),
        ("copy a b", ":1"),
        ("ttl b", ":10"),
        ("set a 2", "+OK"),
        ("copy a b", ":0"),
        ("get b", "$1 1"),
        ("copy a b replace", ":1"),
        ("get b", "$1 2"),
        ("ttl b", ":-1"),
        ("copy x b replace", ":0"),
        ("get b", "$1 2"),
        ("copy a a", "-ERR source and destination objects are the same"),
        ("copy x x db 0", "-ERR source and destination objects are the same"),
        ("copy a a db 3", ":1"),
        ("copy a b db 99", "-ERR DB index is out of range"),
        ("copy a b db -1", "-ERR DB index is out of range"),
        ("copy a b db x", "-ERR value is not an integer or out of range"),
        (
            "copy a b db 99999999999",
            "-ERR value is out of range, value must between -2147483648 and 2147483647",
        ),
        ("copy a b db", "-ERR syntax error"),
        ("copy a b foo", "-ERR syntax error"),
        ("copy a c db 1 replace db 2", ":1"),
    ]);
    shard.db = 3;
    shard.check(&[("get a", "$1 2")]);
    shard.db = 2;
    shard.check(&[("get c", "$1 2")]);
}

#[test]
fn keys_move_to_databases_that_lack_them() {
    let mut shard = OneShard::new();
    shard.check(&[
        ("set a 1 ex 10", "+OK"),
        ("move a 1", ":1"),
        ("move a 1", ":0"),
        ("exists a", ":0"),
        ("set a 2", "+OK"),
        ("move a 1", ":0"),
        ("move a 0", "-ERR source and destination objects are the same"),
        ("move a 16", "-ERR DB index is out of range"),
        ("move a x", "-ERR value is not an integer or out of range"),
    ]);
    shard.db = 1;
    shard.check(&[("get a", "$1 1"), ("ttl a", ":10")]);
}

#[test]
fn facts_about_a_value() {
    let mut shard = OneShard::new();
    shard.put_list("l");
    let long = "x".repeat(45);
    shard.check(&[
        ("set a 12345", "+OK"),
        ("object encoding a", "$3 int"),
        ("set a 012345", "+OK"),
        ("object encoding a", "$6 embstr"),
        (&format!("set a {long}"), "+OK"),
        ("OBJECT ENCODING a", "$3 raw"),
        ("object encoding l", "$9 quicklist"),
        ("object refcount a", ":1"),
        ("object encoding x", "$-1"),
        ("object refcount x", "$-1"),
        ("object freq x", "$-1"),
        ("object idletime x", "$-1"),
        ("object idletime a", ":0"),
        ("object encoding", "-ERR wrong number of arguments for 'object|encoding' command"),
    ]);
    assert!(shard.run("object freq a").starts_with("-ERR An LFU maxmemory policy is not selected, "));
    shard.shard.lfu = true;
    assert!(shard.run("object idletime a").starts_with("-ERR An LFU maxmemory policy is selected, "));
    shard.run("touch a");
    assert!(shard.run("object freq a").starts_with(':'));
}

#[test]
fn scan_lists_what_matches() {
    let mut shard = OneShard::new();
    shard.put_list("l");
    for i in 0..300 {
        shard.run(&format!("set key:{i} x"));
    }
    shard.db = 1;
    shard.run("set other x");
    shard.db = 0;
    assert_eq!(walk(&mut shard, "").len(), 301);
    assert_eq!(walk(&mut shard, " count 1").len(), 301);
    assert_eq!(walk(&mut shard, " count 100000").len(), 301);
    assert_eq!(walk(&mut shard, " match key:1?").len(), 10);
    assert_eq!(walk(&mut shard, " TYPE List"), BTreeSet::from(["l".to_string()]));
    assert_eq!(walk(&mut shard, " type nothing").len(), 0);
    assert_eq!(walk(&mut shard, " match *1 type string count 50").len(), 30);
}

/// All keys that `SCAN` lists from the start to the end.
fn walk(shard: &mut OneShard, options: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut cursor = "0".to_string();
    loop {
        let reply = shard.run(&format!("scan {cursor}{options}"));
        let words: Vec<&str> = reply.split(' ').collect();
        found.extend(words[4..].iter().skip(1).step_by(2).map(|key| key.to_string()));
        cursor = words[2].to_string();
        if cursor == "0" {
            return found;
        }
    }
}

#[test]
fn scan_goes_from_core_to_core() {
    let mut shard = OneShard::new();
    shard.shard.place(1, 3, 0);
    shard.run("set a 1");
    shard.check(&[
        // The walk begins at core 0, to whom this cursor does not belong.
        ("scan 0", "*2 $1 0 *0"),
        ("scan 1 count 100000", "*2 $1 2 *1 $1 a"),
        // Of a process that had more cores.
        ("scan 7", "*2 $1 0 *0"),
    ]);
    shard.shard.place(2, 3, 0);
    shard.check(&[("scan 2 count 100000", "*2 $1 0 *1 $1 a")]);
}

#[test]
fn scan_refuses_what_it_does_not_understand() {
    OneShard::new().check(&[
        ("scan x", "-ERR invalid cursor"),
        ("scan 0x", "-ERR invalid cursor"),
        ("scan -", "-ERR invalid cursor"),
        ("scan 18446744073709551616", "-ERR invalid cursor"),
        ("scan 18446744073709551615", "*2 $1 0 *0"),
        ("scan -1", "*2 $1 0 *0"),
        ("scan +0", "*2 $1 0 *0"),
        ("scan ''", "*2 $1 0 *0"),
        ("scan 0 count 0", "-ERR syntax error"),
        ("scan 0 count -5", "-ERR syntax error"),
        ("scan 0 count x", "-ERR value is not an integer or out of range"),
        ("scan 0 count", "-ERR syntax error"),
        ("scan 0 match", "-ERR syntax error"),
        ("scan 0 foo bar", "-ERR syntax error"),
        ("scan 0 type string type string", "-ERR syntax error"),
    ]);
}

#[test]
fn memory_usage_is_what_the_store_charges() {
    let mut shard = OneShard::new();
    shard.run("set a 1");
    let bytes = shard.item("a").unwrap().bytes();
    let usage = |shard: &mut OneShard, line: &str| memory_usage(shard, line);
    assert_eq!(usage(&mut shard, "memory usage a"), Ok(format!(":{bytes}\r\n")));
    assert_eq!(usage(&mut shard, "memory usage a samples 0"), Ok(format!(":{bytes}\r\n")));
    assert_eq!(usage(&mut shard, "memory usage x"), Ok("$-1\r\n".to_string()));
    assert_eq!(usage(&mut shard, "memory usage a samples"), Err(Fault::Syntax));
    assert_eq!(usage(&mut shard, "memory usage a samples -1"), Err(Fault::Syntax));
    assert_eq!(usage(&mut shard, "memory usage x samples y"), Err(Fault::NotInteger));
    assert_eq!(usage(&mut shard, "memory usage x foo 1"), Err(Fault::Syntax));
}

/// Runs the function behind `MEMORY USAGE`, whose container is another family's.
fn memory_usage(shard: &mut OneShard, line: &str) -> Result<String, Fault> {
    let (bytes, spans) = words(line);
    let args = Args::new(&bytes, &spans);
    let key = Key::new(shard.shard.store.hasher(), 0, &args[2]);
    let call = crate::command::Call { args, key, db: 0, touch: true };
    let mut out = Vec::new();
    super::object::memory_usage(&mut shard.shard, &call, &mut Reply::new(&mut out, Proto::Resp2))?;
    Ok(String::from_utf8(out).unwrap())
}

fn words(line: &str) -> (Vec<u8>, Vec<Span>) {
    let mut spans = Vec::new();
    let mut start = 0;
    for word in line.split(' ') {
        spans.push(Span { start, len: word.len() as u32 });
        start += word.len() as u32 + 1;
    }
    (line.as_bytes().to_vec(), spans)
}

/// Several cores, for commands that ask every one of them.
struct Cores {
    shards: Vec<Shard>,
    shared: Arc<Shared>,
    db: u8,
}

impl Cores {
    fn new(count: u16) -> Cores {
        let options = Options { huge_pages: false, ..Options::default() };
        let shard = |core| {
            let mut shard = Shard::new(Store::new(&options).expect("a valid store"), 16);
            shard.place(core, count, u64::from(core));
            shard.now = Now { unix_ms: NOW_MS, mono_us: 0 };
            shard
        };
        let now = Now { unix_ms: NOW_MS, mono_us: 0 };
        let shared = Arc::new(Shared::new(Parameters::default(), count as usize, now, options.seeds));
        Cores { shards: (0..count).map(shard).collect(), shared, db: 0 }
    }

    fn put(&mut self, db: u8, key: &str) {
        let hasher = self.shared.hasher.clone();
        let core = self.shared.shard_of(hasher.hash(key.as_bytes())) as usize;
        let shard = &mut self.shards[core];
        let at = Key::new(&hasher, shard.physical(db), key.as_bytes());
        shard.store.put(&at, b"value", &Meta::default(), NOW_MS).unwrap();
    }

    fn run(&mut self, line: &str) -> String {
        let (bytes, spans) = words(line);
        let args = Args::new(&bytes, &spans);
        let command = TABLE.row(TABLE.by_name(&args[0]).expect("a command"));
        let Handler::Every(every) = command.handler else { panic!("{line} does not ask every core") };
        let asker = Asker { client_id: 1, db: self.db, proto: Proto::Resp2 };
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, Proto::Resp2);
        let result = (every.check)(args, 16).and_then(|()| {
            let parts: Vec<Vec<u8>> = (0..self.shards.len())
                .map(|core| {
                    let mut local = Local {
                        core: core as u16,
                        cores: self.shared.cores(),
                        shard: &mut self.shards[core],
                        sessions: &mut Sessions::default(),
                        slowlog: &mut Slowlog::default(),
                        shared: &self.shared,
                        now: self.shared.started,
                    };
                    (every.ask)(&mut local, args, &asker)
                })
                .collect();
            (every.merge)(args, &parts, &asker, &mut reply)
        });
        if let Err(fault) = result {
            fault.write(&mut reply);
        }
        String::from_utf8(out).unwrap().replace("\r\n", " ").trim_end().to_string()
    }
}

#[test]
fn every_core_counts_and_lists_its_keys() {
    let mut cores = Cores::new(3);
    for i in 0..30 {
        cores.put(0, &format!("key:{i}"));
    }
    cores.put(1, "key:100");
    assert_eq!(cores.run("dbsize"), ":30");
    assert!(cores.run("keys *").starts_with("*30 "));
    assert!(cores.run("keys key:2?").starts_with("*10 "));
    assert_eq!(cores.run("keys key:7"), "*1 $5 key:7");
    assert_eq!(cores.run("keys nothing"), "*0");
    cores.db = 1;
    assert_eq!(cores.run("keys *"), "*1 $7 key:100");
    assert_eq!(cores.run("dbsize"), ":1");
}

#[test]
fn a_random_key_is_any_of_the_database() {
    let mut cores = Cores::new(3);
    assert_eq!(cores.run("randomkey"), "$-1");
    for i in 0..10 {
        cores.put(0, &format!("{i}"));
        for j in 0..50 {
            cores.put(1, &format!("other:{i}:{j}"));
        }
    }
    let drawn: BTreeSet<String> = (0..2000).map(|_| cores.run("randomkey")).collect();
    let expected: BTreeSet<String> = (0..10).map(|i| format!("$1 {i}")).collect();
    assert_eq!(drawn, expected);
    cores.db = 2;
    assert_eq!(cores.run("randomkey"), "$-1");
    cores.put(2, "");
    assert_eq!(cores.run("randomkey"), "$0");
}

#[test]
fn databases_are_flushed_and_exchanged() {
    let mut cores = Cores::new(2);
    for i in 0..20 {
        cores.put(0, &format!("{i}"));
    }
    cores.put(1, "a");
    assert_eq!(cores.run("swapdb 0 1"), "+OK");
    assert_eq!(cores.run("keys *"), "*1 $1 a");
    assert_eq!(cores.run("flushdb sync"), "+OK");
    assert_eq!(cores.run("dbsize"), ":0");
    cores.db = 1;
    assert_eq!(cores.run("dbsize"), ":20");
    cores.put(0, "b");
    assert_eq!(cores.run("flushall ASYNC"), "+OK");
    assert_eq!(cores.run("dbsize"), ":0");
    cores.db = 0;
    assert_eq!(cores.run("dbsize"), ":0");
}

#[test]
fn commands_on_databases_refuse_what_they_do_not_understand() {
    let mut cores = Cores::new(2);
    for (line, error) in [
        ("flushdb x", "-ERR syntax error"),
        ("flushall sync async", "-ERR syntax error"),
        ("swapdb x 1", "-ERR invalid first DB index"),
        ("swapdb 0 y", "-ERR invalid second DB index"),
        ("swapdb 0 99999999999", "-ERR invalid second DB index"),
        ("swapdb 0 16", "-ERR DB index is out of range"),
        ("swapdb -1 0", "-ERR DB index is out of range"),
    ] {
        assert_eq!(cores.run(line), error, "{line}");
    }
}
