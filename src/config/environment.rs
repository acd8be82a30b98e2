//! Variables `LARDER_<name>`, in any case.

use super::Setting;
use crate::parameters::table;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

const PREFIX: &str = "LARDER_";

/// What the environment says.
#[derive(Debug, Default)]
pub(super) struct Environment {
    pub settings: Vec<Setting>,
    pub file: Option<PathBuf>,
    pub warnings: Vec<String>,
}

/// Unlike an unknown flag, an unknown variable is only warned of: Kubernetes sets `LARDER_PORT_6379_TCP`
/// and the like in every pod beside a service of that name, and test harnesses have variables of their own.
pub(super) fn parse(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Environment, String> {
    let mut found = Environment::default();
    let mut variables: Vec<_> = variables.collect();
    variables.sort();
    for (variable, value) in variables {
        let Some(place) = variable.to_str() else { continue };
        let Some(name) = place.strip_prefix(PREFIX) else { continue };
        let value = value.into_vec();
        if name.eq_ignore_ascii_case("flagfile") {
            found.file = Some(OsString::from_vec(value).into());
        } else if is_service_link(&value) {
            continue;
        } else if table::find(name.as_bytes()).is_none() {
            found.warnings.push(format!("{place}: no parameter has that name, the variable is ignored"));
        } else {
            found.settings.push(Setting { name: name.into(), value, place: place.into() });
        }
    }
    Ok(found)
}

/// Kubernetes's `LARDER_PORT=tcp://10.0.0.1:6379` is about another pod.
fn is_service_link(value: &[u8]) -> bool {
    std::ffi::OsStr::from_bytes(value)
        .to_str()
        .is_some_and(|value| value.starts_with("tcp://") || value.starts_with("udp://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Environment {
        parse(variables.iter().map(|(name, value)| (OsString::from(*name), OsString::from(*value)))).unwrap()
    }

    #[test]
    fn variables_are_taken_in_any_case() {
        let found = found(&[("LARDER_PORT", "1"), ("LARDER_slowlog_max_len", "2"), ("PATH", "/")]);
        assert_eq!(found.settings.len(), 2);
        assert_eq!(found.settings[0].place, "LARDER_PORT");
        assert!(found.warnings.is_empty());
    }

    #[test]
    fn variables_of_others_are_left_alone() {
        let found = found(&[
            ("LARDER_PORT", "tcp://10.0.0.1:6379"),
            ("LARDER_SERVICE_HOST", "10.0.0.1"),
            ("LARDER_BINARY", "/usr/bin/larder"),
        ]);
        assert!(found.settings.is_empty());
        assert_eq!(found.warnings.len(), 2);
        assert!(found.warnings[0].starts_with("LARDER_BINARY: "));
    }
}
