//! What the bitmaps' commands answer, on one shard.

mod combine;
mod field;
mod range;

use crate::command::one_shard::OneShard;
use crate::shard::Meta;
use slabs::Options;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const BAD_OFFSET: &str = "-ERR bit offset is not an integer or out of range";

#[test]
fn a_bit_is_set_and_read_and_the_string_grows() {
    OneShard::new().check(&[
        ("GETBIT k 7", ":0"),
        ("SETBIT k 7 1", ":0"),
        ("GET k", "$1 \u{1}"),
        ("SETBIT k 7 1", ":1"),
        ("SETBIT k 1 1", ":0"),
        ("GET k", "$1 A"),
        ("SETBIT k 1 0", ":1"),
        ("SETBIT k 23 0", ":0"),
        ("GET k", "$3 \u{1}\0\0"),
        ("GETBIT k 7", ":1"),
        ("GETBIT k 8", ":0"),
        ("GETBIT k 4294967295", ":0"),
    ]);
}

#[test]
fn bits_and_offsets_are_checked_before_anything_is_allocated() {
    let mut one = OneShard::new();
    one.put_list("l");
    let bad_bit = "-ERR bit is not an integer or out of range";
    let before = one.shard.store.ledger();
    one.check(&[
        ("SETBIT k -1 1", BAD_OFFSET),
        ("SETBIT k 4294967296 1", BAD_OFFSET),
        ("SETBIT k 9223372036854775807 1", BAD_OFFSET),
        ("SETBIT k #1 1", BAD_OFFSET),
        ("GETBIT k 4294967296", BAD_OFFSET),
        ("GETBIT l x", BAD_OFFSET),
        ("SETBIT k 0 2", bad_bit),
        ("SETBIT k 0 -1", bad_bit),
        ("SETBIT k 0 x", bad_bit),
        ("SETBIT l 0 1", WRONG_TYPE),
        ("GETBIT l 0", WRONG_TYPE),
        ("GET k", "$-1"),
    ]);
    assert_eq!(one.shard.store.ledger(), before);
}

#[test]
fn the_limit_on_items_holds_for_bits() {
    let mut one = OneShard::with(&Options { item_bytes_max: 100, huge_pages: false, ..Options::default() });
    let too_large = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    one.check(&[
        ("SETBIT k 4294967295 1", too_large),
        ("SETBIT k 799 1", ":0"),
        ("SETBIT k 800 1", too_large),
        ("BITFIELD k SET u8 796 1", too_large),
        ("STRLEN k", ":100"),
    ]);
}

#[test]
fn a_bit_that_is_what_it_was_is_no_change() {
    let mut one = OneShard::new();
    let meta = Meta { client_flags: 9, expire_at_ms: one.shard.now_ms() + 1000, ..Meta::default() };
    one.put("k", b"A", meta);
    let version = one.item("k").unwrap().version();
    assert!(!one.changes("SETBIT k 1 1"));
    assert_eq!(one.item("k").unwrap().version(), version);
    assert!(one.changes("SETBIT k 1 0") && one.changes("SETBIT k 8 0"));
    assert_ne!(one.item("k").unwrap().version(), version);
    assert_eq!(one.item("k").unwrap().meta(), meta);
}
