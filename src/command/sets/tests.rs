use crate::command::one_shard::OneShard;
use crate::protocol::Proto;

#[test]
fn members_are_added_asked_for_and_removed() {
    let mut shard = OneShard::new();
    shard.check(&[
        ("sadd s 3 1 2 1", ":3"),
        ("object encoding s", "$6 intset"),
        ("smembers s", "*3 $1 1 $1 2 $1 3"),
        ("sismember s 2", ":1"),
        ("smismember s 1 9 x", "*3 :1 :0 :0"),
        ("scard s", ":3"),
        ("sadd s x", ":1"),
        ("object encoding s", "$8 listpack"),
        ("srem s 1 9 x", ":2"),
        ("smembers s", "*2 $1 2 $1 3"),
        ("srem s 2 3", ":2"),
        ("exists s", ":0"),
        ("scard s", ":0"),
        ("smembers s", "*0"),
        ("spop s", "$-1"),
        ("spop s 3", "*0"),
        ("srandmember s", "$-1"),
        ("srandmember s 3", "*0"),
        ("sscan s 0", "*2 $1 0 *0"),
    ]);
    shard.proto = Proto::Resp3;
    shard.check(&[
        ("smembers s", "~0"),
        ("sadd s a", ":1"),
        ("smembers s", "~1 $1 a"),
        ("spop s 9", "~1 $1 a"),
    ]);
}

#[test]
fn a_set_grows_as_its_limits_say() {
    let mut shard = OneShard::new();
    (shard.shard.limits.set_ints, shard.shard.limits.set_entries) = (3, 4);
    shard.check(&[
        ("sadd i 1 2 3", ":3"),
        ("object encoding i", "$6 intset"),
        ("sadd i 4", ":1"),
        ("object encoding i", "$9 hashtable"),
        ("sadd l a b c d", ":4"),
        ("object encoding l", "$8 listpack"),
        ("sadd l a", ":0"),
        ("sadd l e", ":1"),
        ("object encoding l", "$9 hashtable"),
        ("scard l", ":5"),
        ("smismember l a b c d e f", "*6 :1 :1 :1 :1 :1 :0"),
    ]);
    shard.run(&format!("sadd v {}", "x".repeat(65)));
    shard.check(&[("object encoding v", "$9 hashtable")]);
}

#[test]
fn members_by_chance_come_in_the_number_that_is_asked_for() {
    OneShard::new().check(&[
        ("sadd s a", ":1"),
        ("srandmember s", "$1 a"),
        ("srandmember s -2", "*2 $1 a $1 a"),
        ("srandmember s 2", "*1 $1 a"),
        ("srandmember s 0", "*0"),
        (
            "srandmember s -9223372036854775808",
            "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ),
        ("srandmember s -9223372036854775807", "-ERR value is out of range"),
        ("srandmember s x", "-ERR value is not an integer or out of range"),
        ("srandmember s 1 2", "-ERR syntax error"),
        ("spop s -1", "-ERR value is out of range, must be positive"),
        ("spop s 0", "*0"),
        ("spop s", "$1 a"),
        ("exists s", ":0"),
    ]);
}

#[test]
fn what_is_popped_is_gone_and_was_there() {
    let mut shard = OneShard::new();
    let members: Vec<String> = (0..1000).map(|number| format!("m{number}")).collect();
    shard.run(&format!("sadd s {}", members.join(" ")));
    let popped = shard.run("spop s 300");
    let popped: Vec<&str> = popped.split(' ').skip(1).filter(|word| !word.starts_with('$')).collect();
    assert_eq!(popped.len(), 300);
    assert!(popped.iter().all(|member| shard.run(&format!("sismember s {member}")) == ":0"));
    shard.check(&[("scard s", ":700")]);
    for count in [50, 600, 700] {
        let drawn = shard.run(&format!("srandmember s {count}"));
        let mut drawn: Vec<&str> = drawn.split(' ').skip(1).filter(|word| !word.starts_with('$')).collect();
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), count);
    }
}

#[test]
fn sets_are_combined() {
    let mut shard = OneShard::new();
    shard.run("sadd a 1 2 3 x");
    shard.run("sadd b 2 3 4");
    shard.check(&[
        ("sinter a b", "*2 $1 2 $1 3"),
        ("sunion a b none", "*5 $1 1 $1 2 $1 3 $1 x $1 4"),
        ("sdiff a b", "*2 $1 1 $1 x"),
        ("sdiff none a", "*0"),
        ("sinter a none", "*0"),
        ("sintercard 2 a b", ":2"),
        ("sintercard 2 a b limit 1", ":1"),
        ("sintercard 2 a b limit 0", ":2"),
        ("sintercard 0 a", "-ERR numkeys should be greater than 0"),
        ("sintercard 3 a b", "-ERR Number of keys can't be greater than number of args"),
        ("sintercard 2 a b limit -1", "-ERR LIMIT can't be negative"),
        ("sintercard 2 a b what 1", "-ERR syntax error"),
        ("sinterstore d a b", ":2"),
        ("object encoding d", "$6 intset"),
        ("smembers d", "*2 $1 2 $1 3"),
        ("sunionstore a a b", ":5"),
        ("scard a", ":5"),
        ("set d x", "+OK"),
        ("sdiffstore d b a", ":0"),
        ("exists d", ":0"),
        ("set w x", "+OK"),
        ("sunion a w", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("sinterstore d none w", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ]);
}

#[test]
fn a_member_moves() {
    OneShard::new().check(&[
        ("sadd a 1 x", ":2"),
        ("smove a b x", ":1"),
        ("smove a b x", ":0"),
        ("smove a a 1", ":1"),
        ("smove none b 1", ":0"),
        ("smembers b", "*1 $1 x"),
        ("smove a b 1", ":1"),
        ("exists a", ":0"),
        ("scard b", ":2"),
        ("set w x", "+OK"),
        ("smove b w x", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("smove w b x", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("smove none w x", ":0"),
    ]);
}

#[test]
fn a_grown_set_is_renamed_copied_and_scanned() {
    let mut shard = OneShard::new();
    let members: Vec<String> = (0..2000).map(|number| format!("m{number}")).collect();
    shard.run(&format!("sadd s {}", members.join(" ")));
    shard.check(&[("rename s t", "+OK"), ("copy t u", ":1"), ("move u 1", ":1"), ("srem t m7", ":1")]);
    let (mut cursor, mut seen) = ("0".to_string(), std::collections::BTreeSet::new());
    loop {
        let reply = shard.run(&format!("sscan t {cursor} count 50 match m*"));
        let words: Vec<&str> = reply.split(' ').collect();
        cursor = words[2].to_string();
        seen.extend(words[4..].iter().filter(|word| word.starts_with('m')).map(|word| word.to_string()));
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen.len(), 1999);
    shard.db = 1;
    shard.check(&[("scard u", ":2000"), ("sismember u m7", ":1")]);
    let usage = shard.run("memory usage u");
    let bytes: u64 = usage[1..].parse().unwrap();
    assert!((10_000..40_000).contains(&bytes), "{bytes}");
}

#[test]
fn every_member_of_a_small_set_is_drawn_as_often() {
    let mut shard = OneShard::new();
    for members in ["0 1 2 3 4 5 6 7 8 9", "a b c d e f g h i j"] {
        shard.run("del s");
        shard.run(&format!("sadd s {members}"));
        let mut draws = std::collections::BTreeMap::new();
        for _ in 0..3000 {
            let reply = shard.run("srandmember s 3")
                + " "
                + &shard.run("srandmember s -2")
                + " "
                + &shard.run("srandmember s");
            for word in reply.split(' ').filter(|word| !word.starts_with(['$', '*'])) {
                *draws.entry(word.to_string()).or_insert(0) += 1;
            }
        }
        // Eighteen hundred times each, give or take five standard deviations.
        assert!(draws.len() == 10 && draws.values().all(|count| (1600..2000).contains(count)), "{draws:?}");
    }
}
