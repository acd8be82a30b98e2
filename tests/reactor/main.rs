//! Both drivers over real loopback sockets: the same promises, kept by each.

#![allow(missing_docs)]

mod blocks;
mod exhaustion;
mod fairness;
mod fallback;
mod lifecycle;
mod server;
mod transfer;
mod waking;

/// Each test as two: over io_uring and over epoll.
macro_rules! over_both_drivers {
    ($($test:ident),* $(,)?) => {
        mod uring {
            $(#[test] fn $test() { super::$test(larder::reactor::Choice::Uring); })*
        }
        mod poll {
            $(#[test] fn $test() { super::$test(larder::reactor::Choice::Poll); })*
        }
    };
}
use over_both_drivers;
