use crate::command::one_shard::OneShard;
use crate::shard::Meta;

const NOT_INTEGER: &str = "-ERR value is not an integer or out of range";
const NOT_FLOAT: &str = "-ERR value is not a valid float";
const OVERFLOW: &str = "-ERR increment or decrement would overflow";
const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

#[test]
fn integers_go_up_and_down() {
    OneShard::new().check(&[
        ("INCR k", ":1"),
        ("INCRBY k 98", ":99"),
        ("INCR k", ":100"),
        ("DECRBY k 101", ":-1"),
        ("GET k", "$2 -1"),
        ("DECR k", ":-2"),
        ("INCRBY k -8", ":-10"),
        ("INCR k", ":-9"),
        ("GET k", "$2 -9"),
        ("DECR new", ":-1"),
    ]);
}

#[test]
fn integers_stay_within_64_bits() {
    let mut one = OneShard::new();
    one.check(&[
        ("SET k 9223372036854775807", "+OK"),
        ("INCR k", OVERFLOW),
        ("DECRBY k -1", OVERFLOW),
        ("INCRBY k 9223372036854775807", OVERFLOW),
        ("INCRBY k -9223372036854775808", ":-1"),
        ("DECRBY k -9223372036854775808", "-ERR decrement would overflow"),
        ("DECRBY k 9223372036854775807", ":-9223372036854775808"),
        ("DECR k", OVERFLOW),
        ("GET k", "$20 -9223372036854775808"),
    ]);
}

#[test]
fn only_integers_in_their_shortest_spelling_are_counted() {
    let mut one = OneShard::new();
    one.put_list("l");
    for value in ["''", "x", "1.0", "+1", "01", "-0", "9223372036854775808", "0x1"] {
        one.run(&format!("SET k {value}"));
        assert_eq!(one.run("INCR k"), NOT_INTEGER, "{value}");
        assert_eq!(one.run(&format!("INCRBY none {value}")), NOT_INTEGER, "{value}");
        assert_eq!(one.run(&format!("DECRBY none {value}")), NOT_INTEGER, "{value}");
    }
    one.put("k", b"1 ", Meta::default());
    one.check(&[("INCR k", NOT_INTEGER), ("INCR l", WRONG_TYPE), ("INCRBYFLOAT l x", WRONG_TYPE)]);
}

#[test]
fn decimals_are_added_as_the_x87_adds() {
    OneShard::new().check(&[
        ("INCRBYFLOAT k 10.5", "$4 10.5"),
        ("INCRBYFLOAT k 0.1", "$4 10.6"),
        ("INCRBYFLOAT k -5", "$3 5.6"),
        ("SET k 5.0e3", "+OK"),
        ("INCRBYFLOAT k 2.0e2", "$4 5200"),
        ("INCR k", ":5201"),
        ("INCRBYFLOAT k -5201", "$1 0"),
        ("INCRBYFLOAT k inf", "-ERR increment would produce NaN or Infinity"),
        ("INCRBYFLOAT k nan", NOT_FLOAT),
        ("INCRBYFLOAT k 1e5000", NOT_FLOAT),
        ("SET k x", "+OK"),
        ("INCRBYFLOAT k 1", NOT_FLOAT),
        ("INCRBYFLOAT none ''", NOT_FLOAT),
        ("GET none", "$-1"),
    ]);
}

#[test]
fn expiry_and_flags_stay() {
    let mut one = OneShard::new();
    let meta = Meta { client_flags: 9, expire_at_ms: one.shard.now_ms() + 1000, ..Meta::default() };
    one.put("k", b"1", meta);
    for line in ["INCR k", "INCRBY k 98765432109", "DECR k", "INCRBYFLOAT k 1.5"] {
        let version = one.item("k").unwrap().version();
        assert!(one.changes(line), "{line}");
        let item = one.item("k").unwrap();
        assert_eq!(item.meta(), meta, "{line}");
        assert_ne!(item.version(), version, "{line}");
    }
}
