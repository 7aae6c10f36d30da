//! Small numbers to be given out, each to one at a time.

use alloc::collections::BTreeMap;

/// Gives out the lowest number that is vacant. What it keeps are ranges of vacant numbers, of which
/// there are no more than numbers that are taken: so a crowd that has gone leaves nothing behind,
/// wherever in between somebody stays.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// By the first number, the end of the range.
    vacant: BTreeMap<u32, u32>,
    /// Above every number that is taken.
    bound: u32,
}

impl Numbers {
    /// Nothing if all are taken, of which there are 2^32 - 1: the highest one stands for none.
    pub(super) fn take(&mut self) -> Option<u32> {
        if let Some((first, end)) = self.vacant.pop_first() {
            let next = first.saturating_add(1);
            if next < end {
                self.vacant.insert(next, end);
            }
            return Some(first);
        }
        let taken = self.bound;
        self.bound = taken.checked_add(1)?;
        Some(taken)
    }

    /// Takes back a number that was given out.
    pub(super) fn give(&mut self, number: u32) {
        let mut range = number..number.saturating_add(1);
        if let Some((&first, &end)) = self.vacant.range(..number).next_back()
            && end == number
        {
            self.vacant.remove(&first);
            range.start = first;
        }
        if let Some(end) = self.vacant.remove(&range.end) {
            range.end = end;
        }
        if range.end == self.bound {
            self.bound = range.start;
        } else {
            self.vacant.insert(range.start, range.end);
        }
    }

    #[cfg(test)]
    pub(super) fn ranges(&self) -> usize {
        self.vacant.len()
    }
}
