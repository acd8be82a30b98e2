//! What the fuzz targets check of any input: each holds the code against another, simpler account of what is right.
//!
//! | check | the code | is held against |
//! |---|---|---|
//! | [`resp`] | the RESP parser, fed in pieces | a reader that needs the whole input, written from the protocol |
//! | [`memcache`] | the text protocol's parser, fed in pieces | itself, fed whole, and a reader of storage commands |
//! | [`binary`] | the binary protocol's parser, fed in pieces | itself, fed whole, and the lengths of the headers |
//! | [`store`] | the store under any operations | a map with expiry (`slabs/tests/twin`) |
//! | [`scan`] | a scan while items come and go | the set of the keys that were there all the time |
//! | [`glob`] | glob patterns | a definition by recursion |
//! | [`config`] | configuration files | what CONFIG REWRITE makes of them, read again |
//! | [`http`] | the HTTP parser, fed in pieces | itself, fed whole |

mod binary;
mod config;
mod glob;
mod http;
mod memcache;
mod pieces;
mod resp;
mod scan;
mod store;
#[path = "../../../slabs/tests/twin/mod.rs"]
mod twin;

/// Panics where something is wrong with an input.
pub type Check = fn(&[u8]);

/// The targets.
pub const TARGETS: [(&str, Check); 8] = [
    ("resp", resp::check),
    ("memcache", memcache::check),
    ("binary", binary::check),
    ("store", store::check),
    ("scan", scan::check),
    ("glob", glob::check),
    ("config", config::check),
    ("http", http::check),
];

/// Runs the check of a target on an input; panics where something is wrong.
pub fn check(target: &str, data: &[u8]) {
    let (_, check) = TARGETS.iter().find(|(name, _)| *name == target).expect("a target of the table");
    check(data);
}
