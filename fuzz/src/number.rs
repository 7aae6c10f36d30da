//! Numbers by exact decimal value, the naive way: written out.

use campanile_core::notify::MAX_NUMBER_LEN;

/// Beyond this, an exponent alone makes a number too long; written out it would be too long to be
/// worth the fuzzer's time.
const MAX_EXPONENT: i64 = 1_000_000;

/// The plain decimal text of a JSON number: no exponent, no needless zero, no sign of zero. Nothing
/// if it is longer than [`MAX_NUMBER_LEN`].
pub(crate) fn plain(number: &str) -> Option<String> {
    let (sign, magnitude) = match number.strip_prefix('-') {
        Some(magnitude) => ("-", magnitude),
        None => ("", number),
    };
    let (mantissa, exponent) = magnitude.split_once(['e', 'E']).unwrap_or((magnitude, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.bytes().all(|digit| digit == b'0') {
        return Some("0".to_owned());
    }

    // The digits count in units of ten to this power.
    let fraction_len = i64::try_from(fraction.len()).expect("inputs are short");
    let power = exponent_value(exponent) - fraction_len;
    let reach = MAX_NUMBER_LEN + digits.len();
    let (whole, fraction) = match usize::try_from(power) {
        Ok(zeros) if zeros > reach => return None,
        Ok(zeros) => (format!("{digits}{}", "0".repeat(zeros)), String::new()),
        Err(_) => {
            let places = usize::try_from(-power).expect("it is negative");
            if places > reach {
                return None;
            }
            let padded = format!("{}{digits}", "0".repeat(places));
            let (whole, fraction) = padded.split_at(padded.len() - places);
            (whole.to_owned(), fraction.to_owned())
        }
    };
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    let plain = match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    };
    (plain.len() <= MAX_NUMBER_LEN).then_some(plain)
}

/// The exponent, or one that is as good because it is too large either way.
fn exponent_value(text: &str) -> i64 {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.trim_start_matches('0');
    let magnitude = match digits.parse() {
        Ok(value) => i64::min(value, MAX_EXPONENT),
        Err(_) if digits.is_empty() => 0,
        Err(_) => MAX_EXPONENT,
    };
    if is_negative { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_one_plain_text() {
        for (number, text) in [
            ("2", "2"),
            ("2.0", "2"),
            ("20e-1", "2"),
            ("0.2E+1", "2"),
            ("85.50", "85.5"),
            ("-0.0e7", "0"),
            ("-1e-3", "-0.001"),
            ("9007199254740993", "9007199254740993"),
            ("1e0000000000000000000000000001", "10"),
            ("0e99999999999999999999", "0"),
        ] {
            assert_eq!(plain(number).as_deref(), Some(text), "{number}");
        }
    }

    #[test]
    fn what_is_too_long_written_out_has_none() {
        assert_eq!(plain("1e1023").map(|text| text.len()), Some(1024));
        assert_eq!(plain("-1e1023"), None);
        assert_eq!(plain("1e1024"), None);
        assert_eq!(plain("1e-1022").map(|text| text.len()), Some(1024));
        assert_eq!(plain("1e-1023"), None);
        assert_eq!(plain("1e99999999999999999999"), None);
    }
}
