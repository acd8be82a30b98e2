//! `--help` and `--version`, made from the table.

use crate::parameters::TABLE;
use crate::parameters::kind::Kind;
use std::fmt::Write as _;

/// Width that help is wrapped for.
const WIDTH: usize = 96;

const USAGE: &str = "\
A cache server for memcached and Redis clients.

Usage: larder [FILE] [--NAME VALUE | --NAME=VALUE]...

Values come from flags, then from variables LARDER_NAME, then from FILE (redis.conf's form, or
one flag per line), then from the defaults below. In names - and _ are alike.

  --flagfile FILE
      Configuration file, as the first argument.
  -h, --help
      Print this.
  -v, --version
      Print the version.
";

/// The text of `--help`.
pub fn help() -> String {
    let mut text = USAGE.to_string();
    for row in TABLE.iter().filter(|row| !matches!(row.kind, Kind::Fixed { .. })) {
        let also = match row.aliases {
            [] => String::new(),
            aliases => format!(", --{}", aliases.join(", --")),
        };
        let _ = writeln!(text, "  --{}{also}  (default {})", row.text, row.kind.default_text());
        let when = if row.live { " May change while running." } else { "" };
        wrap(&mut text, &format!("{} Takes {}.{when}", row.help, row.kind.range()));
    }
    text
}

/// The text of `--version`.
pub(super) fn version() -> String {
    format!("larder {}\n", env!("CARGO_PKG_VERSION"))
}

fn wrap(text: &mut String, sentence: &str) {
    let mut column = 0;
    for word in sentence.split(' ') {
        if column == 0 {
            text.push_str("      ");
            column = 6;
        } else if column + 1 + word.len() > WIDTH {
            text.push_str("\n      ");
            column = 6;
        } else {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += word.len();
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_that_does_something_is_in_the_help() {
        let help = help();
        for row in TABLE {
            let named = help.contains(&format!("--{}", row.text));
            assert_eq!(named, !matches!(row.kind, Kind::Fixed { .. }), "{}", row.text);
        }
        assert!(help.lines().all(|line| line.len() <= WIDTH), "{help}");
    }
}
