//! Configuration files: read, rewritten by today's values, and read again.

use larder::config::{Start, load};
use larder::parameters::rewrite::rewritten;
use larder::parameters::{Host, Parameters, TABLE};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

const HOST: Host = Host { cores: 2, memory_bytes: 1 << 30 };

/// A file that is gone with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, text: &[u8]) -> Scratch {
        let path = std::env::temp_dir().join(format!(
            "larder-fuzz-{}-{:?}-{name}",
            std::process::id(),
            std::thread::current().id()
        ));
        std::fs::write(&path, text).expect("a file in the directory for temporary ones");
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub fn check(data: &[u8]) {
    // Other files are not part of the input.
    if data.to_ascii_lowercase().windows(7).any(|word| word == b"include") {
        return;
    }
    let scratch = Scratch::new("first", data);
    let path = scratch.0.to_str().expect("a plain name");
    let parameters = match read(&scratch.0) {
        Ok(parameters) => parameters,
        Err(line) => {
            assert!(!line.contains('\n'), "an error is one line: {line:?}");
            assert!(
                line.contains(path) || line.contains("port") || line.contains("maxmemory"),
                "no place in {line:?}"
            );
            return;
        }
    };
    let text = rewritten(data, &parameters);
    let again = Scratch::new("second", &text);
    let same = read(&again.0).unwrap_or_else(|line| panic!("{line}: {:?}", text.escape_ascii().to_string()));
    for row in TABLE.iter() {
        assert_eq!(parameters.show(row.name), same.show(row.name), "{} after CONFIG REWRITE", row.text);
    }
    assert_eq!(rewritten(&text, &same), text, "a second rewrite changes nothing");
}

fn read(path: &Path) -> Result<Box<Parameters>, String> {
    match load(std::iter::once(OsString::from(path)), std::iter::empty(), HOST)? {
        Start::Run { parameters, .. } => Ok(parameters),
        Start::Print(text) => panic!("a file makes nothing be printed: {text}"),
    }
}
