//! Whole messages from chunks, for callers that want them.

use core::fmt;

use crate::wire::Kind;

use super::Data;

/// Where the chunks of one message are gathered: a `Vec` (feature `alloc`), a
/// [`heapless::Vec`], or memory of the caller's own kind.
pub trait Store {
    /// Appends `bytes`.
    ///
    /// # Errors
    /// [`StoreFull`] if they do not fit; what was stored stays.
    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreFull>;

    /// What was stored.
    fn stored(&mut self) -> &mut [u8];

    /// Forgets what was stored; its memory is good for the next message.
    fn clear(&mut self);

    /// Forgets what was stored and gives its memory back, where it can.
    fn release(&mut self);
}

/// A message does not fit its [`Store`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreFull;

impl fmt::Display for StoreFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the message is larger than the memory set aside for it")
    }
}

impl core::error::Error for StoreFull {}

impl<const N: usize> Store for heapless::Vec<u8, N> {
    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreFull> {
        self.extend_from_slice(bytes).map_err(|_| StoreFull)
    }

    fn stored(&mut self) -> &mut [u8] {
        self
    }

    fn clear(&mut self) {
        Self::clear(self);
    }

    fn release(&mut self) {
        Self::clear(self);
    }
}

#[cfg(feature = "alloc")]
impl Store for alloc::vec::Vec<u8> {
    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreFull> {
        self.try_reserve(bytes.len()).map_err(|_| StoreFull)?;
        self.extend_from_slice(bytes);
        Ok(())
    }

    fn stored(&mut self) -> &mut [u8] {
        self
    }

    fn clear(&mut self) {
        Self::clear(self);
    }

    fn release(&mut self) {
        *self = Self::new();
    }
}

/// A whole message.
#[derive(PartialEq, Eq)]
pub struct Message<'a> {
    /// What it carries.
    pub kind: Kind,
    /// Its bytes; those of a text are valid UTF-8.
    pub bytes: &'a mut [u8],
}

impl fmt::Debug for Message<'_> {
    /// Leaves out what was said, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("kind", &self.kind)
            .field("len", &self.bytes.len())
            .finish()
    }
}

/// Puts the chunks of a message together. A message that arrives whole is
/// handed on from where it arrived, without a copy.
///
/// How large a message may become is the connection's affair
/// ([`Config::max_message`](super::Config::max_message)) and the store's.
#[derive(Default)]
pub struct Assembler<S> {
    store: S,
    /// The beginning of the message in progress is not here: the rest of it is skipped.
    lost: bool,
}

impl<S> fmt::Debug for Assembler<S> {
    /// Leaves out what was said, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembler").finish_non_exhaustive()
    }
}

impl<S: Store> Assembler<S> {
    /// An assembler that gathers in `store`.
    pub const fn new(store: S) -> Self {
        Self { store, lost: false }
    }

    /// Takes the next chunk; answers the message if this was the last one.
    ///
    /// # Errors
    /// [`StoreFull`], once, if the message does not fit; the rest of it is skipped then.
    pub fn push<'a>(&'a mut self, data: Data<'a>) -> Result<Option<Message<'a>>, StoreFull> {
        let Data {
            kind,
            bytes,
            first,
            last,
        } = data;
        if first {
            self.store.clear();
            self.lost = false;
            if last {
                return Ok(Some(Message { kind, bytes }));
            }
        }
        if self.lost {
            return Ok(None);
        }
        if let Err(full) = self.store.append(bytes) {
            self.store.release();
            self.lost = true;
            return Err(full);
        }
        Ok(last.then(|| Message {
            kind,
            bytes: self.store.stored(),
        }))
    }

    /// Gives the memory back after a message that was put together; a message in progress is lost.
    pub fn release(&mut self) {
        self.store.release();
        self.lost = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(bytes: &mut [u8], first: bool, last: bool) -> Data<'_> {
        Data {
            kind: Kind::Text,
            bytes,
            first,
            last,
        }
    }

    #[test]
    fn a_message_that_arrives_whole_is_not_copied() {
        let mut bytes = *b"whole";
        let at = bytes.as_ptr();
        let mut assembler = Assembler::new(heapless::Vec::<u8, 1>::new());
        let message = assembler
            .push(chunk(&mut bytes, true, true))
            .unwrap()
            .unwrap();
        assert_eq!(message.bytes.as_ptr(), at);
        assert_eq!(message.bytes, b"whole");
    }

    #[test]
    fn pieces_become_one_message_and_the_next_one_starts_afresh() {
        let mut assembler = Assembler::new(heapless::Vec::<u8, 8>::new());
        for _ in 0..2 {
            assert_eq!(
                assembler.push(chunk(&mut *b"ab".clone().as_mut(), true, false)),
                Ok(None)
            );
            assert_eq!(
                assembler.push(chunk(&mut *b"cd".clone().as_mut(), false, false)),
                Ok(None)
            );
            let mut end = *b"ef";
            let message = assembler
                .push(chunk(&mut end, false, true))
                .unwrap()
                .unwrap();
            assert_eq!(message.bytes, b"abcdef");
        }
    }

    #[test]
    fn a_message_that_does_not_fit_is_an_error_and_the_next_one_is_not() {
        let mut assembler = Assembler::new(heapless::Vec::<u8, 3>::new());
        assert_eq!(assembler.push(chunk(&mut [b'x'; 2], true, false)), Ok(None));
        assert_eq!(
            assembler.push(chunk(&mut [b'x'; 2], false, false)),
            Err(StoreFull)
        );
        assert_eq!(assembler.push(chunk(&mut [b'x'; 1], false, true)), Ok(None));
        assert_eq!(assembler.push(chunk(&mut [b'x'; 3], true, false)), Ok(None));
        let mut end = [];
        assert!(
            assembler
                .push(chunk(&mut end, false, true))
                .unwrap()
                .is_some()
        );
    }

    #[test]
    fn the_rest_of_a_message_that_was_released_is_skipped() {
        let mut assembler = Assembler::new(heapless::Vec::<u8, 8>::new());
        assert_eq!(assembler.push(chunk(&mut [b'x'], true, false)), Ok(None));
        assembler.release();
        assert_eq!(assembler.push(chunk(&mut [b'y'], false, true)), Ok(None));
        let mut next = [b'z'];
        let message = assembler.push(chunk(&mut next, true, true)).unwrap();
        assert_eq!(message.map(|m| m.bytes.to_vec()), Some(b"z".to_vec()));
    }
}
