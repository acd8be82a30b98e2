//! Commands that took longer than `slowlog_log_slower_than`, per core; `SLOWLOG GET` joins the cores' parts.

/// One core's part of the slow log.
#[derive(Debug, Default)]
pub struct Slowlog {}
