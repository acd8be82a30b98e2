//! For tests: command lines run on a shard of their own, replies as text.

use super::run::run_here;
use super::table::{Found, TABLE};
use super::{Fault, Outcome};
use crate::clock::Now;
use crate::protocol::{Args, Proto, Reply, Span};
use crate::shard::{Item, Key, Kind, Meta, Shard};
use slabs::{Hasher, Options, Store};

/// A shard with one client.
pub(crate) struct OneShard {
    /// The shard.
    pub shard: Shard,
    /// The client's reply format.
    pub proto: Proto,
    /// The client's database.
    pub db: u8,
    hasher: Hasher,
}

impl OneShard {
    /// An empty shard of 64 MiB with 16 databases; it is the first second of the year 2020.
    pub fn new() -> OneShard {
        OneShard::with(&Options { huge_pages: false, ..Options::default() })
    }

    /// The same with other options of the store.
    pub fn with(options: &Options) -> OneShard {
        let mut shard = Shard::new(Store::new(options).expect("a valid store"), 16);
        shard.now = Now { unix_ms: 1_577_836_800_000, mono_us: 0 };
        OneShard { shard, proto: Proto::Resp2, db: 0, hasher: Hasher::new(options.seeds) }
    }

    /// Lets time pass.
    pub fn pass_ms(&mut self, ms: u64) {
        self.shard.now.unix_ms += ms;
        self.shard.now.mono_us += ms * 1000;
    }

    /// Runs a command given as its arguments.
    pub fn call(&mut self, args: &[&[u8]]) -> (Vec<u8>, Result<Outcome, Fault>) {
        let bytes = args.concat();
        let mut start = 0;
        let spans = args.iter().map(|arg| {
            let span = Span { start, len: arg.len() as u32 };
            start += arg.len() as u32;
            span
        });
        let spans: Vec<Span> = spans.collect();
        let args = Args::new(&bytes, &spans);
        let Found::Row(row) = TABLE.find(args) else { panic!("no command {args:?}") };
        let command = TABLE.row(row);
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, self.proto);
        let result = if command.arity_fits(args.len()) {
            run_here(command, &mut self.shard, args, self.db, &self.hasher, true, &mut reply)
        } else {
            Err(Fault::Arity(command.name))
        };
        if let Err(fault) = &result {
            reply.truncate(0);
            fault.write(&mut reply);
        }
        (out, result)
    }

    /// Runs a command line, split at blanks; `''` is an empty argument. The reply with every line end as a blank.
    pub fn run(&mut self, line: &str) -> String {
        let (out, _) = self.call(&split(line));
        String::from_utf8_lossy(&out).replace("\r\n", " ").trim_end().to_string()
    }

    /// Whether a command line changed the data set.
    pub fn changes(&mut self, line: &str) -> bool {
        self.call(&split(line)).1.is_ok_and(|outcome| outcome.changed)
    }

    /// Runs command lines and compares their replies: `(line, reply)`.
    #[track_caller]
    pub fn check(&mut self, dialogue: &[(&str, &str)]) {
        for (line, expected) in dialogue {
            assert_eq!(&self.run(line), expected, "{line}");
        }
    }

    /// Stores bytes under a key with what stands beside them.
    pub fn put(&mut self, key: &str, value: &[u8], meta: Meta) {
        let at = Key::new(&self.hasher, self.shard.physical(self.db), key.as_bytes());
        self.shard.store.put(&at, value, &meta, self.shard.now.unix_ms).expect("room for a value");
    }

    /// Makes a key hold a list, as far as its kind says.
    pub fn put_list(&mut self, key: &str) {
        self.put(key, b"12345678", Meta { kind: Kind::List, ..Meta::default() });
    }

    /// The item of a key.
    pub fn item(&self, key: &str) -> Option<Item<'_>> {
        let at = Key::new(&self.hasher, self.shard.physical(self.db), key.as_bytes());
        self.shard.store.peek(&at, self.shard.now.unix_ms)
    }
}

fn split(line: &str) -> Vec<&[u8]> {
    line.split_ascii_whitespace().map(|arg| if arg == "''" { &b""[..] } else { arg.as_bytes() }).collect()
}
