use crate::command::one_shard::OneShard;
use crate::protocol::Proto;

#[test]
fn a_missing_key_is_null() {
    let mut one = OneShard::new();
    one.check(&[("GET k", "$-1"), ("GETDEL k", "$-1"), ("GETEX k", "$-1"), ("STRLEN k", ":0")]);
    one.proto = Proto::Resp3;
    one.check(&[("GET k", "_"), ("MGET k k", "*2 _ _")]);
    assert_eq!((one.shard.traffic.hits, one.shard.traffic.misses), (0, 7));
}

#[test]
fn other_kinds_are_refused_and_mget_skips_them() {
    let mut one = OneShard::new();
    one.put_list("l");
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    for line in ["GET l", "GETDEL l", "GETEX l EX 5", "STRLEN l", "GETRANGE l 0 1", "SUBSTR l 0 1"] {
        assert_eq!(one.run(line), wrong, "{line}");
    }
    one.check(&[("SET s x", "+OK"), ("MGET l s none", "*3 $-1 $1 x $-1")]);
}

#[test]
fn mget_answers_in_order_beyond_one_batch_of_keys() {
    let mut one = OneShard::new();
    let (mut line, mut expected) = ("MGET".to_string(), "*100".to_string());
    for i in 0..100 {
        if i % 3 != 0 {
            one.run(&format!("SET key{i} {i}"));
        }
        line += &format!(" key{i}");
        expected += &if i % 3 == 0 { " $-1".into() } else { format!(" ${} {i}", i.to_string().len()) };
    }
    assert_eq!(one.run(&line), expected);
}

#[test]
fn getdel_removes() {
    let mut one = OneShard::new();
    one.check(&[("SET k v", "+OK"), ("GETDEL k", "$1 v"), ("GETDEL k", "$-1"), ("GETDEL k x", ARITY)]);
    assert!(!one.changes("GETDEL k"));
}

const ARITY: &str = "-ERR wrong number of arguments for 'getdel' command";

#[test]
fn getex_changes_the_expiry() {
    let mut one = OneShard::new();
    let now = one.shard.now_ms();
    one.run("SET k v");
    let mut expiry_after = |line: &str| {
        assert_eq!(one.run(line), "$1 v", "{line}");
        one.item("k").map(|item| item.expire_at_ms())
    };
    assert_eq!(expiry_after("GETEX k"), Some(0));
    assert_eq!(expiry_after("GETEX k EX 10"), Some(now + 10_000));
    assert_eq!(expiry_after("GETEX k"), Some(now + 10_000));
    assert_eq!(expiry_after("GETEX k px 7 PX 9"), Some(now + 9));
    assert_eq!(expiry_after("GETEX k EXAT 99999999999"), Some(99_999_999_999_000));
    assert_eq!(expiry_after("GETEX k Persist"), Some(0));
    assert_eq!(expiry_after("GETEX k PXAT 99999999999999"), Some(99_999_999_999_999));
    assert_eq!(expiry_after("GETEX k PXAT 1"), None);
}

#[test]
fn getex_says_whether_it_changed_anything() {
    let mut one = OneShard::new();
    one.run("SET k v");
    for (line, changed) in
        [("GETEX k", false), ("GETEX k PERSIST", false), ("GETEX k EX 5", true), ("GETEX k PERSIST", true)]
    {
        assert_eq!(one.changes(line), changed, "{line}");
    }
}

#[test]
fn getex_refuses_what_does_not_fit_together() {
    let mut one = OneShard::new();
    one.run("SET k v");
    for line in [
        "GETEX k EX",
        "GETEX k KEEPTTL",
        "GETEX k EX 5 PX 5",
        "GETEX k EX 5 PERSIST",
        "GETEX k PERSIST EX 5",
        "GETEX none FOO",
    ] {
        assert_eq!(one.run(line), "-ERR syntax error", "{line}");
    }
    one.check(&[
        ("GETEX k EX 0", "-ERR invalid expire time in 'getex' command"),
        ("GETEX k EX x", "-ERR value is not an integer or out of range"),
        ("GETEX none EX x", "$-1"),
    ]);
}

#[test]
fn ranges_count_from_both_ends() {
    let mut one = OneShard::new();
    one.run("SET k hello");
    for (range, expected) in [
        ("0 -1", "$5 hello"),
        ("1 3", "$3 ell"),
        ("-3 -2", "$2 ll"),
        ("-99 1", "$2 he"),
        ("3 99", "$2 lo"),
        ("-2 -3", "$0"),
        ("3 1", "$0"),
        ("5 9", "$0"),
        ("-9 -8", "$1 h"),
        ("-9223372036854775808 9223372036854775807", "$5 hello"),
        ("9223372036854775807 -9223372036854775808", "$0"),
    ] {
        assert_eq!(one.run(&format!("GETRANGE k {range}")), expected, "{range}");
        assert_eq!(one.run(&format!("SUBSTR k {range}")), expected, "{range}");
        assert_eq!(one.run(&format!("GETRANGE none {range}")), "$0", "{range}");
    }
    assert_eq!(one.run("GETRANGE none a 1"), "-ERR value is not an integer or out of range");
}
