//! Every rule that a peer can break has its row in `docs/strictness.md`, and the row is true.

use super::*;

macro_rules! violations {
    ($($name:ident)*) => {
        /// Every rule of [`Violation`].
        pub(super) const VIOLATIONS: &[Violation] = &[$(Violation::$name),*];

        /// Does not compile when a rule is missing.
        const fn _all_are_listed(violation: Violation) {
            match violation {
                $(Violation::$name => {})*
            }
        }
    };
}

violations! {
    ReservedBits ReservedOpcode FragmentedControl OversizedControl Unmasked Masked
    NonMinimalLength LengthTooLarge UnexpectedContinuation InterleavedMessage InvalidUtf8
    TruncatedCloseCode InvalidCloseCode InvalidCloseReason MessageTooBig TooManyFragments
    ControlFlood
}
