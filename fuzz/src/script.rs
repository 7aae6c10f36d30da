//! Structure from a fuzzer's bytes.

/// Decisions, taken off the front of an input. Past its end, every decision is the first choice.
pub(crate) struct Script<'d> {
    rest: &'d [u8],
}

impl<'d> Script<'d> {
    pub(crate) const fn new(data: &'d [u8]) -> Self {
        Self { rest: data }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    /// A number below `count`, which is at most 256.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()).checked_rem(count).unwrap_or(0)
    }

    /// One of `choices`, which are at least one.
    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        core::array::from_fn(|_| self.byte())
    }

    /// At most 255 bytes; the first byte is their number.
    pub(crate) fn chunk(&mut self) -> &'d [u8] {
        let len = self.byte();
        self.take(usize::from(len))
    }

    /// Everything that is left.
    pub(crate) const fn rest(self) -> &'d [u8] {
        self.rest
    }

    fn take(&mut self, len: usize) -> &'d [u8] {
        let (front, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        front
    }
}

/// `bytes` in pieces of the lengths `cuts`, which may be zero, and the remainder as the last piece.
pub(crate) fn pieces<'b>(bytes: &'b [u8], cuts: &[u8]) -> Vec<&'b [u8]> {
    let mut script = Script::new(bytes);
    let mut pieces: Vec<_> = cuts
        .iter()
        .map(|cut| script.take(usize::from(*cut)))
        .collect();
    pieces.push(script.rest());
    pieces
}
