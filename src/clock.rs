//! What time it is, as an argument: the driver reads the clocks once a turn and hands them down.
//! Nothing below the reactor asks the system for the time.

/// One reading of both clocks, taken at the start of a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the Unix epoch; expiry times are compared with it. It may step.
    pub unix_ms: u64,
    /// Microseconds of a clock that never steps; durations are measured with it.
    pub mono_us: u64,
}

impl Now {
    /// Whole seconds since the Unix epoch.
    pub fn unix_secs(self) -> u64 {
        self.unix_ms / 1000
    }

    /// Whole milliseconds of the clock that never steps.
    pub fn mono_ms(self) -> u64 {
        self.mono_us / 1000
    }
}
