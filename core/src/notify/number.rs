//! Numbers by exact decimal value.

use core::{fmt, iter::FusedIterator};

/// The longest plain decimal text that a number may have where it is compared, in bytes.
///
/// Comparing `1e999999999` with a string would mean a gigabyte of zeros. No identifier comes near
/// this limit, and a double as JavaScript, PHP or Python prints it stays below 350 bytes when
/// written out.
pub const MAX_NUMBER_LEN: usize = 1024;

/// A JSON number (RFC 8259, section 6), compared by its exact decimal value and never through
/// floating point (the protocol, section 4): `2`, `2.0` and `2e0` are equal, `-0` is `0`.
///
/// Its *plain text* is at most [`MAX_NUMBER_LEN`] bytes long: no exponent, no needless zero, no
/// sign of zero. `Display` writes it.
#[derive(Clone, Copy)]
pub struct Number<'a> {
    raw: &'a [u8],
}

impl<'a> Number<'a> {
    /// Nothing when the plain text would be longer than [`MAX_NUMBER_LEN`]. `raw` must be a valid
    /// JSON number.
    pub(super) fn new(raw: &'a [u8]) -> Option<Self> {
        let fits = plain(raw).is_some() && raw.len() <= MAX_NUMBER_LEN || Decimal::new(raw).fits();
        fits.then_some(Self { raw })
    }

    /// `raw` must have passed [`new`](Self::new) before.
    pub(super) const fn trusted(raw: &'a [u8]) -> Self {
        Self { raw }
    }

    /// The number as it was written.
    #[must_use]
    pub const fn as_raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The plain text itself where the number was written so, as nearly all integers are.
    #[must_use]
    pub fn as_plain(&self) -> Option<&'a [u8]> {
        plain(self.raw)
    }

    /// The bytes of the plain text, however the number was written.
    pub(super) fn digits(&self) -> Digits<'a> {
        let decimal = Decimal::new(self.raw);
        Digits {
            decimal,
            at: 0,
            len: decimal.len(),
        }
    }

    /// The same in no more steps than the number was written in, and one or two.
    pub(super) fn runs(&self) -> Runs<'a> {
        Runs(self.digits())
    }
}

impl PartialEq for Number<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.as_plain(), other.as_plain()) {
            (Some(ours), Some(theirs)) => ours == theirs,
            // Zeros that were not written are so for both or for none.
            _ => self.runs().eq(other.runs()),
        }
    }
}

impl Eq for Number<'_> {}

impl fmt::Display for Number<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.digits()
            .try_for_each(|byte| fmt::Write::write_char(f, char::from(byte)))
    }
}

impl fmt::Debug for Number<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `raw` if it is its own plain text: an integer without exponent, fraction or a zero's sign. JSON
/// has no leading zeros or plus signs.
#[inline]
fn plain(raw: &[u8]) -> Option<&[u8]> {
    let digits = raw.strip_prefix(b"-").unwrap_or(raw);
    (digits.iter().all(u8::is_ascii_digit) && raw != b"-0").then_some(raw)
}

/// A number taken apart: 0.`whole``fraction` × 10^`point`, where `whole` followed by `fraction`
/// begins and ends with another digit than zero. Zero has no digits, and neither sign nor exponent.
#[derive(Clone, Copy, Debug)]
struct Decimal<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    /// How many digits stand before the decimal point; negative if zeros stand after it. Saturated,
    /// which is far beyond [`MAX_NUMBER_LEN`]: digits that fill all memory do not bring it back.
    point: isize,
}

impl<'a> Decimal<'a> {
    fn new(raw: &'a [u8]) -> Self {
        let (negative, magnitude) = match raw.strip_prefix(b"-") {
            Some(magnitude) => (true, magnitude),
            None => (false, raw),
        };
        let (mantissa, exponent) = split_at_byte(magnitude, |byte| matches!(byte, b'e' | b'E'));
        let (whole, fraction) = split_at_byte(mantissa, |byte| byte == b'.');
        let point = exponent_value(exponent).saturating_add(signed(whole.len()));

        let significant_whole = trim_start_zeros(whole);
        let mut leading_zeros = whole.len().saturating_sub(significant_whole.len());
        let (mut whole, mut fraction) = (significant_whole, fraction);
        if whole.is_empty() {
            let significant = trim_start_zeros(fraction);
            leading_zeros =
                leading_zeros.saturating_add(fraction.len().saturating_sub(significant.len()));
            fraction = significant;
        }
        fraction = trim_end_zeros(fraction);
        if fraction.is_empty() {
            whole = trim_end_zeros(whole);
        }
        if whole.is_empty() && fraction.is_empty() {
            return Self {
                negative: false,
                whole,
                fraction,
                point: 1,
            };
        }
        Self {
            negative,
            whole,
            fraction,
            point: point.saturating_sub(signed(leading_zeros)),
        }
    }

    fn fits(&self) -> bool {
        self.len() <= MAX_NUMBER_LEN
    }

    /// The length of the plain text in bytes.
    fn len(&self) -> usize {
        let digits = self.whole.len().saturating_add(self.fraction.len());
        let magnitude = match usize::try_from(self.point) {
            // All digits are before the point, and zeros may follow them.
            Ok(point) if point >= digits && point > 0 => point,
            Ok(point) if point > 0 => digits.saturating_add(1),
            _ => digits
                .saturating_add(self.zeros_after_point())
                .saturating_add(2),
        };
        magnitude.saturating_add(usize::from(self.negative))
    }

    fn zeros_after_point(&self) -> usize {
        usize::try_from(self.point.saturating_neg()).unwrap_or(0)
    }

    /// The byte of the plain text at `index`, which is below [`len`](Self::len).
    fn byte(&self, index: usize) -> u8 {
        let Some(index) = index.checked_sub(usize::from(self.negative)) else {
            return b'-';
        };
        match usize::try_from(self.point) {
            Ok(point) if point > 0 => match index.checked_sub(point) {
                None => self.digit(index),
                Some(0) => b'.',
                Some(_) => self.digit(index.saturating_sub(1)),
            },
            _ => match index {
                0 => b'0',
                1 => b'.',
                _ => match index
                    .saturating_sub(2)
                    .checked_sub(self.zeros_after_point())
                {
                    None => b'0',
                    Some(digit) => self.digit(digit),
                },
            },
        }
    }

    /// How many zeros begin at `index` of the plain text that were not written.
    fn zeros_from(&self, index: usize) -> usize {
        let Some(index) = index.checked_sub(usize::from(self.negative)) else {
            return 0;
        };
        match usize::try_from(self.point) {
            Ok(point) if point > 0 => {
                let digits = self.whole.len().saturating_add(self.fraction.len());
                if index < digits {
                    0
                } else {
                    point.saturating_sub(index)
                }
            }
            _ => match index.checked_sub(2) {
                Some(index) => self.zeros_after_point().saturating_sub(index),
                None => 0,
            },
        }
    }

    fn digit(&self, index: usize) -> u8 {
        let digit = match index.checked_sub(self.whole.len()) {
            None => self.whole.get(index),
            Some(index) => self.fraction.get(index),
        };
        digit.copied().unwrap_or(b'0')
    }
}

/// Iterator over the plain text of a [`Number`].
#[derive(Clone, Debug)]
pub(super) struct Digits<'a> {
    decimal: Decimal<'a>,
    at: usize,
    len: usize,
}

impl Iterator for Digits<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let at = self.at;
        if at >= self.len {
            return None;
        }
        self.at = at.saturating_add(1);
        Some(self.decimal.byte(at))
    }
}

impl FusedIterator for Digits<'_> {}

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    Byte(u8),
    /// So many times `0`, of which others may be before and behind.
    Zeros(usize),
}

/// Iterator over the plain text of a [`Number`], the zeros that were not written all at once.
#[derive(Clone, Debug)]
pub(super) struct Runs<'a>(Digits<'a>);

impl Iterator for Runs<'_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let Digits { decimal, at, len } = &mut self.0;
        let zeros = decimal.zeros_from(*at).min(len.saturating_sub(*at));
        if zeros == 0 {
            return self.0.next().map(Run::Byte);
        }
        *at = at.saturating_add(zeros);
        Some(Run::Zeros(zeros))
    }
}

/// What is before and after the first byte that `is_separator` accepts; everything and nothing
/// without one.
fn split_at_byte(bytes: &[u8], is_separator: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let at = bytes.iter().position(|&byte| is_separator(byte));
    match at.and_then(|at| bytes.split_at_checked(at)) {
        Some((before, [_, after @ ..])) => (before, after),
        Some((before, [])) => (before, &[]),
        None => (bytes, &[]),
    }
}

/// The value of an exponent's text, saturated; zero for none.
fn exponent_value(text: &[u8]) -> isize {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let magnitude = digits.iter().fold(0_isize, |value, digit| {
        value
            .saturating_mul(10)
            .saturating_add(isize::from(digit.wrapping_sub(b'0')))
    });
    if negative {
        magnitude.saturating_neg()
    } else {
        magnitude
    }
}

fn trim_start_zeros(mut digits: &[u8]) -> &[u8] {
    while let Some((b'0', rest)) = digits.split_first() {
        digits = rest;
    }
    digits
}

fn trim_end_zeros(mut digits: &[u8]) -> &[u8] {
    while let Some((b'0', rest)) = digits.split_last() {
        digits = rest;
    }
    digits
}

fn signed(len: usize) -> isize {
    isize::try_from(len).unwrap_or(isize::MAX)
}
