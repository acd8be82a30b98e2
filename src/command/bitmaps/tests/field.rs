use super::{BAD_OFFSET, WRONG_TYPE};
use crate::command::one_shard::OneShard;
use crate::protocol::Proto;
use crate::shard::Meta;

const SYNTAX: &str = "-ERR syntax error";
const BAD_TYPE: &str =
    "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";

#[test]
fn operations_are_done_in_order() {
    OneShard::new().check(&[
        ("BITFIELD k INCRBY i5 100 1 GET u4 0", "*2 :1 :0"),
        ("STRLEN k", ":14"),
        ("BITFIELD k SET u8 #1 200 GET u8 8 get i8 #1 SET u8 8 1", "*4 :0 :200 :-56 :200"),
        ("BITFIELD k", "*0"),
        ("BITFIELD k GET i64 4294967295", "*1 :0"),
        ("BITFIELD none GET u63 0", "*1 :0"),
        ("GET none", "$-1"),
        ("BITFIELD k SET i64 3 -2 GET i64 3 GET u63 3", "*3 :2251799813685248 :-2 :9223372036854775807"),
    ]);
}

#[test]
fn overflow_wraps_saturates_or_fails_for_what_follows() {
    let mut one = OneShard::new();
    one.check(&[
        ("BITFIELD k SET u2 0 5", "*1 :0"),
        ("BITFIELD k GET u2 0", "*1 :1"),
        (
            "BITFIELD k INCRBY u2 0 3 OVERFLOW SAT INCRBY u2 0 9 overflow fail INCRBY u2 0 1 SET u2 0 9 GET u2 0",
            "*5 :0 :3 $-1 $-1 :3",
        ),
        ("BITFIELD k OVERFLOW SAT INCRBY u2 0 -9", "*1 :0"),
        ("BITFIELD k SET i8 0 127 INCRBY i8 0 1 OVERFLOW SAT INCRBY i8 0 -1", "*3 :0 :-128 :-128"),
        ("BITFIELD k OVERFLOW FAIL OVERFLOW SAT SET i8 0 1000 GET i8 0", "*2 :-128 :127"),
        ("BITFIELD k SET u8 0 -1 GET u8 0", "*2 :127 :255"),
        ("BITFIELD k OVERFLOW SAT SET u8 0 -1", "*1 :255"),
    ]);
    one.proto = Proto::Resp3;
    one.check(&[("BITFIELD k OVERFLOW FAIL INCRBY u8 0 1", "*1 _")]);
}

#[test]
fn the_string_grows_even_if_nothing_is_written_into_it() {
    let mut one = OneShard::new();
    one.check(&[("BITFIELD k OVERFLOW FAIL SET u8 12 256", "*1 $-1"), ("GET k", "$3 \0\0\0")]);
    assert!(!one.changes("BITFIELD k OVERFLOW FAIL SET u8 12 256"));
    assert!(one.changes("BITFIELD k OVERFLOW FAIL SET u8 20 256"));
    assert!(one.changes("BITFIELD k SET u8 12 25") && !one.changes("BITFIELD k SET u8 12 25"));
}

#[test]
fn what_changes_nothing_leaves_the_version() {
    let mut one = OneShard::new();
    one.run("SET k AB");
    let version = one.item("k").unwrap().version();
    for line in [
        "BITFIELD k SET u8 0 65 SET u8 8 66",
        "BITFIELD k INCRBY u8 0 0 GET u8 0",
        "BITFIELD k OVERFLOW FAIL INCRBY u8 0 200 SET u8 #1 300",
    ] {
        assert!(!one.changes(line), "{line}");
        assert_eq!(one.item("k").unwrap().version(), version, "{line}");
    }
    one.check(&[("BITFIELD k SET u8 0 65 INCRBY u8 8 1 GET u8 8 INCRBY u8 8 0", "*4 :65 :67 :67 :67")]);
    assert_ne!(one.item("k").unwrap().version(), version);
}

#[test]
fn a_command_is_refused_as_a_whole() {
    let mut one = OneShard::new();
    one.put_list("l");
    for (operations, fault) in [
        ("SET u8 0 1 FOO", SYNTAX),
        ("GET u8", SYNTAX),
        ("SET u8 0", SYNTAX),
        ("INCRBY", SYNTAX),
        ("OVERFLOW", SYNTAX),
        ("SET u8 0 1 OVERFLOW foo", "-ERR Invalid OVERFLOW type specified"),
        ("GET u64 0", BAD_TYPE),
        ("GET i65 0", BAD_TYPE),
        ("GET i0 0", BAD_TYPE),
        ("GET 8 0", BAD_TYPE),
        ("GET U8 0", BAD_TYPE),
        ("GET i08 0", BAD_TYPE),
        ("GET '' 0", BAD_TYPE),
        ("GET u8 -1", BAD_OFFSET),
        ("GET u8 #", BAD_OFFSET),
        ("GET u8 #-1", BAD_OFFSET),
        ("GET u8 #536870912", BAD_OFFSET),
        ("GET u8 4294967296", BAD_OFFSET),
        ("SET u63 #9223372036854775807 1", BAD_OFFSET),
        ("SET u8 0 1 SET u8 0 x", "-ERR value is not an integer or out of range"),
    ] {
        assert_eq!(one.run(&format!("BITFIELD k {operations}")), fault, "{operations}");
    }
    one.check(&[
        ("BITFIELD l", WRONG_TYPE),
        ("BITFIELD l SET u8 0 1", WRONG_TYPE),
        ("BITFIELD_RO l GET u8 0", WRONG_TYPE),
        ("BITFIELD_RO k GET u8 0 SET u8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand"),
        ("BITFIELD_RO l SET u8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand"),
        ("BITFIELD k SET u63 4294967295 1", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
        ("GET k", "$-1"),
    ]);
}

#[test]
fn expiry_and_flags_stay() {
    let mut one = OneShard::new();
    let meta = Meta { client_flags: 9, expire_at_ms: one.shard.now_ms() + 1000, ..Meta::default() };
    one.put("k", b"A", meta);
    one.check(&[("BITFIELD k SET u8 0 66 SET u8 100 1", "*2 :65 :0"), ("BITFIELD_RO k GET u8 0", "*1 :66")]);
    assert_eq!(one.item("k").unwrap().meta(), meta);
}
