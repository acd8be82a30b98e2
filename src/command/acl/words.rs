//! The command table as the language of rules sees it.

use super::categories;
use crate::acl::{Vocabulary, Word};
use crate::command::table::TABLE;
use std::sync::LazyLock;

/// Commands by their rows. Those that Redis clients cannot call have no name.
pub static WORDS: LazyLock<Vocabulary> = LazyLock::new(|| {
    let rows = TABLE.rows().map(|(row, command)| {
        let subs = command.subs.len() as u16;
        Word {
            name: if command.name.contains(':') { "" } else { command.name },
            categories: categories::of(command),
            subs: row + 1..row + 1 + subs,
            is_sub: command.name.contains('|'),
        }
    });
    Vocabulary::new(rows.collect(), categories::NAMES)
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subcommands_stand_behind_their_containers() {
        for (row, command) in TABLE.rows() {
            let word = WORDS.word(row);
            let names: Vec<&str> = word.subs.clone().map(|sub| TABLE.row(sub).name).collect();
            assert_eq!(names, command.subs.iter().map(|sub| sub.name).collect::<Vec<_>>());
        }
    }
}
