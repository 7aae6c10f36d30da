//! Numbers as text, without the formatting of `core::fmt`: that is a kilobyte of a microcontroller's
//! flash, where nothing else needs it.

/// The decimal digits of `number`, the highest first.
pub(crate) fn digits(number: usize) -> impl Iterator<Item = u8> {
    let mut power = 1_usize;
    while number.checked_div(power).is_some_and(|rest| rest >= 10) {
        power = power.saturating_mul(10);
    }
    core::iter::from_fn(move || {
        let digit = number.checked_div(power)? % 10;
        power /= 10;
        u8::try_from(digit).ok().map(|digit| digit | b'0')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::ToString as _, vec::Vec};
    use proptest::prelude::*;

    #[test]
    fn the_smallest_and_the_largest_numbers_are_as_core_formats_them() {
        for number in [0, 1, 9, 10, 99, 100, usize::MAX / 10, usize::MAX] {
            let written: Vec<u8> = digits(number).collect();
            assert_eq!(written, number.to_string().as_bytes());
        }
    }

    proptest! {
        #[test]
        fn numbers_are_as_core_formats_them(number: usize, shift in 0..usize::BITS) {
            let number = number >> shift;
            let written: Vec<u8> = digits(number).collect();
            prop_assert_eq!(written, number.to_string().into_bytes());
        }
    }
}
