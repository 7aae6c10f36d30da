//! Every way to take one value of each of several lists.

use alloc::vec::Vec;
use core::ops::Range;

use super::{
    hash::Hasher,
    terms::{Terms, Value},
};

/// Lists of values within [`Terms`], and one pick of each.
#[derive(Debug, Default)]
pub(super) struct Product {
    lists: Vec<List>,
}

#[derive(Debug)]
pub(super) struct List {
    pub(super) values: Range<usize>,
    at: usize,
}

impl Product {
    pub(super) fn clear(&mut self) {
        self.lists.clear();
    }

    /// Adds a list, of which there is at least one value.
    pub(super) fn push(&mut self, values: Range<usize>) {
        let at = values.start;
        self.lists.push(List { values, at });
    }

    pub(super) fn lists(&self) -> &[List] {
        &self.lists
    }

    /// How many ways there are.
    pub(super) fn count(&self) -> usize {
        let lens = self.lists.iter().map(|list| list.values.len());
        lens.fold(1, usize::saturating_mul)
    }

    /// The next way; `false` when all were had.
    pub(super) fn advance(&mut self) -> bool {
        for list in &mut self.lists {
            list.at = list.at.saturating_add(1);
            if list.at < list.values.end {
                return true;
            }
            list.at = list.values.start;
        }
        false
    }

    /// The values that are picked.
    pub(super) fn parts<'t>(&'t self, terms: &'t Terms) -> impl Iterator<Item = &'t [u8]> + Clone {
        let values = self.picked(terms);
        values.map(|value| terms.text(value))
    }

    /// Their hash as a tuple.
    pub(super) fn hash(&self, terms: &Terms, hasher: &Hasher) -> u64 {
        self.picked(terms)
            .fold(0, |hash, value| hasher.join(hash, value.hash))
    }

    fn picked<'t>(&'t self, terms: &'t Terms) -> impl Iterator<Item = &'t Value> + Clone {
        let all = terms.all_values();
        self.lists.iter().filter_map(|list| all.get(list.at))
    }
}
