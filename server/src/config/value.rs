//! What a setting may be: kinds of values, their text, and where they are kept.

use core::{net::SocketAddr, time::Duration};
use std::path::PathBuf;

use campanile_core::hub::{Rate, SlowPolicy};

/// The value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// How many, or how many bytes.
    Number(u64),
    Duration(Duration),
    Choice(&'static str),
    Address(SocketAddr),
    /// The path of a file.
    File(String),
    /// No address, or no file.
    Off,
    /// Any number of things.
    List(Vec<String>),
}

/// What values a setting may have.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// How many, from the first to the second.
    Number(u64, u64),
    /// How many bytes, likewise.
    Size(u64, u64),
    /// How long, likewise.
    Duration(Duration, Duration),
    /// One of several words; what they are called together.
    Choice(&'static str, fn() -> Vec<Choice>),
    /// An IP address with a port.
    Address,
    /// The same, or none.
    OptionalAddress,
    /// The path of a file, or none.
    OptionalFile,
    /// Any number of things.
    List(&'static Items),
}

/// What may be in a list.
#[derive(Debug)]
pub(crate) struct Items {
    /// What stands for the list in help.
    pub(crate) placeholder: &'static str,
    pub(crate) allowed: &'static str,
    pub(crate) is_valid: fn(&str) -> bool,
}

/// What stands for no address and for no file.
const OFF: &str = "off";

/// A word that a setting may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
}

/// Units of bytes, those first that are written where they fit.
const SIZES: &[(&str, u64)] = &[
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Units of time in milliseconds, likewise.
const TIMES: &[(&str, u64)] = &[("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Kind {
    /// One of the words of `T`.
    pub(crate) const fn choice<T: Named>() -> Self {
        Self::Choice(T::PLACEHOLDER, choices::<T>)
    }

    /// The value that `text` means.
    ///
    /// # Errors
    /// What is allowed.
    pub(crate) fn parse(&self, text: &str) -> Result<Value, String> {
        self.read(text.trim()).ok_or_else(|| self.allowed())
    }

    fn read(&self, text: &str) -> Option<Value> {
        match self {
            Self::Number(min, max) => {
                let number = integer(text).filter(|number| (min..=max).contains(&number));
                number.map(Value::Number)
            }
            Self::Size(min, max) => {
                let bytes = quantity(text, SIZES, 1).filter(|size| (min..=max).contains(&size));
                bytes.map(Value::Number)
            }
            Self::Duration(min, max) => {
                let time = quantity(text, TIMES, 1_000).map(Duration::from_millis);
                let time = time.filter(|time| (min..=max).contains(&time));
                time.map(Value::Duration)
            }
            Self::Choice(_, choices) => choices()
                .iter()
                .find(|choice| choice.name == text)
                .map(|choice| Value::Choice(choice.name)),
            Self::OptionalAddress | Self::OptionalFile if text == OFF => Some(Value::Off),
            Self::OptionalFile => (!text.is_empty()).then(|| Value::File(text.to_owned())),
            Self::Address | Self::OptionalAddress => text.parse().ok().map(Value::Address),
            Self::List(_) => self.list(text.split(',')),
        }
    }

    /// The value that these are together, where this is a list and they may be in it.
    pub(crate) fn list<'t>(&self, items: impl Iterator<Item = &'t str>) -> Option<Value> {
        let Self::List(kind) = self else {
            return None;
        };
        let items = items.map(str::trim).filter(|item| !item.is_empty());
        let items: Option<Vec<_>> = items
            .map(|item| (kind.is_valid)(item).then(|| item.to_owned()))
            .collect();
        items.map(Value::List)
    }

    /// What may be said, for a person who said something else.
    pub(crate) fn allowed(&self) -> String {
        match self {
            Self::Number(min, max) => format!("a whole number from {min} to {max}"),
            Self::Size(min, max) => format!(
                "a size from {} to {}, such as \"64KiB\"; a plain number is in bytes",
                in_units(*min, SIZES),
                in_units(*max, SIZES)
            ),
            Self::Duration(min, max) => {
                let [min, max] = [min, max].map(|time| self.text(&Value::Duration(*time)));
                format!(
                    "a duration from {min} to {max}, such as \"10s\"; a plain number is in seconds"
                )
            }
            Self::Choice(_, choices) => {
                let mut text = String::new();
                let choices = choices();
                for (at, choice) in choices.iter().enumerate() {
                    text.push_str(match choices.len().saturating_sub(at) {
                        _ if at == 0 => "",
                        1 => " or ",
                        _ => ", ",
                    });
                    text.push_str(&format!("{:?}", choice.name));
                }
                text
            }
            Self::Address => {
                "an IP address with a port, such as \"127.0.0.1:8000\" or \"[::]:8000\"".to_owned()
            }
            Self::OptionalAddress => {
                "an IP address with a port, such as \"127.0.0.1:8001\", or \"off\"".to_owned()
            }
            Self::List(items) => format!("a list of {}", items.allowed),
            Self::OptionalFile => {
                "the path of a file, such as \"/etc/campanile/tls.pem\", or \"off\"".to_owned()
            }
        }
    }

    /// What stands for a value in help and manuals.
    pub(crate) const fn placeholder(&self) -> &'static str {
        match self {
            Self::Number(..) => "N",
            Self::Size(..) => "SIZE",
            Self::Duration(..) => "DURATION",
            Self::Choice(placeholder, _) => placeholder,
            Self::Address | Self::OptionalAddress => "ADDR:PORT",
            Self::List(items) => items.placeholder,
            Self::OptionalFile => "FILE",
        }
    }

    /// The text of a value, which means the same value again.
    pub(crate) fn text(&self, value: &Value) -> String {
        match value {
            Value::Number(bytes) if matches!(self, Self::Size(..)) => in_units(*bytes, SIZES),
            Value::Number(number) => number.to_string(),
            Value::Duration(time) => {
                let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                if millis == 0 {
                    "0s".to_owned()
                } else {
                    in_units(millis, TIMES)
                }
            }
            Value::Choice(name) => (*name).to_owned(),
            Value::Address(address) => address.to_string(),
            Value::File(path) => path.clone(),
            Value::Off => OFF.to_owned(),
            Value::List(items) => items.join(","),
        }
    }

    /// The same as TOML has it.
    pub(crate) fn toml(&self, value: &Value) -> String {
        if let Value::List(items) = value {
            let items: Vec<_> = items.iter().map(|item| format!("\"{item}\"")).collect();
            return format!("[{}]", items.join(", "));
        }
        let text = self.text(value);
        match self {
            Self::Number(..) => text,
            Self::Size(..)
            | Self::Duration(..)
            | Self::Choice(..)
            | Self::Address
            | Self::OptionalAddress
            | Self::List(_) => format!("\"{text}\""),
            Self::OptionalFile => quoted(&text),
        }
    }
}

/// As a string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            character if character.is_control() => {
                quoted.push_str(&format!("\\u{:04X}", u32::from(character)));
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

fn integer(text: &str) -> Option<u64> {
    // `parse` takes a sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// A whole number with one of `units` behind it, or with none, which then counts as `plain`.
fn quantity(text: &str, units: &[(&str, u64)], plain: u64) -> Option<u64> {
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let unit = unit.trim_start();
    let factor = if unit.is_empty() {
        plain
    } else {
        units.iter().find(|(name, _)| *name == unit)?.1
    };
    integer(digits)?.checked_mul(factor)
}

/// In the largest of `units` that divides it.
fn in_units(number: u64, units: &[(&str, u64)]) -> String {
    let fits = |factor: u64| number > 0 && number.is_multiple_of(factor);
    let unit = units.iter().find(|(_, factor)| fits(*factor));
    let (name, factor) = unit.or_else(|| units.last()).copied().unwrap_or(("", 1));
    let count = number.checked_div(factor).unwrap_or(number);
    format!("{count}{name}")
}

/// Where the value of a setting is kept.
pub(crate) trait Slot {
    fn get(&self) -> Value;

    /// Keeps a value of the setting's kind; any other is not for it, and changes nothing.
    fn set(&mut self, value: Value);
}

macro_rules! numbers {
    ($($type:ty)*) => { $(
        impl Slot for $type {
            fn get(&self) -> Value {
                Value::Number(u64::try_from(*self).unwrap_or(u64::MAX))
            }

            fn set(&mut self, value: Value) {
                if let Value::Number(number) = value {
                    *self = Self::try_from(number).unwrap_or(Self::MAX);
                }
            }
        }
    )* };
}

numbers!(u32 u64 usize);

impl Slot for Duration {
    fn get(&self) -> Value {
        Value::Duration(*self)
    }

    fn set(&mut self, value: Value) {
        if let Value::Duration(time) = value {
            *self = time;
        }
    }
}

/// Never is zero.
impl Slot for Option<Duration> {
    fn get(&self) -> Value {
        Value::Duration(self.unwrap_or_default())
    }

    fn set(&mut self, value: Value) {
        if let Value::Duration(time) = value {
            *self = (!time.is_zero()).then_some(time);
        }
    }
}

/// So many in its period, and as many at once.
impl Slot for Rate {
    fn get(&self) -> Value {
        Value::Number(self.count.into())
    }

    fn set(&mut self, value: Value) {
        self.count.set(value);
        self.burst = self.count;
    }
}

impl Slot for SocketAddr {
    fn get(&self) -> Value {
        Value::Address(*self)
    }

    fn set(&mut self, value: Value) {
        if let Value::Address(address) = value {
            *self = address;
        }
    }
}

impl Slot for Option<SocketAddr> {
    fn get(&self) -> Value {
        self.map_or(Value::Off, Value::Address)
    }

    fn set(&mut self, value: Value) {
        match value {
            Value::Address(address) => *self = Some(address),
            Value::Off => *self = None,
            Value::Number(_)
            | Value::Duration(_)
            | Value::Choice(_)
            | Value::File(_)
            | Value::List(_) => {}
        }
    }
}

impl Slot for Option<PathBuf> {
    fn get(&self) -> Value {
        // It comes from a setting's text, and so is text.
        let path = self.as_ref().map(|path| path.display().to_string());
        path.map_or(Value::Off, Value::File)
    }

    fn set(&mut self, value: Value) {
        match value {
            Value::File(path) => *self = Some(path.into()),
            Value::Off => *self = None,
            Value::Number(_)
            | Value::Duration(_)
            | Value::Choice(_)
            | Value::Address(_)
            | Value::List(_) => {}
        }
    }
}

/// A type whose values have names.
pub(crate) trait Named: Copy + PartialEq + 'static {
    /// What stands for one in help.
    const PLACEHOLDER: &'static str;
    /// All of them, each with its name and what it means.
    const NAMES: &'static [(Self, Choice)];

    /// Its own name.
    fn name(self) -> &'static str {
        let own = Self::NAMES.iter().find(|(value, _)| *value == self);
        own.map_or("", |(_, choice)| choice.name)
    }
}

fn choices<T: Named>() -> Vec<Choice> {
    T::NAMES.iter().map(|(_, choice)| *choice).collect()
}

impl<T: Named> Slot for T {
    fn get(&self) -> Value {
        Value::Choice(self.name())
    }

    fn set(&mut self, value: Value) {
        let Value::Choice(name) = value else {
            return;
        };
        if let Some((value, _)) = T::NAMES.iter().find(|(_, choice)| choice.name == name) {
            *self = *value;
        }
    }
}

impl Named for SlowPolicy {
    const PLACEHOLDER: &'static str = "POLICY";
    const NAMES: &'static [(Self, Choice)] = &[
        (
            Self::Disconnect,
            Choice {
                name: "disconnect",
                help: "It is closed with 1013, so that it knows that it has missed something",
            },
        ),
        (
            Self::DropOldest,
            Choice {
                name: "drop-oldest",
                help: "It loses what has waited longest, and is not told",
            },
        ),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: Kind = Kind::Size(1, u64::MAX);
    const TIME: Kind = Kind::Duration(Duration::ZERO, Duration::MAX);

    #[test]
    fn units_are_what_people_mean() {
        for (text, bytes) in [
            ("1", 1),
            ("64KiB", 65_536),
            ("64 KiB", 65_536),
            ("2MB", 2_000_000),
            ("1GiB", 1 << 30),
            ("7B", 7),
        ] {
            assert_eq!(SIZE.parse(text), Ok(Value::Number(bytes)), "{text}");
        }
        for (text, millis) in [
            ("0", 0),
            ("25", 25_000),
            ("25s", 25_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1h", 3_600_000),
        ] {
            let time = Duration::from_millis(millis);
            assert_eq!(TIME.parse(text), Ok(Value::Duration(time)), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_none() {
        let long = "9".repeat(30);
        for text in [
            "", " ", "s", "KiB", "-1", "+1", "1.5s", "1s1s", "1 s s", "1sec", "1kib", "1e3",
            "0x10", "１s", &long,
        ] {
            assert!(SIZE.parse(text).is_err(), "{text}");
            assert!(TIME.parse(text).is_err(), "{text}");
        }
        // More than 64 bits.
        assert!(SIZE.parse("99999999999GiB").is_err());
    }

    #[test]
    fn a_path_is_written_so_that_toml_reads_the_same() {
        for path in ["/etc/a b.pem", "C:\\a\\\"b\"", "tab\there", "\u{7f}ü"] {
            let value = Value::File(path.to_owned());
            let line = format!("path = {}", Kind::OptionalFile.toml(&value));
            let table = toml::de::DeTable::parse(&line).expect("TOML");
            assert_eq!(table.get_ref()["path"].get_ref().as_str(), Some(path));
        }
    }

    #[test]
    fn bounds_are_part_of_what_they_bound() {
        let kind = Kind::Number(2, 4);
        let numbers = ["1", "2", "3", "4", "5"].map(|text| kind.parse(text).is_ok());
        assert_eq!(numbers, [false, true, true, true, false]);
        assert_eq!(kind.allowed(), "a whole number from 2 to 4");
    }

    proptest! {
        #[test]
        fn the_text_of_a_value_means_that_value(number in any::<u64>(), shift in 0..64) {
            let number = number >> shift;
            prop_assume!(number > 0);
            for (kind, value) in [
                (Kind::Number(0, u64::MAX), Value::Number(number)),
                (SIZE, Value::Number(number)),
                (TIME, Value::Duration(Duration::from_millis(number))),
            ] {
                prop_assert_eq!(kind.parse(&kind.text(&value)), Ok(value));
            }
        }

        #[test]
        fn no_text_breaks_it(text in "\\PC*") {
            for kind in [SIZE, TIME, Kind::Number(0, 9), Kind::Address, Kind::OptionalAddress, Kind::OptionalFile, Kind::choice::<SlowPolicy>()] {
                let _ = kind.parse(&text);
            }
        }
    }
}
