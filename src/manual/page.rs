//! A manual page in mdoc: <https://man.openbsd.org/mdoc.7>.

use std::fmt::Write as _;

/// Lines of the source are no longer.
const WIDTH: usize = 78;

/// When what the pages say was last looked through by somebody.
const DATE: &str = "November 25, 2026";

/// A page that grows.
pub(super) struct Page {
    text: String,
}

impl Page {
    /// A page with its head. `about` is what stands behind its name in the list of pages.
    pub fn new(name: &str, section: u8, about: &str) -> Page {
        let title = name.to_uppercase();
        let mut page = Page { text: String::new() };
        page.text
            .push_str(".\\\" Written by LARDER_WRITE_DOCS=1 cargo test --lib manual; not to be edited.\n");
        let _ = writeln!(page.text, ".Dd {DATE}\n.Dt {title} {section}\n.Os");
        page.section("NAME");
        let _ = writeln!(page.text, ".Nm {name}\n.Nd {about}");
        page
    }

    /// A section begins.
    pub fn section(&mut self, title: &str) {
        let _ = writeln!(self.text, ".Sh {title}");
    }

    /// A part of a section begins.
    pub fn part(&mut self, title: &str) {
        let _ = writeln!(self.text, ".Ss {title}");
    }

    /// A paragraph begins.
    pub fn paragraph(&mut self) {
        self.text.push_str(".Pp\n");
    }

    /// A line of mdoc as it is.
    pub fn raw(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// One sentence, on lines of its own.
    pub fn sentence(&mut self, sentence: &str) {
        let mut column = 0;
        for word in sentence.split_whitespace() {
            let word = escaped(word);
            if column > 0 && column + 1 + word.len() > WIDTH {
                self.text.push('\n');
                column = 0;
            } else if column > 0 {
                self.text.push(' ');
                column += 1;
            }
            if column == 0 && word.starts_with(['.', '\'']) {
                self.text.push_str("\\&");
            }
            column += word.len();
            self.text.push_str(&word);
        }
        self.text.push('\n');
    }

    /// Lines that are shown as they are.
    pub fn example(&mut self, lines: &[&str]) {
        self.raw(".Bd -literal -offset indent");
        for line in lines {
            self.raw(&escaped(line));
        }
        self.raw(".Ed");
    }

    /// A list of things with a text each begins.
    pub fn begin_list(&mut self) {
        self.raw(".Bl -tag -width Ds");
    }

    /// The next thing, in mdoc.
    pub fn item(&mut self, mdoc: &str) {
        let _ = writeln!(self.text, ".It {mdoc}");
    }

    /// The list ends.
    pub fn end_list(&mut self) {
        self.raw(".El");
    }

    /// The whole.
    pub fn finish(self) -> String {
        self.text
    }
}

/// Text in which nothing has a meaning to the formatter.
pub(super) fn escaped(text: &str) -> String {
    text.replace('\\', "\\e")
}

/// Text as one argument of a macro.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text).replace('"', "\\(dq"))
}

#[test]
fn text_is_only_text() {
    let mut page = Page::new("x", 1, "y");
    page.sentence(".Sh is 'no\\macro' here.");
    page.raw(&quoted("a \"b\" \\c"));
    assert!(page.finish().ends_with("\n\\&.Sh is 'no\\emacro' here.\n\"a \\(dqb\\(dq \\ec\"\n"));
}
