//! The words of rules that name commands and categories.

/// A command as rules see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Full name in lower case: `get`, `config|set`. Empty for a number that no rule can name.
    pub name: &'static str,
    /// Categories that it is in: bits by their places in [`Vocabulary::categories`].
    pub categories: u32,
    /// Numbers of its subcommands.
    pub subs: std::ops::Range<u16>,
    /// It is one itself.
    pub is_sub: bool,
}

/// All commands by their numbers, and the names of categories.
#[derive(Debug)]
pub struct Vocabulary {
    words: Vec<Word>,
    categories: &'static [&'static str],
    /// Numbers of the words that have a name, by it.
    by_name: Vec<u16>,
}

impl Vocabulary {
    /// Of these commands, by number, and these names of categories.
    pub fn new(words: Vec<Word>, categories: &'static [&'static str]) -> Vocabulary {
        assert!(categories.len() <= 32, "categories are bits of a word of 32");
        let mut by_name: Vec<u16> =
            (0..words.len() as u16).filter(|&number| !words[number as usize].name.is_empty()).collect();
        by_name.sort_unstable_by_key(|&number| words[number as usize].name);
        Vocabulary { words, categories, by_name }
    }

    /// How many numbers of commands there are.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// There are no commands.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The command of a number.
    pub fn word(&self, number: u16) -> &Word {
        &self.words[number as usize]
    }

    /// The number of a command by its full name in any case.
    pub fn find(&self, name: &[u8]) -> Option<u16> {
        let name = name.to_ascii_lowercase();
        let place = |number: &u16| self.words[*number as usize].name.as_bytes().cmp(&name);
        self.by_name.binary_search_by(place).ok().map(|at| self.by_name[at])
    }

    /// The bit of a category by its name in any case.
    pub fn category(&self, name: &[u8]) -> Option<u32> {
        let place = self.categories.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name))?;
        Some(1 << place)
    }

    /// Names of all categories.
    pub fn categories(&self) -> &'static [&'static str] {
        self.categories
    }

    /// Numbers of the commands of a category, given as its bit, subcommands behind their containers.
    pub fn of_category(&self, bit: u32) -> impl Iterator<Item = u16> + '_ {
        let has = move |number: &u16| {
            let word = self.word(*number);
            !word.name.is_empty() && word.categories & bit != 0
        };
        (0..self.words.len() as u16).filter(has)
    }
}

/// A small vocabulary for tests of this module.
#[cfg(test)]
pub(super) fn sample() -> Vocabulary {
    const READ: u32 = 1;
    const WRITE: u32 = 2;
    const ADMIN: u32 = 4;
    let word = |name, categories, subs: std::ops::Range<u16>| Word { name, categories, subs, is_sub: false };
    let sub = |name, categories| Word { is_sub: true, ..word(name, categories, 0..0) };
    Vocabulary::new(
        vec![
            word("get", READ, 0..0),
            word("set", WRITE, 0..0),
            word("select", 0, 0..0),
            word("config", 0, 4..6),
            sub("config|get", ADMIN),
            sub("config|set", ADMIN),
            word("", READ, 0..0),
            word("publish", 0, 0..0),
        ],
        &["read", "write", "admin"],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_any_case_and_nameless_ones_never() {
        let words = sample();
        assert_eq!(words.find(b"GET"), Some(0));
        assert_eq!(words.find(b"Config|SET"), Some(5));
        for unknown in [&b""[..], b"config|", b"gets", b"mc:get"] {
            assert_eq!(words.find(unknown), None);
        }
        assert_eq!(words.category(b"READ"), Some(1));
        assert_eq!(words.category(b"all"), None);
        assert_eq!(words.of_category(1).collect::<Vec<_>>(), [0]);
        assert_eq!(words.of_category(4).collect::<Vec<_>>(), [4, 5]);
    }
}
