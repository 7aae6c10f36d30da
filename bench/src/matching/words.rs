//! Texts by small numbers.

use core::hash::BuildHasher as _;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// Texts by small numbers that are equal exactly when a text and its scope are. A text stays while
/// it is used, and its number may then be another's.
#[derive(Default)]
pub(super) struct Words {
    numbers: HashTable<u32>,
    words: Vec<Word>,
    free: Vec<u32>,
    hasher: RandomState,
}

struct Word {
    scope: u32,
    uses: u32,
    text: Box<[u8]>,
}

impl Words {
    /// The number of a text that is in use.
    pub(super) fn find(&self, scope: u32, text: &[u8]) -> Option<u32> {
        let is_it = |&number: &u32| {
            let word = &self.words[number as usize];
            word.scope == scope && *word.text == *text
        };
        self.numbers.find(self.hash(scope, text), is_it).copied()
    }

    /// The number of a text, which is used once more.
    pub(super) fn acquire(&mut self, scope: u32, text: &[u8]) -> u32 {
        if let Some(number) = self.find(scope, text) {
            self.words[number as usize].uses += 1;
            return number;
        }
        let word = Word {
            scope,
            uses: 1,
            text: text.into(),
        };
        let number = place(&mut self.words, &mut self.free, word);
        let hash = self.hash(scope, text);
        let Self {
            numbers,
            words,
            hasher,
            ..
        } = self;
        numbers.insert_unique(hash, number, |&number| {
            let word = &words[number as usize];
            hasher.hash_one((word.scope, &*word.text))
        });
        number
    }

    /// One use less.
    pub(super) fn release(&mut self, number: u32) {
        let word = &mut self.words[number as usize];
        word.uses -= 1;
        if word.uses > 0 {
            return;
        }
        let scope = word.scope;
        let text = core::mem::take(&mut word.text);
        let hash = self.hash(scope, &text);
        if let Ok(found) = self.numbers.find_entry(hash, |&other| other == number) {
            found.remove();
        }
        self.free.push(number);
    }

    /// How often a text is used.
    pub(super) fn uses(&self, number: u32) -> u32 {
        self.words[number as usize].uses
    }

    fn hash(&self, scope: u32, text: &[u8]) -> u64 {
        self.hasher.hash_one((scope, text))
    }
}

/// Puts a value into a vacant place, or behind all others. Its number is the answer.
pub(super) fn place<T>(places: &mut Vec<T>, free: &mut Vec<u32>, value: T) -> u32 {
    if let Some(number) = free.pop() {
        places[number as usize] = value;
        return number;
    }
    let number = number(places.len());
    places.push(value);
    number
}

/// A number of 32 bits.
pub(super) fn number(of: usize) -> u32 {
    u32::try_from(of).expect("memory ends before the numbers do")
}

/// The value at a number, and defaults before it where there was nothing yet.
pub(super) fn at<T: Default>(list: &mut Vec<T>, number: u32) -> &mut T {
    let number = number as usize;
    if number >= list.len() {
        list.resize_with(number + 1, T::default);
    }
    &mut list[number]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_number_in_a_scope_while_it_is_used() {
        let mut words = Words::default();
        let here = words.acquire(1, b"fire");
        assert_eq!(words.acquire(1, b"fire"), here);
        assert_ne!(words.acquire(2, b"fire"), here);
        assert_eq!(words.uses(here), 2);
        words.release(here);
        assert_eq!(words.find(1, b"fire"), Some(here));
        words.release(here);
        assert_eq!(words.find(1, b"fire"), None);
        assert_eq!(words.acquire(1, b"smoke"), here);
        assert_eq!(words.find(1, b"fire"), None);
    }
}
