//! Types of parameters: which values they take, how they are read and written.

use super::{bytes, events, output_limits};
use std::borrow::Cow;
use std::net::IpAddr;

/// How a boolean is spelt when it is shown. All spellings are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// `yes`, `no`: Redis's parameters.
    YesNo,
    /// `true`, `false`: parameters that Redis does not have.
    TrueFalse,
}

/// The type of a parameter with its default and its range.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A whole number.
    Integer {
        /// Default.
        default: i64,
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
    },
    /// Threads: as `Integer`, but 0 becomes the number of usable processors.
    Threads {
        /// Largest number.
        max: i64,
    },
    /// A number of bytes, with units.
    Size {
        /// Default in bytes.
        default: i64,
        /// Smallest value in bytes.
        min: i64,
        /// Largest value in bytes.
        max: i64,
    },
    /// Permission bits of a file, in octal.
    Mode {
        /// Default.
        default: i64,
    },
    /// A number of bytes with units, or a percentage of the memory that the process may use; 0 is 80 %.
    Memory,
    /// Yes or no.
    Boolean {
        /// Default.
        default: bool,
        /// How it is shown.
        words: Words,
    },
    /// One of a list of words; the value is the place in the list.
    Choice {
        /// Place of the default.
        default: usize,
        /// The words.
        of: &'static [&'static str],
    },
    /// Whether anything is evicted: another view of `maxmemory-policy`.
    CacheMode,
    /// Any text.
    Text {
        /// Default.
        default: &'static str,
    },
    /// Addresses to listen on.
    Addresses {
        /// Default.
        default: &'static str,
    },
    /// How much output may wait for clients, by their class.
    OutputLimits,
    /// Classes of keyspace events, as letters.
    Events,
    /// One value only: a feature that other servers have and clients ask for.
    Fixed {
        /// The value.
        value: &'static str,
    },
}

/// A parsed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Everything that is kept as a number.
    Number(i64),
    /// Everything that is kept as text.
    Text(Vec<u8>),
}

/// Facts of the machine that some values depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// Processors that the process may use.
    pub cores: usize,
    /// Bytes of memory that the process may use.
    pub memory_bytes: u64,
}

impl Host {
    /// What `maxmemory 0` means: the rest is for stacks, the kernel and other processes.
    pub fn maxmemory_default(&self) -> i64 {
        percent(self.memory_bytes, 80)
    }
}

fn percent(bytes: u64, percent: u64) -> i64 {
    i64::try_from(u128::from(bytes) * u128::from(percent) / 100).unwrap_or(i64::MAX)
}

impl Kind {
    /// Reads a value. The error is what `CONFIG SET` adds to its reply; it names the range.
    pub fn parse(&self, value: &[u8], host: &Host) -> Result<Value, Cow<'static, str>> {
        match *self {
            Kind::Integer { min, max, .. } => integer(value, min, max).map(Value::Number),
            Kind::Threads { max } => {
                let threads = integer(value, 0, max)?;
                Ok(Value::Number(if threads == 0 { (host.cores as i64).min(max) } else { threads }))
            }
            Kind::Size { min, max, .. } => {
                let bytes = bytes::parse(value).ok_or("argument must be a memory value")?;
                let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
                in_range(bytes, min, max).map(Value::Number)
            }
            Kind::Memory => memory(value, host).map(Value::Number),
            Kind::Mode { .. } => {
                mode(value).map(Value::Number).ok_or("argument must be an octal mode".into())
            }
            Kind::Boolean { words, .. } => {
                boolean(value).map(|yes| Value::Number(i64::from(yes))).ok_or_else(|| words.refusal().into())
            }
            Kind::CacheMode => boolean(value)
                .map(|yes| Value::Number(i64::from(yes)))
                .ok_or_else(|| Words::TrueFalse.refusal().into()),
            Kind::Choice { of, .. } => {
                let place = of.iter().position(|word| word.as_bytes().eq_ignore_ascii_case(value));
                place.map(|place| Value::Number(place as i64)).ok_or_else(|| {
                    format!("argument(s) must be one of the following: {}", of.join(", ")).into()
                })
            }
            Kind::Text { .. } => Ok(Value::Text(value.to_vec())),
            Kind::Addresses { .. } => {
                addresses(value).map(|_| Value::Text(value.to_vec())).ok_or_else(|| {
                    "argument must be a list of IP addresses, '*' for all of IPv4 and '::*' for all of IPv6"
                        .into()
                })
            }
            Kind::OutputLimits => output_limits::normalized(value).map(Value::Text).ok_or_else(|| {
                "argument must be groups of a class (normal, slave, pubsub), a hard limit, a soft limit and seconds"
                    .into()
            }),
            Kind::Events => {
                events::parse(value).map(|bits| Value::Number(i64::from(bits))).ok_or_else(|| {
                    "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into()
                })
            }
            Kind::Fixed { value: only } if value.eq_ignore_ascii_case(only.as_bytes()) => {
                Ok(Value::Number(0))
            }
            Kind::Fixed { value: "" } => Err("argument must be empty, this server has nothing else".into()),
            Kind::Fixed { value: only } => {
                Err(format!("argument must be '{only}', this server has nothing else").into())
            }
        }
    }

    /// The value before anything is set.
    pub fn default(&self, host: &Host) -> Value {
        match *self {
            Kind::Integer { default, .. } | Kind::Size { default, .. } | Kind::Mode { default } => {
                Value::Number(default)
            }
            Kind::Threads { max } => Value::Number((host.cores as i64).clamp(1, max)),
            Kind::Memory => Value::Number(host.maxmemory_default()),
            Kind::Boolean { default, .. } => Value::Number(i64::from(default)),
            Kind::Choice { default, .. } => Value::Number(default as i64),
            Kind::OutputLimits => Value::Text(output_limits::DEFAULT.as_bytes().to_vec()),
            Kind::CacheMode | Kind::Events | Kind::Fixed { .. } => Value::Number(0),
            Kind::Text { default } | Kind::Addresses { default } => Value::Text(default.as_bytes().to_vec()),
        }
    }

    /// The default as `--help` and the manual show it.
    pub fn default_text(&self) -> Cow<'static, str> {
        match *self {
            Kind::Threads { .. } | Kind::Memory => "0".into(),
            Kind::Size { default, .. } => bytes::short(default as u64).into(),
            Kind::CacheMode => "true".into(),
            Kind::Events => quoted_if_empty(""),
            Kind::OutputLimits => "normal 0 0 0".into(),
            Kind::Text { default } | Kind::Addresses { default } => quoted_if_empty(default),
            Kind::Fixed { value } => quoted_if_empty(value),
            Kind::Integer { default, .. } => default.to_string().into(),
            Kind::Mode { default } => format!("{default:o}").into(),
            Kind::Boolean { default, words } => words.of(default).into(),
            Kind::Choice { default, of } => of[default].into(),
        }
    }

    /// What is allowed, for `--help`, the manual and the errors of the boot.
    pub fn range(&self) -> Cow<'static, str> {
        match *self {
            Kind::Integer { min, max: i64::MAX, .. } => format!("an integer from {min} on").into(),
            Kind::Integer { min, max, .. } => format!("an integer from {min} to {max}").into(),
            Kind::Threads { max } => {
                format!("an integer from 0 to {max}; 0 is one per usable processor").into()
            }
            Kind::Size { min, max, .. } => format!(
                "bytes (or kb, mb, gb) from {} to {}",
                bytes::short(min as u64),
                bytes::short(max as u64)
            )
            .into(),
            Kind::Memory => {
                "bytes (or kb, mb, gb, kib, mib, gib) or a percentage (1% to 100%); 0 is 80%".into()
            }
            Kind::Boolean { words: Words::YesNo, .. } => "yes or no".into(),
            Kind::Boolean { words: Words::TrueFalse, .. } | Kind::CacheMode => "true or false".into(),
            Kind::Choice { of, .. } => format!("one of {}", of.join(", ")).into(),
            Kind::Text { .. } => "text".into(),
            Kind::Mode { .. } => "octal permission bits from 0 to 777".into(),
            Kind::Addresses { .. } => "IP addresses; * and ::* are all addresses of IPv4 and IPv6".into(),
            Kind::OutputLimits => "class, hard limit, soft limit, seconds; for each class".into(),
            Kind::Events => "letters of 'Ag$lshzxeKEtmdn'; empty publishes nothing".into(),
            Kind::Fixed { value } => format!("only {}", quoted_if_empty(value)).into(),
        }
    }

    /// A number as `CONFIG GET` shows it.
    pub fn show(&self, number: i64) -> Cow<'static, str> {
        match *self {
            Kind::Boolean { words, .. } => words.of(number != 0).into(),
            Kind::CacheMode => Words::TrueFalse.of(number != 0).into(),
            Kind::Choice { of, .. } => of[number as usize].into(),
            Kind::Fixed { value } => value.into(),
            Kind::Events => events::show(number as u16).into(),
            Kind::Mode { .. } => format!("{number:o}").into(),
            _ => number.to_string().into(),
        }
    }

    /// There is only one value.
    pub fn is_fixed(&self) -> bool {
        matches!(self, Kind::Fixed { .. })
    }

    /// `--name` alone means yes, and `--noname` means no.
    pub fn is_boolean(&self) -> bool {
        matches!(self, Kind::Boolean { .. } | Kind::CacheMode)
    }

    /// A flag may be followed by several values.
    pub fn is_list(&self) -> bool {
        matches!(self, Kind::Addresses { .. } | Kind::OutputLimits | Kind::Fixed { .. })
    }
}

impl Words {
    /// The word for a value.
    pub fn of(self, yes: bool) -> &'static str {
        match (self, yes) {
            (Words::YesNo, true) => "yes",
            (Words::YesNo, false) => "no",
            (Words::TrueFalse, true) => "true",
            (Words::TrueFalse, false) => "false",
        }
    }

    fn refusal(self) -> &'static str {
        match self {
            Words::YesNo => "argument must be 'yes' or 'no'",
            Words::TrueFalse => "argument must be 'true' or 'false'",
        }
    }
}

fn quoted_if_empty(text: &'static str) -> Cow<'static, str> {
    if text.is_empty() { "\"\"".into() } else { text.into() }
}

fn boolean(value: &[u8]) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(value));
    if is(&["yes", "true", "on", "1"]) {
        Some(true)
    } else if is(&["no", "false", "off", "0"]) {
        Some(false)
    } else {
        None
    }
}

fn integer(value: &[u8], min: i64, max: i64) -> Result<i64, Cow<'static, str>> {
    let number = std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok());
    let number = number.ok_or("argument couldn't be parsed into an integer")?;
    in_range(number, min, max)
}

/// Permission bits in octal, with or without a zero before them.
fn mode(value: &[u8]) -> Option<i64> {
    let digits = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    i64::from_str_radix(digits, 8).ok().filter(|mode| *mode <= 0o777)
}

fn in_range(number: i64, min: i64, max: i64) -> Result<i64, Cow<'static, str>> {
    if (min..=max).contains(&number) {
        Ok(number)
    } else {
        Err(format!("argument must be between {min} and {max} inclusive").into())
    }
}

fn memory(value: &[u8], host: &Host) -> Result<i64, Cow<'static, str>> {
    let refusal = "argument must be a memory or percent value";
    if let Some(number) = value.strip_suffix(b"%") {
        let share =
            std::str::from_utf8(number).ok().and_then(|text| text.parse::<u64>().ok()).ok_or(refusal)?;
        if !(1..=100).contains(&share) {
            return Err("argument must be between 1% and 100% inclusive".into());
        }
        return Ok(percent(host.memory_bytes, share));
    }
    match bytes::parse(value) {
        None => Err(refusal.into()),
        Some(0) => Ok(host.maxmemory_default()),
        Some(bytes) => Ok(i64::try_from(bytes).unwrap_or(i64::MAX)),
    }
}

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address; unspecified for all of its family.
    pub ip: IpAddr,
    /// A machine without this address is no reason not to start (`-::1`).
    pub optional: bool,
}

/// Addresses separated by blanks or commas, or `None` if there is none or one of them is none.
pub(super) fn addresses(list: &[u8]) -> Option<Vec<Address>> {
    let list = std::str::from_utf8(list).ok()?;
    let mut found = Vec::new();
    for word in list.split([' ', ',', '\t']).filter(|word| !word.is_empty()) {
        let (word, optional) = match word.strip_prefix('-') {
            Some(rest) => (rest, true),
            None => (word, false),
        };
        let ip = match word {
            "*" => IpAddr::from([0, 0, 0, 0]),
            "::*" => IpAddr::from([0u16; 8]),
            "localhost" => IpAddr::from([127, 0, 0, 1]),
            _ => word.trim_start_matches('[').trim_end_matches(']').parse().ok()?,
        };
        found.push(Address { ip, optional });
    }
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Host = Host { cores: 6, memory_bytes: 1000 << 20 };

    #[test]
    fn integers_outside_their_range_are_refused_with_the_range() {
        let port = Kind::Integer { default: 6379, min: 0, max: 65535 };
        assert_eq!(port.parse(b"0", &HOST), Ok(Value::Number(0)));
        assert_eq!(port.parse(b"65536", &HOST), Err("argument must be between 0 and 65535 inclusive".into()));
        for no_number in [&b""[..], b"x", b"1x", b" 1", b"99999999999999999999"] {
            assert_eq!(
                port.parse(no_number, &HOST),
                Err("argument couldn't be parsed into an integer".into())
            );
        }
    }

    #[test]
    fn memory_takes_units_percentages_and_zero() {
        for (text, bytes) in [
            ("0", 800 << 20),
            ("50%", 500 << 20),
            ("100%", 1000 << 20),
            ("64mb", 64 << 20),
            ("64MiB", 64 << 20),
            ("1g", 1_000_000_000),
            ("12345678", 12_345_678),
        ] {
            assert_eq!(Kind::Memory.parse(text.as_bytes(), &HOST), Ok(Value::Number(bytes)), "{text}");
        }
        for text in ["", "%", "0%", "101%", "-1", "1.5x", "mb"] {
            assert!(Kind::Memory.parse(text.as_bytes(), &HOST).is_err(), "{text}");
        }
    }

    #[test]
    fn zero_threads_are_the_usable_processors() {
        assert_eq!(Kind::Threads { max: 256 }.parse(b"0", &HOST), Ok(Value::Number(6)));
        assert_eq!(Kind::Threads { max: 256 }.parse(b"2", &HOST), Ok(Value::Number(2)));
    }

    #[test]
    fn booleans_are_read_in_every_spelling_and_shown_in_their_own() {
        let kind = Kind::Boolean { default: true, words: Words::YesNo };
        for (text, yes) in [("yes", 1), ("TRUE", 1), ("1", 1), ("on", 1), ("no", 0), ("False", 0), ("0", 0)] {
            assert_eq!(kind.parse(text.as_bytes(), &HOST), Ok(Value::Number(yes)), "{text}");
        }
        assert!(kind.parse(b"maybe", &HOST).is_err());
        assert_eq!(kind.show(1), "yes");
        assert_eq!(Kind::CacheMode.show(0), "false");
    }

    #[test]
    fn address_lists_are_checked_before_the_boot_needs_them() {
        let list = addresses(b"127.0.0.1, -::1 * [fe80::1]").unwrap();
        assert_eq!(list.len(), 4);
        assert!(list[1].optional && !list[0].optional);
        assert!(list[2].ip.is_unspecified() && list[2].ip.is_ipv4());
        for bad in [&b""[..], b" ", b"example.com", b"127.0.0", b"1.2.3.4:80"] {
            assert_eq!(addresses(bad), None);
        }
    }

    #[test]
    fn a_fixed_parameter_takes_its_own_value_only() {
        let kind = Kind::Fixed { value: "no" };
        assert!(kind.parse(b"NO", &HOST).is_ok());
        assert!(kind.parse(b"yes", &HOST).unwrap_err().contains("'no'"));
    }
}
