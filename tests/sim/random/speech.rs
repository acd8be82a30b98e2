//! Requests and replies as bytes, in each protocol.

use super::model::name;
use super::op::{Bytes, Combine, End, Key, Op, Reply, Store, When, contract, expand};

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tongue {
    Resp2,
    Resp3,
    Classic,
    Meta,
    Binary,
}

impl Tongue {
    pub fn is_memcache(self) -> bool {
        !matches!(self, Tongue::Resp2 | Tongue::Resp3)
    }
}

/// How what answers a request is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// One reply of Redis's protocol, whatever it is.
    Plain,
    /// The same, which answers so many operations that were one request.
    Same(usize),
    /// This text, which belongs to this request alone.
    Echo(String),
    /// `OK`, so many times `QUEUED`, and an array or nil.
    Exec(usize),
    /// Values of classic `get` for these names.
    Values(Vec<String>),
    /// One line.
    Line,
    /// A reply of the meta commands, with this opaque unless nothing was found.
    Meta(u32),
    /// Packets up to the one with this opaque, which ends them; the first has the other.
    Packets(u32, u32),
}

/// A request as bytes.
pub struct Spoken {
    pub bytes: Vec<u8>,
    pub form: Form,
}

/// Words of Redis's protocol.
pub fn words(words: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend(word);
        bytes.extend(b"\r\n");
    }
    bytes
}

/// The same from a line with blanks between words.
pub fn line(text: &str) -> Vec<u8> {
    words(&text.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>())
}

fn end_word(end: End) -> &'static str {
    match end {
        End::Left => "LEFT",
        End::Right => "RIGHT",
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// A request's words in Redis's protocol.
fn resp_words(group: usize, op: &Op) -> Vec<Vec<u8>> {
    let key = |key: &Key| name(group, *key);
    let value = |value: &Bytes| expand(value);
    let mut out: Vec<Vec<u8>> = Vec::new();
    let mut say = |text: &str| text.split(' ').for_each(|word| out.push(word.as_bytes().to_vec()));
    match op {
        Op::Get(k) => say(&format!("GET {}", key(k))),
        Op::Set { key: k, value: v, when, ttl_ms, get } => {
            say(&format!("SET {}", key(k)));
            out.push(value(v));
            let mut say = |text: &str| text.split(' ').for_each(|word| out.push(word.as_bytes().to_vec()));
            match when {
                When::Always => {}
                When::Absent => say("NX"),
                When::Present => say("XX"),
            }
            if let Some(ms) = ttl_ms {
                say(&format!("PX {ms}"));
            }
            if *get {
                say("GET");
            }
        }
        Op::GetDel(k) => say(&format!("GETDEL {}", key(k))),
        Op::Append(k, v) => {
            say(&format!("APPEND {}", key(k)));
            out.push(value(v));
        }
        Op::IncrBy(k, by) => say(&format!("INCRBY {} {by}", key(k))),
        Op::MGet(keys) => say(&joined("MGET", keys, key)),
        Op::MSet(pairs) | Op::MSetNx(pairs) => {
            say(if matches!(op, Op::MSet(_)) { "MSET" } else { "MSETNX" });
            pairs.iter().for_each(|(k, v)| out.extend([key(k).into_bytes(), value(v)]));
        }
        Op::Del(keys) => say(&joined("DEL", keys, key)),
        Op::Exists(keys) => say(&joined("EXISTS", keys, key)),
        Op::Rename { from, to, only_new } => {
            say(&format!("{} {} {}", if *only_new { "RENAMENX" } else { "RENAME" }, key(from), key(to)));
        }
        Op::Copy { from, to, replace } => {
            say(&format!("COPY {} {}{}", key(from), key(to), if *replace { " REPLACE" } else { "" }));
        }
        Op::PExpire(k, ms) => say(&format!("PEXPIRE {} {ms}", key(k))),
        Op::Persist(k) => say(&format!("PERSIST {}", key(k))),
        Op::Push(k, end, elements) => {
            say(&format!("{} {}", if *end == End::Left { "LPUSH" } else { "RPUSH" }, key(k)));
            out.extend(elements.iter().map(value));
        }
        Op::Pop(k, end) => say(&format!("{} {}", if *end == End::Left { "LPOP" } else { "RPOP" }, key(k))),
        Op::LRange(k) => say(&format!("LRANGE {} 0 -1", key(k))),
        Op::LMove { from, to, out: o, into } => {
            say(&format!("LMOVE {} {} {} {}", key(from), key(to), end_word(*o), end_word(*into)));
        }
        Op::BMove { from, to, out: o, into, timeout_ms } => say(&format!(
            "BLMOVE {} {} {} {} {}",
            key(from),
            key(to),
            end_word(*o),
            end_word(*into),
            seconds(*timeout_ms)
        )),
        Op::BPop { keys, end, timeout_ms } => {
            let command = if *end == End::Left { "BLPOP" } else { "BRPOP" };
            say(&format!("{} {}", joined(command, keys, key), seconds(*timeout_ms)));
        }
        Op::SAdd(k, members) => {
            say(&format!("SADD {}", key(k)));
            out.extend(members.iter().map(value));
        }
        Op::SRem(k, member) => {
            say(&format!("SREM {}", key(k)));
            out.push(value(member));
        }
        Op::SMembers(k) => say(&format!("SMEMBERS {}", key(k))),
        Op::SMove(from, to, member) => {
            say(&format!("SMOVE {} {}", key(from), key(to)));
            out.push(value(member));
        }
        Op::SCombine(how, keys) => say(&joined(combine_word(*how), keys, key)),
        Op::SCombineStore(how, to, keys) => {
            say(&joined(&format!("{}STORE {}", combine_word(*how), key(to)), keys, key));
        }
        Op::HSet(k, field, v) => {
            say(&format!("HSET {}", key(k)));
            out.extend([value(field), value(v)]);
        }
        Op::HDel(k, field) => {
            say(&format!("HDEL {}", key(k)));
            out.push(value(field));
        }
        Op::HGetAll(k) => say(&format!("HGETALL {}", key(k))),
        Op::HIncrBy(k, field, by) => {
            say(&format!("HINCRBY {}", key(k)));
            out.extend([value(field), by.to_string().into_bytes()]);
        }
        Op::ZAdd(k, member, score) => {
            say(&format!("ZADD {} {score}", key(k)));
            out.push(value(member));
        }
        Op::ZPopMin(k) => say(&format!("ZPOPMIN {}", key(k))),
        Op::ZRange(k) => say(&format!("ZRANGE {} 0 -1 WITHSCORES", key(k))),
        Op::FlushAll => say("FLUSHALL"),
        Op::Watch(_, keys) => say(&joined("WATCH", keys, key)),
        Op::Exec { .. }
        | Op::McGet(_)
        | Op::McGets(_)
        | Op::McStore { .. }
        | Op::McDelete(_)
        | Op::McIncr(..) => {
            unreachable!("not a request of Redis's protocol: {op:?}")
        }
    }
    out
}

fn joined(command: &str, keys: &[Key], name: impl Fn(&Key) -> String) -> String {
    keys.iter().fold(command.to_string(), |text, key| format!("{text} {}", name(key)))
}

fn combine_word(how: Combine) -> &'static str {
    match how {
        Combine::Inter => "SINTER",
        Combine::Union => "SUNION",
        Combine::Diff => "SDIFF",
    }
}

/// A request in Redis's protocol.
pub fn resp(group: usize, op: &Op) -> Spoken {
    if let Op::Exec { ops, .. } = op {
        let mut bytes = line("MULTI");
        ops.iter().for_each(|op| bytes.extend(words(&resp_words(group, op))));
        bytes.extend(line("EXEC"));
        return Spoken { bytes, form: Form::Exec(ops.len()) };
    }
    Spoken { bytes: words(&resp_words(group, op)), form: Form::Plain }
}

/// A request of memcached's classic protocol; several are gets.
pub fn classic(group: usize, ops: &[Op]) -> Spoken {
    let lines = |text: String| Spoken { bytes: format!("{text}\r\n").into_bytes(), form: Form::Line };
    match &ops[0] {
        Op::McGet(_) | Op::McGets(_) => {
            let command = if matches!(ops[0], Op::McGet(_)) { "get" } else { "gets" };
            let names: Vec<String> =
                ops.iter().flat_map(|op| op.keys().unwrap_or_default()).map(|key| name(group, key)).collect();
            let bytes = format!("{command} {}\r\n", names.join(" ")).into_bytes();
            Spoken { bytes, form: Form::Values(names) }
        }
        Op::McStore { key, value, how, ttl_secs } => {
            let data = expand(value);
            let (command, unique) = match how {
                Store::Set => ("set", String::new()),
                Store::Add => ("add", String::new()),
                Store::Replace => ("replace", String::new()),
                Store::Append => ("append", String::new()),
                Store::Prepend => ("prepend", String::new()),
                Store::Cas(unique) => ("cas", format!(" {unique}")),
            };
            let head = format!("{command} {} 0 {ttl_secs} {}{unique}\r\n", name(group, *key), data.len());
            Spoken { bytes: [head.as_bytes(), &data, b"\r\n"].concat(), form: Form::Line }
        }
        Op::McDelete(key) => lines(format!("delete {}", name(group, *key))),
        Op::McIncr(key, by) => lines(format!("incr {} {by}", name(group, *key))),
        other => unreachable!("not memcached's: {other:?}"),
    }
}

/// A request of memcached's meta commands.
pub fn meta(group: usize, op: &Op, opaque: u32) -> Spoken {
    let form = Form::Meta(opaque);
    let lines =
        |text: String| Spoken { bytes: format!("{text} O{opaque}\r\n").into_bytes(), form: form.clone() };
    match op {
        Op::McGet(key) => lines(format!("mg {} v", name(group, *key))),
        Op::McGets(key) => lines(format!("mg {} v c", name(group, *key))),
        Op::McStore { key, value, how, ttl_secs } => {
            let data = expand(value);
            let how = match how {
                Store::Set => String::new(),
                Store::Add => " ME".into(),
                Store::Replace => " MR".into(),
                Store::Append => " MA".into(),
                Store::Prepend => " MP".into(),
                Store::Cas(unique) => format!(" C{unique}"),
            };
            let head = format!("ms {} {} T{ttl_secs}{how} O{opaque}\r\n", name(group, *key), data.len());
            Spoken { bytes: [head.as_bytes(), &data, b"\r\n"].concat(), form }
        }
        Op::McDelete(key) => lines(format!("md {}", name(group, *key))),
        Op::McIncr(key, by) => lines(format!("ma {} D{by} v", name(group, *key))),
        other => unreachable!("not memcached's: {other:?}"),
    }
}

fn packet(opcode: u8, opaque: u32, unique: u64, key: &str, extras: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = vec![0x80, opcode];
    out.extend((key.len() as u16).to_be_bytes());
    out.extend([extras.len() as u8, 0, 0, 0]);
    out.extend(((key.len() + extras.len() + value.len()) as u32).to_be_bytes());
    out.extend(opaque.to_be_bytes());
    out.extend(unique.to_be_bytes());
    [&out, extras, key.as_bytes(), value].concat()
}

/// A request of memcached's binary protocol; several are quiet gets and what ends them.
pub fn binary(group: usize, ops: &[Op], opaque: u32) -> Spoken {
    let mut bytes = Vec::new();
    if ops.len() > 1 {
        for (at, op) in ops.iter().enumerate() {
            let key = op.keys().unwrap_or_default()[0];
            bytes.extend(packet(0x09, opaque + at as u32, 0, &name(group, key), &[], &[]));
        }
        let last = opaque + ops.len() as u32;
        bytes.extend(packet(0x0a, last, 0, "", &[], &[]));
        return Spoken { bytes, form: Form::Packets(opaque, last) };
    }
    match &ops[0] {
        Op::McGet(key) | Op::McGets(key) => {
            bytes.extend(packet(0x00, opaque, 0, &name(group, *key), &[], &[]));
        }
        Op::McStore { key, value, how, ttl_secs } => {
            let (opcode, unique, plain) = match how {
                Store::Set => (0x01, 0, true),
                Store::Add => (0x02, 0, true),
                Store::Replace => (0x03, 0, true),
                Store::Append => (0x0e, 0, false),
                Store::Prepend => (0x0f, 0, false),
                Store::Cas(unique) => (0x01, *unique, true),
            };
            let extras = [&[0; 4][..], &(*ttl_secs as u32).to_be_bytes()].concat();
            let extras = if plain { &extras[..] } else { &[] };
            bytes.extend(packet(opcode, opaque, unique, &name(group, *key), extras, &expand(value)));
        }
        Op::McDelete(key) => bytes.extend(packet(0x04, opaque, 0, &name(group, *key), &[], &[])),
        Op::McIncr(key, by) => {
            let extras = [&by.to_be_bytes()[..], &[0; 8], &[0xff; 4]].concat();
            bytes.extend(packet(0x05, opaque, 0, &name(group, *key), &extras, &[]));
        }
        other => unreachable!("not memcached's: {other:?}"),
    }
    Spoken { bytes, form: Form::Packets(opaque, opaque) }
}

/// The end of the line that starts at a place.
fn line_end(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.windows(2).position(|two| two == b"\r\n").map(|end| at + end)
}

/// One reply of Redis's protocol; `None`: it is not all there.
pub fn frame(bytes: &[u8], at: &mut usize) -> Result<Option<Reply>, String> {
    let Some(end) = line_end(bytes, *at) else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes[*at..end]).into_owned();
    let start = *at;
    *at = end + 2;
    let bad = || Err(format!("no reply: {:?}", &text[..text.len().min(80)]));
    let Some((kind, rest)) = text.split_at_checked(1) else { return bad() };
    let number = rest.parse::<i64>().ok();
    let reply = match (kind, number) {
        ("+", _) => Reply::Word(rest.to_string()),
        ("-", _) => Reply::Error(rest.split(' ').next().unwrap_or_default().to_string()),
        (":", Some(number)) => Reply::Int(number),
        ("$" | "*", Some(-1)) | ("_", _) => Reply::Nil,
        (",", _) => Reply::Bulk(rest.as_bytes().to_vec()),
        ("#", _) => Reply::Int(i64::from(rest == "t")),
        ("$", Some(len)) if len >= 0 => {
            let end = *at + len as usize;
            let Some(value) = bytes.get(*at..end + 2) else {
                *at = start;
                return Ok(None);
            };
            if !value.ends_with(b"\r\n") {
                return bad();
            }
            *at = end + 2;
            Reply::Bulk(contract(value[..len as usize].to_vec()))
        }
        ("*" | "~" | ">" | "%", Some(count)) if count >= 0 => {
            let mut items = Vec::new();
            for _ in 0..if kind == "%" { 2 * count } else { count } {
                let Some(item) = frame(bytes, at)? else {
                    *at = start;
                    return Ok(None);
                };
                items.push(item);
            }
            Reply::Array(items)
        }
        _ => return bad(),
    };
    Ok(Some(reply))
}

/// Pairs in arrays of their own (RESP3) become one array.
fn flat(op: Option<&Op>, reply: Reply) -> Reply {
    match reply {
        Reply::Array(items) if matches!(op, Some(Op::ZRange(_) | Op::ZPopMin(_))) => {
            let flat = items.into_iter().flat_map(|item| match item {
                Reply::Array(pair) => pair,
                item => vec![item],
            });
            Reply::Array(flat.collect())
        }
        Reply::Array(items) => match op {
            Some(Op::Exec { ops, .. }) if ops.len() == items.len() => Reply::Array(
                items.into_iter().enumerate().map(|(at, item)| flat(Some(&ops[at]), item)).collect(),
            ),
            _ => Reply::Array(items),
        },
        reply => reply,
    }
}

/// What answers a request to the store, in memcached's words.
fn stored(op: &Op, word: &str) -> Result<Reply, String> {
    let incr = matches!(op, Op::McIncr(..));
    Ok(match (word.split(' ').next().unwrap_or_default(), op) {
        ("STORED" | "HD", Op::McStore { .. }) => Reply::word("STORED"),
        ("NOT_STORED" | "NS", Op::McStore { .. }) => Reply::word("NOT_STORED"),
        ("EXISTS" | "EX", Op::McStore { how: Store::Cas(_), .. }) => Reply::word("EXISTS"),
        ("NOT_FOUND" | "NF", Op::McStore { how: Store::Cas(_), .. } | Op::McDelete(_) | Op::McIncr(..)) => {
            Reply::word("NOT_FOUND")
        }
        ("DELETED" | "HD", Op::McDelete(_)) => Reply::word("DELETED"),
        ("CLIENT_ERROR", _) if incr => Reply::error("CLIENT_ERROR"),
        ("SERVER_ERROR", _) if word.contains("out of memory") => Reply::error("OOM"),
        (number, _) if incr && number.parse::<i64>().is_ok() => {
            Reply::Int(number.parse().unwrap_or_default())
        }
        _ => return Err(format!("{word:?} answers {op:?}")),
    })
}

fn value_reply(op: &Op, value: &[u8], unique: u64) -> Reply {
    let value = Reply::Bulk(contract(value.to_vec()));
    match op {
        Op::McGets(_) => Reply::Array(vec![value, Reply::Int(unique as i64)]),
        _ => value,
    }
}

/// The replies to a request, one for each of its operations, and how long they are; `None`: they are not all there.
pub fn replies(form: &Form, ops: &[Op], bytes: &[u8]) -> Result<Option<(usize, Vec<Reply>)>, String> {
    let mut at = 0;
    match form {
        Form::Plain => {
            let reply = frame(bytes, &mut at)?;
            Ok(reply.map(|reply| (at, vec![flat(ops.first(), reply)])))
        }
        Form::Same(times) => Ok(frame(bytes, &mut at)?.map(|reply| (at, vec![reply; *times]))),
        Form::Echo(text) => {
            let Some(reply) = frame(bytes, &mut at)? else { return Ok(None) };
            let right = reply == Reply::Bulk(text.clone().into_bytes());
            if right { Ok(Some((at, Vec::new()))) } else { Err(format!("{reply:?} answers ECHO {text}")) }
        }
        Form::Exec(queued) => {
            for step in 0..=*queued {
                let Some(reply) = frame(bytes, &mut at)? else { return Ok(None) };
                let wanted = if step == 0 { "OK" } else { "QUEUED" };
                if reply != Reply::word(wanted) {
                    return Err(format!("{reply:?} instead of {wanted}"));
                }
            }
            let reply = frame(bytes, &mut at)?;
            Ok(reply.map(|reply| (at, vec![flat(ops.first(), reply)])))
        }
        Form::Values(names) => values(names, ops, bytes),
        Form::Line => {
            let Some(end) = line_end(bytes, 0) else { return Ok(None) };
            Ok(Some((end + 2, vec![stored(&ops[0], &String::from_utf8_lossy(&bytes[..end]))?])))
        }
        Form::Meta(opaque) => meta_reply(&ops[0], *opaque, bytes),
        Form::Packets(first, last) => packets(ops, *first, *last, bytes),
    }
}

fn values(names: &[String], ops: &[Op], bytes: &[u8]) -> Result<Option<(usize, Vec<Reply>)>, String> {
    let mut replies = vec![Reply::Nil; ops.len()];
    let (mut at, mut last) = (0, None);
    loop {
        let Some(end) = line_end(bytes, at) else { return Ok(None) };
        let text = String::from_utf8_lossy(&bytes[at..end]).into_owned();
        let fields: Vec<&str> = text.split(' ').collect();
        at = end + 2;
        match &fields[..] {
            ["END"] => return Ok(Some((at, replies))),
            ["VALUE", found, "0", len, unique @ ..] => {
                let place = names.iter().position(|name| name == found);
                let (Some(place), Ok(len)) = (place, len.parse::<usize>()) else {
                    return Err(format!("{text:?} answers get of {names:?}"));
                };
                if last.is_some_and(|last| place <= last) {
                    return Err(format!("{text:?} out of order in get of {names:?}"));
                }
                last = Some(place);
                let Some(value) = bytes.get(at..at + len + 2) else { return Ok(None) };
                if !value.ends_with(b"\r\n") {
                    return Err(format!("{text:?} has no end"));
                }
                let unique = unique.first().and_then(|unique| unique.parse().ok()).unwrap_or_default();
                replies[place] = value_reply(&ops[place], &value[..len], unique);
                at += len + 2;
            }
            _ => return Err(format!("{text:?} answers get of {names:?}")),
        }
    }
}

fn meta_reply(op: &Op, opaque: u32, bytes: &[u8]) -> Result<Option<(usize, Vec<Reply>)>, String> {
    let Some(end) = line_end(bytes, 0) else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut at = end + 2;
    let fields: Vec<&str> = text.split(' ').collect();
    let is_error = fields[0].ends_with("_ERROR");
    if fields[0] == "EN" && matches!(op, Op::McGet(_) | Op::McGets(_)) {
        return Ok(Some((at, vec![Reply::Nil])));
    }
    let own = format!("O{opaque}");
    if !is_error && !fields.contains(&own.as_str()) {
        return Err(format!("{text:?} answers {op:?} with opaque {opaque}"));
    }
    if fields[0] != "VA" {
        return Ok(Some((at, vec![stored(op, &text)?])));
    }
    let Some(len) = fields.get(1).and_then(|len| len.parse::<usize>().ok()) else {
        return Err(format!("{text:?} has no length"));
    };
    let Some(value) = bytes.get(at..at + len + 2) else { return Ok(None) };
    at += len + 2;
    let value = &value[..len];
    let unique = fields.iter().find_map(|field| field.strip_prefix('c')?.parse().ok()).unwrap_or_default();
    let reply = match op {
        Op::McIncr(..) => stored(op, &String::from_utf8_lossy(value))?,
        _ => value_reply(op, value, unique),
    };
    Ok(Some((at, vec![reply])))
}

fn packets(ops: &[Op], first: u32, last: u32, bytes: &[u8]) -> Result<Option<(usize, Vec<Reply>)>, String> {
    let mut replies = vec![Reply::Nil; ops.len()];
    let mut at = 0;
    let mut next = first;
    loop {
        let Some(head) = bytes.get(at..at + 24) else { return Ok(None) };
        let number =
            |from: usize| u32::from_be_bytes([head[from], head[from + 1], head[from + 2], head[from + 3]]);
        let (body, opaque) = (number(8) as usize, number(12));
        let unique = u64::from(number(16)) << 32 | u64::from(number(20));
        let status = u16::from_be_bytes([head[6], head[7]]);
        let Some(body) = bytes.get(at + 24..at + 24 + body) else { return Ok(None) };
        at += 24 + body.len();
        if head[0] != 0x81 || opaque < next || opaque > last {
            return Err(format!(
                "a packet with opaque {opaque}, status {status} instead of {next} to {last}"
            ));
        }
        next = opaque + 1;
        let extras = usize::from(head[4]) + usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = body.get(extras..).unwrap_or_default();
        if last > first {
            if opaque == last {
                return Ok(Some((at, replies)));
            }
            if status != 0 {
                return Err(format!("status {status} answers a quiet get"));
            }
            let place = (opaque - first) as usize;
            replies[place] = value_reply(&ops[place], value, unique);
            continue;
        }
        let op = &ops[0];
        let reply = match (status, op) {
            (0, Op::McGet(_) | Op::McGets(_)) => value_reply(op, value, unique),
            (0, Op::McStore { .. }) => Reply::word("STORED"),
            (0, Op::McDelete(_)) => Reply::word("DELETED"),
            (0, Op::McIncr(..)) if value.len() == 8 => {
                Reply::Int(value.iter().fold(0, |sum, &byte| sum << 8 | i64::from(byte)))
            }
            (1, Op::McGet(_) | Op::McGets(_)) => Reply::Nil,
            (1, Op::McStore { how: Store::Cas(_), .. } | Op::McDelete(_) | Op::McIncr(..)) => {
                Reply::word("NOT_FOUND")
            }
            (1, Op::McStore { how: Store::Replace, .. })
            | (2, Op::McStore { how: Store::Add, .. })
            | (5, Op::McStore { .. }) => Reply::word("NOT_STORED"),
            (2, Op::McStore { how: Store::Cas(_), .. }) => Reply::word("EXISTS"),
            (6, Op::McIncr(..)) => Reply::error("CLIENT_ERROR"),
            (0x82, _) => Reply::error("OOM"),
            _ => return Err(format!("status {status} answers {op:?}")),
        };
        return Ok(Some((at, vec![reply])));
    }
}
