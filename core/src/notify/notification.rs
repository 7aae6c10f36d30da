//! The notification of a publication.

#[cfg(feature = "fast")]
use super::target::Members;
use super::{
    filter::Values,
    limits::Limits,
    raw::{RawString, Value},
    refusal::Refusal,
    target::{Place, Target},
    text::Text,
    word::is_escaped,
};

/// What a publisher announces, as far as matching reads it (the protocol, section 3). What is
/// delivered is the publisher's whole message, byte for byte.
#[derive(Clone, Copy, Debug)]
pub struct Notification<'a> {
    target: Target<'a>,
}

impl<'a> Notification<'a> {
    /// Parses a notification that stands alone, without a message around it. Strictness and time are
    /// those of [`parse`](super::parse()).
    ///
    /// # Errors
    /// A [`Refusal`] with the code [`InvalidJson`](super::ErrorCode::InvalidJson) or
    /// [`InvalidNotification`](super::ErrorCode::InvalidNotification).
    pub fn parse(text: &'a [u8], limits: &Limits) -> Result<Self, Refusal> {
        Target::parse_alone(text, Place::LoneNotification, limits).map(|target| Self { target })
    }

    /// Checks the member `notification`, which is an object.
    pub(super) fn parse_member(value: Value<'a>, limits: &Limits) -> Result<Self, Refusal> {
        Target::parse(value, Place::Notification, limits).map(|target| Self { target })
    }

    /// Of members that have been found; nothing if they are to be refused.
    #[cfg(feature = "fast")]
    pub(super) fn from_members(members: &Members<'a>, limits: &Limits) -> Option<Self> {
        let target = Target::from_members(members, Place::Notification, limits)?;
        Some(Self { target })
    }

    /// The package that subscriptions must name.
    #[must_use]
    pub const fn package(&self) -> Text<'a> {
        self.target.package
    }

    /// The page that subscriptions must name.
    #[must_use]
    pub const fn page(&self) -> Text<'a> {
        self.target.page
    }

    /// Where in `text`, which it was parsed from, its parts are; `None` for any other text.
    #[must_use]
    pub fn locate(&self, text: &[u8]) -> Option<Located> {
        let values = match self.target.values {
            Some(values) => Some(Span::of(values.as_bytes(), text)?),
            None => None,
        };
        Some(Located {
            package: Span::of(self.target.package.as_raw(), text)?,
            page: Span::of(self.target.page.as_raw(), text)?,
            values,
        })
    }

    pub(super) const fn target(&self) -> &Target<'a> {
        &self.target
    }

    /// What the constraints of subscriptions are compared with.
    #[must_use]
    pub fn values(&self) -> Values<'a> {
        Values::trusted(self.target.values)
    }
}

/// A [`Notification`] without its text: where in it the parts are. So a text that has been parsed
/// can go from hand to hand, and nobody has to parse it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    package: Span,
    page: Span,
    values: Option<Span>,
}

impl Located {
    /// The notification in `text`, which must be what was parsed; any other text gives something
    /// else, or an empty package, page and values.
    #[must_use]
    pub fn read<'a>(&self, text: &'a [u8]) -> Notification<'a> {
        let string = |span: &Span| {
            let contents = span.cut(text);
            Text::trusted(RawString::trusted(contents, is_escaped(contents)))
        };
        Notification {
            target: Target {
                package: string(&self.package),
                page: string(&self.page),
                values: self.values.map(|span| Value::trusted(span.cut(text))),
            },
        }
    }
}

/// A piece of a text shorter than 4 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: u32,
    len: u32,
}

impl Span {
    /// Where in `text` the `piece` is, which is a slice of it.
    fn of(piece: &[u8], text: &[u8]) -> Option<Self> {
        let start = piece.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
        if start.checked_add(piece.len())? > text.len() {
            return None;
        }
        Some(Self {
            start: u32::try_from(start).ok()?,
            len: u32::try_from(piece.len()).ok()?,
        })
    }

    fn cut(self, text: &[u8]) -> &[u8] {
        let from = text.get(self.start as usize..).unwrap_or_default();
        from.get(..self.len as usize).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::{Message, parse};
    use alloc::{string::ToString as _, vec::Vec};

    #[test]
    fn a_located_notification_is_read_from_a_copy_of_its_text_as_it_was_parsed() {
        let texts = [
            r#" {"sender":"server","notification":{"package":"p","page":"q"}}"#,
            r#"{"sender":"server","notification":{"filters":{"values":{"a":[1,"x"],"\u0062":true}},"page":"q\u0041","package":"p"}}"#,
            r#"{"sender":"server","notification":{"package":"","page":"é","filters":{"values":"2"}}}"#,
        ];
        for text in texts {
            let Ok(Message::Publication(parsed)) = parse(text.as_bytes(), &Limits::default())
            else {
                panic!("{text} is a publication");
            };
            let located = parsed.locate(text.as_bytes()).unwrap();
            let copy = text.as_bytes().to_vec();
            let read = located.read(&copy);
            assert_eq!(read.package().to_string(), parsed.package().to_string());
            assert_eq!(read.page().to_string(), parsed.page().to_string());
            let values = |of: &Notification<'_>| of.target.values.map(|v| v.as_bytes().to_vec());
            assert_eq!(values(&read), values(&parsed), "{text}");
            assert_eq!(parsed.locate(&copy), None, "of another text");
        }
    }

    #[test]
    fn a_wrong_text_gives_something_else_and_no_panic() {
        let text = br#"{"sender":"server","notification":{"package":"p","page":"q","filters":{"values":[1,2]}}}"#;
        let Ok(Message::Publication(parsed)) = parse(text, &Limits::default()) else {
            panic!("it is a publication");
        };
        let located = parsed.locate(text).unwrap();
        for len in 0..text.len() {
            let read = located.read(&text[..len]);
            let _: Vec<u8> = read.package().bytes().chain(read.page().bytes()).collect();
            let _ = read.values();
        }
    }
}
