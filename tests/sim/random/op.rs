//! What clients ask and what they are answered, whichever protocol carries it.

use std::rc::Rc;

/// A key, by its place in its group.
pub type Key = u8;
/// Short: a long value is written as what it is made from (`expand`).
pub type Bytes = Rc<[u8]>;

/// Which end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Left,
    Right,
}

/// When a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Always,
    Absent,
    Present,
}

/// How sets become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    Inter,
    Union,
    Diff,
}

/// What one of memcached's commands does to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Set,
    Add,
    Replace,
    Append,
    Prepend,
    /// With the unique that was read.
    Cas(u64),
}

/// A request, without its protocol.
#[derive(Clone, Debug)]
pub enum Op {
    Get(Key),
    Set {
        key: Key,
        value: Bytes,
        when: When,
        ttl_ms: Option<u64>,
        get: bool,
    },
    GetDel(Key),
    Append(Key, Bytes),
    IncrBy(Key, i64),
    MGet(Vec<Key>),
    MSet(Vec<(Key, Bytes)>),
    MSetNx(Vec<(Key, Bytes)>),
    Del(Vec<Key>),
    Exists(Vec<Key>),
    Rename {
        from: Key,
        to: Key,
        only_new: bool,
    },
    Copy {
        from: Key,
        to: Key,
        replace: bool,
    },
    PExpire(Key, u64),
    Persist(Key),
    Push(Key, End, Vec<Bytes>),
    Pop(Key, End),
    LRange(Key),
    LMove {
        from: Key,
        to: Key,
        out: End,
        into: End,
    },
    /// Waits for an element.
    BPop {
        keys: Vec<Key>,
        end: End,
        timeout_ms: u64,
    },
    BMove {
        from: Key,
        to: Key,
        out: End,
        into: End,
        timeout_ms: u64,
    },
    SAdd(Key, Vec<Bytes>),
    SRem(Key, Bytes),
    SMembers(Key),
    SMove(Key, Key, Bytes),
    SCombine(Combine, Vec<Key>),
    SCombineStore(Combine, Key, Vec<Key>),
    HSet(Key, Bytes, Bytes),
    HDel(Key, Bytes),
    HGetAll(Key),
    HIncrBy(Key, Bytes, i64),
    ZAdd(Key, Bytes, i64),
    ZPopMin(Key),
    ZRange(Key),
    FlushAll,
    /// Of the client of that number.
    Watch(u32, Vec<Key>),
    /// `MULTI`, these, `EXEC`, of the client of that number, which had watched keys.
    Exec {
        client: u32,
        watched: Vec<Key>,
        ops: Vec<Op>,
    },
    McGet(Key),
    /// With its unique.
    McGets(Key),
    McStore {
        key: Key,
        value: Bytes,
        how: Store,
        ttl_secs: u64,
    },
    McDelete(Key),
    McIncr(Key, u64),
}

impl Op {
    /// The keys that it looks at or changes; `None`: all there are.
    pub fn keys(&self) -> Option<Vec<Key>> {
        Some(match self {
            Op::Get(key)
            | Op::Set { key, .. }
            | Op::GetDel(key)
            | Op::Append(key, _)
            | Op::IncrBy(key, _)
            | Op::PExpire(key, _)
            | Op::Persist(key)
            | Op::Push(key, ..)
            | Op::Pop(key, _)
            | Op::LRange(key)
            | Op::SAdd(key, _)
            | Op::SRem(key, _)
            | Op::SMembers(key)
            | Op::HSet(key, ..)
            | Op::HDel(key, _)
            | Op::HGetAll(key)
            | Op::HIncrBy(key, ..)
            | Op::ZAdd(key, ..)
            | Op::ZPopMin(key)
            | Op::ZRange(key)
            | Op::McGet(key)
            | Op::McGets(key)
            | Op::McStore { key, .. }
            | Op::McDelete(key)
            | Op::McIncr(key, _) => vec![*key],
            Op::MGet(keys)
            | Op::Del(keys)
            | Op::Exists(keys)
            | Op::BPop { keys, .. }
            | Op::SCombine(_, keys)
            | Op::Watch(_, keys) => keys.clone(),
            Op::MSet(pairs) | Op::MSetNx(pairs) => pairs.iter().map(|pair| pair.0).collect(),
            Op::Rename { from, to, .. }
            | Op::Copy { from, to, .. }
            | Op::LMove { from, to, .. }
            | Op::BMove { from, to, .. }
            | Op::SMove(from, to, _) => vec![*from, *to],
            Op::SCombineStore(_, to, keys) => [&[*to], &keys[..]].concat(),
            Op::FlushAll => return None,
            Op::Exec { watched, ops, .. } => {
                let mut all = watched.clone();
                for op in ops {
                    all.extend(op.keys()?);
                }
                all
            }
        })
    }

    /// It may wait for others.
    pub fn blocks(&self) -> bool {
        matches!(self, Op::BPop { .. } | Op::BMove { .. })
    }
}

/// An answer, without its protocol. Maps and sets are arrays, numbers with a fraction are bulk strings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Nil,
    Int(i64),
    /// `OK`, `STORED`.
    Word(String),
    Bulk(Vec<u8>),
    Array(Vec<Reply>),
    /// The first word of it.
    Error(String),
}

impl Reply {
    pub fn word(text: &str) -> Reply {
        Reply::Word(text.to_string())
    }

    pub fn error(code: &str) -> Reply {
        Reply::Error(code.to_string())
    }

    /// The store had no room.
    pub fn is_oom(&self) -> bool {
        matches!(self, Reply::Error(code) if code == "OOM")
    }
}

/// Values from here on are written short.
const LONG: usize = 512;

/// The value that its short form stands for: `c1.7+40000` has 40,000 bytes that follow from the text before.
pub fn expand(short: &[u8]) -> Vec<u8> {
    let mut value = short.to_vec();
    if let Some(at) = short.iter().position(|&byte| byte == b'+')
        && let Ok(len) = String::from_utf8_lossy(&short[at + 1..]).parse::<usize>()
    {
        value.push(b'+');
        let mut mixed = short.iter().fold(7u32, |sum, &byte| sum.wrapping_mul(31) + u32::from(byte));
        while value.len() < len {
            mixed = mixed.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f);
            value.extend([b'a' + (mixed >> 24) as u8 % 26; 16]);
        }
        value.truncate(len);
    }
    value
}

/// The short form of a value that was made by `expand`; any other as it is.
pub fn contract(value: Vec<u8>) -> Vec<u8> {
    if value.len() < LONG {
        return value;
    }
    let short = value.splitn(3, |&byte| byte == b'+').take(2).collect::<Vec<_>>().join(&b'+');
    if short.len() < 64 && expand(&short) == value { short } else { value }
}
