//! The parameters of the server: one table from which flags, environment, file, `CONFIG` and the
//! manual derive; and their values while it runs.

/// Values of the parameters.
#[derive(Debug, Default)]
pub struct Parameters {}
