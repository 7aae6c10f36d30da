//! `notify`.

use campanile_core::notify::{self, *};

#[unsafe(no_mangle)]
pub fn nt_limits() -> Limits {
    <Limits as Default>::default()
}

#[unsafe(no_mangle)]
pub fn nt_parse<'a>(text: &'a [u8], limits: &Limits) -> Result<Message<'a>, Refusal> {
    notify::parse(text, limits)
}

#[unsafe(no_mangle)]
pub fn nt_hear(message: &[u8]) -> Option<Heard<'_>> {
    notify::hear(message)
}

#[unsafe(no_mangle)]
pub fn nt_delivered<'a>(
    delivered: &Delivered<'a>,
) -> (
    Option<Text<'a>>,
    Notification<'a>,
    Option<&'a [u8]>,
    Option<Text<'a>>,
) {
    (
        Delivered::position(delivered),
        Delivered::notification(delivered),
        Delivered::data(delivered),
        Delivered::message(delivered),
    )
}

#[unsafe(no_mangle)]
pub fn nt_matches(subscription: &Subscription<'_>, notification: &Notification<'_>) -> bool {
    notify::matches(subscription, notification)
}

#[unsafe(no_mangle)]
pub fn nt_parse_lone<'a>(
    text: &'a [u8],
    limits: &Limits,
) -> (
    Result<Subscription<'a>, Refusal>,
    Result<Notification<'a>, Refusal>,
) {
    (
        Subscription::parse(text, limits),
        Notification::parse(text, limits),
    )
}

#[unsafe(no_mangle)]
pub fn nt_parse_array<'a>(text: &'a [u8], limits: &Limits) -> Result<Subscriptions<'a>, Refusal> {
    Subscriptions::parse_array(text, limits)
}

#[unsafe(no_mangle)]
pub fn nt_error_code(name: &str) -> Option<ErrorCode> {
    ErrorCode::from_name(name)
}

#[unsafe(no_mangle)]
pub fn nt_locate(notification: &Notification<'_>, text: &[u8]) -> Option<Located> {
    Notification::locate(notification, text)
}

#[unsafe(no_mangle)]
pub fn nt_located_read<'a>(located: &Located, text: &'a [u8]) -> Notification<'a> {
    Located::read(located, text)
}

#[unsafe(no_mangle)]
pub fn nt_position(epoch: u64, sequence: u64) -> (Position, u64, u64, [u8; Position::TEXT_LEN]) {
    let position = Position::new(epoch, sequence);
    (
        position,
        Position::epoch(position),
        Position::sequence(position),
        Position::text(position),
    )
}

#[unsafe(no_mangle)]
pub fn nt_explain<'a>(
    subscription: &Subscription<'a>,
    notification: &Notification<'a>,
) -> Explanation<'a> {
    notify::explain(subscription, notification)
}

#[unsafe(no_mangle)]
pub fn nt_explanation<'a>(explanation: &Explanation<'a>) -> (bool, Location<'a>) {
    (
        Explanation::is_match(explanation),
        Explanation::location(explanation),
    )
}

#[unsafe(no_mangle)]
pub fn nt_covers(grant: &Grant<'_>, subscription: &Subscription<'_>) -> bool {
    notify::covers(grant, subscription)
}

#[unsafe(no_mangle)]
pub fn nt_covers_keyed(grant: &Grant<'_>, subscription: &Subscription<'_>) -> bool {
    notify::covers_keyed(grant, subscription)
}

#[unsafe(no_mangle)]
pub fn nt_grants_parse<'a>(
    text: &'a [u8],
    claim: &'static str,
    limits: &Limits,
) -> Result<Grants<'a>, Refusal> {
    Grants::parse(text, claim, limits)
}

#[unsafe(no_mangle)]
pub fn nt_grants_default() -> Grants<'static> {
    <Grants<'_> as Default>::default()
}

#[unsafe(no_mangle)]
pub fn nt_grants(
    grants: &Grants<'_>,
    subscription: &Subscription<'_>,
    notification: &Notification<'_>,
) -> (usize, bool, bool, bool, bool) {
    (
        Grants::len(grants),
        Grants::is_empty(grants),
        Grants::cover(grants, subscription),
        Grants::cover_keyed(grants, subscription),
        Grants::admit(grants, notification),
    )
}

#[unsafe(no_mangle)]
pub fn nt_grants_iter<'a>(grants: &Grants<'a>, sink: &mut dyn FnMut(Grant<'a>)) {
    Grants::iter(grants).for_each(&mut *sink);
    <&Grants<'_> as IntoIterator>::into_iter(grants).for_each(sink);
}

#[unsafe(no_mangle)]
pub fn nt_grants_next<'a>(iter: &mut GrantsIter<'a>) -> (Option<Grant<'a>>, usize) {
    let next = <GrantsIter<'_> as Iterator>::next(iter);
    (next, <GrantsIter<'_> as ExactSizeIterator>::len(iter))
}

#[unsafe(no_mangle)]
pub fn nt_grant<'a>(grant: &Grant<'a>) -> (Text<'a>, Text<'a>, Constraints<'a>) {
    (
        Grant::package(grant),
        Grant::page(grant),
        Grant::constraints(grant),
    )
}

#[unsafe(no_mangle)]
pub fn nt_grant_admits(grant: &Grant<'_>, notification: &Notification<'_>) -> bool {
    Grant::admits(grant, notification)
}

#[unsafe(no_mangle)]
pub fn nt_client<'a>(message: &ClientMessage<'a>) -> (Option<Subscriptions<'a>>, Option<Text<'a>>) {
    (
        ClientMessage::subscriptions(message),
        ClientMessage::token(message),
    )
}

#[unsafe(no_mangle)]
pub fn nt_subscriptions<'a>(set: &Subscriptions<'a>) -> (usize, bool, &'a [u8]) {
    (
        Subscriptions::len(set),
        Subscriptions::is_empty(set),
        Subscriptions::as_bytes(set),
    )
}

#[unsafe(no_mangle)]
pub fn nt_subscriptions_iter<'a>(set: &Subscriptions<'a>, sink: &mut dyn FnMut(Subscription<'a>)) {
    Subscriptions::iter(set).for_each(&mut *sink);
    <Subscriptions<'_> as IntoIterator>::into_iter(*set).for_each(&mut *sink);
    <&Subscriptions<'_> as IntoIterator>::into_iter(set).for_each(sink);
}

#[unsafe(no_mangle)]
pub fn nt_subscriptions_next<'a>(
    iter: &mut SubscriptionsIter<'a>,
) -> (Option<Subscription<'a>>, usize) {
    let next = <SubscriptionsIter<'_> as Iterator>::next(iter);
    (
        next,
        <SubscriptionsIter<'_> as ExactSizeIterator>::len(iter),
    )
}

#[unsafe(no_mangle)]
pub fn nt_subscription<'a>(
    subscription: &Subscription<'a>,
) -> (Text<'a>, Text<'a>, Constraints<'a>) {
    (
        Subscription::package(subscription),
        Subscription::page(subscription),
        Subscription::constraints(subscription),
    )
}

#[unsafe(no_mangle)]
pub fn nt_constraints_next<'a>(constraints: &mut Constraints<'a>) -> Option<Constraint<'a>> {
    <Constraints<'_> as Iterator>::next(constraints)
}

#[unsafe(no_mangle)]
pub fn nt_notification<'a>(notification: &Notification<'a>) -> (Text<'a>, Text<'a>, Values<'a>) {
    (
        Notification::package(notification),
        Notification::page(notification),
        Notification::values(notification),
    )
}

#[unsafe(no_mangle)]
pub fn nt_keyed_get<'a>(keyed: &Keyed<'a>, key: Text<'_>) -> Option<Scalars<'a>> {
    Keyed::get(keyed, key)
}

#[unsafe(no_mangle)]
pub fn nt_keyed_iter<'a>(keyed: &Keyed<'a>) -> (Entries<'a>, Entries<'a>) {
    (
        Keyed::iter(keyed),
        <&Keyed<'_> as IntoIterator>::into_iter(keyed),
    )
}

#[unsafe(no_mangle)]
pub fn nt_entries_next<'a>(entries: &mut Entries<'a>) -> Option<(Text<'a>, Scalars<'a>)> {
    <Entries<'_> as Iterator>::next(entries)
}

#[unsafe(no_mangle)]
pub fn nt_scalars_iter<'a>(scalars: &Scalars<'a>) -> (ScalarsIter<'a>, ScalarsIter<'a>) {
    (
        Scalars::iter(scalars),
        <&Scalars<'_> as IntoIterator>::into_iter(scalars),
    )
}

#[unsafe(no_mangle)]
pub fn nt_scalars_next<'a>(scalars: &mut ScalarsIter<'a>) -> Option<Scalar<'a>> {
    <ScalarsIter<'_> as Iterator>::next(scalars)
}

#[unsafe(no_mangle)]
pub fn nt_scalar<'a>(scalar: &Scalar<'a>) -> (Canonical<'a>, Option<&'a [u8]>) {
    (Scalar::canonical(scalar), Scalar::as_canonical(scalar))
}

#[unsafe(no_mangle)]
pub fn nt_canonical_next(canonical: &mut Canonical<'_>) -> Option<u8> {
    <Canonical<'_> as Iterator>::next(canonical)
}

#[unsafe(no_mangle)]
pub fn nt_number<'a>(number: &Number<'a>) -> (&'a [u8], Option<&'a [u8]>) {
    (Number::as_raw(number), Number::as_plain(number))
}

#[unsafe(no_mangle)]
pub fn nt_text<'a>(text: &Text<'a>) -> (&'a [u8], Option<&'a [u8]>, bool) {
    (
        Text::as_raw(text),
        Text::as_unescaped(text),
        Text::is_empty(text),
    )
}

#[unsafe(no_mangle)]
pub fn nt_text_iter<'a>(text: &Text<'a>) -> (Bytes<'a>, Chars<'a>) {
    (Text::bytes(text), Text::chars(text))
}

#[unsafe(no_mangle)]
pub fn nt_bytes_next(bytes: &mut Bytes<'_>) -> Option<u8> {
    <Bytes<'_> as Iterator>::next(bytes)
}

#[unsafe(no_mangle)]
pub fn nt_chars_next(chars: &mut Chars<'_>) -> Option<char> {
    <Chars<'_> as Iterator>::next(chars)
}

#[unsafe(no_mangle)]
pub fn nt_refusal_new(code: ErrorCode) -> (Refusal, &'static str) {
    (Refusal::new(code), ErrorCode::as_str(code))
}

#[unsafe(no_mangle)]
pub fn nt_refusal(refusal: &Refusal) -> (ErrorCode, &str, bool, Option<TokenFault>) {
    (
        Refusal::code(refusal),
        Refusal::path(refusal),
        Refusal::from_publisher(refusal),
        Refusal::token_fault(refusal),
    )
}

#[unsafe(no_mangle)]
pub fn nt_token_fault(fault: TokenFault) -> (Refusal, &'static str) {
    (<Refusal as From<_>>::from(fault), TokenFault::text(fault))
}

#[cfg(feature = "allowed")]
#[unsafe(no_mangle)]
pub fn nt_reply<'o>(reply: &Reply<'_>, out: &'o mut [u8]) -> Result<&'o [u8], BufferTooSmall> {
    Reply::encode(reply, out)
}

crate::comparisons! { NOTIFY_COMPARED:
    <Text<'_> as PartialEq> to Text<'_>;
    <Text<'_> as PartialEq> to str;
    <Text<'_> as PartialEq> to &str;
    <Number<'_> as PartialEq> to Number<'_>;
    <Scalar<'_> as PartialEq> to Scalar<'_>;
}

crate::formats! { NOTIFY_DISPLAY:
    <Position as Display>;
    <Text<'_> as Display>;
    <Number<'_> as Display>;
    <ErrorCode as Display>;
    <Refusal as Display>;
    <TokenFault as Display>;
    <Explanation<'_> as Display>;
    <Location<'_> as Display>;
    <BufferTooSmall as Display>;
}

crate::formats! { #[cfg(feature = "allowed")] NOTIFY_DEBUG:
    <Delivered<'_> as Debug>;
    <Heard<'_> as Debug>;
    <Located as Debug>;
    <Position as Debug>;
    <Accepts<'_> as Debug>;
    <BufferTooSmall as Debug>;
    <Bytes<'_> as Debug>;
    <Canonical<'_> as Debug>;
    <Chars<'_> as Debug>;
    <ClientMessage<'_> as Debug>;
    <Constraint<'_> as Debug>;
    <Constraints<'_> as Debug>;
    <Entries<'_> as Debug>;
    <ErrorCode as Debug>;
    <Explanation<'_> as Debug>;
    <Grant<'_> as Debug>;
    <Grants<'_> as Debug>;
    <GrantsIter<'_> as Debug>;
    <Keyed<'_> as Debug>;
    <Limits as Debug>;
    <Location<'_> as Debug>;
    <Message<'_> as Debug>;
    <Notification<'_> as Debug>;
    <Number<'_> as Debug>;
    <Refusal as Debug>;
    <Reply<'_> as Debug>;
    <Scalar<'_> as Debug>;
    <Scalars<'_> as Debug>;
    <ScalarsIter<'_> as Debug>;
    <Subscription<'_> as Debug>;
    <Subscriptions<'_> as Debug>;
    <SubscriptionsIter<'_> as Debug>;
    <Text<'_> as Debug>;
    <TokenFault as Debug>;
    <Values<'_> as Debug>;
}
