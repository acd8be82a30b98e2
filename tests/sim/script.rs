//! Clients' requests and the replies that a naive model gives to them.

use crate::driver::Dice;
use std::collections::HashMap;

/// A client's requests with the bytes that must answer them. Its keys are its own, so the model knows all.
pub struct Script {
    pub requests: Vec<u8>,
    pub expected: Vec<u8>,
    name: usize,
    resp3: bool,
    db: usize,
    keys: HashMap<(usize, usize), Vec<u8>>,
    large: bool,
}

fn bulk(value: Option<&Vec<u8>>, resp3: bool) -> Vec<u8> {
    match value {
        None if resp3 => b"_\r\n".to_vec(),
        None => b"$-1\r\n".to_vec(),
        Some(value) => [format!("${}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat(),
    }
}

/// Appends a packet without opaque and unique.
fn packet(out: &mut Vec<u8>, head: [u8; 2], status: u16, key: &[u8], extras: &[u8], value: &[u8]) {
    let body = (key.len() + extras.len() + value.len()) as u32;
    out.extend(head);
    out.extend((key.len() as u16).to_be_bytes());
    out.extend([extras.len() as u8, 0]);
    out.extend(status.to_be_bytes());
    out.extend(body.to_be_bytes());
    out.extend([0; 12]);
    out.extend([extras, key, value].concat());
}

impl Script {
    pub fn new(name: usize) -> Script {
        Script {
            requests: Vec::new(),
            expected: Vec::new(),
            name,
            resp3: false,
            db: 0,
            keys: HashMap::new(),
            large: false,
        }
    }

    /// A client whose values are large, or almost, or just so.
    pub fn large(name: usize) -> Script {
        Script { large: true, ..Script::new(name) }
    }

    pub fn say(&mut self, words: &[&[u8]]) {
        self.requests.extend(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            self.requests.extend([format!("${}\r\n", word.len()).as_bytes(), word, b"\r\n"].concat());
        }
    }

    pub fn key(&self, key: usize) -> Vec<u8> {
        format!("c{}:{key}", self.name).into_bytes()
    }

    fn value(&self, dice: &mut Dice) -> Vec<u8> {
        let len = match dice.below(240) {
            0..40 if self.large => (32 << 10) - 40 + dice.below(80),
            40..200 if self.large => 30_000 + dice.below(400_000),
            200..205 if self.large => (1 << 20) - 600 + dice.below(500),
            0..5 => dice.below(40_000),
            5 => 30_000 + dice.below(300_000),
            _ => dice.below(30),
        };
        let mut value = vec![b'a' + dice.below(26) as u8; len];
        // Not all alike, for a part in the wrong place to be seen.
        value
            .iter_mut()
            .enumerate()
            .step_by(1000)
            .for_each(|(at, byte)| *byte = b'A' + (at / 1000 % 26) as u8);
        value
    }

    /// Words of a random command on keys and its reply.
    fn command(&mut self, dice: &mut Dice) -> (Vec<Vec<u8>>, Vec<u8>) {
        let (a, b) = (dice.below(8), dice.below(8));
        let (ka, kb) = (self.key(a), self.key(b));
        let (ia, ib) = ((self.db, a), (self.db, b));
        let word = |text: &str| text.as_bytes().to_vec();
        let ok = b"+OK\r\n".to_vec();
        let int = |n: usize| format!(":{n}\r\n").into_bytes();
        let null = bulk(None, self.resp3);
        match dice.below(12) {
            0 | 1 => {
                let value = self.value(dice);
                self.keys.insert(ia, value.clone());
                (vec![word("SET"), ka, value], ok)
            }
            2 | 3 => (vec![word("GET"), ka], bulk(self.keys.get(&ia), self.resp3)),
            4 => {
                let value = self.keys.entry(ia).or_default();
                value.extend(b"xyz");
                (vec![word("APPEND"), ka, word("xyz")], int(value.len()))
            }
            5 => {
                let gone =
                    self.keys.remove(&ia).is_some() as usize + self.keys.remove(&ib).is_some() as usize;
                (vec![word("DEL"), ka, kb], int(gone))
            }
            6 => {
                let found = self.keys.contains_key(&ia) as usize + self.keys.contains_key(&ib) as usize;
                (vec![word("EXISTS"), ka, kb], int(found))
            }
            7 => {
                let (x, y) = (self.value(dice), self.value(dice));
                self.keys.insert(ia, x.clone());
                self.keys.insert(ib, y.clone());
                (vec![word("MSET"), ka, x, kb, y], ok)
            }
            8 => {
                let mut reply = b"*2\r\n".to_vec();
                reply.extend(bulk(self.keys.get(&ia), self.resp3));
                reply.extend(bulk(self.keys.get(&ib), self.resp3));
                (vec![word("MGET"), ka, kb], reply)
            }
            9 => match self.keys.remove(&ia) {
                None => (vec![word("RENAME"), ka, kb], b"-ERR no such key\r\n".to_vec()),
                Some(value) => {
                    self.keys.insert(ib, value);
                    (vec![word("RENAME"), ka, kb], ok)
                }
            },
            10 => {
                let free = !self.keys.contains_key(&ia) && !self.keys.contains_key(&ib);
                if free {
                    self.keys.insert(ia, word("1"));
                    self.keys.insert(ib, word("2"));
                }
                (vec![word("MSETNX"), ka, word("1"), kb, word("2")], int(free as usize))
            }
            _ => {
                let reply = bulk(self.keys.get(&ia), self.resp3);
                let value = self.value(dice);
                self.keys.insert(ia, value.clone());
                let _ = null;
                (vec![word("SET"), ka, value, word("GET")], reply)
            }
        }
    }

    fn run(&mut self, dice: &mut Dice) -> Vec<u8> {
        let (words, reply) = self.command(dice);
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        self.say(&words);
        reply
    }

    /// A random request, or a few that belong together.
    pub fn resp(&mut self, dice: &mut Dice) {
        match dice.below(20) {
            0 => {
                self.say(&[b"CLIENT", b"REPLY", b"SKIP"]);
                self.run(dice);
            }
            1 => {
                self.say(&[b"CLIENT", b"REPLY", b"OFF"]);
                (0..dice.below(4)).for_each(|_| drop(self.run(dice)));
                self.say(&[b"CLIENT", b"REPLY", b"ON"]);
                self.expected.extend(b"+OK\r\n");
            }
            2 | 3 => self.transaction(dice),
            4 => {
                self.db = dice.below(3);
                self.say(&[b"SELECT", self.db.to_string().as_bytes()]);
                self.expected.extend(b"+OK\r\n");
            }
            5 => {
                self.requests.extend(b"ECHO \"a \\x41\"\r\n");
                self.expected.extend(b"$3\r\na A\r\n");
            }
            _ => {
                let reply = self.run(dice);
                self.expected.extend(reply);
            }
        }
    }

    fn transaction(&mut self, dice: &mut Dice) {
        // Of an absent key little is remembered: others that leave may make EXEC fail.
        if dice.once_in(3) && self.keys.contains_key(&(self.db, 1)) {
            let key = self.key(1);
            self.say(&[b"WATCH", &key]);
            self.expected.extend(b"+OK\r\n");
        }
        self.say(&[b"MULTI"]);
        self.expected.extend(b"+OK\r\n");
        let mut replies = Vec::new();
        let count = dice.below(6);
        for _ in 0..count {
            if dice.once_in(5) {
                self.db = dice.below(3);
                self.say(&[b"SELECT", self.db.to_string().as_bytes()]);
                replies.extend(b"+OK\r\n");
            } else if dice.once_in(12) {
                let (a, b) = (self.key(0), self.key(1));
                self.say(&[b"MSET", &a, b"1", &b]);
                replies.extend(b"-ERR wrong number of arguments for 'mset' command\r\n");
            } else {
                let reply = self.run(dice);
                replies.extend(reply);
            }
            self.expected.extend(b"+QUEUED\r\n");
        }
        self.say(&[b"EXEC"]);
        self.expected.extend(format!("*{count}\r\n").as_bytes());
        self.expected.extend(replies);
    }

    /// A random request of memcached's protocol.
    pub fn memcache(&mut self, dice: &mut Dice) {
        let (a, b) = (dice.below(8), dice.below(8));
        let (ka, kb) = (self.key(a), self.key(b));
        let line = |out: &mut Vec<u8>, parts: &[&[u8]]| {
            out.extend(parts.join(&b' '));
            out.extend(b"\r\n");
        };
        let muted = dice.once_in(3);
        match dice.below(5) {
            0 | 1 => {
                let value = self.value(dice);
                let len = value.len().to_string();
                let mut words: Vec<&[u8]> = vec![b"set", &ka, b"0", b"0", len.as_bytes()];
                if muted {
                    words.push(b"noreply");
                } else {
                    self.expected.extend(b"STORED\r\n");
                }
                line(&mut self.requests, &words);
                self.requests.extend([&value[..], b"\r\n"].concat());
                self.keys.insert((0, a), value);
            }
            2 => {
                let mut words: Vec<&[u8]> = vec![b"delete", &ka];
                let found = self.keys.remove(&(0, a)).is_some();
                if muted {
                    words.push(b"noreply");
                } else {
                    self.expected.extend(if found { &b"DELETED\r\n"[..] } else { b"NOT_FOUND\r\n" });
                }
                line(&mut self.requests, &words);
            }
            3 if dice.once_in(3) => {
                line(&mut self.requests, &[b"nonsense"]);
                self.expected.extend(b"ERROR\r\n");
            }
            _ => {
                line(&mut self.requests, &[b"get", &ka, &kb]);
                for key in [a, b] {
                    if let Some(value) = self.keys.get(&(0, key)) {
                        let name = self.key(key);
                        let head = format!(" 0 {}\r\n", value.len());
                        self.expected
                            .extend([b"VALUE ", &name[..], head.as_bytes(), value, b"\r\n"].concat());
                    }
                }
                self.expected.extend(b"END\r\n");
            }
        }
    }

    /// A random packet of memcached's binary protocol, or a few. Replies have no unique here.
    pub fn binary(&mut self, dice: &mut Dice) {
        let a = dice.below(8);
        let key = self.key(a);
        let quiet = dice.once_in(2);
        match dice.below(6) {
            0 | 1 => {
                let value = self.value(dice);
                packet(&mut self.requests, [0x80, if quiet { 0x11 } else { 0x01 }], 0, &key, &[0; 8], &value);
                if !quiet {
                    packet(&mut self.expected, [0x81, 0x01], 0, b"", b"", b"");
                }
                self.keys.insert((0, a), value);
            }
            2 => {
                let opcode = if quiet { 0x14 } else { 0x04 };
                packet(&mut self.requests, [0x80, opcode], 0, &key, b"", b"");
                match self.keys.remove(&(0, a)) {
                    None => packet(&mut self.expected, [0x81, opcode], 1, b"", b"", b"Not found"),
                    Some(_) if quiet => {}
                    Some(_) => packet(&mut self.expected, [0x81, opcode], 0, b"", b"", b""),
                }
            }
            3 => {
                packet(&mut self.requests, [0x80, 0x55], 0, b"what", b"", b"ever");
                packet(&mut self.expected, [0x81, 0x55], 0x81, b"", b"", b"Unknown command");
            }
            _ => {
                // Several keys without a word about those that are not there, and the noop that ends them.
                for other in 0..1 + dice.below(5) {
                    let key = self.key(other);
                    packet(&mut self.requests, [0x80, 0x0d], 0, &key, b"", b"");
                    if let Some(value) = self.keys.get(&(0, other)) {
                        packet(&mut self.expected, [0x81, 0x0d], 0, &key, &[0; 4], value);
                    }
                }
                packet(&mut self.requests, [0x80, 0x0a], 0, b"", b"", b"");
                packet(&mut self.expected, [0x81, 0x0a], 0, b"", b"", b"");
            }
        }
    }

    /// A request that concerns others than its client, or none at all; its reply is not foreseen.
    pub fn noise(&mut self, dice: &mut Dice) {
        let id = (1 + dice.below(200)).to_string();
        let lines: [&str; 22] = [
            "CLIENT PAUSE 1",
            "CLIENT PAUSE 2 WRITE",
            "CLIENT UNPAUSE",
            "CLIENT LIST",
            "CLIENT KILL ID 999999",
            "CLIENT KILL TYPE replica",
            "MONITOR",
            "DBSIZE",
            "SCAN 0 COUNT 3",
            "KEYS *",
            "RANDOMKEY",
            "SELECT 9",
            "MOVE n:1 0",
            "MOVE n:1 9",
            "MSET n:1 a n:2 b n:3",
            "MSET n:1 a n:2 b n:3 c n:4 d",
            "DEL n:1 n:2 n:3 n:4",
            "WATCH n:1 n:2 n:1",
            "MULTI",
            "EXEC",
            "RESET",
            "INFO",
        ];
        let line = if dice.once_in(60) { "QUIT" } else { lines[dice.below(lines.len())] };
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.say(&words);
        if dice.once_in(10) {
            self.say(&[b"SET", b"n:1", id.as_bytes()]);
        }
    }
}
