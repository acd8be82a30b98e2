use super::WRONG_TYPE;
use crate::command::one_shard::OneShard;
use crate::shard::Meta;

const SYNTAX: &str = "-ERR syntax error";
const NOT_INTEGER: &str = "-ERR value is not an integer or out of range";

#[test]
fn bits_are_counted_in_bytes_or_bits() {
    let mut one = OneShard::new();
    one.check(&[
        ("SET k foobar", "+OK"),
        ("BITCOUNT k", ":26"),
        ("BITCOUNT k 0 0", ":4"),
        ("BITCOUNT k 1 1 byte", ":6"),
        ("BITCOUNT k 1 -2", ":18"),
        ("BITCOUNT k 5 30 BIT", ":17"),
        ("BITCOUNT k -8 -1 BIT", ":4"),
        ("BITCOUNT k 3 1", ":0"),
        ("BITCOUNT k -1 -2", ":0"),
        ("BITCOUNT k 99 100", ":0"),
        ("BITCOUNT k -9223372036854775808 9223372036854775807 BIT", ":26"),
        ("SET e ''", "+OK"),
        ("BITCOUNT e", ":0"),
        ("BITCOUNT e 0 -1", ":0"),
    ]);
}

#[test]
fn arguments_of_counting_are_read_after_the_key() {
    let mut one = OneShard::new();
    one.put_list("l");
    one.check(&[
        ("SET k foobar", "+OK"),
        ("BITCOUNT none a b c d", ":0"),
        ("BITCOUNT l a b", WRONG_TYPE),
        ("BITCOUNT k 1", SYNTAX),
        ("BITCOUNT k 1 2 BIT BIT", SYNTAX),
        ("BITCOUNT k 1 2 FOO", SYNTAX),
        ("BITCOUNT k -1 -2 FOO", ":0"),
        ("BITCOUNT k a 2", NOT_INTEGER),
        ("BITCOUNT k 1 b FOO", NOT_INTEGER),
    ]);
}

#[test]
fn the_first_bit_of_a_kind_is_found() {
    let mut one = OneShard::new();
    one.put("k", b"\xff\xf0\x00", Meta::default());
    one.put("z", b"\x00\x00\x00", Meta::default());
    one.put("o", b"\xff\xff\xff", Meta::default());
    one.check(&[
        ("BITPOS k 0", ":12"),
        ("BITPOS k 1", ":0"),
        ("BITPOS k 1 1", ":8"),
        ("BITPOS k 0 2", ":16"),
        ("BITPOS k 1 2", ":-1"),
        ("BITPOS k 1 0 -1 BIT", ":0"),
        ("BITPOS k 1 7 15 BIT", ":7"),
        ("BITPOS k 0 7 11 BIT", ":-1"),
        ("BITPOS k 0 7 12 bit", ":12"),
        ("BITPOS z 1", ":-1"),
        ("BITPOS z 0 -1", ":16"),
        ("BITPOS o 0", ":24"),
        ("BITPOS o 0 1", ":24"),
        ("BITPOS o 0 1 -1", ":-1"),
        ("BITPOS o 0 3", ":-1"),
        ("BITPOS o 1 2 1", ":-1"),
        ("SET e ''", "+OK"),
        ("BITPOS e 0", ":-1"),
        ("BITPOS none 0", ":0"),
        ("BITPOS none 1", ":-1"),
    ]);
}

#[test]
fn arguments_of_searching_are_read_after_the_key_but_for_the_bit() {
    let mut one = OneShard::new();
    one.put_list("l");
    one.check(&[
        ("SET k foobar", "+OK"),
        ("BITPOS none 2", "-ERR The bit argument must be 1 or 0."),
        ("BITPOS none x", NOT_INTEGER),
        ("BITPOS none 1 a b c d e", ":-1"),
        ("BITPOS l 1 a", WRONG_TYPE),
        ("BITPOS k 1 a", NOT_INTEGER),
        ("BITPOS k 1 0 b", NOT_INTEGER),
        ("BITPOS k 1 0 b FOO", SYNTAX),
        ("BITPOS k 1 0 b BIT", NOT_INTEGER),
        ("BITPOS k 1 0 1 BIT x", SYNTAX),
    ]);
}
