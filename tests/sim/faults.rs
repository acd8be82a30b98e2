//! What goes wrong in a world, how often, and how often it did.

use std::fmt;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A receive ended inside of what had come.
    CutReceive,
    /// A send took only part of what was there.
    ShortSend,
    /// A turn in which nothing could be received for want of buffers (`ENOBUFS`).
    NoBuffers,
    /// A connection was refused for want of descriptors or buffers.
    Refused,
    /// A descriptor could not be adopted.
    NotAdopted,
    /// A client's connection broke.
    Reset,
    /// A client said that it will send no more, and read on.
    HalfClose,
    /// A client read nothing for a while, or a few bytes at a time.
    SlowReader,
    /// A core stood still for some turns.
    Stall,
    /// A core stood still for hundreds of turns.
    LongStall,
    /// Mail of one core lay for some turns of its receiver.
    LateMail,
    /// Mail was overtaken by mail of another sender.
    Overtaken,
    /// A ring between two cores had no room.
    FullRing,
    /// Somebody's value went because memory was at its limit.
    Evicted,
    /// A write was refused because memory was at its limit.
    OutOfMemory,
    /// The wall clock jumped ahead.
    ClockAhead,
    /// The wall clock jumped back.
    ClockBack,
    /// Nobody did anything for a second or more.
    Pause,
}

/// All of them.
pub const FAULTS: [Fault; 18] = [
    Fault::CutReceive,
    Fault::ShortSend,
    Fault::NoBuffers,
    Fault::Refused,
    Fault::NotAdopted,
    Fault::Reset,
    Fault::HalfClose,
    Fault::SlowReader,
    Fault::Stall,
    Fault::LongStall,
    Fault::LateMail,
    Fault::Overtaken,
    Fault::FullRing,
    Fault::Evicted,
    Fault::OutOfMemory,
    Fault::ClockAhead,
    Fault::ClockBack,
    Fault::Pause,
];

/// How often each has happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally([u64; FAULTS.len()]);

impl Tally {
    pub fn count(&mut self, fault: Fault) {
        self.add(fault, 1);
    }

    pub fn add(&mut self, fault: Fault, times: u64) {
        self.0[fault as usize] += times;
    }

    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    pub fn join(&mut self, other: &Tally) {
        self.0.iter_mut().zip(&other.0).for_each(|(sum, more)| *sum += more);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in FAULTS.iter().enumerate() {
            write!(f, "{}{:?} {}", if at > 0 { ", " } else { "" }, fault, self.of(*fault))?;
        }
        Ok(())
    }
}

/// How often it is to go wrong: once in so many occasions; 0: never.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    /// Of turns of a driver.
    pub no_buffers: usize,
    /// Of connections.
    pub refused: usize,
    /// Of connections.
    pub not_adopted: usize,
    /// Of turns of a core.
    pub stall: usize,
    /// Of turns of a core.
    pub long_stall: usize,
    /// Of arrivals of mail.
    pub late_mail: usize,
    /// Of turns, a jump of the wall clock.
    pub clock: usize,
    /// Such jumps go back, too.
    pub clock_back: bool,
    /// Of turns.
    pub pause: usize,
}

impl Rates {
    /// What no client can tell from a slow server.
    pub const MILD: Rates = Rates {
        no_buffers: 100,
        refused: 0,
        not_adopted: 0,
        stall: 50,
        long_stall: 0,
        late_mail: 12,
        clock: 0,
        clock_back: false,
        pause: 0,
    };
}
