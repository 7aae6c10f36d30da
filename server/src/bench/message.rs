//! The notifications that are published, and how they are known again.

use core::ops::Range;

/// What one notification says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) channel: u64,
    pub(crate) publisher: u64,
    /// Counted from 0 for each publisher.
    pub(crate) sequence: u64,
    /// When it was sent, or was to be sent, in nanoseconds since the start of the run.
    pub(crate) sent: u64,
}

/// A notification in which only the digits of its [`Stamp`] change, always in the same places: it is
/// written without formatting, and read back by comparing all the rest.
#[derive(Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    /// Where the digits of channel, publisher, sequence and moment are, in this order.
    digits: [Range<usize>; FIELDS],
}

const FIELDS: usize = 4;

/// Enough digits for a client, a publisher, a notification, and for 115 days. All are in eights, which are
/// read at once: it is done for every delivery.
const WIDTHS: [usize; FIELDS] = [16, 8, 16, 16];

impl Template {
    /// A notification of `size` bytes; the error is how many it takes at least.
    pub(crate) fn new(package: &str, page: &str, size: usize) -> Result<Self, usize> {
        let mut bytes = format!(
            r#"{{"sender":"server","notification":{{"package":{},"page":{},"filters":{{"values":{{"channel":""#,
            text(package),
            text(page),
        )
        .into_bytes();
        let mut digits = [0..0, 0..0, 0..0, 0..0];
        let behind = [
            r#""}},"data":{"publisher":""#,
            r#"","sequence":""#,
            r#"","sent":""#,
            r#""}"#,
        ];
        for ((place, width), behind) in digits.iter_mut().zip(WIDTHS).zip(behind) {
            *place = bytes.len()..bytes.len() + width;
            bytes.resize(place.end, b'0');
            bytes.extend_from_slice(behind.as_bytes());
        }
        let (message, end) = (br#","message":""#, br#""}}"#);
        let least = bytes.len() + message.len() + end.len();
        let mut filling = size.checked_sub(least).ok_or(least)?;
        filling -= rows(filling, &mut bytes);
        bytes.extend_from_slice(message);
        // As a text in a message is: mostly letters.
        let words = b"the bell rings ".iter().cycle().take(filling);
        bytes.extend(words);
        bytes.extend_from_slice(end);
        Ok(Self { bytes, digits })
    }

    /// The notification with this stamp.
    pub(crate) fn write(&mut self, stamp: &Stamp) -> &[u8] {
        let numbers = [stamp.channel, stamp.publisher, stamp.sequence, stamp.sent];
        for (place, number) in self.digits.iter().zip(numbers) {
            if let Some(digits) = self.bytes.get_mut(place.clone()) {
                put(digits, number);
            }
        }
        &self.bytes
    }

    /// What the message says of itself; `None` if it is not one of ours, byte for byte.
    pub(crate) fn read(&self, message: &[u8]) -> Option<Stamp> {
        self.read_behind(0, message)
    }

    /// The same for one with a position in front (the protocol, section 6).
    pub(crate) fn read_positioned(&self, message: &[u8]) -> Option<Stamp> {
        let behind = message.strip_prefix(br#"{"position":""#)?;
        // 64 bytes of text and the quote; one that is escaped would be more than this program asks for.
        let end = behind
            .iter()
            .take(MAX_POSITION + 1)
            .position(|b| *b == b'"')?;
        let rest = behind.get(end..)?.strip_prefix(br#"","#)?;
        self.read_behind(1, rest)
    }

    /// Compares with what is behind the first `skipped` bytes.
    fn read_behind(&self, skipped: usize, message: &[u8]) -> Option<Stamp> {
        if message.len() != self.bytes.len().checked_sub(skipped)? {
            return None;
        }
        let mut from = skipped;
        let mut numbers = [0; FIELDS];
        for (place, number) in self.digits.iter().zip(&mut numbers) {
            let fixed = from..place.start;
            let here = fixed.start - skipped..fixed.end - skipped;
            if message.get(here)? != self.bytes.get(fixed)? {
                return None;
            }
            *number = take(message.get(place.start - skipped..place.end - skipped)?)?;
            from = place.end;
        }
        if message.get(from - skipped..)? != self.bytes.get(from..)? {
            return None;
        }
        let [channel, publisher, sequence, sent] = numbers;
        Some(Stamp {
            channel,
            publisher,
            sequence,
            sent,
        })
    }
}

/// Appends a list of records as applications have them, with at most `most` bytes; how many it has. They
/// are the same in each run, and shrink as such lists do.
fn rows(most: usize, bytes: &mut Vec<u8>) -> usize {
    const NAMES: [&str; 8] = [
        "Ada Moreau",
        "Bilal Haddad",
        "Chiara Conti",
        "Dov Lindqvist",
        "Emeka Obi",
        "Fatou Diallo",
        "Greta Baumann",
        "Hana Sato",
    ];
    const STATES: [&str; 4] = ["open", "waiting", "resolved", "in review"];
    const SUBJECTS: [&str; 8] = [
        "pump pressure",
        "delivery note",
        "invoice",
        "night shift",
        "valve replacement",
        "badge",
        "temperature alarm",
        "spare part",
    ];
    let start = bytes.len();
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut number = move |below: usize| {
        // xorshift64: what matters is that it is the same each time.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random >> 33).unwrap_or(0) % below
    };
    let mut list = String::new();
    loop {
        let row = format!(
            r#"{{"id":{},"author":"{}","subject":"{} {}","state":"{}","amount":{}.{:02},"at":"2026-{:02}-{:02}T{:02}:{:02}:{:02}Z"}}"#,
            100_000 + number(900_000),
            NAMES[number(NAMES.len())],
            SUBJECTS[number(SUBJECTS.len())],
            number(1000),
            STATES[number(STATES.len())],
            number(5_000),
            number(100),
            1 + number(12),
            1 + number(28),
            number(24),
            number(60),
            number(60),
        );
        let before = if list.is_empty() { FIRST } else { "," };
        if list.len() + before.len() + row.len() + 1 > most {
            break;
        }
        list.push_str(before);
        list.push_str(&row);
    }
    if !list.is_empty() {
        list.push(']');
    }
    bytes.extend_from_slice(list.as_bytes());
    bytes.len() - start
}

/// What is before the first record.
const FIRST: &str = r#","rows":["#;

/// Longest position (the protocol, section 6), in bytes.
const MAX_POSITION: usize = 64;

/// What a client says to hear everything of the page, or one channel of it.
pub(crate) fn subscription(package: &str, page: &str, channel: Option<u64>) -> String {
    let filters = channel.map_or_else(String::new, |channel| {
        let mut digits = [0; WIDTHS[0]];
        put(&mut digits, channel);
        let digits = String::from_utf8_lossy(&digits);
        format!(r#","filters":{{"values":{{"channel":["{digits}"]}}}}"#)
    });
    format!(
        r#"{{"sender":"client","subscriptions":[{{"package":{},"page":{}{filters}}}]}}"#,
        text(package),
        text(page),
    )
}

/// As JSON has it.
fn text(text: &str) -> serde_json::Value {
    text.into()
}

fn put(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789"
            .get((number % 10) as usize)
            .copied()
            .unwrap_or(b'0');
        number /= 10;
    }
}

/// The number with these digits, a multiple of eight.
fn take(digits: &[u8]) -> Option<u64> {
    let (eights, rest) = digits.as_chunks();
    if !rest.is_empty() {
        return None;
    }
    eights.iter().try_fold(0_u64, |number, eight| {
        Some(number * 100_000_000 + take_eight(*eight)?)
    })
}

/// Eight digits in one word, the first in its lowest byte: pairs are joined, then pairs of these, then the
/// halves.
fn take_eight(digits: [u8; 8]) -> Option<u64> {
    const HIGH: u64 = 0xF0F0_F0F0_F0F0_F0F0;
    let word = u64::from_le_bytes(digits);
    // `0` to `9` are 0x30 to 0x39, and six more are below 0x40.
    let too_high = word.wrapping_add(0x0606_0606_0606_0606);
    if word & HIGH != 0x3030_3030_3030_3030 || too_high & HIGH != 0x3030_3030_3030_3030 {
        return None;
    }
    let ones = word & !HIGH;
    let pairs = (ones.wrapping_mul(10 * 256 + 1) >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs.wrapping_mul(100 * 65_536 + 1) >> 16) & 0x0000_FFFF_0000_FFFF;
    Some(fours.wrapping_mul(10_000 * (1 << 32) + 1) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::notify::{Limits, Message, parse};
    use serde_json::Value;

    const STAMP: Stamp = Stamp {
        channel: 17,
        publisher: 2,
        sequence: 4_294_967_295,
        sent: 1_234_567_890_123_456,
    };

    #[test]
    fn a_notification_has_the_length_asked_for_and_is_read_back() {
        let least = Template::new("package", "p\"age\n", 0).unwrap_err();
        for size in (least..least + 400).chain([least + 1000, 16_384]) {
            let mut template = Template::new("package", "p\"age\n", size).unwrap();
            let message = template.write(&STAMP).to_vec();
            assert_eq!(message.len(), size);
            assert_eq!(template.read(&message), Some(STAMP));
            let json: Value = serde_json::from_slice(&message).unwrap();
            assert_eq!(json["notification"]["page"], "p\"age\n");
            let rows = json["notification"]["rows"].as_array().map_or(0, Vec::len);
            assert!((size - least) / 200 <= rows && rows <= (size - least) / 100);
        }
        assert_eq!(
            Template::new("package", "p\"age\n", least - 1).unwrap_err(),
            least
        );
    }

    #[test]
    fn a_notification_with_any_byte_changed_is_not_ours_unless_it_is_another_stamp() {
        let mut template = Template::new("a", "b", 250).unwrap();
        let message = template.write(&STAMP).to_vec();
        for index in 0..message.len() {
            let mut changed = message.clone();
            changed[index] ^= 0x40; // a digit becomes none
            assert_eq!(template.read(&changed), None, "byte {index}");
        }
        assert_eq!(template.read(&message[1..]), None);
        assert_eq!(template.read(&[&*message, b" "].concat()), None);
    }

    #[test]
    fn eight_digits_at_once_are_what_they_are_one_by_one() {
        let one_by_one = |digits: [u8; 8]| str::from_utf8(&digits).ok()?.parse::<u64>().ok();
        for number in (0..100_000_000_u64).step_by(9_973).chain([99_999_999]) {
            let mut digits = [0; 8];
            put(&mut digits, number);
            assert_eq!(take_eight(digits), one_by_one(digits));
            assert_eq!(take_eight(digits), Some(number));
        }
        for place in 0..8 {
            for byte in 0..=u8::MAX {
                let mut digits = *b"90817263";
                digits[place] = byte;
                // The standard library takes a sign as well.
                let expected = one_by_one(digits).filter(|_| byte.is_ascii_digit());
                assert_eq!(take_eight(digits), expected, "{byte:#x} at {place}");
            }
        }
    }

    #[test]
    fn a_position_goes_before_the_rest_byte_for_byte() {
        let mut template = Template::new("a", "b", 250).unwrap();
        let message = template.write(&STAMP).to_vec();
        let with = |position: &str| {
            let mut with = format!(r#"{{"position":"{position}","#).into_bytes();
            with.extend_from_slice(&message[1..]);
            with
        };
        assert_eq!(template.read_positioned(&with("7-12")), Some(STAMP));
        assert_eq!(
            template.read_positioned(&with(&"p".repeat(64))),
            Some(STAMP)
        );
        assert_eq!(template.read_positioned(&with(&"p".repeat(65))), None);
        assert_eq!(template.read_positioned(&message), None);
        assert_eq!(template.read(&with("7-12")), None);
        let mut changed = with("7-12");
        *changed.last_mut().unwrap() = b' ';
        assert_eq!(template.read_positioned(&changed), None);
    }

    #[test]
    fn a_subscription_to_a_channel_is_met_by_its_notifications_alone() {
        let limits = Limits::default();
        let mut template = Template::new("a", "b", 250).unwrap();
        for channel in [None, Some(16), Some(17)] {
            let wish = subscription("a", "b", channel);
            let Ok(Message::Client(client)) = parse(wish.as_bytes(), &limits) else {
                panic!("{wish}");
            };
            let Ok(Message::Publication(news)) = parse(template.write(&STAMP), &limits) else {
                panic!("no publication");
            };
            let wish = client.subscriptions().unwrap().iter().next().unwrap();
            assert_eq!(
                campanile_core::notify::matches(&wish, &news),
                channel != Some(16),
                "{channel:?}"
            );
        }
    }
}
