//! `notify`: canonical forms, and the registry that keeps them.

use campanile_core::notify::{registry::*, *};

type Set<'m> = CompiledSubscriptions<&'m [u8]>;
type News<'m> = CompiledNotification<&'m [u8]>;

#[unsafe(no_mangle)]
pub fn cp_set<'m>(
    set: &Subscriptions<'_>,
    memory: &'m mut [u8],
) -> Result<Set<'m>, MemoryTooSmall> {
    Subscriptions::compile(set, memory)
}

#[unsafe(no_mangle)]
pub fn cp_news<'m>(
    notification: &Notification<'_>,
    memory: &'m mut [u8],
) -> Result<News<'m>, MemoryTooSmall> {
    Notification::compile(notification, memory)
}

#[unsafe(no_mangle)]
pub fn cp_set_read<'s>(
    set: &'s Set<'_>,
    news: &News<'_>,
) -> (
    CompiledSubscriptionsIter<'s>,
    CompiledSubscriptionsIter<'s>,
    bool,
    usize,
) {
    (
        CompiledSubscriptions::iter(set),
        <&CompiledSubscriptions<_> as IntoIterator>::into_iter(set),
        CompiledSubscriptions::matches(set, news),
        CompiledSubscriptions::size(set),
    )
}

#[unsafe(no_mangle)]
pub fn cp_set_next<'s>(
    iter: &mut CompiledSubscriptionsIter<'s>,
) -> Option<CompiledSubscription<'s>> {
    <CompiledSubscriptionsIter<'_> as Iterator>::next(iter)
}

#[unsafe(no_mangle)]
pub fn cp_subscription<'s>(
    subscription: &CompiledSubscription<'s>,
    news: &News<'_>,
) -> (&'s [u8], &'s [u8], bool) {
    (
        CompiledSubscription::package(subscription),
        CompiledSubscription::page(subscription),
        CompiledSubscription::matches(subscription, news),
    )
}

#[unsafe(no_mangle)]
pub fn cp_news_read<'n>(news: &'n News<'_>) -> (&'n [u8], &'n [u8], usize) {
    (
        CompiledNotification::package(news),
        CompiledNotification::page(news),
        CompiledNotification::size(news),
    )
}

type Lent<'m> = Registry<&'m mut [Slot], &'m mut [u8]>;
type Own = Registry<[Slot; 24], [u8; 4096]>;

#[unsafe(no_mangle)]
pub fn rg_new<'m>(slots: &'m mut [Slot], memory: &'m mut [u8]) -> Lent<'m> {
    Registry::new(slots, memory)
}

#[unsafe(no_mangle)]
pub fn rg_replace(
    lent: &mut Lent<'_>,
    own: &mut Own,
    subscriber: u32,
    set: &Subscriptions<'_>,
) -> [Result<(), Full>; 2] {
    [
        Registry::replace(lent, subscriber, set),
        Registry::replace(own, subscriber, set),
    ]
}

#[unsafe(no_mangle)]
pub fn rg_forget(lent: &mut Lent<'_>, own: &mut Own, subscriber: u32) {
    Registry::forget(lent, subscriber);
    Registry::forget(own, subscriber);
}

#[unsafe(no_mangle)]
pub fn rg_recipients<'r>(
    lent: &'r Lent<'_>,
    own: &'r Own,
    news: &'r News<'r>,
) -> [Recipients<'r, &'r [u8]>; 2] {
    [
        Registry::recipients(lent, news),
        Registry::recipients(own, news),
    ]
}

#[unsafe(no_mangle)]
pub fn rg_recipients_next(recipients: &mut Recipients<'_, &[u8]>) -> Option<u32> {
    <Recipients<'_, _> as Iterator>::next(recipients)
}

#[unsafe(no_mangle)]
pub fn rg_usage(lent: &Lent<'_>, own: &Own) -> [Usage; 2] {
    [Registry::usage(lent), Registry::usage(own)]
}

crate::formats! { COMPILED_DISPLAY:
    <MemoryTooSmall as Display>;
    <Full as Display>;
}

crate::formats! { #[cfg(feature = "allowed")] COMPILED_DEBUG:
    <Capacity as Debug>;
    <CompiledNotification<&[u8]> as Debug>;
    <CompiledSubscription<'_> as Debug>;
    <CompiledSubscriptions<&[u8]> as Debug>;
    <CompiledSubscriptionsIter<'_> as Debug>;
    <Full as Debug>;
    <MemoryTooSmall as Debug>;
    <Recipients<'_, &[u8]> as Debug>;
    <Registry<[Slot; 1], [u8; 1]> as Debug>;
    <Slot as Debug>;
    <Usage as Debug>;
}
