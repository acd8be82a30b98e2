use crate::command::one_shard::OneShard;
use crate::protocol::Proto;

#[test]
fn fields_are_set_and_read() {
    OneShard::new().check(&[
        ("hset h a 1 b 2 a 3", ":2"),
        ("hget h a", "$1 3"),
        ("hset h a x c y", ":1"),
        ("hmget h a nofield b", "*3 $1 x $-1 $1 2"),
        ("hlen h", ":3"),
        ("hgetall h", "*6 $1 a $1 x $1 b $1 2 $1 c $1 y"),
        ("hkeys h", "*3 $1 a $1 b $1 c"),
        ("hvals h", "*3 $1 x $1 2 $1 y"),
        ("hexists h b", ":1"),
        ("hexists h d", ":0"),
        ("hstrlen h a", ":1"),
        ("hsetnx h a z", ":0"),
        ("hsetnx h d z", ":1"),
        ("hmset h d w e v", "+OK"),
        ("hdel h a b nofield", ":2"),
        ("hdel h c d e", ":3"),
        ("exists h", ":0"),
        ("hset h a", "-ERR wrong number of arguments for 'hset' command"),
        ("hmset h a b c", "-ERR wrong number of arguments for 'hmset' command"),
    ]);
}

#[test]
fn a_missing_hash_is_an_empty_one() {
    let mut shard = OneShard::new();
    shard.check(&[
        ("hget h a", "$-1"),
        ("hmget h a b", "*2 $-1 $-1"),
        ("hgetall h", "*0"),
        ("hlen h", ":0"),
        ("hdel h a", ":0"),
        ("hrandfield h", "$-1"),
        ("hrandfield h 3", "*0"),
        ("hscan h 17", "*2 $1 0 *0"),
        ("httl h fields 2 a b", "*2 :-2 :-2"),
        ("hexpire h 9 fields 1 a", "*1 :-2"),
    ]);
    shard.proto = Proto::Resp3;
    shard.check(&[("hgetall h", "%0"), ("hkeys h", "*0"), ("hget h a", "_")]);
}

#[test]
fn numbers_in_fields_are_counted() {
    OneShard::new().check(&[
        ("hincrby h n 5", ":5"),
        ("hincrby h n -7", ":-2"),
        ("hset h s x m 9223372036854775807", ":2"),
        ("hincrby h s 1", "-ERR hash value is not an integer"),
        ("hincrby h m 1", "-ERR increment or decrement would overflow"),
        ("hincrby h n x", "-ERR value is not an integer or out of range"),
        ("hincrbyfloat h n 0.5", "$4 -1.5"),
        ("hincrbyfloat h s 1", "-ERR hash value is not a float"),
        ("hincrbyfloat h n x", "-ERR value is not a valid float"),
        ("hget h n", "$4 -1.5"),
    ]);
}

#[test]
fn other_kinds_are_refused_both_ways() {
    let mut shard = OneShard::new();
    shard.run("set s v");
    shard.run("hset h a 1");
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    for line in [
        "hget s a",
        "hset s a 1",
        "hdel s a",
        "hgetall s",
        "hlen s",
        "hincrby s a 1",
        "hrandfield s",
        "hscan s 0",
        "httl s fields 1 a",
        "hexpire s 1 fields 1 a",
        "hgetdel s fields 1 a",
        "hsetex s fields 1 a b",
        "hgetex s fields 1 a",
        "hpersist s fields 1 a",
        "get h",
        "append h x",
        "incr h",
        "getrange h 0 1",
        "setbit h 1 1",
        "bitcount h",
        "strlen h",
        "sadd h x",
        "smembers h",
        "getdel h",
        "bitop and d h",
    ] {
        assert_eq!(shard.run(line), wrong, "{line}");
    }
    shard.check(&[
        ("type h", "+hash"),
        ("mget h s", "*2 $-1 $1 v"),
        ("lcs h h", "-ERR The specified keys must contain string values"),
        ("set h x", "+OK"),
        ("get h", "$1 x"),
    ]);
}

#[test]
fn a_hash_that_grows_keeps_what_it_has() {
    let mut shard = OneShard::new();
    shard.shard.limits.hash_entries = 3;
    shard.check(&[
        ("hset h a 1 b 2 c 3", ":3"),
        ("object encoding h", "$8 listpack"),
        ("hset h c 4", ":0"),
        ("object encoding h", "$8 listpack"),
        ("hset h d 5", ":1"),
        ("object encoding h", "$9 hashtable"),
        ("hmget h a b c d", "*4 $1 1 $1 2 $1 4 $1 5"),
        ("hdel h a b c", ":3"),
        ("object encoding h", "$9 hashtable"),
        ("rename h g", "+OK"),
        // What fits an item again is written so when it is written as a whole.
        ("object encoding g", "$8 listpack"),
        ("hgetall g", "*2 $1 d $1 5"),
    ]);
    assert!(shard.changes("hset g d 5") && !shard.changes("hget g d") && !shard.changes("hdel g x"));
}

#[test]
fn fields_by_chance_come_in_the_number_that_is_asked_for() {
    let mut shard = OneShard::new();
    shard.run("hset h a 1");
    shard.check(&[
        ("hrandfield h", "$1 a"),
        ("hrandfield h 5", "*1 $1 a"),
        ("hrandfield h -3", "*3 $1 a $1 a $1 a"),
        ("hrandfield h -2 withvalues", "*4 $1 a $1 1 $1 a $1 1"),
        ("hrandfield h 0", "*0"),
        (
            "hrandfield h -9223372036854775808",
            "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ),
        ("hrandfield h -9223372036854775807 withvalues", "-ERR value is out of range"),
        ("hrandfield h -9223372036854775807", "-ERR value is out of range"),
        ("hrandfield h x", "-ERR value is not an integer or out of range"),
        ("hrandfield h 1 x", "-ERR syntax error"),
    ]);
    shard.proto = Proto::Resp3;
    shard.check(&[("hrandfield h 1 withvalues", "*1 *2 $1 a $1 1")]);
}

#[test]
fn fields_die_when_they_are_told_to() {
    let mut shard = OneShard::new();
    shard.check(&[
        ("hset h a 1 b 2 c 3", ":3"),
        ("hpexpire h 100 fields 2 a nofield", "*2 :1 :-2"),
        ("hpttl h fields 3 a b nofield", "*3 :100 :-1 :-2"),
        ("httl h fields 1 a", "*1 :1"),
        ("hpexpiretime h fields 1 a", "*1 :1577836800100"),
        ("hexpiretime h fields 1 a", "*1 :1577836801"),
        ("hpexpire h 50 gt fields 2 a b", "*2 :0 :0"),
        ("hpexpire h 200 gt fields 1 a", "*1 :1"),
        ("hpexpire h 300 nx fields 2 a b", "*2 :0 :1"),
        ("hpexpire h 250 lt fields 2 b c", "*2 :1 :1"),
        ("hpexpire h 260 xx fields 1 b", "*1 :1"),
        ("hpersist h fields 3 c c nofield", "*3 :1 :-1 :-2"),
        ("hexpire h 0 fields 1 nofield", "*1 :-2"),
    ]);
    shard.pass_ms(200);
    shard.check(&[
        ("hmget h a b c", "*3 $-1 $1 2 $1 3"),
        ("hlen h", ":2"),
        ("hgetall h", "*4 $1 b $1 2 $1 c $1 3"),
        ("hexists h a", ":0"),
        ("hset h a 9", ":1"),
        ("hpttl h fields 1 a", "*1 :-1"),
        ("hset h b 9", ":0"),
        ("hpttl h fields 1 b", "*1 :-1"),
        ("hexpireat h 1 fields 3 a b c", "*3 :2 :2 :2"),
        ("exists h", ":0"),
    ]);
}

#[test]
fn values_are_read_and_set_together_with_deadlines() {
    let mut shard = OneShard::new();
    shard.check(&[
        ("hsetex h px 100 fields 2 a 1 b 2", ":1"),
        ("hpttl h fields 2 a b", "*2 :100 :100"),
        ("hsetex h fnx fields 2 a 3 c 3", ":0"),
        ("hsetex h fxx keepttl fields 1 a 3", ":1"),
        ("hpttl h fields 1 a", "*1 :100"),
        ("hsetex h fields 1 a 4", ":1"),
        ("hpttl h fields 1 a", "*1 :-1"),
        ("hgetex h ex 5 fields 2 a nofield", "*2 $1 4 $-1"),
        ("hpttl h fields 1 a", "*1 :5000"),
        ("hgetex h persist fields 1 a", "*1 $1 4"),
        ("hpttl h fields 1 a", "*1 :-1"),
        ("hgetex h fields 1 b", "*1 $1 2"),
        ("hincrby h b 5", ":7"),
        ("hpttl h fields 1 b", "*1 :100"),
        ("hgetdel h fields 2 a nofield", "*2 $1 4 $-1"),
        ("hsetex h exat 1 fields 1 b x", ":1"),
        ("exists h", ":0"),
        ("hsetex h fxx fields 1 a 1", ":0"),
        ("hgetdel h fields 1 a", "*1 $-1"),
        ("hgetex h fields 1 a", "*1 $-1"),
    ]);
}

#[test]
fn malformed_deadlines_are_refused_in_rediss_words() {
    let mut shard = OneShard::new();
    shard.run("hset h a 1");
    let misplaced = "-ERR Mandatory argument FIELDS is missing or not at the right position";
    let miscounted = "-ERR The `numfields` parameter must match the number of arguments";
    shard.check(&[
        ("hexpire h x fields 1 a", "-ERR value is not an integer or out of range"),
        ("hexpire h -1 fields 1 a", "-ERR invalid expire time, must be >= 0"),
        ("hexpire h 70368744178 fields 1 a", "-ERR invalid expire time in 'hexpire' command"),
        ("hpexpireat h 70368744177664 fields 1 a", "-ERR invalid expire time in 'hpexpireat' command"),
        ("hexpire h 9 what fields 1 a", misplaced),
        ("hexpire h 9 fields 0 a", "-ERR Parameter `numFields` should be greater than 0"),
        ("hexpire h 9 fields 2 a", miscounted),
        ("hexpire h 9 nx fields 1", "-ERR The `numfields` parameter must match the number of arguments"),
        ("httl h what 1 a", misplaced),
        ("httl h fields x a", "-ERR Number of fields must be a positive integer"),
        ("httl h fields 1 a b", miscounted),
        ("hsetex h what fields 1 a b", "-ERR unknown argument: what"),
        (
            "hsetex h ex 1 px 1 fields 1 a b",
            "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
        ),
        ("hsetex h fnx fxx fields 1 a b", "-ERR Only one of FXX or FNX arguments can be specified"),
        ("hsetex h fields 2 a b", "-ERR wrong number of arguments for 'hsetex' command"),
        ("hsetex h fields x a b", "-ERR invalid number of fields"),
        ("hsetex h fnx keepttl fnx ex", "-ERR Only one of FXX or FNX arguments can be specified"),
        ("hgetex h ex -1 fields 1 a", "-ERR invalid expire time, must be >= 0"),
        ("hgetex h fields 3 a", miscounted),
        ("hgetdel h a 1 b", misplaced),
    ]);
}

#[test]
fn a_small_hash_is_scanned_at_once() {
    let mut shard = OneShard::new();
    shard.run("hset h a 1 b 2 ab 3");
    shard.check(&[
        ("hscan h 0", "*2 $1 0 *6 $1 a $1 1 $1 b $1 2 $2 ab $1 3"),
        ("hscan h 99 count 1 match a*", "*2 $1 0 *4 $1 a $1 1 $2 ab $1 3"),
        ("hscan h 0 novalues", "*2 $1 0 *3 $1 a $1 b $2 ab"),
        ("hscan h x", "-ERR invalid cursor"),
        ("hscan h 0 count 0", "-ERR syntax error"),
        ("hscan h 0 count", "-ERR syntax error"),
        ("hscan h 0 type x", "-ERR syntax error"),
    ]);
}
