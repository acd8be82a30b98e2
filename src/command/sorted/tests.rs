use crate::command::one_shard::OneShard;
use crate::protocol::Proto;

const WRONG: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const COMPARED: &str = "-ERR GT, LT, and/or NX options at the same time are not compatible";

/// A shard whose sorted sets are small, and one whose sets have all grown.
fn both() -> [OneShard; 2] {
    let mut grown = OneShard::new();
    grown.shard.limits.sorted_entries = 0;
    [OneShard::new(), grown]
}

#[test]
fn members_have_scores() {
    for mut shard in both() {
        shard.check(&[
            ("zadd z 1 a 2 b 2 c 1 7", ":4"),
            ("zadd z 1 a 3 b", ":0"),
            ("zadd z ch 1 a 4 b", ":1"),
            ("zscore z b", "$1 4"),
            ("zscore z x", "$-1"),
            ("zmscore z a x b", "*3 $1 1 $-1 $1 4"),
            ("zcard z", ":4"),
            ("zrange z 0 -1", "*4 $1 7 $1 a $1 c $1 b"),
            ("zrank z 7", ":0"),
            ("zrank z b", ":3"),
            ("zrevrank z b", ":0"),
            ("zrank z x", "$-1"),
            ("zrank z c withscore", "*2 :2 $1 2"),
            ("zrank z x WITHSCORE", "*-1"),
            ("zrank z c scores", "-ERR syntax error"),
            ("zrank z c withscore x", "-ERR wrong number of arguments for 'zrank' command"),
            ("zincrby z 0.5 a", "$3 1.5"),
            ("zincrby z 1e300 new", "$23 1.0000000000000001e+300"),
            ("type z", "+zset"),
            ("zrem z a x new", ":2"),
            ("zrem z 7 b c", ":3"),
            ("exists z", ":0"),
            ("zcard z", ":0"),
            ("zscore z a", "$-1"),
            ("zrem z a", ":0"),
        ]);
    }
}

#[test]
fn zadd_changes_what_its_options_allow() {
    for mut shard in both() {
        shard.check(&[
            ("zadd z xx 1 a", ":0"),
            ("zadd z xx incr 1 a", "$-1"),
            ("exists z", ":0"),
            ("zadd z nx 5 a", ":1"),
            ("zadd z nx ch 6 a", ":0"),
            ("zadd z gt ch 4 a 1 b", ":1"),
            ("zadd z gt ch 6 a", ":1"),
            ("zadd z lt ch 7 a 5 a", ":1"),
            ("zadd z xx gt ch 9 a 9 c", ":1"),
            ("zadd z incr 1 a", "$2 10"),
            ("zadd z gt incr -1 a", "$-1"),
            ("zadd z lt incr -1 a", "$1 9"),
            ("zadd z nx incr 1 a", "$-1"),
            ("zadd z inf i -inf j +inf k", ":3"),
            ("zadd z incr -inf i", "-ERR resulting score is not a number (NaN)"),
            ("zincrby z inf j", "-ERR resulting score is not a number (NaN)"),
            ("zscore z j", "$4 -inf"),
            ("zadd z nan a", "-ERR value is not a valid float"),
            ("zadd z 1 a x b", "-ERR value is not a valid float"),
            ("zadd z 1 a 2", "-ERR syntax error"),
            ("zadd z nx xx", "-ERR syntax error"),
            ("zadd z nx xx 1 a", "-ERR XX and NX options at the same time are not compatible"),
            ("zadd z gt lt 1 a", COMPARED),
            ("zadd z nx gt 1 a", COMPARED),
            ("zadd z nx lt 1 a", COMPARED),
            ("zadd z incr 1 a 2 b", "-ERR INCR option supports a single increment-element pair"),
            ("zadd z 1", "-ERR wrong number of arguments for 'zadd' command"),
            ("set s x", "+OK"),
            ("zadd s x a", "-ERR value is not a valid float"),
            ("zadd s xx 1 a", WRONG),
        ]);
        assert!(
            shard.changes("zadd z 3 a") && !shard.changes("zadd z 3 a") && !shard.changes("zadd z gt 2 a")
        );
    }
}

#[test]
fn a_sorted_set_grows_as_its_limits_say() {
    let mut shard = OneShard::new();
    shard.shard.limits.sorted_entries = 3;
    shard.check(&[
        ("zadd z 1 a 2 b 3 c", ":3"),
        ("object encoding z", "$8 listpack"),
        ("zadd z 9 a", ":0"),
        ("object encoding z", "$8 listpack"),
        ("zadd z 0 d", ":1"),
        ("object encoding z", "$8 skiplist"),
        ("zrange z 0 -1 withscores", "*8 $1 d $1 0 $1 b $1 2 $1 c $1 3 $1 a $1 9"),
    ]);
    shard.run(&format!("zadd v 1 {}", "x".repeat(65)));
    shard.check(&[("object encoding v", "$8 skiplist")]);
}

#[test]
fn ranges_go_by_place_score_and_member() {
    for mut shard in both() {
        shard.run("zadd z 1 a 2 b 3 c 4 d 5 e");
        shard.run("zadd l 0 a 0 b 0 c 0 d 0 e");
        shard.check(&[
            ("zrange z 1 -2", "*3 $1 b $1 c $1 d"),
            ("zrange z -9223372036854775808 9223372036854775807 rev", "*5 $1 e $1 d $1 c $1 b $1 a"),
            ("zrange z 3 1", "*0"),
            ("zrange z 5 9", "*0"),
            ("zrevrange z 0 1 withscores", "*4 $1 e $1 5 $1 d $1 4"),
            ("zrange z (1 4 byscore", "*3 $1 b $1 c $1 d"),
            ("zrange z 4 (1 byscore rev limit 1 9", "*2 $1 c $1 b"),
            ("zrangebyscore z -inf +inf limit 1 2", "*2 $1 b $1 c"),
            ("zrangebyscore z 2 inf withscores limit 3 -5", "*2 $1 e $1 5"),
            ("zrangebyscore z 1 5 limit -1 5", "*0"),
            ("zrangebyscore z 1 5 limit 9 5", "*0"),
            ("zrangebyscore z 5 1", "*0"),
            ("zrevrangebyscore z 3 1 limit 0 2", "*2 $1 c $1 b"),
            ("zrange l [b (d bylex", "*2 $1 b $1 c"),
            ("zrange l + - bylex rev limit 1 2", "*2 $1 d $1 c"),
            ("zrangebylex l - [c", "*3 $1 a $1 b $1 c"),
            ("zrevrangebylex l [c (a", "*2 $1 c $1 b"),
            ("zrangebylex l + -", "*0"),
            ("zcount z (1 (5", ":3"),
            ("zcount z 5 1", ":0"),
            ("zlexcount l [b +", ":4"),
            ("zlexcount none - +", ":0"),
            ("zrange none 0 -1", "*0"),
            ("zremrangebyscore z (4 inf", ":1"),
            ("zremrangebyrank z -1 -1", ":1"),
            ("zremrangebyrank z 5 9", ":0"),
            ("zremrangebylex l [a (c", ":2"),
            ("zrange z 0 -1", "*3 $1 a $1 b $1 c"),
            ("zrange l 0 -1", "*3 $1 c $1 d $1 e"),
            ("zrangestore d z 1 -1", ":2"),
            ("zrange d 0 -1 withscores", "*4 $1 b $1 2 $1 c $1 3"),
            ("zrangestore d z 3 (1 byscore rev limit 0 1", ":1"),
            ("zrange d 0 -1", "*1 $1 c"),
            ("zrangestore d none 0 -1", ":0"),
            ("exists d", ":0"),
            ("zrangestore z z 0 0", ":1"),
            ("zremrangebyrank z 0 -1", ":1"),
            ("exists z", ":0"),
        ]);
    }
}

#[test]
fn wrong_ranges_are_refused_before_the_key_is_looked_at() {
    OneShard::new().check(&[
        ("set s x", "+OK"),
        ("zrange s a 1", "-ERR value is not an integer or out of range"),
        ("zrange s 0 1", WRONG),
        ("zrange s 0 1 bylex byscore", "-ERR syntax error"),
        ("zrange s 0 1 what", "-ERR syntax error"),
        ("zrange s 0 1 limit 0", "-ERR syntax error"),
        ("zrange s 0 1 limit 0 x byscore", "-ERR value is not an integer or out of range"),
        (
            "zrange s 0 1 limit 0 1",
            "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ),
        ("zrange s 0 1 limit 3 -1", WRONG),
        (
            "zrange s - + bylex withscores",
            "-ERR syntax error, WITHSCORES not supported in combination with BYLEX",
        ),
        ("zrange s a 1 byscore", "-ERR min or max is not a float"),
        ("zrangebyscore s nan 1", "-ERR min or max is not a float"),
        ("zrangebyscore s ( 1e999", WRONG),
        ("zrangebyscore s 1 2 byscore", "-ERR syntax error"),
        ("zrevrange s 0 1 rev", "-ERR syntax error"),
        ("zrangebylex s a +", "-ERR min or max not valid string range item"),
        ("zlexcount s - x", "-ERR min or max not valid string range item"),
        ("zcount s 1 x", "-ERR min or max is not a float"),
        ("zremrangebyscore s x 1", "-ERR min or max is not a float"),
        ("zremrangebyrank s x 1", "-ERR value is not an integer or out of range"),
        ("zremrangebyrank s 0 1", WRONG),
        ("zrangestore d s 0 1 withscores", "-ERR syntax error"),
        ("zrangestore d s 0 1", WRONG),
    ]);
}

#[test]
fn members_are_popped_from_both_ends() {
    for mut shard in both() {
        shard.run("zadd z 1 a 2 b 3 c 4 d 5 e 6 f");
        shard.check(&[
            ("zpopmin z", "*2 $1 a $1 1"),
            ("zpopmax z 2", "*4 $1 f $1 6 $1 e $1 5"),
            ("zpopmin z 0", "*0"),
            ("zpopmin z -1", "-ERR value is out of range, must be positive"),
            ("zpopmin z 1 1", "-ERR syntax error"),
            ("zmpop 2 none z max count 1", "*2 $1 z *1 *2 $1 d $1 4"),
            ("zmpop 1 z MIN", "*2 $1 z *1 *2 $1 b $1 2"),
            ("zmpop 1 z min count 9", "*2 $1 z *1 *2 $1 c $1 3"),
            ("exists z", ":0"),
            ("zmpop 1 z min", "*-1"),
            ("zpopmin z", "*0"),
            ("zpopmax z 3", "*0"),
            ("zmpop 0 z min", "-ERR numkeys should be greater than 0"),
            ("zmpop 1 z up", "-ERR syntax error"),
            ("zmpop 9223372036854775807 z min", "-ERR syntax error"),
            ("zmpop 1 z min count 0", "-ERR count should be greater than 0"),
            ("zmpop 1 z min count 1 x", "-ERR syntax error"),
            ("set s x", "+OK"),
            ("zpopmin s 0", WRONG),
            ("zmpop 2 z s min", WRONG),
            ("zadd z 1 a 2 b", ":2"),
        ]);
        shard.proto = Proto::Resp3;
        shard.check(&[("zpopmin z", "*2 $1 a ,1"), ("zpopmin z 5", "*1 *2 $1 b ,2"), ("zmpop 1 z min", "_")]);
    }
}

#[test]
fn scores_have_a_form_of_their_own_in_resp3() {
    for mut shard in both() {
        shard.proto = Proto::Resp3;
        shard.check(&[
            ("zadd z 1.5 a inf b", ":2"),
            ("zscore z a", ",1.5"),
            ("zscore z x", "_"),
            ("zadd z incr 1 a", ",2.5"),
            ("zrange z 0 -1 withscores", "*2 *2 $1 a ,2.5 *2 $1 b ,inf"),
            ("zrank z b withscore", "*2 :1 ,inf"),
            ("zunion 1 z withscores", "*2 *2 $1 a ,2.5 *2 $1 b ,inf"),
            ("zrandmember z 2 withscores", "*2 *2 $1 a ,2.5 *2 $1 b ,inf"),
            ("zscan z 0 match a", "*2 $1 0 *2 $1 a $3 2.5"),
            ("zscan z 0 match a noscores", "*2 $1 0 *1 $1 a"),
        ]);
    }
}

#[test]
fn sets_are_combined() {
    for mut shard in both() {
        shard.run("zadd a 1 x 2 y 3 z");
        shard.run("zadd b 10 y 20 z 30 w");
        shard.run("sadd p y z");
        shard.check(&[
            ("zunion 2 a b withscores", "*8 $1 x $1 1 $1 y $2 12 $1 z $2 23 $1 w $2 30"),
            ("zunion 2 a none weights 2 1 withscores", "*6 $1 x $1 2 $1 y $1 4 $1 z $1 6"),
            ("zinter 2 a b aggregate max withscores", "*4 $1 y $2 10 $1 z $2 20"),
            ("zinter 3 a b p weights 1 1 100 withscores", "*4 $1 y $3 112 $1 z $3 123"),
            ("zinter 2 a none", "*0"),
            ("zdiff 2 a b withscores", "*2 $1 x $1 1"),
            ("zdiff 2 a p", "*1 $1 x"),
            ("zdiff 2 none a", "*0"),
            ("zintercard 2 a b", ":2"),
            ("zintercard 2 a b limit 1", ":1"),
            ("zintercard 2 a b limit 0", ":2"),
            ("zunionstore d 2 a b aggregate min", ":4"),
            ("zrange d 0 -1 withscores", "*8 $1 x $1 1 $1 y $1 2 $1 z $1 3 $1 w $2 30"),
            ("zinterstore d 1 p", ":2"),
            ("zrange d 0 -1 withscores", "*4 $1 y $1 1 $1 z $1 1"),
            ("zdiffstore a 2 a b", ":1"),
            ("zdiffstore d 2 a a", ":0"),
            ("exists d", ":0"),
            ("zadd i inf x -inf y", ":2"),
            ("zunion 1 i weights 0 withscores", "*4 $1 x $1 0 $1 y $1 0"),
            ("zadd j -inf x", ":1"),
            ("zinter 2 i j withscores", "*2 $1 x $1 0"),
        ]);
    }
}

#[test]
fn wrong_combinations_are_refused() {
    OneShard::new().check(&[
        ("zadd z 1 a", ":1"),
        ("set s x", "+OK"),
        ("zunion 0 z", "-ERR at least 1 input key is needed for 'zunion' command"),
        ("ZDIFFSTORE d 0 z", "-ERR at least 1 input key is needed for 'zdiffstore' command"),
        ("zintercard x z", "-ERR value is not an integer or out of range"),
        ("zinter 2 z", "-ERR syntax error"),
        ("zunion 1 s what", WRONG),
        ("zintercard 1 s limit -1", WRONG),
        ("zunion 1 z weights", "-ERR syntax error"),
        ("zunion 1 z weights 1 2", "-ERR syntax error"),
        ("zunion 1 z weights nan", "-ERR weight value is not a float"),
        ("zunion 1 z aggregate", "-ERR syntax error"),
        ("zunion 1 z aggregate avg", "-ERR syntax error"),
        ("zunionstore d 1 z withscores", "-ERR syntax error"),
        ("zdiff 1 z weights 1", "-ERR syntax error"),
        ("zinter 1 z limit 1", "-ERR syntax error"),
        ("zintercard 1 z limit -1", "-ERR LIMIT can't be negative"),
        ("zintercard 1 z limit", "-ERR syntax error"),
        ("zintercard 1 z withscores", "-ERR syntax error"),
    ]);
}

#[test]
fn members_by_chance_come_in_the_number_that_is_asked_for() {
    for mut shard in both() {
        shard.check(&[
            ("zrandmember z", "$-1"),
            ("zrandmember z 3", "*0"),
            ("zadd z 1 a", ":1"),
            ("zrandmember z", "$1 a"),
            ("zrandmember z 5", "*1 $1 a"),
            ("zrandmember z -2 withscores", "*4 $1 a $1 1 $1 a $1 1"),
            ("zrandmember z 0", "*0"),
            ("zrandmember z x", "-ERR value is not an integer or out of range"),
            ("zrandmember z 1 what", "-ERR syntax error"),
            ("zrandmember z 1 withscores x", "-ERR syntax error"),
            ("zrandmember z 9223372036854775807 withscores", "-ERR value is out of range"),
        ]);
        shard.run("del z");
        shard.run("zadd z 0 a 1 b 2 c 3 d 4 e 5 f 6 g 7 h 8 i 9 j");
        let mut draws = std::collections::BTreeMap::new();
        for _ in 0..3000 {
            let lines = ["zrandmember z 3", "zrandmember z -2", "zrandmember z 1"];
            for reply in lines.map(|line| shard.run(line)) {
                for word in reply.split(' ').filter(|word| !word.starts_with(['$', '*'])) {
                    *draws.entry(word.to_string()).or_insert(0) += 1;
                }
            }
        }
        // Eighteen hundred times each, give or take five standard deviations.
        assert!(draws.len() == 10 && draws.values().all(|count| (1600..2000).contains(count)), "{draws:?}");
    }
}

#[test]
fn a_grown_set_is_renamed_copied_and_scanned() {
    let mut shard = OneShard::new();
    let members: Vec<String> = (0..2000).map(|number| format!("{number} m{number}")).collect();
    shard.run(&format!("zadd z {}", members.join(" ")));
    shard.check(&[("rename z t", "+OK"), ("copy t u", ":1"), ("move u 1", ":1"), ("zrem t m7", ":1")]);
    let (mut cursor, mut seen) = ("0".to_string(), std::collections::BTreeSet::new());
    loop {
        let reply = shard.run(&format!("zscan t {cursor} count 50 match m*"));
        let words: Vec<&str> = reply.split(' ').collect();
        cursor = words[2].to_string();
        seen.extend(words[4..].iter().filter(|word| word.starts_with('m')).map(|word| word.to_string()));
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen.len(), 1999);
    shard.db = 1;
    shard.check(&[("zcard u", ":2000"), ("zscore u m7", "$1 7"), ("scan 0 type zset", "*2 $1 0 *1 $1 u")]);
    let usage = shard.run("memory usage u");
    let bytes: u64 = usage[1..].parse().unwrap();
    assert!((40_000..100_000).contains(&bytes), "{bytes}");
}

#[test]
fn a_zero_has_a_sign_in_grown_sets_only() {
    let mut one = OneShard::new();
    for number in 0..200 {
        one.run(&format!("zadd large 0 m{number}"));
    }
    one.run("zadd small 0 a 1 b");
    for (line, reply) in [
        ("zunionstore negative 1 large weights -1", ":200"),
        ("zscore negative m7", "$2 -0"),
        ("zadd negative 0 m7", ":0"),
        ("zscore negative m7", "$2 -0"),
        ("zunionstore negative 1 small weights -1", ":2"),
        ("zscore negative a", "$1 0"),
        ("zadd small -0 c", ":1"),
        ("zscore small c", "$1 0"),
    ] {
        assert_eq!(one.run(line), reply, "{line}");
    }
}
