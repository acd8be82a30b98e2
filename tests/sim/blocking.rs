//! Clients that wait for elements, over one to four cores, with resets, timeouts and other commands in between.
//! Elements are numbers that are pushed once: each comes out once, or is still there, whatever a seed does.

use crate::driver::Dice;
use crate::script::Script;
use crate::world::{World, over_seeds};
use std::collections::BTreeSet;

const KEYS: [&str; 4] = ["a", "b", "c", "d"];
/// Keys of sorted sets. Their scores are no numbers as an element's text is one.
const SORTED: [&str; 3] = ["x", "y", "z"];

/// What a client is doing.
#[derive(Clone, Debug)]
enum Doing {
    Nothing,
    /// A command that takes elements, which may wait.
    Taking {
        /// Its reply is not what comes out: the element goes to another key.
        moves: bool,
    },
    /// One that is answered at once, or in its turn.
    Other {
        /// It takes elements in the same way.
        takes: bool,
    },
    /// It has left.
    Gone,
}

struct Party {
    client: usize,
    doing: Doing,
}

pub fn say(world: &mut World, client: usize, words: &[&str]) {
    let mut script = Script::new(0);
    script.say(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>());
    world.clients[client].script.extend(script.requests);
}

/// The first whole reply, if it has come, as words; it is taken.
fn reply(world: &World, client: usize) -> Option<Vec<String>> {
    fn words(bytes: &[u8], at: &mut usize, out: &mut Vec<String>) -> Option<()> {
        let end = *at + bytes[*at..].windows(2).position(|two| two == b"\r\n")?;
        let line = String::from_utf8_lossy(&bytes[*at..end]).into_owned();
        *at = end + 2;
        match (&line[..1], line[1..].parse::<i64>()) {
            ("*", Ok(count)) if count >= 0 => {
                (0..count).try_for_each(|_| words(bytes, at, out))?;
            }
            ("$", Ok(len)) if len >= 0 => {
                let text = bytes.get(*at..*at + len as usize)?;
                bytes.get(*at + len as usize + 1)?;
                out.push(String::from_utf8_lossy(text).into_owned());
                *at += len as usize + 2;
            }
            ("*" | "$", _) => out.push("(nil)".into()),
            _ => out.push(line),
        }
        Some(())
    }
    let mut wire = world.clients[client].wire.borrow_mut();
    let (mut at, mut out) = (0, Vec::new());
    words(&wire.down, &mut at, &mut out)?;
    wire.down.drain(..at);
    Some(out)
}

/// Turns until a client's reply is there, to these words or, without any, to what it has said.
pub fn ask(world: &mut World, client: usize, words: &[&str]) -> Vec<String> {
    if !words.is_empty() {
        say(world, client, words);
    }
    for _ in 0..60_000 {
        if let Some(reply) = reply(world, client) {
            return reply;
        }
        world.step();
    }
    panic!("seed {}: {words:?} is not answered", world.seed);
}

pub fn connect(world: &mut World) -> usize {
    let client = world.connect(false, Vec::new(), Vec::new());
    world.clients[client].noise = true;
    client
}

/// Words of a command that takes elements, and whether it moves them.
fn take(dice: &mut Dice) -> (Vec<String>, bool) {
    let mut key = || KEYS[dice.below(KEYS.len())].to_string();
    let (one, two, three) = (key(), key(), key());
    let mut sorted = || SORTED[dice.below(SORTED.len())].to_string();
    let (low, high) = (sorted(), sorted());
    let timeout = if dice.once_in(4) { format!("0.00{}", 1 + dice.below(9)) } else { "0".to_string() };
    let word = |text: &str| text.to_string();
    match dice.below(9) {
        0 => (vec![word("BLPOP"), one, timeout], false),
        1 => (vec![word("BRPOP"), one, two, three, timeout], false),
        2 => (
            vec![word("BLMPOP"), timeout, word("2"), one, two, word("LEFT"), word("COUNT"), word("2")],
            false,
        ),
        3 => (vec![word("BLMOVE"), one, two, word("LEFT"), word("RIGHT"), timeout], true),
        4 => (vec![word("BRPOPLPUSH"), one, two, timeout], true),
        5 => (vec![word("BLPOP"), one, two, timeout], false),
        6 => (vec![word("BZPOPMIN"), low, high, timeout], false),
        7 => (vec![word("BZPOPMAX"), low, timeout], false),
        _ => (
            vec![word("BZMPOP"), timeout, word("2"), low, high, word("MAX"), word("COUNT"), word("2")],
            false,
        ),
    }
}

/// Elements among the words of a reply; keys are no numbers.
fn elements(reply: &[String]) -> impl Iterator<Item = u64> + '_ {
    reply.iter().filter_map(|word| word.parse().ok())
}

struct Case {
    world: World,
    dice: Dice,
    parties: Vec<Party>,
    pushed: BTreeSet<u64>,
    /// Came out.
    taken: BTreeSet<u64>,
    /// They may have been taken by clients that left before they could say so.
    resets: usize,
}

impl Case {
    fn hear(&mut self) {
        for party in &mut self.parties {
            if matches!(party.doing, Doing::Nothing | Doing::Gone) {
                continue;
            }
            let Some(reply) = reply(&self.world, party.client) else { continue };
            let takes = matches!(party.doing, Doing::Taking { moves: false } | Doing::Other { takes: true });
            if takes {
                for element in elements(&reply) {
                    let seed = self.world.seed;
                    assert!(self.pushed.contains(&element), "seed {seed}: {element} was never pushed");
                    assert!(self.taken.insert(element), "seed {seed}: {element} came twice");
                }
            }
            party.doing = Doing::Nothing;
        }
    }

    fn act(&mut self) {
        let at = self.dice.below(self.parties.len());
        let client = self.parties[at].client;
        let key = KEYS[self.dice.below(KEYS.len())];
        let other = KEYS[self.dice.below(KEYS.len())];
        let sorted = SORTED[self.dice.below(SORTED.len())];
        match &self.parties[at].doing {
            Doing::Gone => {
                self.parties[at] = Party { client: connect(&mut self.world), doing: Doing::Nothing };
            }
            Doing::Taking { .. } if self.dice.once_in(12) => {
                let mut wire = self.world.clients[client].wire.borrow_mut();
                if self.dice.once_in(2) {
                    wire.reset = true
                } else {
                    wire.ended = true
                }
                drop(wire);
                self.parties[at].doing = Doing::Gone;
                self.resets += 1;
            }
            Doing::Nothing => {
                let fresh = |pushed: &mut BTreeSet<u64>| {
                    let element = pushed.len() as u64;
                    pushed.insert(element);
                    element.to_string()
                };
                let mut takes = false;
                match self.dice.below(16) {
                    0..4 => {
                        let (words, moves) = take(&mut self.dice);
                        say(&mut self.world, client, &words.iter().map(String::as_str).collect::<Vec<_>>());
                        self.parties[at].doing = Doing::Taking { moves };
                        return;
                    }
                    4 | 5 => {
                        let elements: Vec<String> =
                            (0..1 + self.dice.below(3)).map(|_| fresh(&mut self.pushed)).collect();
                        let words: Vec<&str> =
                            ["RPUSH", key].into_iter().chain(elements.iter().map(String::as_str)).collect();
                        say(&mut self.world, client, &words);
                    }
                    6 => {
                        let (x, y) = (fresh(&mut self.pushed), fresh(&mut self.pushed));
                        say(&mut self.world, client, &["MULTI"]);
                        say(&mut self.world, client, &["LPUSH", key, &x]);
                        say(&mut self.world, client, &["RPUSH", other, &y]);
                        let z = fresh(&mut self.pushed);
                        say(&mut self.world, client, &["ZADD", sorted, "inf", &z]);
                        say(&mut self.world, client, &["EXEC"]);
                        // Others get elements meanwhile.
                        let (mut replies, mut turns) = (0, 0);
                        while replies < 5 {
                            self.world.step();
                            self.hear();
                            replies += usize::from(reply(&self.world, client).is_some());
                            turns += 1;
                            assert!(turns < 60_000, "seed {}: EXEC is not answered", self.world.seed);
                        }
                        return;
                    }
                    7 => say(&mut self.world, client, &["LMOVE", key, other, "LEFT", "LEFT"]),
                    8 => {
                        takes = true;
                        say(&mut self.world, client, &["LPOP", key]);
                    }
                    9 => say(&mut self.world, client, &["LRANGE", key, "0", "-1"]),
                    10 => say(&mut self.world, client, &["SORT", key, "ALPHA", "STORE", key]),
                    11 => say(&mut self.world, client, &["SWAPDB", "3", "4"]),
                    12 | 13 => {
                        let (x, y) = (fresh(&mut self.pushed), fresh(&mut self.pushed));
                        say(&mut self.world, client, &["ZADD", sorted, "-inf", &x, "inf", &y]);
                    }
                    14 => {
                        takes = true;
                        say(&mut self.world, client, &["ZPOPMAX", sorted]);
                    }
                    _ => say(
                        &mut self.world,
                        client,
                        &["RENAMENX", sorted, SORTED[self.dice.below(SORTED.len())]],
                    ),
                }
                self.parties[at].doing = Doing::Other { takes };
            }
            _ => {}
        }
    }

    /// Everybody gets what there is, and then the end.
    fn end(&mut self) {
        let seed = self.world.seed;
        for _ in 0..4000 {
            self.world.step();
            self.hear();
        }
        // Nobody waits beside a list that has elements.
        let control = connect(&mut self.world);
        let busy: Vec<_> =
            self.parties.iter().filter(|party| matches!(party.doing, Doing::Other { .. })).collect();
        assert!(busy.is_empty(), "seed {seed}: {} commands are not answered", busy.len());
        let mut left = BTreeSet::new();
        let lists = KEYS.map(|key| ("LRANGE", key));
        for (range, key) in lists.into_iter().chain(SORTED.map(|key| ("ZRANGE", key))) {
            for element in elements(&ask(&mut self.world, control, &[range, key, "0", "-1"])) {
                assert!(
                    left.insert(element) && !self.taken.contains(&element),
                    "seed {seed}: {element} is there twice"
                );
            }
        }
        let missing = self.pushed.len() - left.len() - self.taken.len();
        // A client that goes while it is answered loses at most what one command takes.
        assert!(
            missing <= 2 * self.resets,
            "seed {seed}: {missing} elements are lost, {} resets",
            self.resets
        );
        let waiting = self.parties.iter().filter(|party| matches!(party.doing, Doing::Taking { .. })).count();
        let blocked: usize = self.world.cores.iter().map(|core| core.blocked().0).sum();
        assert_eq!(blocked, waiting, "seed {seed}: who has no answer waits");
        for party in &self.parties {
            self.world.clients[party.client].wire.borrow_mut().reset = true;
        }
        for _ in 0..4000 {
            self.world.step();
        }
        let held: Vec<_> = self.world.cores.iter().map(|core| core.blocked()).collect();
        assert!(
            held.iter().all(|held| *held == (0, 0)),
            "seed {seed}: {held:?} wait although nobody is there"
        );
        assert_eq!(self.world.unfinished(), 0, "seed {seed}: nothing is held");
        assert_eq!(self.world.watched(), 0, "seed {seed}: no key is awaited");
    }
}

#[test]
fn what_is_pushed_comes_out_once_whoever_waits_and_leaves() {
    over_seeds(120, |seed| {
        let mut world = World::new(seed, &[]);
        let mut dice = Dice(seed ^ 0xb10c);
        let parties = (0..2 + dice.below(6))
            .map(|_| Party { client: connect(&mut world), doing: Doing::Nothing })
            .collect();
        let mut case =
            Case { world, dice, parties, pushed: BTreeSet::new(), taken: BTreeSet::new(), resets: 0 };
        for _ in 0..1500 {
            case.world.step();
            case.hear();
            if case.dice.once_in(8) {
                case.act();
            }
        }
        case.end();
    });
}

/// Clients that wait for one key, on all cores, get its elements in the order in which they came.
#[test]
fn those_who_wait_are_served_in_order_of_arrival() {
    over_seeds(30, |seed| {
        let mut world = World::new(seed, &[]);
        let pusher = connect(&mut world);
        let count = 40;
        let mut waiting = Vec::new();
        for number in 0..count {
            let client = connect(&mut world);
            say(&mut world, client, &["BLPOP", if number % 3 == 0 { "other" } else { "none" }, "key", "0"]);
            for _ in 0..60_000 {
                let standing: usize = world.cores.iter().map(|core| core.blocked().0).sum();
                if standing > number && world.unfinished() == 0 {
                    break;
                }
                world.step();
            }
            waiting.push(client);
        }
        let mut next = 0;
        while next < count {
            let elements: Vec<String> = (next..(next + 7).min(count)).map(|n| n.to_string()).collect();
            let words: Vec<&str> =
                ["RPUSH", "key"].into_iter().chain(elements.iter().map(String::as_str)).collect();
            ask(&mut world, pusher, &words);
            for (number, &client) in waiting.iter().enumerate().take((next + 7).min(count)).skip(next) {
                let mut turns = 0;
                let got = loop {
                    if let Some(reply) = reply(&world, client) {
                        break reply;
                    }
                    turns += 1;
                    assert!(turns < 60_000, "seed {seed}: {number} waits on");
                    world.step();
                };
                assert_eq!(got, ["key".to_string(), number.to_string()], "seed {seed}");
            }
            next += 7;
        }
        // The last mail about it may be late.
        for _ in 0..2000 {
            if world.unfinished() == 0 {
                break;
            }
            world.step();
        }
        assert_eq!(world.unfinished(), 0, "seed {seed}");
    });
}

/// A timeout ends a wait in its time, however quiet everything is, and not before.
#[test]
fn a_timeout_ends_in_its_time() {
    over_seeds(50, |seed| {
        let mut world = World::new(seed, &[]);
        let client = connect(&mut world);
        say(&mut world, client, &["BLPOP", "a", "b", "c", "d", "20"]);
        for _ in 0..400 {
            world.step();
        }
        world.pass(19_000_000);
        for _ in 0..400 {
            world.step();
        }
        assert_eq!(reply(&world, client), None, "seed {seed}");
        world.pass(1_000_000);
        for _ in 0..400 {
            world.step();
        }
        assert_eq!(reply(&world, client), Some(vec!["(nil)".to_string()]), "seed {seed}");
        assert_eq!(ask(&mut world, client, &["PING"]), ["+PONG"]);
    });
}
