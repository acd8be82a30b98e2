use super::WRONG_TYPE;
use crate::command::one_shard::OneShard;
use crate::shard::Meta;

#[test]
fn strings_are_combined_and_stored() {
    let mut one = OneShard::new();
    one.check(&[
        ("MSET a abcd b ABC", "+OK"),
        ("BITOP AND d a b", ":4"),
        ("GET d", "$4 ABC\0"),
        ("BITOP or d a b none", ":4"),
        ("GET d", "$4 abcd"),
        ("BITOP XOR d a b", ":4"),
        ("GET d", "$4    d"),
        ("BITOP AND d a none", ":4"),
        ("GET d", "$4 \0\0\0\0"),
        ("BITOP XOR a a a", ":4"),
        ("GET a", "$4 \0\0\0\0"),
    ]);
    one.put("n", &[0x0f, 0xff], Meta::default());
    one.check(&[("BITOP NOT n n", ":2"), ("BITPOS n 1", ":0"), ("BITCOUNT n", ":4")]);
}

#[test]
fn the_destination_is_replaced_or_removed_whatever_it_held() {
    let mut one = OneShard::new();
    one.put_list("d");
    one.check(&[("SET a x", "+OK"), ("BITOP OR d a", ":1"), ("GET d", "$1 x")]);
    one.put("d", b"y", Meta { client_flags: 3, expire_at_ms: u64::MAX >> 16, ..Meta::default() });
    one.check(&[("BITOP OR d a", ":1")]);
    assert_eq!(one.item("d").unwrap().meta(), Meta::default());
    assert!(one.changes("BITOP OR d none"));
    assert!(one.item("d").is_none());
    assert!(!one.changes("BITOP NOT d none"));
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut one = OneShard::new();
    one.put_list("l");
    one.check(&[
        ("BITOP FOO d l", "-ERR syntax error"),
        ("BITOP NOT d a b", "-ERR BITOP NOT must be called with a single source key."),
        ("BITOP AND d none l", WRONG_TYPE),
        ("BITOP AND d", "-ERR wrong number of arguments for 'bitop' command"),
    ]);
}
