//! A whole core in memory: bytes in, bytes out, no sockets. What a request costs in user space.
//!
//! `cargo bench --bench core [FILTER]`. 100,000 keys of 16 bytes chosen at random, values of 256 bytes. `p16` is a
//! receive of 16 requests. Two cores are turned one after the other on one thread, so their figures are the sum of
//! what both spend.

mod measure;
mod memory;

use larder::reactor::Socket;
use measure::Bench;
use memory::{MEMCACHE, Machine, PACKETS, RESP};
use std::rc::Rc;

const VALUE_BYTES: usize = 256;

/// Requests that are prepared for each piece of work, and gone through again and again.
const REQUESTS: usize = 1 << 16;

/// Which keys are asked for.
#[derive(Clone, Copy, PartialEq)]
enum Which {
    All,
    /// Those of this core.
    Of(u16),
}

struct Keys {
    keys: u64,
    state: u64,
}

impl Keys {
    fn name(number: u64) -> String {
        format!("key:{number:012}")
    }

    /// The next one at random.
    fn next(&mut self, machine: &Machine, which: Which) -> String {
        loop {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            let name = Keys::name(self.state % self.keys);
            match which {
                Which::Of(core) if machine.owner(name.as_bytes()) != core => {}
                _ => return name,
            }
        }
    }
}

fn resp(words: &[&str]) -> String {
    let mut out = format!("*{}\r\n", words.len());
    for word in words {
        out.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    out
}

/// One request, in what it is to say and in what is to come back.
struct Shape {
    name: &'static str,
    socket: Socket,
    /// Keys per request.
    keys: usize,
    request: fn(&[String]) -> Vec<u8>,
    /// Bytes of a reply, or of the shortest one where they differ.
    reply_bytes: usize,
    /// What a reply begins with.
    reply: &'static [u8],
    /// Replies differ in length.
    varies: bool,
}

/// A command on collections.
struct Family {
    shape: Shape,
    /// The request of a number that fills them.
    fill: fn(u64) -> Vec<u8>,
}

fn value() -> String {
    "v".repeat(VALUE_BYTES)
}

fn words(keys: &[String]) -> Vec<&str> {
    keys.iter().map(String::as_str).collect()
}

const GET: Shape = Shape {
    name: "get",
    socket: RESP,
    keys: 1,
    request: |keys| resp(&["GET", &keys[0]]).into(),
    reply_bytes: "$256\r\n\r\n".len() + VALUE_BYTES,
    reply: b"$256\r\n",
    varies: false,
};

const SET: Shape = Shape {
    name: "set",
    socket: RESP,
    keys: 1,
    request: |keys| resp(&["SET", &keys[0], &value()]).into(),
    reply_bytes: "+OK\r\n".len(),
    reply: b"+OK\r\n",
    varies: false,
};

const MGET: Shape = Shape {
    name: "mget 100",
    socket: RESP,
    keys: 100,
    request: |keys| resp(&[&["MGET"], &words(keys)[..]].concat()).into(),
    reply_bytes: "*100\r\n".len() + 100 * ("$256\r\n\r\n".len() + VALUE_BYTES),
    reply: b"*100\r\n",
    varies: false,
};

const MSET: Shape = Shape {
    name: "mset 100",
    socket: RESP,
    keys: 100,
    request: |keys| {
        let value = value();
        let pairs = keys.iter().flat_map(|key| [key.as_str(), &value]);
        resp(&["MSET"].into_iter().chain(pairs).collect::<Vec<_>>()).into()
    },
    reply_bytes: "+OK\r\n".len(),
    reply: b"+OK\r\n",
    varies: false,
};

/// `UNLINK` of keys that are not there costs what its coordination costs.
const UNLINK: Shape = Shape {
    name: "unlink 100 absent",
    socket: RESP,
    keys: 100,
    request: |keys| {
        let absent: Vec<String> = keys.iter().map(|key| key.replace("key", "not")).collect();
        resp(&[&["UNLINK"], &words(&absent)[..]].concat()).into()
    },
    reply_bytes: ":0\r\n".len(),
    reply: b":0\r\n",
    varies: false,
};

const MC_GET: Shape = Shape {
    name: "mc get",
    socket: MEMCACHE,
    keys: 1,
    request: |keys| format!("get {}\r\n", keys[0]).into(),
    reply_bytes: "VALUE key:000000000000 0 256\r\n\r\nEND\r\n".len() + VALUE_BYTES,
    reply: b"VALUE key:",
    varies: false,
};

const MC_SET: Shape = Shape {
    name: "mc set",
    socket: MEMCACHE,
    keys: 1,
    request: |keys| format!("set {} 0 0 256\r\n{}\r\n", keys[0], value()).into(),
    reply_bytes: "STORED\r\n".len(),
    reply: b"STORED\r\n",
    varies: false,
};

/// A packet of memcached's binary protocol.
fn packet(opcode: u8, key: &str, extras: &[u8], value: &str) -> Vec<u8> {
    let body = (key.len() + extras.len() + value.len()) as u32;
    let mut packet = vec![0x80, opcode];
    packet.extend((key.len() as u16).to_be_bytes());
    packet.extend([extras.len() as u8, 0, 0, 0]);
    packet.extend(body.to_be_bytes());
    packet.extend([0; 12]);
    [&packet[..], extras, key.as_bytes(), value.as_bytes()].concat()
}

const PACKET_GET: Shape = Shape {
    name: "mc packet get",
    socket: PACKETS,
    keys: 1,
    request: |keys| packet(0x00, &keys[0], b"", ""),
    reply_bytes: 24 + 4 + VALUE_BYTES,
    reply: b"\x81\x00",
    varies: false,
};

const PACKET_SET: Shape = Shape {
    name: "mc packet set",
    socket: PACKETS,
    keys: 1,
    request: |keys| packet(0x01, &keys[0], &[0; 8], &value()),
    reply_bytes: 24,
    reply: b"\x81\x01",
    varies: false,
};

const MC_GET_MANY: Shape = Shape {
    name: "mc get 100",
    socket: MEMCACHE,
    keys: 100,
    request: |keys| format!("get {}\r\n", words(keys).join(" ")).into(),
    reply_bytes: 100 * ("VALUE key:000000000000 0 256\r\n\r\n".len() + VALUE_BYTES) + "END\r\n".len(),
    reply: b"VALUE key:",
    varies: false,
};

/// What elements and members are called, as redis-benchmark calls them.
fn element(number: u64) -> String {
    format!("element:{number:012}")
}

/// The number of a key, for commands whose keys are all one.
fn number_of(key: &str) -> u64 {
    key.trim_start_matches("key:").parse().expect("a key has a number")
}

fn fill_list(number: u64) -> Vec<u8> {
    resp(&["RPUSH", "list", &format!("xxx{number}")]).into()
}

fn fill_set(number: u64) -> Vec<u8> {
    resp(&["SADD", "set", &element(number)]).into()
}

fn fill_hash(number: u64) -> Vec<u8> {
    resp(&["HSET", "hash", &element(number), "xxx"]).into()
}

fn fill_sorted(number: u64) -> Vec<u8> {
    // In no order of their scores.
    let score = number.wrapping_mul(0x9e37_79b9) % 1_000_000;
    resp(&["ZADD", "sorted", &score.to_string(), &element(number)]).into()
}

/// On one large collection each.
const FAMILIES: [Family; 7] = [
    Family {
        shape: Shape {
            name: "lpush",
            socket: RESP,
            keys: 1,
            request: |_| resp(&["LPUSH", "list", "xxx"]).into(),
            reply_bytes: ":1\r\n".len(),
            reply: b":",
            varies: true,
        },
        fill: fill_list,
    },
    Family {
        shape: Shape {
            name: "lpop",
            socket: RESP,
            keys: 1,
            request: |_| resp(&["LPOP", "list"]).into(),
            reply_bytes: "$-1\r\n".len(),
            reply: b"$",
            varies: true,
        },
        fill: fill_list,
    },
    Family {
        shape: Shape {
            name: "sadd",
            socket: RESP,
            keys: 1,
            request: |keys| resp(&["SADD", "set", &element(number_of(&keys[0]))]).into(),
            reply_bytes: ":0\r\n".len(),
            reply: b":",
            varies: true,
        },
        fill: fill_set,
    },
    Family {
        shape: Shape {
            name: "hset",
            socket: RESP,
            keys: 1,
            request: |keys| resp(&["HSET", "hash", &element(number_of(&keys[0])), "yyy"]).into(),
            reply_bytes: ":0\r\n".len(),
            reply: b":",
            varies: true,
        },
        fill: fill_hash,
    },
    Family {
        shape: Shape {
            name: "zadd",
            socket: RESP,
            keys: 1,
            request: |keys| {
                let number = number_of(&keys[0]);
                let score = number.wrapping_mul(0x85eb_ca6b) % 1_000_000;
                resp(&["ZADD", "sorted", &score.to_string(), &element(number)]).into()
            },
            reply_bytes: ":0\r\n".len(),
            reply: b":",
            varies: true,
        },
        fill: fill_sorted,
    },
    Family {
        shape: Shape {
            name: "zpopmin",
            socket: RESP,
            keys: 1,
            request: |_| resp(&["ZPOPMIN", "sorted"]).into(),
            reply_bytes: "*0\r\n".len(),
            reply: b"*",
            varies: true,
        },
        fill: fill_sorted,
    },
    Family {
        shape: Shape {
            name: "lrange 100",
            socket: RESP,
            keys: 1,
            request: |_| resp(&["LRANGE", "list", "0", "99"]).into(),
            reply_bytes: "*100\r\n".len() + 100 * "$3\r\nxxx\r\n".len(),
            reply: b"*100\r\n",
            varies: true,
        },
        fill: fill_list,
    },
];

/// A command on a collection that is not there costs what any command costs.
const ABSENT: Family = Family {
    shape: Shape {
        name: "zpopmin absent",
        socket: RESP,
        keys: 1,
        request: |_| resp(&["ZPOPMIN", "nothing"]).into(),
        reply_bytes: "*0\r\n".len(),
        reply: b"*0\r\n",
        varies: true,
    },
    fill: fill_sorted,
};

/// An element that comes to one of many small collections and leaves it, which is two requests: they are in their items.
const SMALL: [Family; 4] = [
    Family {
        shape: Shape {
            name: "small lpush rpop",
            socket: RESP,
            keys: 1,
            request: |keys| pair(&["LPUSH", &keys[0], "xxx"], &["RPOP", &keys[0]]),
            reply_bytes: ":1\r\n$3\r\nxxx\r\n".len(),
            reply: b":",
            varies: true,
        },
        fill: |number| {
            let key = Keys::name(number);
            resp(&["LPUSH", &key, "xxx", "xxx", "xxx", "xxx", "xxx", "xxx", "xxx", "xxx"]).into()
        },
    },
    Family {
        shape: Shape {
            name: "small sadd srem",
            socket: RESP,
            keys: 1,
            request: |keys| pair(&["SADD", &keys[0], "member"], &["SREM", &keys[0], "member"]),
            reply_bytes: ":1\r\n:1\r\n".len(),
            reply: b":1",
            varies: true,
        },
        fill: |number| {
            let key = Keys::name(number);
            resp(&["SADD", &key, "one", "two", "three", "four", "five", "six", "seven", "eight"]).into()
        },
    },
    Family {
        shape: Shape {
            name: "small hset hdel",
            socket: RESP,
            keys: 1,
            request: |keys| pair(&["HSET", &keys[0], "field", "xxx"], &["HDEL", &keys[0], "field"]),
            reply_bytes: ":1\r\n:1\r\n".len(),
            reply: b":1",
            varies: true,
        },
        fill: |number| {
            let key = Keys::name(number);
            resp(&["HSET", &key, "one", "xxx", "two", "xxx", "three", "xxx", "four", "xxx"]).into()
        },
    },
    Family {
        shape: Shape {
            name: "small zadd zpopmin",
            socket: RESP,
            keys: 1,
            request: |keys| pair(&["ZADD", &keys[0], "0", "member"], &["ZPOPMIN", &keys[0]]),
            reply_bytes: ":1\r\n*2\r\n$6\r\nmember\r\n$1\r\n0\r\n".len(),
            reply: b":1",
            varies: true,
        },
        fill: |number| {
            let key = Keys::name(number);
            resp(&["ZADD", &key, "1", "one", "2", "two", "3", "three", "4", "four"]).into()
        },
    },
];

fn pair(one: &[&str], other: &[&str]) -> Vec<u8> {
    [resp(one), resp(other)].concat().into()
}

/// Measures a shape at a pipeline's depth. Returns nanoseconds per request.
fn measure(
    bench: &Bench,
    machine: &mut Machine,
    keys: &mut Keys,
    (name, shape, which): (&str, &Shape, Which),
    pipeline: usize,
) -> Option<f64> {
    let name = format!("{name}{} p{pipeline}", shape.name);
    if !bench.wants(&name) {
        return None;
    }
    let receives = (REQUESTS / pipeline / shape.keys).clamp(16, if bench.count { 256 } else { REQUESTS });
    let mut receive = || -> Rc<[u8]> {
        let requests = (0..pipeline).map(|_| {
            let keys: Vec<String> = (0..shape.keys).map(|_| keys.next(machine, which)).collect();
            (shape.request)(&keys)
        });
        requests.collect::<Vec<_>>().concat().into()
    };
    let receives: Vec<Rc<[u8]>> = (0..receives).map(|_| receive()).collect();
    let reply_bytes = pipeline * shape.reply_bytes;
    let reply = machine.ask(shape.socket, &receives[0], reply_bytes);
    assert!(reply.starts_with(shape.reply), "{name}: {}", reply.escape_ascii());
    let (mut next, mut served) = (0, 0);
    let before = machine.sent_bytes();
    let ns = bench.run(&name, pipeline as u64, || {
        machine.serve(shape.socket, &receives[next], reply_bytes);
        next = if next + 1 == receives.len() { 0 } else { next + 1 };
        served += 1;
    });
    machine.settle();
    let (sent, least) = (machine.sent_bytes() - before, served * reply_bytes as u64);
    assert!(if shape.varies { sent >= least } else { sent == least }, "{name}: {sent} bytes for {least}");
    ns
}

/// Measures commands on collections, each in a server of its own with so many requests to fill it. They name so many
/// different keys, members or fields.
fn measure_families(bench: &Bench, families: &[Family], requests: u64, keys: u64) {
    const PIPELINE: usize = 16;
    for Family { shape, fill } in families {
        if !bench.wants(&format!("{} p{PIPELINE}", shape.name)) {
            continue;
        }
        let mut machine = Machine::new(1);
        for from in (0..requests).step_by(64) {
            let part: Vec<Vec<u8>> = (from..requests.min(from + 64)).map(fill).collect();
            let reply_bytes = part.len() * ":1\r\n".len();
            let reply = machine.ask(RESP, &part.concat().into(), reply_bytes);
            assert!(reply.starts_with(b":"), "{}", reply.escape_ascii());
        }
        let mut keys = Keys { keys, state: 0x9e37_79b9_7f4a_7c15 };
        measure(bench, &mut machine, &mut keys, ("", shape, Which::All), PIPELINE);
    }
}

/// Stores every key.
fn fill(machine: &mut Machine, keys: u64) {
    let mut number = 0;
    while number < keys {
        let until = keys.min(number + 64);
        let sets: String = (number..until).map(|n| resp(&["SET", &Keys::name(n), &value()])).collect();
        let reply = machine.ask(RESP, &sets.into_bytes().into(), (until - number) as usize * SET.reply_bytes);
        assert!(reply.starts_with(SET.reply), "{}", reply.escape_ascii());
        number = until;
    }
}

fn main() {
    let bench = Bench::from_args();
    // Instructions do not depend on what lies in the CPU's caches, and storing is slow where they are counted.
    let all = if bench.count { 10_000 } else { 100_000 };
    let keys = &mut Keys { keys: all, state: 0x9e37_79b9_7f4a_7c15 };
    let mut one = Machine::new(1);
    fill(&mut one, all);
    let mut bar = None;
    for (shape, pipelines) in [
        (&GET, &[1usize, 16, 128][..]),
        (&SET, &[1, 16, 128]),
        (&MGET, &[1]),
        (&MSET, &[1]),
        (&UNLINK, &[1]),
        (&MC_GET, &[1, 16, 128]),
        (&MC_SET, &[1, 16]),
        (&MC_GET_MANY, &[1]),
        (&PACKET_GET, &[1, 16]),
        (&PACKET_SET, &[16]),
    ] {
        for &pipeline in pipelines {
            let ns = measure(&bench, &mut one, keys, ("", shape, Which::All), pipeline);
            if shape.name == "get" && pipeline == 16 {
                bar = ns;
            }
        }
    }
    drop(one);
    let many = if bench.count { 20_000 } else { 2_000_000 };
    // One in two members or fields is new, as long as that lasts.
    measure_families(&bench, &FAMILIES, many, 2 * many);
    measure_families(&bench, &[ABSENT], 1, 1);
    let few = if bench.count { 1_000 } else { 10_000 };
    measure_families(&bench, &SMALL, few, few);
    let mut two = Machine::new(2);
    fill(&mut two, all);
    for (name, shape, which, pipeline) in [
        ("own shard: ", &GET, Which::Of(0), 1usize),
        ("other shard: ", &GET, Which::Of(1), 1),
        ("own shard: ", &GET, Which::Of(0), 16),
        ("other shard: ", &GET, Which::Of(1), 16),
        ("both shards: ", &GET, Which::All, 16),
        ("other shard: ", &SET, Which::Of(1), 16),
        ("both shards: ", &MGET, Which::All, 1),
        ("both shards: ", &MSET, Which::All, 1),
        ("both shards: ", &UNLINK, Which::All, 1),
    ] {
        measure(&bench, &mut two, keys, (name, shape, which), pipeline);
    }
    if let Some(ns) = bar {
        println!("the bar: get p16 at most 150 ns, here {ns:.1} ns");
    }
}
