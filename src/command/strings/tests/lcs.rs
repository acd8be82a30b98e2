use crate::command::one_shard::OneShard;
use crate::protocol::Proto;

fn texts() -> OneShard {
    let mut one = OneShard::new();
    one.check(&[("MSET a ohmytext b mynewtext", "+OK")]);
    one
}

#[test]
fn the_subsequence_its_length_and_its_runs_are_told() {
    let mut one = texts();
    one.check(&[
        ("LCS a b", "$6 mytext"),
        ("LCS a b len", ":6"),
        ("LCS a b IDX", "*4 $7 matches *2 *2 *2 :4 :7 *2 :5 :8 *2 *2 :2 :3 *2 :0 :1 $3 len :6"),
        ("LCS a b IDX MINMATCHLEN 4", "*4 $7 matches *1 *2 *2 :4 :7 *2 :5 :8 $3 len :6"),
        (
            "LCS a b IDX WITHMATCHLEN MINMATCHLEN -1",
            "*4 $7 matches *2 *3 *2 :4 :7 *2 :5 :8 :4 *3 *2 :2 :3 *2 :0 :1 :2 $3 len :6",
        ),
        ("LCS a b MINMATCHLEN 100", "$6 mytext"),
        ("LCS a a LEN", ":8"),
    ]);
    one.proto = Proto::Resp3;
    one.check(&[("LCS a b IDX MINMATCHLEN 5", "%2 $7 matches *0 $3 len :6")]);
}

#[test]
fn a_missing_key_is_an_empty_string() {
    texts().check(&[
        ("LCS a none", "$0"),
        ("LCS none b LEN", ":0"),
        ("LCS none none IDX", "*4 $7 matches *0 $3 len :0"),
    ]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut one = texts();
    one.put_list("l");
    let strings = "-ERR The specified keys must contain string values";
    one.check(&[
        ("LCS a l FOO", strings),
        ("LCS l b", strings),
        ("LCS a b FOO", "-ERR syntax error"),
        ("LCS a b MINMATCHLEN", "-ERR syntax error"),
        ("LCS a b MINMATCHLEN x", "-ERR value is not an integer or out of range"),
        ("LCS a b LEN IDX", "-ERR If you want both the length and indexes, please just use IDX."),
        ("LCS a", "-ERR wrong number of arguments for 'lcs' command"),
    ]);
}

#[test]
fn strings_that_would_take_minutes_are_refused() {
    let mut one = OneShard::new();
    one.check(&[
        ("SETRANGE a 2000000 x", ":2000001"),
        ("LCS a a LEN", "-ERR Insufficient memory, failed allocating transient memory for LCS"),
        ("LCS a none LEN", ":0"),
    ]);
}
