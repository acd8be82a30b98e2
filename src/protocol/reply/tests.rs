use super::*;

fn in_proto(proto: Proto, write: impl FnOnce(&mut Reply)) -> String {
    let mut out = Vec::new();
    write(&mut Reply::new(&mut out, proto));
    String::from_utf8(out).unwrap()
}

#[track_caller]
fn check(write: impl Fn(&mut Reply), resp2: &str, resp3: &str) {
    assert_eq!(in_proto(Proto::Resp2, &write), resp2);
    assert_eq!(in_proto(Proto::Resp3, &write), resp3);
}

#[test]
fn types_that_both_versions_share() {
    check(|r| r.ok(), "+OK\r\n", "+OK\r\n");
    check(|r| r.simple("PONG"), "+PONG\r\n", "+PONG\r\n");
    check(|r| r.error("ERR no such key"), "-ERR no such key\r\n", "-ERR no such key\r\n");
    check(|r| r.int(-42), ":-42\r\n", ":-42\r\n");
    check(|r| r.int(i64::MIN), ":-9223372036854775808\r\n", ":-9223372036854775808\r\n");
    check(|r| r.bulk(b""), "$0\r\n\r\n", "$0\r\n\r\n");
    check(|r| r.bulk(b"0123456789"), "$10\r\n0123456789\r\n", "$10\r\n0123456789\r\n");
    check(|r| r.bulk_int(17), "$2\r\n17\r\n", "$2\r\n17\r\n");
    check(|r| r.array(0), "*0\r\n", "*0\r\n");
    check(|r| r.array(1_000_000), "*1000000\r\n", "*1000000\r\n");
}

#[test]
fn strings_of_every_length_are_written_in_full() {
    for length in 0..120 {
        let text: String = ('a'..='z').cycle().take(length).collect();
        check(
            |r| r.bulk(text.as_bytes()),
            &format!("${length}\r\n{text}\r\n"),
            &format!("${length}\r\n{text}\r\n"),
        );
    }
}

#[test]
fn integers_of_every_length_are_written_in_full() {
    for power in 0..18 {
        let number = 10i64.pow(power);
        for number in [number - 1, number, number + 1, 2 * number, 987_654_321_987_654_321 % (10 * number)] {
            check(|r| r.int(number), &format!(":{number}\r\n"), &format!(":{number}\r\n"));
            check(|r| r.int(-number), &format!(":{}\r\n", -number), &format!(":{}\r\n", -number));
        }
    }
    for number in 0..20_000u32 {
        let number = i64::from(number.wrapping_mul(0x9e37_79b9) % 100_000_000);
        check(|r| r.int(number), &format!(":{number}\r\n"), &format!(":{number}\r\n"));
    }
}

#[test]
fn types_of_resp3_fall_back_in_resp2() {
    check(|r| r.null(), "$-1\r\n", "_\r\n");
    check(|r| r.bulk_or_null(None), "$-1\r\n", "_\r\n");
    check(|r| r.null_array(), "*-1\r\n", "_\r\n");
    check(|r| r.map(3), "*6\r\n", "%3\r\n");
    check(|r| r.set(2), "*2\r\n", "~2\r\n");
    check(|r| r.push(3), "*3\r\n", ">3\r\n");
    check(|r| r.double(0.5), "$3\r\n0.5\r\n", ",0.5\r\n");
    check(|r| r.double(f64::INFINITY), "$3\r\ninf\r\n", ",inf\r\n");
    check(|r| r.double(f64::NEG_INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n");
    check(|r| r.boolean(true), ":1\r\n", "#t\r\n");
    check(|r| r.boolean(false), ":0\r\n", "#f\r\n");
    check(|r| r.verbatim(*b"txt", b"hello"), "$5\r\nhello\r\n", "=9\r\ntxt:hello\r\n");
    check(|r| r.big_number("-123"), "$4\r\n-123\r\n", "(-123\r\n");
}

#[test]
fn a_line_end_in_a_status_or_an_error_becomes_blanks() {
    check(|r| r.error("ERR a\r\n+OK"), "-ERR a  +OK\r\n", "-ERR a  +OK\r\n");
    check(|r| r.simple("a\nb"), "+a b\r\n", "+a b\r\n");
    assert_eq!(in_proto(Proto::Memcache, |r| r.error("SERVER_ERROR a\r\nb")), "SERVER_ERROR a  b\r\n");
}

#[test]
fn memcached_replies_are_lines() {
    let line = |write: &dyn Fn(&mut Reply)| in_proto(Proto::Memcache, |r| write(r));
    assert_eq!(line(&|r| r.line("STORED")), "STORED\r\n");
    assert_eq!(line(&|r| r.ok()), "OK\r\n");
    assert_eq!(line(&|r| r.int(12)), "12\r\n");
    assert_eq!(line(&|r| r.line_u64(u64::MAX)), "18446744073709551615\r\n");
    assert_eq!(line(&|r| r.stat("pid", b"7")), "STAT pid 7\r\n");
    assert_eq!(line(&|r| r.memcache_value(b"k", 5, b"abc", None)), "VALUE k 5 3\r\nabc\r\n");
    assert_eq!(
        line(&|r| r.memcache_value(b"k", u32::MAX, b"", Some(u64::MAX))),
        "VALUE k 4294967295 0 18446744073709551615\r\n\r\n"
    );
}

#[test]
fn a_reply_can_be_taken_back() {
    let mut out = b"before".to_vec();
    let mut reply = Reply::new(&mut out, Proto::Resp2);
    let mark = reply.len();
    reply.array(2);
    reply.truncate(mark);
    reply.null();
    assert_eq!(out, b"before$-1\r\n");
}
