use crate::command::one_shard::OneShard;
use crate::shard::Meta;
use slabs::Options;

const TOO_LARGE: &str = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";
const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

#[test]
fn bytes_are_added_at_either_end() {
    OneShard::new().check(&[
        ("APPEND k mid", ":3"),
        ("APPEND k end", ":6"),
        ("PREPEND k start", ":11"),
        ("GET k", "$11 startmidend"),
        ("APPEND k ''", ":11"),
        ("PREPEND k ''", ":11"),
        ("PREPEND new x", ":1"),
        ("APPEND e ''", ":0"),
        ("GET e", "$0"),
        ("APPEND k", "-ERR wrong number of arguments for 'append' command"),
    ]);
}

#[test]
fn a_range_is_overwritten_and_a_gap_filled_with_zeros() {
    let mut one = OneShard::new();
    one.check(&[
        ("SET k hello", "+OK"),
        ("SETRANGE k 1 ipp", ":5"),
        ("GET k", "$5 hippo"),
        ("SETRANGE k 4 opotamus", ":12"),
        ("GET k", "$12 hippopotamus"),
        ("SETRANGE gap 2 x", ":3"),
        ("GET gap", "$3 \0\0x"),
        ("SETRANGE gap 5 y", ":6"),
        ("GET gap", "$6 \0\0x\0\0y"),
    ]);
}

#[test]
fn an_empty_range_neither_makes_nor_grows_a_string() {
    let mut one = OneShard::new();
    one.put_list("l");
    one.check(&[
        ("SET k abc", "+OK"),
        ("SETRANGE k 100 ''", ":3"),
        ("SETRANGE k 9223372036854775807 ''", ":3"),
        ("SETRANGE none 100 ''", ":0"),
        ("GET none", "$-1"),
        ("SETRANGE l 0 ''", WRONG_TYPE),
    ]);
    assert!(!one.changes("SETRANGE none 5 ''"));
}

#[test]
fn offsets_are_checked_before_anything_is_allocated() {
    let mut one = OneShard::new();
    one.run("SET k abc");
    let before = one.shard.store.ledger();
    one.check(&[
        ("SETRANGE k -1 x", "-ERR offset is out of range"),
        ("SETRANGE k 1.5 x", "-ERR value is not an integer or out of range"),
        ("SETRANGE k 536870912 x", TOO_LARGE),
        ("SETRANGE none 536870911 xx", TOO_LARGE),
        ("SETRANGE k 9223372036854775807 x", TOO_LARGE),
        ("SETRANGE k 9223372036854775808 x", "-ERR value is not an integer or out of range"),
        ("STRLEN k", ":3"),
        ("GET none", "$-1"),
    ]);
    assert_eq!(one.shard.store.ledger(), before);
}

#[test]
fn the_limit_on_items_holds_for_growth() {
    let mut one = OneShard::with(&Options { item_bytes_max: 10, huge_pages: false, ..Options::default() });
    one.check(&[
        ("SET k 01234567", "+OK"),
        ("APPEND k abc", TOO_LARGE),
        ("PREPEND k abc", TOO_LARGE),
        ("SETRANGE k 10 x", TOO_LARGE),
        ("APPEND k ab", ":10"),
        ("SETRANGE k 9 x", ":10"),
        ("GET k", "$10 01234567ax"),
    ]);
}

#[test]
fn expiry_and_flags_stay_and_other_kinds_are_refused() {
    let mut one = OneShard::new();
    one.put_list("l");
    let meta = Meta { client_flags: 9, expire_at_ms: one.shard.now_ms() + 1000, ..Meta::default() };
    one.put("k", b"1", meta);
    for line in ["APPEND k 2", "PREPEND k 3", "SETRANGE k 50 x", "SETRANGE k 0 y"] {
        let version = one.item("k").unwrap().version();
        assert!(one.changes(line), "{line}");
        let item = one.item("k").unwrap();
        assert_eq!(item.meta(), meta, "{line}");
        assert_ne!(item.version(), version, "{line}");
    }
    one.check(&[("APPEND l 1", WRONG_TYPE), ("PREPEND l 1", WRONG_TYPE), ("SETRANGE l 0 1", WRONG_TYPE)]);
    one.pass_ms(1000);
    one.check(&[("APPEND k new", ":3"), ("GET k", "$3 new")]);
    assert_eq!(one.item("k").unwrap().meta(), Meta::default());
}
