//! Large values, full stores and readers who take their time, all at once.

use crate::driver::Dice;
use crate::script::Script;
use crate::world::{World, over_seeds};

#[test]
fn large_values_come_whole_and_leave_nothing_behind() {
    over_seeds(100, |seed| {
        let mut world = World::new(seed, &[(b"maxmemory", b"1gb")]);
        let mut dice = Dice(seed ^ 0x6161);
        let mut name = 0;
        for _ in 0..3 {
            for _ in 0..1 + dice.below(3) {
                let mut script = Script::large(name);
                name += 1;
                let (memcache, ask): (bool, fn(&mut Script, &mut Dice)) = match dice.below(5) {
                    0 => (true, Script::memcache),
                    1 => (true, Script::binary),
                    _ => (false, Script::resp),
                };
                (0..12).for_each(|_| ask(&mut script, &mut dice));
                let client = world.connect(memcache, script.requests, script.expected);
                if dice.once_in(2) {
                    world.clients[client].wire.borrow_mut().window = dice.below(1_000_000);
                }
            }
            (0..dice.below(500)).for_each(|_| world.step());
            for client in &mut world.clients {
                let mut wire = client.wire.borrow_mut();
                wire.reset |= dice.once_in(4);
                wire.window = usize::MAX;
            }
        }
        world.finish();
        world.clients.iter().for_each(|client| client.wire.borrow_mut().reset = true);
        (0..2000).for_each(|_| world.step());
        world.assert_nothing_is_held();
    });
}

/// What a key holds in one of its versions: it begins with the key, and its length and bytes follow from both.
fn value(key: usize, version: usize) -> Vec<u8> {
    let mut value = format!("{key}.{version}.").into_bytes();
    let len = match (key * 7 + version * 13) % 10 {
        0..6 => value.len(),
        6..8 => 1000 + key * 10 + version,
        8 => 30_000 + version * 1000,
        _ => 100_000 + key * 1000 + version,
    };
    let mut dice = Dice((key * 1000 + version) as u64);
    while value.len() < len {
        value.push(b'a' + dice.below(26) as u8);
    }
    value
}

/// The values of a reply of bulk strings, one or an array of them; nothing if it is not all there.
fn values(mut reply: &[u8]) -> Option<Vec<Option<&[u8]>>> {
    let number = |reply: &mut &[u8]| {
        let end = reply.windows(2).position(|two| two == b"\r\n")?;
        let number: i64 = std::str::from_utf8(&reply[1..end]).ok()?.parse().ok()?;
        *reply = &reply[end + 2..];
        Some(number)
    };
    let count = if reply.first() == Some(&b'*') { number(&mut reply)? } else { 1 };
    let mut found = Vec::new();
    for _ in 0..count {
        let len = number(&mut reply)?;
        if len < 0 {
            found.push(None);
            continue;
        }
        found.push(Some(reply.get(..len as usize)?));
        reply = reply.get(len as usize + 2..)?;
    }
    assert!(reply.is_empty());
    Some(found)
}

const OOM: &[u8] = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n";

/// What a client waits for.
enum Asked {
    Values(Vec<usize>),
    Ok,
    Number,
}

/// Far more than there is room for, and keys that come to their time: whatever is found is right.
#[test]
fn a_full_store_has_the_right_value_or_none() {
    over_seeds(60, |seed| {
        let mut dice = Dice(seed ^ 0x2b2b);
        let limit: &[u8] = [&b"4mb"[..], b"8mb"][dice.below(2)];
        let mut world = World::new(
            seed,
            &[(b"maxmemory", limit), (b"maxmemory-clients", b"64mb"), (b"set-max-listpack-entries", b"20")],
        );
        let clients: Vec<usize> =
            (0..2 + dice.below(5)).map(|_| world.connect(false, Vec::new(), Vec::new())).collect();
        let mut asked: Vec<Option<Asked>> = clients.iter().map(|_| None).collect();
        let (mut left, mut refused) = (400, 0);
        for _ in 0..100_000 {
            if left == 0 && asked.iter().all(Option::is_none) {
                break;
            }
            for &client in &clients {
                let wire = world.clients[client].wire.clone();
                if asked[client].is_some() && wire.borrow().down.ends_with(b"\r\n") {
                    let down = wire.borrow().down.clone();
                    match asked[client].take().unwrap() {
                        // More at once than a shard's share of the memory.
                        Asked::Ok | Asked::Number if down == OOM => refused += 1,
                        Asked::Ok => assert_eq!(down.escape_ascii().to_string(), "+OK\\r\\n", "seed {seed}"),
                        Asked::Number => {
                            assert!(down[0] == b':', "seed {seed}: {}", down.escape_ascii())
                        }
                        Asked::Values(keys) => {
                            let Some(found) = values(&down) else {
                                asked[client] = Some(Asked::Values(keys));
                                continue;
                            };
                            assert_eq!(found.len(), keys.len(), "seed {seed}");
                            for (key, found) in keys.into_iter().zip(found) {
                                let Some(found) = found else { continue };
                                let right = (0..20).any(|version| found == value(key, version));
                                let shown = &found[..found.len().min(40)];
                                assert!(right, "seed {seed}: {key} has {}", shown.escape_ascii());
                            }
                        }
                    }
                    wire.borrow_mut().down.clear();
                }
                if asked[client].is_none() && left > 0 && dice.once_in(3) {
                    left -= 1;
                    let (words, reply) = question(&mut dice);
                    let mut script = Script::new(0);
                    script.say(&words.iter().map(Vec::as_slice).collect::<Vec<_>>());
                    world.clients[client].script = script.requests;
                    asked[client] = Some(reply);
                }
            }
            world.step();
            if dice.once_in(300) {
                world.pass(dice.below(2_000_000) as u64);
            }
        }
        let waiting = asked.iter().flatten().count();
        assert!(left == 0 && waiting == 0, "seed {seed}: {left} left, {waiting} unanswered");
        assert!(refused < 20, "seed {seed}: {refused} refused");
        world.clients.iter().for_each(|client| client.wire.borrow_mut().reset = true);
        (0..2000).for_each(|_| world.step());
        assert_eq!(world.unfinished(), 0, "seed {seed}");
        world.assert_nothing_is_held();
    });
}

fn question(dice: &mut Dice) -> (Vec<Vec<u8>>, Asked) {
    let name = |key: usize| format!("key:{key}").into_bytes();
    let word = |text: &str| text.as_bytes().to_vec();
    let keys: Vec<usize> = (0..1 + dice.below(6)).map(|_| dice.below(150)).collect();
    let member = |dice: &mut Dice| format!("member:{}", dice.below(2000)).into_bytes();
    let set = |dice: &mut Dice| format!("set:{}", dice.below(10)).into_bytes();
    match dice.below(12) {
        0..3 => {
            let mut words = vec![word("SET"), name(keys[0]), value(keys[0], dice.below(20))];
            if dice.once_in(3) {
                words.extend([word("PX"), (1 + dice.below(3000)).to_string().into_bytes()]);
            }
            (words, Asked::Ok)
        }
        3..5 => {
            let mut words = vec![word("MSET")];
            keys.iter().for_each(|&key| words.extend([name(key), value(key, dice.below(20))]));
            (words, Asked::Ok)
        }
        5 | 6 => (vec![word("GET"), name(keys[0])], Asked::Values(vec![keys[0]])),
        7 | 8 => {
            let mut words = vec![word("MGET")];
            words.extend(keys.iter().map(|&key| name(key)));
            (words, Asked::Values(keys))
        }
        9 => (vec![word("PEXPIRE"), name(keys[0]), word("700")], Asked::Number),
        10 => {
            let mut words = vec![word("SADD"), set(dice)];
            words.extend((0..dice.below(60) + 1).map(|_| member(dice)));
            (words, Asked::Number)
        }
        _ => match dice.below(3) {
            0 => (vec![word("SUNIONSTORE"), set(dice), set(dice), set(dice)], Asked::Number),
            1 => (vec![word("SMOVE"), set(dice), set(dice), member(dice)], Asked::Number),
            _ if dice.once_in(10) => (vec![word("FLUSHALL")], Asked::Ok),
            _ => (vec![word("DEL"), name(keys[0]), set(dice)], Asked::Number),
        },
    }
}
