//! What was measured: counts, latencies, errors.

use crate::histogram::Histogram;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Reads one key or several.
    Get,
    /// Writes one.
    Set,
}

/// Everything that went wrong, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    /// Replies that are errors in the protocol's own words, and values that were not stored.
    pub refused: u64,
    /// Values whose length is not their key's.
    pub lengths: u64,
    /// Values whose bytes are not their key's (with `--verify`).
    pub contents: u64,
    /// Bytes that are no reply to what was asked; the connection is opened anew.
    pub protocol: u64,
    /// Connections that the server has closed or that failed.
    pub disconnects: u64,
    /// Requests that were never answered, because their connection ended or time was up.
    pub unanswered: u64,
}

impl Errors {
    /// Names and numbers, for tables.
    pub fn rows(&self) -> [(&'static str, u64); 6] {
        [
            ("refused", self.refused),
            ("wrong length", self.lengths),
            ("wrong contents", self.contents),
            ("protocol", self.protocol),
            ("disconnects", self.disconnects),
            ("unanswered", self.unanswered),
        ]
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.rows().iter().map(|row| row.1).sum()
    }
}

/// How many errors are kept to be shown.
const SAMPLES_MAX: usize = 5;

/// What one thread has measured, or all of them.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Latencies of reads, in nanoseconds.
    pub gets: Histogram,
    /// Latencies of writes.
    pub sets: Histogram,
    /// Keys that were there.
    pub hits: u64,
    /// Keys that were not.
    pub misses: u64,
    /// What went wrong.
    pub errors: Errors,
    /// The first few errors in words.
    pub samples: Vec<String>,
    /// Bytes received, and sent, in all.
    pub bytes_in: u64,
    /// See `bytes_in`.
    pub bytes_out: u64,
    /// Open loop: requests that were due and not sent before the end, because the server was behind.
    pub unsent: u64,
}

impl Tally {
    /// A request was answered, for better or worse.
    #[inline]
    pub fn record(&mut self, kind: Kind, ns: u64) {
        match kind {
            Kind::Get => self.gets.record(ns),
            Kind::Set => self.sets.record(ns),
        }
    }

    /// Requests answered.
    pub fn requests(&self) -> u64 {
        self.gets.count() + self.sets.count()
    }

    /// Keeps an error's words, if there are few yet.
    pub fn sample(&mut self, words: impl FnOnce() -> String) {
        if self.samples.len() < SAMPLES_MAX {
            let words = words();
            if !self.samples.contains(&words) {
                self.samples.push(words);
            }
        }
    }

    /// Adds what another has measured.
    pub fn merge(&mut self, other: &Tally) {
        self.gets.merge(&other.gets);
        self.sets.merge(&other.sets);
        self.hits += other.hits;
        self.misses += other.misses;
        let (to, from) = (&mut self.errors, &other.errors);
        to.refused += from.refused;
        to.lengths += from.lengths;
        to.contents += from.contents;
        to.protocol += from.protocol;
        to.disconnects += from.disconnects;
        to.unanswered += from.unanswered;
        for words in &other.samples {
            self.sample(|| words.clone());
        }
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.unsent += other.unsent;
    }
}
