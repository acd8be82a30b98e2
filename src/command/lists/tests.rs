use crate::command::one_shard::OneShard;
use crate::data::list::Fill;
use crate::protocol::Proto;
use slabs::{Options, Policy};

const RANK_ZERO: &str = "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use \
                         negative to start from the end of the list";
const WRONG: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

#[test]
fn elements_come_and_go_at_both_ends() {
    let mut shard = OneShard::new();
    shard.check(&[
        ("rpush l b c", ":2"),
        ("lpush l a 7", ":4"),
        ("lrange l 0 -1", "*4 $1 7 $1 a $1 b $1 c"),
        ("llen l", ":4"),
        ("type l", "+list"),
        ("object encoding l", "$9 quicklist"),
        ("set s x", "+OK"),
        ("scan 0 type list", "*2 $1 0 *1 $1 l"),
        ("lpop l", "$1 7"),
        ("rpop l 2", "*2 $1 c $1 b"),
        ("lpop l 0", "*0"),
        ("lpop l 9", "*1 $1 a"),
        ("exists l", ":0"),
        ("lpop l", "$-1"),
        ("lpop l 1", "*-1"),
        ("lpop l 1 1", "-ERR wrong number of arguments for 'lpop' command"),
        ("rpop l -1", "-ERR value is out of range, must be positive"),
        ("lpop l -9223372036854775808", "-ERR value is out of range, must be positive"),
        ("lpushx l a", ":0"),
        ("rpushx l a", ":0"),
        ("llen l", ":0"),
        ("lrange l 0 -1", "*0"),
    ]);
    shard.proto = Proto::Resp3;
    shard.check(&[("lpop l", "_"), ("lpop l 1", "_"), ("lindex l 0", "_")]);
}

#[test]
fn places_are_counted_from_both_ends() {
    for fill in [Fill::of_parameter(-2), Fill { bytes: 8192, entries: 2 }] {
        let mut shard = OneShard::new();
        shard.shard.limits.list = fill;
        shard.check(&[
            ("rpush l a b c d e", ":5"),
            ("lindex l 4", "$1 e"),
            ("lindex l -5", "$1 a"),
            ("lindex l 5", "$-1"),
            ("lindex l -9223372036854775808", "$-1"),
            ("lrange l -2 100", "*2 $1 d $1 e"),
            ("lrange l 3 2", "*0"),
            ("lrange l -9223372036854775808 9223372036854775807", "*5 $1 a $1 b $1 c $1 d $1 e"),
            ("lset l -1 E", "+OK"),
            ("lset l 5 x", "-ERR index out of range"),
            ("lset l -6 x", "-ERR index out of range"),
            ("lset none 0 x", "-ERR no such key"),
            ("linsert l before a A", ":6"),
            ("linsert l AFTER E F", ":7"),
            ("linsert l after zzz F", ":-1"),
            ("linsert none after zzz F", ":0"),
            ("linsert l near E F", "-ERR syntax error"),
            ("lrange l 0 -1", "*7 $1 A $1 a $1 b $1 c $1 d $1 E $1 F"),
            ("ltrim l 1 -2", "+OK"),
            ("lrange l 0 -1", "*5 $1 a $1 b $1 c $1 d $1 E"),
            ("ltrim l 1 -1", "+OK"),
            ("ltrim l 0 -2", "+OK"),
            ("lrange l 0 -1", "*3 $1 b $1 c $1 d"),
            ("ltrim l 5 9", "+OK"),
            ("exists l", ":0"),
            ("ltrim l x 9", "-ERR value is not an integer or out of range"),
        ]);
    }
}

#[test]
fn elements_are_found_and_removed_by_value() {
    for fill in [Fill::of_parameter(-2), Fill { bytes: 8192, entries: 2 }] {
        let mut shard = OneShard::new();
        shard.shard.limits.list = fill;
        shard.check(&[
            ("rpush l a b 1 a b 1 a", ":7"),
            ("lpos l 1", ":2"),
            ("lpos l a rank 2", ":3"),
            ("lpos l a rank -1", ":6"),
            ("lpos l a rank -1 count 0", "*3 :6 :3 :0"),
            ("lpos l a count 2", "*2 :0 :3"),
            ("lpos l a rank 2 count 0 maxlen 4", "*1 :3"),
            ("lpos l z", "$-1"),
            ("lpos l z count 1", "*0"),
            ("lpos l a rank 0", RANK_ZERO),
            ("lpos l a count -1", "-ERR COUNT can't be negative"),
            ("lpos l a maxlen x", "-ERR MAXLEN can't be negative"),
            ("lpos l a rank", "-ERR syntax error"),
            ("lrem l -1 a", ":1"),
            ("lrem l 1 a", ":1"),
            ("lrange l 0 -1", "*5 $1 b $1 1 $1 a $1 b $1 1"),
            ("lrem l 0 b", ":2"),
            ("lrem l -9223372036854775808 1", ":2"),
            ("lrem l 0 z", ":0"),
            ("lrem l 0 a", ":1"),
            ("exists l", ":0"),
        ]);
    }
}

#[test]
fn elements_go_from_list_to_list() {
    let mut shard = OneShard::new();
    shard.check(&[
        ("rpush a 1 2 3", ":3"),
        ("lmove a b left right", "$1 1"),
        ("rpoplpush a b", "$1 3"),
        ("lrange b 0 -1", "*2 $1 3 $1 1"),
        ("rpush a 9", ":2"),
        ("lmove a a left right", "$1 2"),
        ("lrange a 0 -1", "*2 $1 9 $1 2"),
        ("rpoplpush a a", "$1 2"),
        ("lmove a a left left", "$1 2"),
        ("lmove a a right right", "$1 9"),
        ("lrange a 0 -1", "*2 $1 2 $1 9"),
        ("lmove none b left left", "$-1"),
        ("lmove a b up left", "-ERR syntax error"),
        ("lmpop 2 none a left", "*2 $1 a *1 $1 2"),
        ("lmpop 1 b right count 9", "*2 $1 b *2 $1 1 $1 3"),
        ("exists b", ":0"),
        ("lmpop 1 b right", "*-1"),
        ("lmpop 0 b right", "-ERR numkeys should be greater than 0"),
        ("lmpop 1 b right count 0", "-ERR count should be greater than 0"),
        ("lmpop 9223372036854775807 b right", "-ERR syntax error"),
        ("lmpop 2 b right", "-ERR syntax error"),
        ("lmpop 1 b right count 1 count 1", "-ERR syntax error"),
        ("set s x", "+OK"),
        ("lmove a s left left", WRONG),
        ("lmove s a left left", WRONG),
        ("lmpop 2 none s left", WRONG),
        ("llen a", ":1"),
    ]);
}

#[test]
fn other_kinds_are_refused() {
    let mut shard = OneShard::new();
    shard.run("set s x");
    shard.run("rpush l x");
    for line in [
        "lpush s a",
        "rpushx s a",
        "lpop s",
        "lpop s 1",
        "llen s",
        "lrange s 0 1",
        "lindex s x",
        "lset s x x",
    ]
    .into_iter()
    .chain([
        "lrem s 1 x",
        "ltrim s 0 1",
        "linsert s before a b",
        "lpos s a",
        "rpoplpush s s",
        "get l",
        "hget l f",
    ])
    .chain(["sadd l x", "incr l", "append l x"])
    {
        shard.check(&[(line, WRONG)]);
    }
}

#[test]
fn a_list_that_finds_no_room_stays_whole() {
    let options = Options {
        budget_bytes: 8 << 20,
        policy: Policy::NoEviction,
        huge_pages: false,
        ..Options::default()
    };
    let mut shard = OneShard::with(&options);
    let element = "x".repeat(1000);
    let mut len = 0;
    loop {
        let line = format!("rpush l {}", [element.as_str(); 7].join(" "));
        let reply = shard.run(&line);
        if reply.starts_with("-OOM") {
            break;
        }
        len += 7;
        assert_eq!(reply, format!(":{len}"));
    }
    assert!(len > 4000, "{len}");
    shard.check(&[("llen l", format!(":{len}").as_str())]);
    assert!(shard.run("lindex l -1").starts_with("$1000"));
}
