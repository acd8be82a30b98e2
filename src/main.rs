//! Boot of the `larder` binary.

fn main() {}
