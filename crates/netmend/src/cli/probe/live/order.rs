//! In which order the rows are shown. It sorts numbers of targets, never targets.

use std::cmp::Ordering;

use super::MANY;
use super::history::Histories;
use crate::cli::probe::board::Board;

/// What rows are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sorting {
    /// As they were given.
    Listed,
    /// By state, then loss, then median, worst first.
    Worst,
    /// Slowest median first.
    Median,
    /// Largest jitter first.
    Jitter,
    /// By name.
    Name,
}

impl Sorting {
    /// The word in the header.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Sorting::Listed => "as listed",
            Sorting::Worst => "worst first",
            Sorting::Median => "by median",
            Sorting::Jitter => "by jitter",
            Sorting::Name => "by name",
        }
    }
}

/// The present order.
#[derive(Debug)]
pub(super) struct Order {
    rows: Vec<u32>,
    sorting: Sorting,
    reversed: bool,
    /// The wish changed since the last sort.
    stale: bool,
}

impl Order {
    /// All targets as listed.
    pub(super) fn new(targets: usize) -> Self {
        let rows = (0..targets as u32).collect();
        Self { rows, sorting: Sorting::Listed, reversed: false, stale: false }
    }

    /// The targets' numbers, first row first.
    pub(super) fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// What rows are sorted by.
    pub(super) fn sorting(&self) -> Sorting {
        self.sorting
    }

    /// Sorts by something else from now on.
    pub(super) fn set(&mut self, sorting: Sorting) {
        (self.sorting, self.reversed, self.stale) = (sorting, false, true);
    }

    /// Turns the order round.
    pub(super) fn reverse(&mut self) {
        (self.reversed, self.stale) = (!self.reversed, true);
    }

    /// Sorts for this picture, if it is worth it.
    pub(super) fn sort(&mut self, board: &Board, histories: &Histories, picture: u64) {
        let moves = matches!(self.sorting, Sorting::Worst | Sorting::Median | Sorting::Jitter);
        let due = self.rows.len() <= MANY || picture.is_multiple_of(8);
        if !(self.stale || moves && due) {
            return;
        }
        self.stale = false;
        match self.sorting {
            Sorting::Listed => self.rows.sort_unstable(),
            Sorting::Name => {
                self.rows
                    .sort_by(|&a, &b| board.list.name(a as usize).cmp(board.list.name(b as usize)));
            }
            Sorting::Worst => self.rows.sort_by_cached_key(|&row| worst(board, histories, row)),
            Sorting::Median => self.rows.sort_by_cached_key(|&row| {
                (Descending(board.row(row as usize).tally.median_ns()), row)
            }),
            Sorting::Jitter => self.rows.sort_by_cached_key(|&row| {
                (Descending(board.row(row as usize).tally.jitter_ns()), row)
            }),
        }
        if self.reversed {
            self.rows.reverse();
        }
    }
}

/// State, loss, median; listed order among equals.
fn worst(board: &Board, histories: &Histories, row: u32) -> impl Ord + use<> {
    let tally = &board.row(row as usize).tally;
    let state = histories.get(row as usize).state();
    (state, Descending(tally.counts().loss_pct()), Descending(tally.median_ns()), row)
}

/// Largest first, none last.
#[derive(Clone, Copy, PartialEq)]
struct Descending(Option<f64>);

impl Eq for Descending {}

impl Ord for Descending {
    fn cmp(&self, other: &Self) -> Ordering {
        let value = |this: &Self| this.0.unwrap_or(-1.0);
        value(other).total_cmp(&value(self))
    }
}

impl PartialOrd for Descending {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
