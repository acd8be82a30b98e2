//! What becomes of large collections when they go, turn by turn: however one goes, no turn does more than a slice of the
//! work. Counted are blocks of memory, which is the same on every machine and under any load.

use crate::blocking::{ask, connect, say};
use crate::counting::Work;
use crate::world::{World, over_seeds};

/// Members of a large collection: some ten slices of blocks.
const MEMBERS: usize = 150_000;

/// Blocks that a turn may free: the largest slice (`LARGE_SLICE_BLOCKS`), and what it frees besides.
const FREED_MAX: u64 = 4096 + 1500;

/// Blocks that it may take: a slice of a copy, and what it takes besides.
const TAKEN_MAX: u64 = 1024 + 1500;

/// Collections whose blocks are worth several slices.
const KINDS: [&str; 4] = ["hash", "set", "list", "zset"];

/// Sends commands of many members, as they go over a wire at its best.
fn fill(world: &mut World, client: usize, key: &str, kind: &str) {
    for first in (0..MEMBERS).step_by(1000) {
        let mut words = vec![
            match kind {
                "hash" => "HSET",
                "set" => "SADD",
                "list" => "RPUSH",
                _ => "ZADD",
            }
            .to_string(),
            key.to_string(),
        ];
        for number in first..first + 1000 {
            match kind {
                "hash" => words.extend([format!("field:{number}"), number.to_string()]),
                "zset" => words.extend([number.to_string(), format!("member:{number}")]),
                _ => words.push(format!("member:{number}")),
            }
        }
        send(world, client, &words);
    }
}

/// Says words at once, and turns until their reply is there.
fn send(world: &mut World, client: usize, words: &[String]) -> Vec<String> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).bytes());
    }
    world.clients[client].wire.borrow_mut().up.extend(bytes);
    ask(world, client, &[])
}

fn call(world: &mut World, client: usize, words: &str) -> Vec<String> {
    let words: Vec<String> = words.split(' ').map(str::to_string).collect();
    send(world, client, &words)
}

fn used(world: &mut World, client: usize) -> u64 {
    let info = call(world, client, "INFO memory");
    let line = info[0].lines().find_map(|line| line.strip_prefix("used_memory_dataset:"));
    line.expect("INFO tells of the data").parse().expect("a number")
}

/// A world with one large collection, and a client.
fn world_with(seed: u64, kind: &str, settings: &[(&[u8], &[u8])]) -> (World, usize) {
    // Many blocks for a list as well, which has few otherwise.
    let small = (&b"list-max-listpack-size"[..], &b"4"[..]);
    let settings: Vec<_> = settings.iter().copied().chain([small]).collect();
    let mut world = World::new(seed, &settings);
    let client = connect(&mut world);
    fill(&mut world, client, "large", kind);
    (world, client)
}

/// Turns until nothing of what has gone is left, and checks what each turn did.
fn settle(world: &mut World, case: &str) {
    let seed = world.seed;
    let mut quiet = 0;
    let mut turns = 0;
    while quiet < 400 {
        let before = world.done;
        // What looks now and then for what has expired looks.
        world.pass(2_000);
        world.step();
        quiet = if world.done.since(before).freed > 500 { 0 } else { quiet + 1 };
        turns += 1;
        assert!(turns < 60_000, "seed {seed}: {case}: it does not end");
    }
    assert!(
        world.most.freed <= FREED_MAX && world.most.taken <= TAKEN_MAX,
        "seed {seed}: {case}: a turn did {:?}",
        world.most
    );
}

#[test]
fn however_a_large_collection_goes_no_turn_frees_more_than_a_slice() {
    let ways = [
        "DEL large",
        "UNLINK large",
        "FLUSHALL",
        "FLUSHDB",
        "FLUSHALL ASYNC",
        "SET large x",
        "RENAME small large",
        "SUNIONSTORE large small",
        "ZUNIONSTORE large 1 small",
        "COPY small large REPLACE",
        "SORT small ALPHA STORE large",
        "PEXPIRE large 5",
        "trim",
    ];
    over_seeds(2, |seed| {
        for (number, way) in ways.iter().enumerate() {
            let kind = KINDS[(number + seed as usize) % KINDS.len()];
            let (mut world, client) = world_with(seed + number as u64, kind, &[]);
            call(&mut world, client, "SADD small a b c");
            let before = used(&mut world, client);
            let words = match (*way, kind) {
                ("trim", "list") => "LTRIM large 5 14",
                ("trim", "zset") => "ZREMRANGEBYRANK large 10 -1",
                ("trim", _) => "RENAME large small",
                (way, _) => way,
            };
            world.most = Work::default();
            call(&mut world, client, words);
            world.pass(10_000);
            settle(&mut world, &format!("{words} of a {kind}"));
            if words != "RENAME large small" {
                let after = used(&mut world, client);
                assert!(after * 4 < before, "seed {seed}: {words}: {after} of {before} bytes are left");
            }
        }
    });
}

#[test]
fn a_copy_of_a_large_collection_is_made_in_slices_and_is_its_own() {
    over_seeds(2, |seed| {
        for kind in KINDS {
            let (mut world, client) = world_with(seed, kind, &[]);
            let other = connect(&mut world);
            let (change, count, find) = match kind {
                "hash" => ("HSET large new 1", "HLEN", "HEXISTS"),
                "set" => ("SADD large new", "SCARD", "SISMEMBER"),
                "list" => ("RPUSH large new", "LLEN", "LPOS"),
                _ => ("ZADD large 0 new", "ZCARD", "ZSCORE"),
            };
            let before = used(&mut world, client);
            world.most = Work::default();
            // Others read and change what is copied meanwhile, at whatever moment of it.
            say(&mut world, client, &["COPY", "large", "copy"]);
            (0..seed * 100).for_each(|_| world.step());
            assert_eq!(call(&mut world, other, &format!("{count} large")), [format!(":{MEMBERS}")]);
            let changed = call(&mut world, other, change);
            assert!(!changed[0].starts_with('-'), "seed {seed}: {changed:?}");
            assert_eq!(ask(&mut world, client, &[]), [":1"], "seed {seed}");
            settle(&mut world, &format!("a copy of a {kind} and a change"));
            let mut has = |key: &str| {
                let found = call(&mut world, client, &format!("{find} {key} new"));
                let members = call(&mut world, client, &format!("{count} {key}"));
                let more = usize::from(found != [":0"] && found != ["(nil)"]);
                assert_eq!(members, [format!(":{}", MEMBERS + more)], "seed {seed}: {key} of a {kind}");
                more == 1
            };
            assert!(has("large"), "seed {seed}: what was changed is changed");
            has("copy");
            call(&mut world, client, &change.replace("large", "copy"));
            let after = used(&mut world, client);
            assert!(
                after > before + before / 2,
                "seed {seed}: {after} bytes after {before}: each has its own"
            );
            world.most = Work::default();
            call(&mut world, client, "DEL large copy");
            settle(&mut world, &format!("both {kind}s"));
            assert!(used(&mut world, client) * 4 < before, "seed {seed}: nothing is left");
            assert_eq!(world.unfinished(), 0, "seed {seed}");
        }
    });
}

/// Names that one client listens to.
const NAMES: usize = 20_000;

#[test]
fn who_listened_to_very_much_leaves_in_slices() {
    over_seeds(3, |seed| {
        let mut world = World::new(seed, &[]);
        let (client, stays) = (connect(&mut world), connect(&mut world));
        for first in (0..NAMES).step_by(1000) {
            let names = (first..first + 1000).map(|number| format!("channel:{number}"));
            let words: Vec<String> = ["SUBSCRIBE".to_string()].into_iter().chain(names).collect();
            // A confirmation for each.
            send(&mut world, client, &words);
            (1..1000).for_each(|_| drop(ask(&mut world, client, &[])));
        }
        call(&mut world, stays, "SUBSCRIBE channel:7");
        assert_eq!(world.listened(), NAMES * world.cores.len());
        let control = connect(&mut world);
        world.most = Work::default();
        world.clients[client].wire.borrow_mut().reset = true;
        // Whoever comes into its place hears nothing of what it listened to.
        let next = connect(&mut world);
        call(&mut world, next, "SUBSCRIBE other");
        let mut turns = 0;
        while world.listened() > 2 * world.cores.len() {
            let count = call(&mut world, control, "PUBLISH channel:19999 hello");
            assert!([":0", ":1"].contains(&count[0].as_str()), "seed {seed}: {count:?}");
            turns += 1;
            assert!(turns < 10_000, "seed {seed}: {} names are left", world.listened());
        }
        assert!(world.clients[next].wire.borrow().down.is_empty(), "seed {seed}");
        // Of each name its place, its audience of both kinds and itself, on every core; and the client's own.
        assert!(world.most.freed < 8_000, "seed {seed}: a turn did {:?}", world.most);
        assert_eq!(call(&mut world, control, "PUBLISH channel:7 hello"), [":1"]);
        assert_eq!(ask(&mut world, stays, &[]), ["message", "channel:7", "hello"]);
        assert_eq!(world.unfinished(), 0, "seed {seed}");
    });
}
