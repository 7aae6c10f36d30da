//! `deflate`, and what of `conn` belongs to it. What inflates runs code of a dependency.

use core::ops::Deref;

use campanile_core::{
    Instant,
    conn::{Client, Config, Connection, Data, Input, Prepared, SendError, Server, Violation},
    deflate::*,
    handshake::{Request, Response},
    wire::{CloseCode, EncodedHead, Kind},
};

#[unsafe(no_mangle)]
pub fn deflate_window(bits: u8, len: usize) -> (Option<WindowBits>, WindowBits, WindowBits) {
    let default = <WindowBits as Default>::default();
    (WindowBits::new(bits), WindowBits::fitting(len), default)
}

#[unsafe(no_mangle)]
pub fn deflate_sizes(window: WindowBits, level: Level) -> (u8, usize, u8) {
    (
        WindowBits::get(window),
        WindowBits::bytes(window),
        Level::get(level),
    )
}

#[unsafe(no_mangle)]
pub fn deflate_level(level: u8) -> (Option<Level>, Level) {
    (Level::new(level), <Level as Default>::default())
}

#[unsafe(no_mangle)]
pub fn deflate_settings(server: bool) -> Settings {
    if server {
        Settings::server()
    } else {
        Settings::client()
    }
}

#[unsafe(no_mangle)]
pub fn deflate_answer(settings: &Settings, request: &Request<'_, '_>) -> Option<Agreed> {
    Settings::answer(settings, request.extensions())
}

#[unsafe(no_mangle)]
pub fn deflate_offer(settings: &Settings) -> Offer {
    Settings::offer(settings)
}

#[unsafe(no_mangle)]
pub fn deflate_text(offer: &Offer) -> Text {
    Offer::text(offer)
}

#[unsafe(no_mangle)]
pub fn deflate_list(offers: &[Offer]) -> Option<Text> {
    Offer::list(offers)
}

#[unsafe(no_mangle)]
pub fn deflate_check(
    offers: &[Offer],
    response: &Response<'_, '_>,
) -> Result<Option<Agreed>, BadAgreement> {
    Offer::check(offers, response.extensions())
}

#[unsafe(no_mangle)]
pub fn deflate_response(agreed: &Agreed) -> Text {
    Agreed::response(agreed)
}

#[unsafe(no_mangle)]
pub fn deflate_directions(agreed: &Agreed) -> [Direction; 2] {
    [
        Agreed::incoming::<Server>(agreed),
        Agreed::outgoing::<Client<fn() -> [u8; 4]>>(agreed),
    ]
}

#[unsafe(no_mangle)]
pub fn deflate_deref(text: &Text) -> &str {
    <Text as Deref>::deref(text)
}

#[unsafe(no_mangle)]
pub fn deflate_fault(fault: Fault) -> (CloseCode, &'static str) {
    (Fault::close_code(fault), Fault::reason(fault))
}

/// Memory of any size.
type Memory = &'static mut [u8];

#[unsafe(no_mangle)]
pub fn deflate_inflater(
    direction: Direction,
    window: Memory,
    settings: &Settings,
    config: &Config,
) -> Result<Inflater<Memory>, WrongSize> {
    Inflater::new(direction, window, settings, config)
}

#[cfg(feature = "allowed")]
#[unsafe(no_mangle)]
pub fn deflate_inflate<'o>(
    inflater: &mut Inflater<Memory>,
    data: &mut Data<'_>,
    out: &'o mut [u8],
) -> Result<Option<Data<'o>>, Violation> {
    Inflater::inflate(inflater, data, out)
}

#[unsafe(no_mangle)]
pub fn deflate_reset(inflater: &mut Inflater<Memory>) {
    Inflater::reset(inflater);
}

#[unsafe(no_mangle)]
pub fn deflate_enable(connection: &mut Connection<Server>) {
    Connection::enable_deflate(connection);
}

#[unsafe(no_mangle)]
pub fn deflate_violate(
    connection: &mut Connection<Server>,
    violation: Violation,
    input: &mut Input<'_>,
    now: Instant,
) {
    Connection::violate(connection, violation, input, now);
}

#[unsafe(no_mangle)]
pub fn deflate_encode<'o>(
    connection: &mut Connection<Server>,
    kind: Kind,
    payload: &[u8],
    last: bool,
    out: &'o mut [u8],
) -> Result<&'o mut [u8], SendError> {
    Connection::encode_deflated(connection, kind, payload, last, out)
}

#[unsafe(no_mangle)]
pub fn deflate_head(
    connection: &mut Connection<Server>,
    kind: Kind,
    len: u64,
    last: bool,
) -> Result<EncodedHead, SendError> {
    Connection::deflated_head(connection, kind, len, last)
}

#[unsafe(no_mangle)]
pub fn deflate_prepared_head(kind: Kind, len: u64) -> EncodedHead {
    Prepared::deflated_head(kind, len)
}

crate::formats! { DEFLATE_DISPLAY:
    <BadAgreement as Display>;
    <Fault as Display>;
    <Text as Display>;
    <WindowBits as Display>;
    <WrongSize as Display>;
}

crate::formats! { #[cfg(feature = "allowed")] DEFLATE_DEBUG:
    <Agreed as Debug>;
    <BadAgreement as Debug>;
    <ClientWindow as Debug>;
    <Direction as Debug>;
    <Fault as Debug>;
    <Inflater<Memory> as Debug>;
    <Level as Debug>;
    <Offer as Debug>;
    <Settings as Debug>;
    <Text as Debug>;
    <WindowBits as Debug>;
    <WrongSize as Debug>;
}
