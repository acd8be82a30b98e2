//! When a value dies, as `SET`, `GETEX` and their kin say it.

use crate::command::Fault;
use crate::protocol::Args;
use crate::text::parse_i64;

/// How an expire time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `EX`: seconds from now.
    Seconds,
    /// `PX`: milliseconds from now.
    Millis,
    /// `EXAT`: Unix time in seconds.
    AtSeconds,
    /// `PXAT`: Unix time in milliseconds.
    AtMillis,
}

impl Form {
    /// The form that an option names, in any case.
    pub(super) fn of(option: &[u8]) -> Option<Form> {
        if option.eq_ignore_ascii_case(b"ex") {
            Some(Form::Seconds)
        } else if option.eq_ignore_ascii_case(b"px") {
            Some(Form::Millis)
        } else if option.eq_ignore_ascii_case(b"exat") {
            Some(Form::AtSeconds)
        } else if option.eq_ignore_ascii_case(b"pxat") {
            Some(Form::AtMillis)
        } else {
            None
        }
    }

    /// Unix time in ms of `text`, which must be positive and within 63 bits, also after it was scaled. It may lie
    /// in the past. `command` is for the error.
    pub(super) fn unix_ms(self, text: &[u8], now_ms: u64, command: &'static str) -> Result<u64, Fault> {
        let given = parse_i64(text).ok_or(Fault::NotInteger)?;
        let scale = if matches!(self, Form::Seconds | Form::AtSeconds) { 1000 } else { 1 };
        let base = if matches!(self, Form::Seconds | Form::Millis) { now_ms as i64 } else { 0 };
        if given <= 0 {
            return Err(Fault::ExpireTime(command));
        }
        match given.checked_mul(scale).and_then(|ms| ms.checked_add(base)) {
            Some(at) => Ok(at as u64),
            None => Err(Fault::ExpireTime(command)),
        }
    }
}

/// At most one expire option among several: which, and its argument.
#[derive(Clone, Copy, Default)]
pub(super) struct Given<'a> {
    found: Option<(Form, &'a [u8])>,
}

impl<'a> Given<'a> {
    /// Takes the option `args[at]` with its argument. The same option may come again and the last one holds;
    /// another form beside it is a syntax error, and so is a missing argument.
    pub(super) fn take(&mut self, form: Form, args: Args<'a>, at: usize) -> Result<(), Fault> {
        match (self.found, args.get(at + 1)) {
            (Some((other, _)), _) if other != form => Err(Fault::Syntax),
            (_, None) => Err(Fault::Syntax),
            (_, Some(text)) => {
                self.found = Some((form, text));
                Ok(())
            }
        }
    }

    /// There is one.
    pub(super) fn is_some(&self) -> bool {
        self.found.is_some()
    }

    /// Unix time in ms, if one was given.
    pub(super) fn unix_ms(&self, now_ms: u64, command: &'static str) -> Result<Option<u64>, Fault> {
        match self.found {
            Some((form, text)) => form.unix_ms(text, now_ms, command).map(Some),
            None => Ok(None),
        }
    }
}
