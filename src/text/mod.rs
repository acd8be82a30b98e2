//! Numbers, sizes and patterns as clients write them.
//!
//! Owns the conversions between bytes and plain values, with the exact ideas that Redis and memcached have of
//! what is valid. It refuses to know who asks: error texts belong to the callers.

pub mod base64;
pub mod float;
pub mod glob;
pub mod integer;
pub mod long_double;
mod natural;
mod short;
pub mod size;
pub mod uri;

pub use float::{FloatDigits, format_f64, parse_f64};
pub use glob::{glob_matches, glob_matches_nocase};
pub use integer::{Digits, format_i64, format_u64, parse_i64, parse_u64};
pub use long_double::LongDouble;
pub use short::copy_short;
pub use size::{Size, parse_bytes, parse_size};
pub use uri::uri_encode;
