//! General parsers of JSON, as somebody would use them for these messages who wants them fast.

use core::{fmt, mem};
use std::borrow::Cow;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use simd_json::{
    Buffers, INPUT_PADDING, Tape, fill_tape_padded, prelude::ValueAsScalar as _,
    tape::Value as Node,
};
use sonic_rs::LazyValue;

use super::{Name, Said, Shown};

/// A message; what is not named here is skipped.
#[derive(Deserialize)]
#[serde(bound(deserialize = "V: Deserialize<'de>"))]
struct Envelope<'a, V> {
    #[serde(borrow)]
    sender: Cow<'a, str>,
    #[serde(borrow)]
    notification: Option<Target<'a, V>>,
    #[serde(borrow, default = "Vec::new")]
    subscriptions: Vec<Target<'a, V>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "V: Deserialize<'de>"))]
struct Target<'a, V> {
    #[serde(borrow)]
    package: Cow<'a, str>,
    #[serde(borrow)]
    page: Cow<'a, str>,
    filters: Filters<V>,
}

#[derive(Deserialize)]
struct Filters<V> {
    values: V,
}

impl<'a, V> Envelope<'a, V> {
    /// Every target, if there are as many as its sender has.
    fn targets(self) -> Option<impl Iterator<Item = Target<'a, V>>> {
        let known = match &*self.sender {
            "client" => self.notification.is_none(),
            "server" => self.notification.is_some(),
            _ => false,
        };
        known.then(|| self.notification.into_iter().chain(self.subscriptions))
    }
}

/// serde_json, its text checked as one: what it skips it does not check for UTF-8. The values are
/// kept raw and read once more.
pub(super) fn serde_json(text: &[u8], hear: &mut impl FnMut(Said<'_>)) -> bool {
    let Ok(text) = simdutf8::basic::from_utf8(text) else {
        return false;
    };
    let message: Result<Envelope<'_, &RawValue>, _> = serde_json::from_str(text);
    message.is_ok_and(|message| {
        hear_all(message, hear, |raw| {
            let raw = raw.get();
            let read = serde_json::from_str::<Values>(raw);
            read.ok().map(|_| Shown::Json(raw))
        })
    })
}

/// The same, but the values are only checked on the way; nobody could match with that.
pub(super) fn serde_json_once(text: &[u8], hear: &mut impl FnMut(Said<'_>)) -> bool {
    let Ok(text) = simdutf8::basic::from_utf8(text) else {
        return false;
    };
    let message: Result<Envelope<'_, Values>, _> = serde_json::from_str(text);
    message.is_ok_and(|message| hear_all(message, hear, |_| Some(Shown::Lost)))
}

/// sonic-rs; it checks UTF-8 itself.
pub(super) fn sonic_rs(text: &[u8], hear: &mut impl FnMut(Said<'_>)) -> bool {
    let message: Result<Envelope<'_, LazyValue<'_>>, _> = sonic_rs::from_slice(text);
    message.is_ok_and(|message| {
        hear_all(message, hear, |lazy| {
            let raw = lazy.as_raw_str();
            let read = sonic_rs::from_str::<Values>(raw);
            read.ok().map(|_| Shown::Json(raw))
        })
    })
}

fn hear_all<'a, V>(
    message: Envelope<'a, V>,
    hear: &mut impl FnMut(Said<'_>),
    read: impl Fn(&V) -> Option<Shown<'_>>,
) -> bool {
    let Some(targets) = message.targets() else {
        return false;
    };
    for target in targets {
        let Some(values) = read(&target.filters.values) else {
            return false;
        };
        hear(Said {
            package: Name::Theirs(&target.package),
            page: Name::Theirs(&target.page),
            values,
        });
    }
    true
}

/// simd-json: a tape of the whole, from a copy of the text, since it unescapes in place. Its buffers
/// are used again and again.
pub(super) struct SimdJson {
    buffers: Buffers,
    tape: Tape<'static>,
    copy: Vec<u8>,
}

impl SimdJson {
    pub(super) fn new() -> Self {
        Self {
            buffers: Buffers::default(),
            tape: Tape(Vec::new()),
            copy: Vec::new(),
        }
    }

    pub(super) fn parse(&mut self, text: &[u8], hear: &mut impl FnMut(Said<'_>)) -> bool {
        self.copy.clear();
        self.copy.extend_from_slice(text);
        self.copy.resize(text.len() + INPUT_PADDING, 0);
        let mut tape = mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let filled = fill_tape_padded(&mut self.copy, text.len(), &mut self.buffers, &mut tape);
        let heard = filled.is_ok() && hear_tape(tape.as_value(), hear).is_some();
        self.tape = tape.reset();
        heard
    }
}

fn hear_tape(message: Node<'_, '_>, hear: &mut impl FnMut(Said<'_>)) -> Option<()> {
    let message = message.as_object()?;
    match message.get("sender")?.as_str()? {
        "client" => {
            let subscriptions = message.get("subscriptions")?.as_array()?;
            subscriptions
                .iter()
                .try_for_each(|target| hear_node(target, hear))
        }
        "server" => hear_node(message.get("notification")?, hear),
        _ => None,
    }
}

fn hear_node(target: Node<'_, '_>, hear: &mut impl FnMut(Said<'_>)) -> Option<()> {
    let target = target.as_object()?;
    let filters = target.get("filters")?.as_object()?;
    let values = filters.get("values")?;
    let is_checked = match values.as_object() {
        Some(members) => members.iter().all(|(_, value)| are_scalars(value)),
        None => are_scalars(values),
    };
    is_checked.then_some(())?;
    hear(Said {
        package: Name::Theirs(target.get("package")?.as_str()?),
        page: Name::Theirs(target.get("page")?.as_str()?),
        values: Shown::Tape(values),
    });
    Some(())
}

fn are_scalars(value: Node<'_, '_>) -> bool {
    let is_scalar = |value: Node<'_, '_>| value.as_object().is_none() && value.as_array().is_none();
    match value.as_array() {
        Some(elements) => elements.iter().all(is_scalar),
        None => value.as_object().is_none(),
    }
}

/// The `values` of a filter, checked and not kept: an object of scalars and arrays of scalars, or
/// one of these.
struct Values;

/// A scalar or an array of scalars.
struct Scalars;

struct Scalar;

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Check::<true, true>)?;
        Ok(Self)
    }
}

impl<'de> Deserialize<'de> for Scalars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Check::<true, false>)?;
        Ok(Self)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Check::<false, false>)?;
        Ok(Self)
    }
}

/// Accepts scalars and, if it says so, arrays of them and objects.
struct Check<const ARRAYS: bool, const OBJECTS: bool>;

impl<'de, const ARRAYS: bool, const OBJECTS: bool> Visitor<'de> for Check<ARRAYS, OBJECTS> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("scalars")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        if !ARRAYS {
            return Err(A::Error::custom("an array"));
        }
        while elements.next_element::<Scalar>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        if !OBJECTS {
            // So serde_json tells numbers with its feature `arbitrary_precision`, which others in
            // this workspace need for their tests.
            return match members.next_key()? {
                Some("$serde_json::private::Number") => members.next_value::<Scalar>().map(drop),
                _ => Err(A::Error::custom("an object")),
            };
        }
        while members.next_entry::<Key, Scalars>()?.is_some() {}
        Ok(())
    }
}

/// A key, unescaped where that is needed and not kept.
struct Key;

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Check::<false, false>)?;
        Ok(Self)
    }
}
