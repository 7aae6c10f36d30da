//! Writing forms.

use super::{
    MemoryTooSmall,
    bytes::{Writer, length_size, scalar_size, text_size, with_length},
    read::{ANY, KEYED, UNKEYED},
    sort::{ENTRY, Sorter},
};
use crate::notify::{
    notification::Notification,
    raw::{Kind, Value},
    scalar::Scalar,
    subscription::{Subscription, Subscriptions},
    target::Target,
    text::Text,
};

/// How many bytes are enough: less will do where something is written twice, but it takes the sorting
/// to see that.
#[derive(Clone, Copy, Default)]
pub(in crate::notify) struct Size {
    /// For what is written.
    form: usize,
    /// For the sorting.
    scratch: usize,
}

impl Size {
    pub(in crate::notify) fn of_set(set: &Subscriptions<'_>) -> Self {
        set.iter().fold(Self::default(), |sum, subscription| {
            let size = Self::of_subscription(&subscription);
            Self {
                form: sum.form.saturating_add(with_length(size.form)),
                scratch: sum.scratch.max(size.scratch),
            }
        })
    }

    pub(super) fn of_notification(notification: &Notification<'_>) -> Self {
        Self::of(notification.target())
    }

    fn of_subscription(subscription: &Subscription<'_>) -> Self {
        Self::of(subscription.target())
    }

    fn of(target: &Target<'_>) -> Self {
        let head = text_size(target.package).saturating_add(text_size(target.page));
        let mut size = Self {
            form: head,
            scratch: 0,
        };
        let Some(values) = target.values else {
            return size;
        };
        size.form = size.form.saturating_add(1);
        if values.kind() != Kind::Object {
            let scalars = Self::of_scalars(values);
            size.form = size.form.saturating_add(scalars.form);
            size.scratch = scalars.scratch;
            return size;
        }
        let mut largest: usize = 0;
        for (name, value) in values.members() {
            let key = text_size(Text::trusted(name));
            let scalars = Self::of_scalars(value);
            size.form = size.form.saturating_add(key).saturating_add(scalars.form);
            size.scratch = size.scratch.saturating_add(key).saturating_add(2 * ENTRY);
            largest = largest.max(scalars.scratch);
        }
        size.scratch = size.scratch.saturating_add(largest);
        size
    }

    /// The wildcard takes less than the scalar `true`.
    fn of_scalars(value: Value<'_>) -> Self {
        let (mut texts, mut count) = (0_usize, 0_usize);
        let _ = each_scalar(value, |scalar| {
            texts = texts.saturating_add(scalar_size(scalar));
            count = count.saturating_add(1);
            Some(())
        });
        Self {
            form: length_size(texts.saturating_add(1)).saturating_add(texts),
            scratch: count.saturating_mul(ENTRY).saturating_add(texts),
        }
    }

    pub(in crate::notify) const fn total(self) -> usize {
        self.form.saturating_add(self.scratch)
    }

    /// Has the form written to the front of `memory`.
    pub(super) fn fill<'m>(
        self,
        memory: &'m mut [u8],
        write: impl FnOnce(&mut Writer<'m>, &mut [u8]) -> Option<()>,
    ) -> Result<&'m [u8], MemoryTooSmall> {
        let too_small = MemoryTooSmall {
            needed: self.total(),
        };
        let (form, scratch) = memory.split_at_mut_checked(self.form).ok_or(too_small)?;
        let mut out = Writer::new(form);
        // That the sizes above are enough, the tests show; so it is memory that is missing.
        write(&mut out, scratch).ok_or(too_small)?;
        let (written, _) = out.into_parts().ok_or(too_small)?;
        Ok(written)
    }
}

pub(in crate::notify) fn set(
    set: &Subscriptions<'_>,
    out: &mut Writer<'_>,
    scratch: &mut [u8],
) -> Option<()> {
    set.iter().try_for_each(|subscription| {
        let bound = Size::of_subscription(&subscription).form;
        out.nested(bound, |out| {
            form(subscription.target(), Side::Subscription, out, scratch)
        })
    })
}

pub(super) fn notification(
    notification: &Notification<'_>,
    out: &mut Writer<'_>,
    scratch: &mut [u8],
) -> Option<()> {
    form(notification.target(), Side::Notification, out, scratch)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Subscription,
    Notification,
}

fn form(target: &Target<'_>, side: Side, out: &mut Writer<'_>, scratch: &mut [u8]) -> Option<()> {
    out.text(target.package)?;
    out.text(target.page)?;
    let Some(values) = target.values else {
        return Some(());
    };
    if values.kind() != Kind::Object {
        out.byte(UNKEYED)?;
        return scalars(values, out, scratch);
    }
    out.byte(KEYED)?;
    let mut keys = Sorter::new(scratch, values.members().count())?;
    let mut members = values.members();
    loop {
        let left = members.left();
        let Some((name, _)) = members.next() else {
            break;
        };
        keys.push(|texts| {
            texts.text(Text::trusted(name))?;
            texts.bytes(&left.to_ne_bytes())
        })?;
    }
    let (keys, scratch) = keys.sort()?;
    for (key, behind) in keys.distinct() {
        let left = usize::from_ne_bytes(*behind.first_chunk()?);
        let (_, value) = values.last_members(left).next()?;
        out.counted(key)?;
        if side == Side::Subscription && value.kind() == Kind::True {
            out.byte(ANY)?;
        } else {
            scalars(value, out, scratch)?;
        }
    }
    Some(())
}

fn scalars(value: Value<'_>, out: &mut Writer<'_>, scratch: &mut [u8]) -> Option<()> {
    let mut count: usize = 0;
    each_scalar(value, |_| {
        count = count.saturating_add(1);
        Some(())
    })?;
    let mut texts = Sorter::new(scratch, count)?;
    each_scalar(value, |scalar| texts.push(|texts| texts.scalar(scalar)))?;
    let (texts, _) = texts.sort()?;
    let len = texts.distinct().fold(0_usize, |len, (text, _)| {
        len.saturating_add(with_length(text.len()))
    });
    out.length(len.checked_add(1)?)?;
    texts.distinct().try_for_each(|(text, _)| out.counted(text))
}

/// Goes over a scalar or an array of scalars. A member that a later one overrides may be anything
/// else, such as a number of which nobody can write out all the digits: that is where this ends, since
/// nothing of such a member is written.
fn each_scalar(value: Value<'_>, mut take: impl FnMut(&Scalar<'_>) -> Option<()>) -> Option<()> {
    let mut take = |value: Value<'_>| take(&Scalar::try_from(value).ok()?);
    if value.kind() == Kind::Array {
        value.elements().try_for_each(take)
    } else {
        take(value)
    }
}
