//! The ends of ranges as clients write them: scores, with `(` for what is not in the range, and members.

use crate::command::Fault;
use crate::data::sorted::Edge;
use crate::shard::collections::sorted::SortedView;
use crate::text::float::parse_lenient_f64;

const NO_FLOAT: Fault = Fault::text("ERR min or max is not a float");
const NO_ITEM: Fault = Fault::text("ERR min or max not valid string range item");

/// A range between two edges.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span<'a> {
    from: Edge<'a>,
    to: Edge<'a>,
}

/// A score, and whether it is in the range itself.
fn score(text: &[u8]) -> Result<(f64, bool), Fault> {
    let (number, inside) = match text {
        [b'(', number @ ..] => (number, false),
        number => (number, true),
    };
    Ok((parse_lenient_f64(number).ok_or(NO_FLOAT)?, inside))
}

/// An end of a range of members; `least` is the lower one.
fn member(text: &[u8], least: bool) -> Result<Edge<'_>, Fault> {
    match text {
        [b'-'] => Ok(Edge::Start),
        [b'+'] => Ok(Edge::End),
        [b'[', member @ ..] => Ok(Edge::Member { member, behind: !least }),
        [b'(', member @ ..] => Ok(Edge::Member { member, behind: least }),
        _ => Err(NO_ITEM),
    }
}

impl<'a> Span<'a> {
    /// The scores between two.
    pub(super) fn of_scores(min: &[u8], max: &[u8]) -> Result<Span<'a>, Fault> {
        let ((min, min_inside), (max, max_inside)) = (score(min)?, score(max)?);
        let from = Edge::Score { score: min, behind: !min_inside };
        Ok(Span { from, to: Edge::Score { score: max, behind: max_inside } })
    }

    /// The members between two.
    pub(super) fn of_members(min: &'a [u8], max: &'a [u8]) -> Result<Span<'a>, Fault> {
        Ok(Span { from: member(min, true)?, to: member(max, false)? })
    }

    /// The place of its first member in a set, and how many are in it.
    pub(super) fn within(&self, set: &SortedView<'_>) -> (usize, usize) {
        let (from, to) = (set.count_before(&self.from), set.count_before(&self.to));
        (from, to.saturating_sub(from))
    }
}
