//! The simulator: cores without sockets and threads, whole clients against one to four cores whose turns, mail, bytes and
//! clock move as a seed decides. `LARDER_SEED` replays one, `LARDER_SEED_TIMES=10` runs ten times as many.
//!
//! | file | has |
//! |---|---|
//! | `world` | the cores, their clock, the ways of their mail |
//! | `driver` | connections that are queues of bytes |
//! | `faults` | what goes wrong, how often, and how often it did |
//! | `script` | clients of their own keys, whose replies are known beforehand |
//! | `kernel` | TLS as the kernel does it |
//! | `main`, `pressure`, `blocking`, `listening`, `secure`, `slices` | scenarios that promise something of their own |
//! | `random` | random traffic on shared keys, checked as a history |
//! | `checker` | whether a history is linearizable |

mod blocking;
mod checker;
mod counting;
mod driver;
mod faults;
mod kernel;
mod listening;
mod pressure;
mod random;
mod script;
mod secure;
mod slices;
mod world;

use driver::Dice;
use script::Script;
use world::{World, over_seeds};

fn conversation(world: &mut World, dice: &mut Dice, name: usize, requests: usize) -> usize {
    let mut script = Script::new(name);
    let (memcache, ask): (bool, fn(&mut Script, &mut Dice)) = match dice.below(6) {
        0 => (true, Script::memcache),
        1 => (true, Script::binary),
        _ => (false, Script::resp),
    };
    (0..requests).for_each(|_| ask(&mut script, dice));
    world.connect(memcache, script.requests, script.expected)
}

#[test]
fn each_client_is_answered_as_if_it_were_alone() {
    over_seeds(1000, |seed| {
        let mut world = World::new(seed, &[]);
        let mut dice = Dice(seed ^ 0xa5a5);
        for name in 0..1 + dice.below(6) {
            conversation(&mut world, &mut dice, name, 60);
        }
        world.finish();
    });
}

#[test]
fn clients_that_vanish_leave_nothing_behind_and_disturb_nobody() {
    over_seeds(1000, |seed| {
        let mut world = World::new(seed, &[]);
        let mut dice = Dice(seed ^ 0x5a5a);
        let mut name = 0;
        for _ in 0..8 {
            for _ in 0..1 + dice.below(4) {
                conversation(&mut world, &mut dice, name, 30);
                name += 1;
            }
            (0..dice.below(300)).for_each(|_| world.step());
            for client in &mut world.clients {
                if dice.once_in(3) {
                    client.wire.borrow_mut().reset = true;
                } else if dice.once_in(3) && client.script.is_empty() {
                    // It has said all: it is owed the replies, and then the end.
                    client.wire.borrow_mut().ended = true;
                }
            }
        }
        world.finish();
    });
}

#[test]
fn pauses_monitors_and_questions_to_all_cores_disturb_nobody() {
    over_seeds(1000, |seed| {
        let mut world = World::new(seed, &[]);
        let mut dice = Dice(seed ^ 0x3c3c);
        for name in 0..1 + dice.below(4) {
            conversation(&mut world, &mut dice, name, 40);
        }
        for _ in 0..1 + dice.below(4) {
            let mut script = Script::new(0);
            (0..40).for_each(|_| script.noise(&mut dice));
            let client = world.connect(false, script.requests, Vec::new());
            world.clients[client].noise = true;
            if dice.once_in(3) {
                world.clients[client].wire.borrow_mut().window = dice.below(3000);
            }
        }
        world.finish();
    });
}

#[test]
fn what_follows_auth_in_the_same_bytes_has_its_rights() {
    over_seeds(20, |seed| {
        let mut world = World::new(seed, &[(b"requirepass", b"secret")]);
        let mut script = Script::new(0);
        let (key, value) = (script.key(0), vec![b'v'; 30_000]);
        script.say(&[b"AUTH", b"secret"]);
        script.say(&[b"SET", &key, &value]);
        script.expected.extend(b"+OK\r\n+OK\r\n");
        script.say(&[&[&b"EXISTS"[..]], &vec![&key[..]; 50][..]].concat());
        script.expected.extend(b":50\r\n");
        world.connect(false, script.requests, script.expected);
        world.finish();
    });
}

/// Transactions that count on all of some keys at once, and reads of all of them: every reply shows one number.
/// It is none that had been passed when the reader asked.
#[test]
fn reads_of_many_keys_see_one_moment() {
    over_seeds(1000, |seed| {
        let mut world = World::new(seed, &[]);
        let mut dice = Dice(seed ^ 0x77);
        let keys: Vec<Vec<u8>> = (0..5).map(|key| format!("shared:{key}").into_bytes()).collect();
        let clients: Vec<usize> =
            (0..2 + dice.below(4)).map(|_| world.connect(false, Vec::new(), Vec::new())).collect();
        let mut asked: Vec<Option<(bool, i64)>> = vec![None; clients.len()];
        let mut acknowledged = 0;
        let mut left = 60;
        for _ in 0..60_000 {
            if left == 0 && asked.iter().all(Option::is_none) {
                break;
            }
            for &client in &clients {
                let down = world.clients[client].wire.borrow().down.clone();
                if let Some((writes, least)) = asked[client] {
                    let Some(numbers) = numbers(&down, writes, keys.len()) else { continue };
                    assert!(numbers.iter().all(|n| *n == numbers[0]), "seed {seed}: torn: {numbers:?}");
                    assert!(
                        numbers[0] >= least + i64::from(writes),
                        "seed {seed}: {numbers:?} after {least}"
                    );
                    acknowledged = acknowledged.max(numbers[0]);
                    world.clients[client].wire.borrow_mut().down.clear();
                    asked[client] = None;
                }
                if asked[client].is_none() && left > 0 && dice.once_in(3) {
                    left -= 1;
                    let writes = dice.once_in(2);
                    let mut script = Script::new(0);
                    let mut order: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
                    let turned = dice.below(order.len());
                    order.rotate_left(turned);
                    if writes {
                        script.say(&[b"MULTI"]);
                        order.iter().for_each(|key| script.say(&[b"INCR", key]));
                        script.say(&[b"EXEC"]);
                    } else {
                        script.say(&[&[&b"MGET"[..]], &order[..]].concat());
                    }
                    world.clients[client].script = script.requests;
                    asked[client] = Some((writes, acknowledged));
                }
            }
            world.step();
        }
        assert!(
            left == 0 && asked.iter().all(Option::is_none),
            "seed {seed}: {left} left, {asked:?} unanswered"
        );
        (0..2000).for_each(|_| world.step());
        assert_eq!(world.unfinished(), 0, "seed {seed}");
    });
}

/// Several values are stored together or not at all, whatever the other clients fill meanwhile.
#[test]
fn a_full_store_takes_all_of_several_values_or_none() {
    over_seeds(60, |seed| {
        let mut world = World::new(seed, &[(b"maxmemory", b"4mb"), (b"maxmemory-policy", b"noeviction")]);
        let mut dice = Dice(seed ^ 0x33);
        let clients: Vec<usize> = (0..3).map(|_| world.connect(false, Vec::new(), Vec::new())).collect();
        let mut asked: Vec<Option<Vec<Vec<u8>>>> = vec![None; clients.len()];
        let (mut stored, mut refused) = (Vec::new(), Vec::new());
        let mut left = 150;
        for _ in 0..60_000 {
            if left == 0 && asked.iter().all(Option::is_none) {
                break;
            }
            for &client in &clients {
                let down = world.clients[client].wire.borrow().down.clone();
                if let Some(keys) = asked[client].take_if(|_| down.ends_with(b"\r\n")) {
                    match &down[..] {
                        b"+OK\r\n" => stored.push(keys),
                        b"-OOM command not allowed when used memory > 'maxmemory'.\r\n" => refused.push(keys),
                        other => panic!("seed {seed}: {}", other.escape_ascii()),
                    }
                    world.clients[client].wire.borrow_mut().down.clear();
                }
                if asked[client].is_none() && left > 0 {
                    left -= 1;
                    let bytes = 20_000 + dice.below(60_000);
                    let keys: Vec<Vec<u8>> =
                        (0..2 + dice.below(5)).map(|key| format!("{left}:{key}").into_bytes()).collect();
                    let mut words: Vec<Vec<u8>> = vec![b"MSET".to_vec()];
                    keys.iter().for_each(|key| words.extend([key.clone(), vec![b'v'; bytes]]));
                    let mut script = Script::new(0);
                    script.say(&words.iter().map(Vec::as_slice).collect::<Vec<_>>());
                    world.clients[client].script = script.requests;
                    asked[client] = Some(keys);
                }
            }
            world.step();
        }
        assert!(
            left == 0 && !stored.is_empty() && !refused.is_empty(),
            "seed {seed}: {left} {}",
            refused.len()
        );
        let mut script = Script::new(0);
        for (all, there) in
            stored.iter().map(|keys| (keys, true)).chain(refused.iter().map(|keys| (keys, false)))
        {
            script.say(&[&[&b"EXISTS"[..]], &all.iter().map(Vec::as_slice).collect::<Vec<_>>()[..]].concat());
            script.expected.extend(format!(":{}\r\n", if there { all.len() } else { 0 }).into_bytes());
        }
        world.connect(false, script.requests, script.expected);
        world.finish();
    });
}

/// Clients watch keys and leave in all kinds of ways.
#[test]
fn a_watcher_that_has_left_is_forgotten() {
    over_seeds(300, |seed| {
        let mut world = World::new(seed, &[]);
        let mut dice = Dice(seed ^ 0x11);
        for _ in 0..6 {
            let mut script = Script::new(0);
            for _ in 0..1 + dice.below(20) {
                let key = |dice: &mut Dice| format!("watched:{}", dice.below(8)).into_bytes();
                match dice.below(9) {
                    0 => script.say(&[b"UNWATCH"]),
                    1 => script.say(&[b"RESET"]),
                    2 => script.say(&[b"SWAPDB", b"0", b"1"]),
                    3 => script.say(&[b"FLUSHALL"]),
                    4 => [&b"MULTI"[..], b"EXEC"].iter().for_each(|word| script.say(&[word])),
                    5 => [&b"MULTI"[..], b"DISCARD"].iter().for_each(|word| script.say(&[word])),
                    6 => script.say(&[b"SET", &key(&mut dice), b"v"]),
                    _ => script.say(&[b"WATCH", &key(&mut dice), &key(&mut dice), &key(&mut dice)]),
                }
            }
            let client = world.connect(false, script.requests, Vec::new());
            world.clients[client].noise = true;
        }
        for _ in 0..400 {
            world.step();
            if dice.once_in(60) {
                let client = dice.below(world.clients.len());
                world.clients[client].wire.borrow_mut().reset = true;
            }
        }
        world.clients.iter().for_each(|client| client.wire.borrow_mut().reset = true);
        (0..3000).for_each(|_| world.step());
        assert_eq!((world.unfinished(), world.watched()), (0, 0), "seed {seed}");
    });
}

/// The numbers of a reply, once all of it is there: of `EXEC` behind its `OK` and `QUEUED`, or of `MGET`.
fn numbers(down: &[u8], exec: bool, keys: usize) -> Option<Vec<i64>> {
    let text = std::str::from_utf8(down).unwrap();
    if !text.ends_with("\r\n") {
        return None;
    }
    let mut lines: Vec<&str> = text.lines().collect();
    if exec {
        let found =
            lines.get(keys + 2..)?.iter().map(|line| line[1..].parse().unwrap()).collect::<Vec<i64>>();
        return (found.len() == keys).then_some(found);
    }
    let mut found = Vec::new();
    lines.reverse();
    lines.pop()?;
    while let Some(line) = lines.pop() {
        found.push(if line == "$-1" { 0 } else { lines.pop()?.parse().unwrap() });
    }
    (found.len() == keys).then_some(found)
}

/// Members that move from set to set, over all cores, while others look: every look at all sets finds each member
/// once. The sets are large enough to be more than one item.
#[test]
fn a_member_that_moves_is_always_in_one_set() {
    const SETS: usize = 4;
    const MEMBERS: usize = 300;
    over_seeds(300, |seed| {
        let mut world = World::new(seed, &[(b"set-max-listpack-entries", b"50")]);
        let mut dice = Dice(seed ^ 0x4242);
        let names: Vec<Vec<u8>> = (0..SETS).map(|set| format!("set:{set}").into_bytes()).collect();
        let members: Vec<Vec<u8>> = (0..MEMBERS).map(|member| format!("m{member}").into_bytes()).collect();
        let mut first = Script::new(0);
        for (at, chunk) in members.chunks(MEMBERS / SETS).enumerate() {
            let words: Vec<&[u8]> = chunk.iter().map(Vec::as_slice).collect();
            first.say(&[&[b"SADD", &names[at][..]][..], &words[..]].concat());
            first.expected.extend(format!(":{}\r\n", words.len()).as_bytes());
        }
        world.connect(false, first.requests, first.expected);
        world.finish();
        for _ in 0..3 {
            let mut script = Script::new(0);
            for _ in 0..40 {
                let (from, to) = (dice.below(SETS), dice.below(SETS));
                script.say(&[b"SMOVE", &names[from], &names[to], &members[dice.below(MEMBERS)]]);
            }
            let client = world.connect(false, script.requests, Vec::new());
            world.clients[client].noise = true;
        }
        for _ in 0..2 {
            let mut script = Script::new(0);
            for _ in 0..10 {
                let all: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
                match dice.below(3) {
                    0 => {
                        script.say(&[&[&b"SUNIONSTORE"[..], b"all"], &all[..]].concat());
                        script.expected.extend(format!(":{MEMBERS}\r\n").as_bytes());
                    }
                    1 => {
                        script.say(&[&[&b"SINTERCARD"[..], b"2"], &all[..2]].concat());
                        script.expected.extend(b":0\r\n");
                    }
                    _ => {
                        script.say(&[&[&b"SINTER"[..]], &all[..]].concat());
                        script.expected.extend(b"*0\r\n");
                    }
                }
            }
            world.connect(false, script.requests, script.expected);
        }
        world.finish();
    });
}

/// Elements that go from list to list, over all cores: in the end each is in one list, once.
#[test]
fn elements_that_move_are_neither_lost_nor_doubled() {
    const LISTS: usize = 4;
    const ELEMENTS: usize = 60;
    over_seeds(150, |seed| {
        let mut world = World::new(seed, &[(b"list-max-listpack-size", b"5")]);
        let mut dice = Dice(seed ^ 0x1157);
        let names: Vec<Vec<u8>> = (0..LISTS).map(|list| format!("list:{list}").into_bytes()).collect();
        let elements: Vec<Vec<u8>> =
            (0..ELEMENTS).map(|element| format!("e{element}").into_bytes()).collect();
        let mut first = Script::new(0);
        for (at, chunk) in elements.chunks(ELEMENTS / LISTS).enumerate() {
            let words: Vec<&[u8]> = chunk.iter().map(Vec::as_slice).collect();
            first.say(&[&[b"RPUSH", &names[at][..]][..], &words[..]].concat());
            first.expected.extend(format!(":{}\r\n", words.len()).as_bytes());
        }
        world.connect(false, first.requests, first.expected);
        world.finish();
        // Which elements are answered is chance; how many replies there are is not.
        let answered = |world: &mut World, client: usize, replies: usize| {
            for _ in 0..200_000 {
                let down = world.clients[client].wire.borrow().down.clone();
                if down.iter().filter(|byte| matches!(byte, b'$' | b'*')).count() == replies
                    && down.ends_with(b"\r\n")
                {
                    return;
                }
                world.step();
            }
            panic!("seed {seed}: client {client} has no replies");
        };
        let mut movers = Vec::new();
        for _ in 0..4 {
            let mut script = Script::new(0);
            for _ in 0..40 {
                let (from, to) = (&names[dice.below(LISTS)], &names[dice.below(LISTS)]);
                let ends: [&[u8]; 2] = [b"LEFT", b"RIGHT"];
                match dice.below(4) {
                    0 => script.say(&[b"RPOPLPUSH", from, to]),
                    1 => script.say(&[b"LMPOP", b"2", b"none", b"empty", b"LEFT", b"COUNT", b"3"]),
                    _ => script.say(&[b"LMOVE", from, to, ends[dice.below(2)], ends[dice.below(2)]]),
                }
            }
            let client = world.connect(false, script.requests, Vec::new());
            world.clients[client].noise = true;
            movers.push(client);
        }
        movers.into_iter().for_each(|client| answered(&mut world, client, 40));
        let mut drain = Script::new(0);
        for name in names.iter().cycle().take(LISTS * ELEMENTS) {
            drain.say(&[b"LMOVE", name, b"all", b"LEFT", b"RIGHT"]);
        }
        let client = world.connect(false, drain.requests, Vec::new());
        world.clients[client].noise = true;
        answered(&mut world, client, LISTS * ELEMENTS);
        let mut last = Script::new(0);
        last.say(&[b"LLEN", b"all"]);
        last.expected.extend(format!(":{ELEMENTS}\r\n").as_bytes());
        for element in &elements {
            last.say(&[b"LREM", b"all", b"0", element]);
            last.expected.extend(b":1\r\n");
        }
        world.connect(false, last.requests, last.expected);
        world.finish();
    });
}

#[test]
fn the_server_stops_with_work_in_flight() {
    over_seeds(1000, |seed| {
        let mut world = World::new(seed, &[]);
        let mut dice = Dice(seed ^ 0x99);
        for name in 0..1 + dice.below(6) {
            conversation(&mut world, &mut dice, name, 40);
        }
        (0..dice.below(400)).for_each(|_| world.step());
        world.stop();
        for client in &world.clients {
            client.check(seed);
        }
    });
}

#[test]
fn who_never_reads_is_pushed_back_and_may_go_on_later() {
    over_seeds(40, |seed| {
        let mut world = World::new(seed, &[]);
        let mut script = Script::new(0);
        let (key, value) = (script.key(0), vec![b'v'; 20_000]);
        script.say(&[b"SET", &key, &value]);
        script.expected.extend(b"+OK\r\n");
        for _ in 0..600 {
            script.say(&[b"GET", &key]);
            script.expected.extend([b"$20000\r\n", &value[..], b"\r\n"].concat());
        }
        let client = world.connect(false, script.requests, script.expected);
        world.clients[client].wire.borrow_mut().window = 1000;
        (0..3000).for_each(|_| world.step());
        world.clients[client].wire.borrow_mut().window = usize::MAX;
        world.finish();
    });
}

#[test]
fn who_reads_slowly_is_served_and_who_stops_reading_is_closed_after_a_minute() {
    over_seeds(12, |seed| {
        let mut world = World::new(seed, &[]);
        let mut script = Script::new(0);
        let (key, value) = (script.key(0), vec![b'v'; 300_000]);
        script.say(&[b"SET", &key, &value]);
        script.say(&[b"GET", &key]);
        script.expected.extend([b"+OK\r\n$300000\r\n", &value[..], b"\r\n"].concat());
        let (whole, requests) = (script.expected.len(), script.requests.len());
        let client = world.connect(false, script.requests, script.expected);
        let wire = world.clients[client].wire.clone();
        wire.borrow_mut().window = 100;
        (0..2000 + requests / 20).for_each(|_| world.step());
        // Ten bytes a half minute, for an hour.
        for _ in 0..120 {
            wire.borrow_mut().window += 10;
            world.pass(30_000_000);
            (0..250).for_each(|_| world.step());
        }
        assert!(!wire.borrow().gone && wire.borrow().down.len() > 1000, "seed {seed}");
        world.clients[client].check(seed);
        let dead = seed % 2 == 0;
        if dead {
            world.pass(30_000_000);
            (0..200).for_each(|_| world.step());
            assert!(!wire.borrow().gone, "seed {seed}: it may go on");
            world.pass(61_500_000);
            (0..400).for_each(|_| world.step());
            assert!(wire.borrow().gone, "seed {seed}: it does not read");
        } else {
            wire.borrow_mut().window = usize::MAX;
            world.finish();
            assert_eq!(wire.borrow().down.len(), whole, "seed {seed}");
        }
    });
}
