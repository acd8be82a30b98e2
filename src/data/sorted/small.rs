//! Small sorted sets, and what small and grown ones have in common: the ends of ranges.
//!
//! A small one is a run of entries (`entries`) in order: the field is the member, the value its score. A score that is
//! a whole number is kept as that, others as the eight bytes of the double; -0 becomes 0, as it does in Redis.

use crate::data::entries::{Compact, NewEntry, Place, Run};
use crate::data::packed::{Element, Packed};
use crate::text::Digits;
use std::cmp::Ordering;

/// Whole numbers up to here are doubles without loss, and the other way round.
const WHOLE_MAX: f64 = (1u64 << 53) as f64;

/// Room for the bytes of a score.
pub type ScoreBytes = [u8; size_of::<f64>()];

/// A score as an element.
#[inline]
pub fn pack_score(score: f64, bytes: &mut ScoreBytes) -> Packed<'_> {
    if score.abs() <= WHOLE_MAX && score.trunc() == score {
        return Packed::int(score as i64);
    }
    *bytes = score.to_le_bytes();
    Packed::opaque(bytes)
}

/// The zero that is written `-0`.
pub fn is_negative_zero(score: f64) -> bool {
    score == 0.0 && score.is_sign_negative()
}

/// The score that an element is.
#[inline]
pub fn unpack_score(element: Element<'_>) -> f64 {
    match element {
        Element::Int(number) => number as f64,
        Element::Bytes(bytes) => f64::from_le_bytes(*bytes.first_chunk().expect("a score has eight bytes")),
        Element::Elsewhere(_) => unreachable!("a score is never kept elsewhere"),
    }
}

/// Writes an entry at the end of a run.
pub fn push_entry(run: &mut Vec<u8>, member: Element<'_>, score: f64) {
    let (mut bytes, mut digits) = (ScoreBytes::default(), Digits::default());
    let field = match member {
        Element::Int(number) => Packed::int(number),
        member => Packed::new(member.text(&mut digits)),
    };
    // A zero keeps its sign on its way to a grown set; in a small one it has none, as in Redis.
    let value = if is_negative_zero(score) {
        bytes = score.to_le_bytes();
        Packed::opaque(&bytes)
    } else {
        pack_score(score, &mut bytes)
    };
    let entry = NewEntry { field, value: Some(value), deadline_ms: 0 };
    let start = run.len();
    run.resize(start + entry.len(), 0);
    entry.write(&mut run[start..]);
}

/// A place between members, by which ranges begin and end: every member is before it or behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Edge<'a> {
    /// Before all.
    Start,
    /// Behind all.
    End,
    /// At a score.
    Score {
        /// The score.
        score: f64,
        /// Behind the members with that score, not before them.
        behind: bool,
    },
    /// At a member, in a set whose members all have one score.
    Member {
        /// The member.
        member: &'a [u8],
        /// Behind it, not before it.
        behind: bool,
    },
    /// At an entry.
    Entry {
        /// Its score.
        score: f64,
        /// The member.
        member: &'a [u8],
        /// Behind it, not before it.
        behind: bool,
    },
}

impl Edge<'_> {
    /// Whether an entry lies before it. `compare` compares the entry's member with another.
    #[inline]
    pub fn is_behind(&self, score: f64, compare: impl FnOnce(&[u8]) -> Ordering) -> bool {
        match *self {
            Edge::Start => false,
            Edge::End => true,
            Edge::Score { score: limit, behind } => score < limit || (behind && score == limit),
            Edge::Member { member, behind } => passes(compare(member), behind),
            Edge::Entry { score: limit, member, behind } => {
                score < limit || (score == limit && passes(compare(member), behind))
            }
        }
    }
}

#[inline]
fn passes(order: Ordering, behind: bool) -> bool {
    order == Ordering::Less || (behind && order == Ordering::Equal)
}

/// A small sorted set, to be read.
#[derive(Clone, Copy)]
pub struct Small<'a> {
    run: Run<'a>,
    count: usize,
}

impl<'a> Small<'a> {
    /// That of the bytes of an item.
    #[inline]
    pub fn of_item(bytes: &'a [u8]) -> Small<'a> {
        let compact = Compact::new(bytes, true);
        Small { run: compact.run(), count: compact.count() }
    }

    /// That of a run of so many entries.
    pub fn of_run(run: &'a [u8], count: usize) -> Small<'a> {
        Small { run: Run::new(run, true), count }
    }

    /// Members.
    #[allow(clippy::len_without_is_empty)]
    #[inline]
    pub fn len(&self) -> usize {
        self.count
    }

    #[inline]
    fn entry(&self, place: Place) -> (Element<'a>, f64) {
        let entry = self.run.entry(place);
        (entry.field, unpack_score(entry.value.expect("a run of scores has values")))
    }

    /// All entries, in order.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = (Element<'a>, f64)> {
        self.run.places().map(move |place| self.entry(place))
    }

    /// Where a member lies in the run, and its score.
    #[inline]
    pub fn find(&self, member: &Packed<'_>) -> Option<(Place, f64)> {
        let place = self.run.find(member)?;
        Some((place, self.entry(place).1))
    }

    /// How many members are before this one, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let (found, score) = self.find(&Packed::new(member))?;
        let before = self.run.places().take_while(|place| place.start < found.start);
        Some((before.count(), score))
    }

    /// How many members are before an edge, and where in the run it lies.
    pub fn before(&self, edge: &Edge<'_>) -> (usize, usize) {
        let (mut count, mut end) = (0, 0);
        let mut digits = Digits::default();
        for place in self.run.places() {
            let (member, score) = self.entry(place);
            if !edge.is_behind(score, |other| member.text(&mut digits).cmp(other)) {
                break;
            }
            (count, end) = (count + 1, place.end);
        }
        (count, end)
    }

    /// Where in the run the member of a place begins; the run's end for one behind the last.
    pub fn offset(&self, rank: usize) -> usize {
        self.run.places().take(rank).last().map_or(0, |place| place.end)
    }

    /// Visits members from that of a place on or back to the first, while `visit` says so.
    pub fn walk(&self, rank: usize, back: bool, mut visit: impl FnMut(Element<'a>, f64) -> bool) {
        let mut show = |place| {
            let (member, score) = self.entry(place);
            visit(member, score)
        };
        if back {
            let places: Vec<Place> = self.run.places().take(rank + 1).collect();
            places.into_iter().rev().all(&mut show);
        } else {
            self.run.places().skip(rank).all(&mut show);
        }
    }
}
