//! Clients that listen, others that publish, on cores that take turns as a seed decides.

use crate::driver::Dice;
use crate::script::Script;
use crate::world::{World, over_seeds};
use std::collections::{BTreeMap, BTreeSet};

const CHANNELS: [&[u8]; 3] = [b"c0", b"c1", b"c2"];
const PATTERNS: [&[u8]; 2] = [b"c*", b"?1"];
const SHARDS: [&[u8]; 2] = [b"c0", b"s1"];

const TURNS_MAX: usize = 60_000;

/// Messages of one publisher, each with its channel and whether that is one of the shard's.
type Published = Vec<(Vec<u8>, bool)>;

/// The next array or push of strings and numbers.
fn next_array(bytes: &mut &[u8]) -> Option<Vec<Vec<u8>>> {
    fn line<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
        let end = bytes.windows(2).position(|two| two == b"\r\n").expect("a whole line");
        let (line, rest) = bytes.split_at(end);
        *bytes = &rest[2..];
        line
    }
    let number = |text: &[u8]| std::str::from_utf8(text).unwrap().parse::<i64>().unwrap();
    if bytes.is_empty() {
        return None;
    }
    let head = line(bytes);
    assert!(matches!(head[0], b'*' | b'>'), "{}", head.escape_ascii());
    let words = (0..number(&head[1..])).map(|_| {
        let word = line(bytes);
        match word[0] {
            b'$' if word == b"$-1" => b"null".to_vec(),
            b'$' => {
                let (text, rest) = bytes.split_at(number(&word[1..]) as usize);
                *bytes = &rest[2..];
                text.to_vec()
            }
            b'_' => b"null".to_vec(),
            _ => word[1..].to_vec(),
        }
    });
    Some(words.collect())
}

/// What a listener has heard, in order: the route (`channel`, `pattern` or `shard`, and its name), the channel and the
/// message. Fails where a message came before its subscription was confirmed or after its end was.
fn heard(seed: u64, down: &[u8]) -> Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> {
    let mut rest = match down.starts_with(b"%") || down.starts_with(b"*14") {
        true => &down[down.windows(3).position(|at| at == b"\r\n>").map_or(down.len(), |at| at + 2)..],
        false => down,
    };
    let mut listened: BTreeSet<Vec<u8>> = BTreeSet::new();
    let mut heard = Vec::new();
    while let Some(words) = next_array(&mut rest) {
        let route = |kind: &[u8], name: &[u8]| [kind, b" ", name].concat();
        match &words[0][..] {
            b"subscribe" => drop(listened.insert(route(b"channel", &words[1]))),
            b"psubscribe" => drop(listened.insert(route(b"pattern", &words[1]))),
            b"ssubscribe" => drop(listened.insert(route(b"shard", &words[1]))),
            b"unsubscribe" => drop(listened.remove(&route(b"channel", &words[1]))),
            b"punsubscribe" => drop(listened.remove(&route(b"pattern", &words[1]))),
            b"sunsubscribe" => drop(listened.remove(&route(b"shard", &words[1]))),
            word => {
                let (route, channel) = match word {
                    b"message" => (route(b"channel", &words[1]), &words[1]),
                    b"smessage" => (route(b"shard", &words[1]), &words[1]),
                    b"pmessage" => (route(b"pattern", &words[1]), &words[2]),
                    other => panic!("seed {seed}: {}", other.escape_ascii()),
                };
                let known = listened.contains(&route);
                assert!(known, "seed {seed}: {} is not listened to", route.escape_ascii());
                heard.push((route, channel.clone(), words.last().unwrap().clone()));
            }
        }
    }
    heard
}

/// Publisher and number of a message.
fn origin(message: &[u8]) -> (usize, usize) {
    let text = std::str::from_utf8(message).unwrap();
    let (publisher, number) = text.split_once(':').unwrap();
    (publisher.parse().unwrap(), number.parse().unwrap())
}

/// Fails where messages of one publisher came in another order than his, or twice by one route.
fn check_order(seed: u64, heard: &[(Vec<u8>, Vec<u8>, Vec<u8>)]) {
    let (mut last, mut last_by_route) = (BTreeMap::new(), BTreeMap::new());
    for (route, _, message) in heard {
        let (publisher, number) = origin(message);
        let before = last.insert(publisher, number);
        assert!(before.is_none_or(|before| before <= number), "seed {seed}: {number} after {before:?}");
        let before = last_by_route.insert((publisher, route), number);
        assert!(before.is_none_or(|before| before < number), "seed {seed}: {number} twice");
    }
}

fn publisher(world: &mut World, dice: &mut Dice, number: usize, messages: usize) -> (usize, Published) {
    let (mut script, mut published) = (Script::new(number), Vec::new());
    let together = dice.once_in(4);
    if together {
        script.say(&[b"MULTI"]);
    }
    for message in 0..messages {
        let shard = dice.once_in(4);
        let channel = if shard { SHARDS[dice.below(2)] } else { CHANNELS[dice.below(3)] };
        let command: &[u8] = if shard { b"SPUBLISH" } else { b"PUBLISH" };
        script.say(&[command, channel, format!("{number}:{message}").as_bytes()]);
        published.push((channel.to_vec(), shard));
    }
    if together {
        script.say(&[b"EXEC"]);
    }
    let client = world.connect(false, script.requests, Vec::new());
    world.clients[client].noise = true;
    (client, published)
}

fn listener(world: &mut World, dice: &mut Dice, changes: usize) -> usize {
    let mut script = Script::new(0);
    if dice.once_in(2) {
        script.say(&[b"HELLO", b"3"]);
    }
    for _ in 0..changes {
        let (words, names): ([&[u8]; 2], &[&[u8]]) = match dice.below(3) {
            0 => ([b"SUBSCRIBE", b"UNSUBSCRIBE"], &CHANNELS),
            1 => ([b"PSUBSCRIBE", b"PUNSUBSCRIBE"], &PATTERNS),
            _ => ([b"SSUBSCRIBE", b"SUNSUBSCRIBE"], &SHARDS),
        };
        let joins = dice.below(5) < 3;
        let mut line = vec![words[usize::from(!joins)]];
        (0..usize::from(joins) + dice.below(3)).for_each(|_| line.push(names[dice.below(names.len())]));
        script.say(&line);
    }
    let client = world.connect(false, script.requests, Vec::new());
    world.clients[client].noise = true;
    client
}

/// Numbers that publishers were answered with, each its own line.
fn counts(down: &[u8]) -> Vec<u64> {
    let lines = std::str::from_utf8(down).unwrap().lines();
    lines.filter_map(|line| line.strip_prefix(':')?.parse().ok()).collect()
}

/// Turns until everything has been said and publishers have been answered; and then until nothing can be under way.
fn settle(world: &mut World, publishers: &[(usize, Published)]) {
    for _ in 0..TURNS_MAX {
        world.step();
        let said = |client: &crate::world::Client| {
            let wire = client.wire.borrow();
            wire.reset || client.script.is_empty() && wire.up.is_empty()
        };
        let answered = |(client, published): &(usize, Published)| {
            counts(&world.clients[*client].wire.borrow().down).len() == published.len()
        };
        if world.clients.iter().all(said) && publishers.iter().all(answered) && world.unfinished() == 0 {
            (0..1500).for_each(|_| world.step());
            return;
        }
    }
    panic!("seed {}: publishers are not answered", world.seed);
}

fn forget_all(world: &mut World) {
    world.clients.iter().for_each(|client| client.wire.borrow_mut().reset = true);
    (0..3000).for_each(|_| world.step());
    assert_eq!((world.unfinished(), world.listened()), (0, 0), "seed {}", world.seed);
    world.assert_nothing_is_held();
}

/// Whoever listens all the time hears everything in each publisher's order; whoever comes and goes hears nothing outside
/// of his time; and what publishers are told is exactly what was heard.
#[test]
fn messages_are_neither_lost_nor_disordered_and_counted_exactly() {
    over_seeds(300, |seed| {
        let mut world = World::new(seed, &[]);
        let mut dice = Dice(seed ^ 0x7b5b);
        let mut faithful = Script::new(0);
        faithful.say(&[&[&b"SUBSCRIBE"[..]], &CHANNELS[..]].concat());
        faithful.say(&[&[&b"SSUBSCRIBE"[..]], &SHARDS[..]].concat());
        let faithful = world.connect(false, faithful.requests, Vec::new());
        world.clients[faithful].noise = true;
        settle(&mut world, &[]);
        let mut listeners = vec![faithful];
        let mut publishers: Vec<(usize, Published)> = Vec::new();
        for number in 0..1 + dice.below(3) {
            publishers.push(publisher(&mut world, &mut dice, number, 30));
        }
        (0..1 + dice.below(4)).for_each(|_| listeners.push(listener(&mut world, &mut dice, 15)));
        settle(&mut world, &publishers);
        let mut total = 0;
        for &client in &listeners {
            let down = world.clients[client].wire.borrow().down.clone();
            let heard = heard(seed, &down);
            check_order(seed, &heard);
            total += heard.len() as u64;
            if client == faithful {
                let all: usize = publishers.iter().map(|(_, published)| published.len()).sum();
                assert_eq!(heard.len(), all, "seed {seed}");
                for (route, channel, message) in heard {
                    let (publisher, number) = origin(&message);
                    let expected = (channel, route.starts_with(b"shard"));
                    assert_eq!(publishers[publisher].1[number], expected, "seed {seed}");
                }
            }
        }
        let counted = publishers
            .iter()
            .map(|(client, _)| counts(&world.clients[*client].wire.borrow().down).iter().sum::<u64>());
        assert_eq!(counted.sum::<u64>(), total, "seed {seed}");
        forget_all(&mut world);
    });
}

/// Listeners that vanish, whatever they were about to do, disturb nobody and leave nothing behind.
#[test]
fn listeners_that_vanish_are_forgotten() {
    over_seeds(300, |seed| {
        let mut world = World::new(seed, &[]);
        let mut dice = Dice(seed ^ 0x1d1d);
        let mut listeners = Vec::new();
        let mut publishers: Vec<(usize, Published)> = Vec::new();
        for number in 0..4 {
            (0..2).for_each(|_| listeners.push(listener(&mut world, &mut dice, 10)));
            publishers.push(publisher(&mut world, &mut dice, number, 20));
            (0..dice.below(300)).for_each(|_| world.step());
            let leaver = listeners[dice.below(listeners.len())];
            world.clients[leaver].wire.borrow_mut().reset = true;
        }
        settle(&mut world, &publishers);
        for &client in &listeners {
            let wire = world.clients[client].wire.borrow();
            if !wire.reset {
                check_order(seed, &heard(seed, &wire.down));
            }
        }
        forget_all(&mut world);
    });
}

/// Events of a key come in the order in which its commands were executed, wherever key, client and listener are.
#[test]
fn events_of_a_key_come_in_order() {
    over_seeds(150, |seed| {
        let mut world = World::new(seed, &[(b"notify-keyspace-events", b"K$gl")]);
        let mut dice = Dice(seed ^ 0x3e3e);
        let mut listener = Script::new(0);
        listener.say(&[b"PSUBSCRIBE", b"__keyspace@0__:*"]);
        let listener = world.connect(false, listener.requests, Vec::new());
        world.clients[listener].noise = true;
        settle(&mut world, &[]);
        let mut expected: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
        for name in 0..4 {
            let (mut script, mut there) = (Script::new(name), [false; 2]);
            for _ in 0..15 {
                let place = dice.below(2);
                let key = script.key(place);
                let told = expected.entry([b"__keyspace@0__:", &key[..]].concat()).or_default();
                match dice.below(3) {
                    0 => {
                        script.say(&[b"SET", &key, b"1"]);
                        told.push(b"set".to_vec());
                    }
                    1 => {
                        script.say(&[b"INCR", &key]);
                        told.push(b"incrby".to_vec());
                    }
                    _ => {
                        script.say(&[b"DEL", &key]);
                        told.extend(there[place].then(|| b"del".to_vec()));
                        there[place] = false;
                        continue;
                    }
                }
                there[place] = true;
            }
            let client = world.connect(false, script.requests, Vec::new());
            world.clients[client].noise = true;
        }
        settle(&mut world, &[]);
        expected.retain(|_, told| !told.is_empty());
        let down = world.clients[listener].wire.borrow().down.clone();
        let mut by_key: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
        for (_, channel, event) in heard(seed, &down) {
            by_key.entry(channel).or_default().push(event);
        }
        assert_eq!(by_key, expected, "seed {seed}");
        forget_all(&mut world);
    });
}
