//! Replays what fuzzing has found worth keeping (`tests/fuzz/corpus`), and what it has found wrong.

#[path = "fuzz/checks/lib.rs"]
mod checks;

use std::path::Path;

#[test]
fn every_input_of_the_corpus_passes_its_check() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    for (target, _) in checks::TARGETS {
        let mut count = 0;
        let directory = corpus.join(target);
        for entry in
            std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        {
            let path = entry.expect("an entry of a directory").path();
            println!("{}", path.display());
            checks::check(target, &std::fs::read(&path).expect("a readable file"));
            count += 1;
        }
        assert!(count > 0, "no input for {target}");
    }
}
