use crate::command::one_shard::OneShard;
use crate::shard::Meta;
use slabs::Options;

const SYNTAX: &str = "-ERR syntax error";

#[test]
fn a_plain_set_replaces_everything() {
    let mut one = OneShard::new();
    one.put("k", b"old", Meta { client_flags: 7, expire_at_ms: u64::MAX >> 16, ..Meta::default() });
    one.check(&[("SET k new", "+OK"), ("GET k", "$3 new")]);
    assert_eq!(one.item("k").unwrap().meta(), Meta::default());
    one.put_list("l");
    one.check(&[("SET l new", "+OK"), ("GET l", "$3 new"), ("SET e ''", "+OK"), ("GET e", "$0")]);
}

#[test]
fn conditions_look_at_any_kind_of_key() {
    let mut one = OneShard::new();
    one.put_list("l");
    one.check(&[
        ("SET k 1 XX", "$-1"),
        ("SET k 1 nx", "+OK"),
        ("SET k 2 NX", "$-1"),
        ("SET k 3 XX xx", "+OK"),
        ("GET k", "$1 3"),
        ("SET l 1 NX", "$-1"),
        ("SETNX l 1", ":0"),
        ("SETNX k 1", ":0"),
        ("SETNX new 1", ":1"),
    ]);
    assert!(!one.changes("SET k 4 NX"));
}

#[test]
fn get_returns_what_was_there_whether_or_not_it_is_replaced() {
    let mut one = OneShard::new();
    one.put_list("l");
    one.check(&[
        ("SET k 1 GET", "$-1"),
        ("SET k 2 GET", "$1 1"),
        ("SET k 3 NX GET", "$1 2"),
        ("SET none 3 XX GET", "$-1"),
        ("SET k 4 GET XX", "$1 2"),
        ("GET k", "$1 4"),
        ("SET l 1 GET", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("GETSET k 5", "$1 4"),
        ("GETSET l 5", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("GETSET fresh 5", "$-1"),
    ]);
}

#[test]
fn expiry_is_set_dropped_or_kept() {
    let mut one = OneShard::new();
    let now = one.shard.now_ms();
    for (line, expected) in [
        ("SET k v EX 5", now + 5000),
        ("SET k v KEEPTTL", now + 5000),
        ("SET k v", 0),
        ("SET k v PX 5", now + 5),
        ("SET k v keepttl XX", now + 5),
        ("SETEX k 7 v", now + 7000),
        ("PSETEX k 8 v", now + 8),
        ("SET k v EXAT 2000000000", 2_000_000_000_000),
        ("SET k v PXAT 2000000000000 PXAT 2000000000001", 2_000_000_000_001),
        ("MSET k v", 0),
    ] {
        assert!(one.run(line).starts_with("+OK"), "{line}");
        assert_eq!(one.item("k").unwrap().expire_at_ms(), expected, "{line}");
    }
    one.run("SET k v EX 100");
    one.run("GETSET k w");
    assert_eq!(one.item("k").unwrap().expire_at_ms(), 0);
    one.check(&[("SET k v PX 10", "+OK"), ("GET k", "$1 v")]);
    one.pass_ms(10);
    one.check(&[("GET k", "$-1"), ("SET k v XX", "$-1")]);
}

#[test]
fn a_time_in_the_past_leaves_no_key() {
    let mut one = OneShard::new();
    one.check(&[
        ("SET k v EXAT 1", "+OK"),
        ("GET k", "$-1"),
        ("SET k v", "+OK"),
        ("SET k w PXAT 1 GET", "$1 v"),
    ]);
    assert!(one.item("k").is_none());
}

#[test]
fn times_that_are_none_are_refused() {
    let mut one = OneShard::new();
    for (line, name) in [
        ("SET k v EX 0", "set"),
        ("SET k v PX -1", "set"),
        ("SET k v EX 9223372036854775", "set"),
        ("SET k v EX 9223372036854776", "set"),
        ("SET k v PX 9223372036854775807", "set"),
        ("SET k v EXAT 9223372036854776", "set"),
        ("SETEX k 0 v", "setex"),
        ("SETEX k 9223372036854775807 v", "setex"),
        ("PSETEX k -9223372036854775808 v", "psetex"),
    ] {
        assert_eq!(one.run(line), format!("-ERR invalid expire time in '{name}' command"), "{line}");
    }
    for line in ["SET k v EX x", "SETEX k 1.5 v", "PSETEX k '' v", "SET k v PXAT 99999999999999999999"] {
        assert_eq!(one.run(line), "-ERR value is not an integer or out of range", "{line}");
    }
    one.check(&[("SET k v PXAT 9223372036854775807", "+OK"), ("GET k", "$1 v")]);
}

#[test]
fn options_that_do_not_fit_together_are_syntax_errors() {
    let mut one = OneShard::new();
    for options in [
        "NX XX",
        "XX NX",
        "EX",
        "EX 5 PX 5",
        "PX 5 EXAT 5",
        "KEEPTTL EX 5",
        "EX 5 KEEPTTL",
        "PERSIST",
        "FOO",
        "NXX",
        "GET EX",
        "''",
    ] {
        assert_eq!(one.run(&format!("SET k v {options}")), SYNTAX, "{options}");
    }
    assert!(one.item("k").is_none());
}

#[test]
fn several_keys_are_set_together() {
    let mut one = OneShard::new();
    one.check(&[
        ("MSET a 1 b 2 a 3", "+OK"),
        ("MGET a b", "*2 $1 3 $1 2"),
        ("MSET a 1 b", "-ERR wrong number of arguments for 'mset' command"),
        ("MSET a", "-ERR wrong number of arguments for 'mset' command"),
        ("MSETNX c 1 c 2 d 3", ":1"),
        ("MGET c d", "*2 $1 2 $1 3"),
        ("MSETNX e 1 d 2", ":0"),
        ("MSETNX e 1 d", "-ERR wrong number of arguments for 'msetnx' command"),
        ("MGET a e", "*2 $1 3 $-1"),
    ]);
    assert!(one.changes("MSET a 1") && !one.changes("MSETNX a 1") && one.changes("MSETNX z 1"));
}

#[test]
fn a_value_over_the_limit_is_refused_and_leaves_the_old_one() {
    let mut one = OneShard::with(&Options { item_bytes_max: 10, huge_pages: false, ..Options::default() });
    let too_large = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    one.check(&[
        ("SET k 0123456789", "+OK"),
        ("SET k 0123456789a", too_large),
        ("SET k 0123456789a GET", too_large),
        ("MSET j 1 k 0123456789a", too_large),
        ("GET k", "$10 0123456789"),
    ]);
}

#[test]
fn databases_do_not_see_each_other() {
    let mut one = OneShard::new();
    one.run("SET k 0");
    one.db = 3;
    one.check(&[("GET k", "$-1"), ("MSET k 3", "+OK"), ("MSETNX k 4", ":0")]);
    one.shard.swap_db(0, 3);
    one.check(&[("GET k", "$1 0")]);
}
