//! `wire`, and `Instant`.

use core::time::Duration;

use campanile_core::{
    Instant,
    wire::{self, *},
};

#[unsafe(no_mangle)]
pub fn wire_decode(bytes: &[u8], masking: Masking) -> Result<Decoded, HeadError> {
    wire::decode(bytes, masking)
}

#[unsafe(no_mangle)]
pub fn wire_encode(head: &FrameHead) -> EncodedHead {
    FrameHead::encode(head)
}

#[unsafe(no_mangle)]
pub fn wire_encoded(head: &EncodedHead) -> &[u8] {
    EncodedHead::as_bytes(head)
}

#[unsafe(no_mangle)]
pub fn wire_mask(key: [u8; 4], payload: &mut [u8]) -> [u8; 4] {
    wire::apply_mask(key, payload)
}

#[unsafe(no_mangle)]
pub fn wire_opcode(bits: u8, opcode: OpCode, kind: Kind) -> (Option<OpCode>, u8, bool, OpCode) {
    (
        OpCode::from_bits(bits),
        OpCode::bits(opcode),
        OpCode::is_control(opcode),
        <OpCode as From<Kind>>::from(kind),
    )
}

#[unsafe(no_mangle)]
pub fn wire_utf8(validator: &mut Utf8Validator, piece: &[u8]) -> (Result<(), usize>, bool) {
    let pushed = Utf8Validator::push(validator, piece);
    (pushed, Utf8Validator::is_complete(validator))
}

#[unsafe(no_mangle)]
pub fn wire_utf8_new() -> (Utf8Validator, Utf8Validator) {
    (Utf8Validator::new(), <Utf8Validator as Default>::default())
}

#[unsafe(no_mangle)]
pub fn wire_close_code(number: u16, code: CloseCode) -> (Option<CloseCode>, u16) {
    (CloseCode::new(number), CloseCode::get(code))
}

#[unsafe(no_mangle)]
pub fn wire_close_payload(payload: &[u8]) -> Result<Option<ClosePayload<'_>>, CloseError> {
    ClosePayload::parse(payload)
}

crate::formats! { WIRE_DISPLAY:
    <CloseCode as Display>;
    <CloseError as Display>;
    <HeadError as Display>;
}

#[unsafe(no_mangle)]
pub fn wire_reasons(head: HeadError, close: CloseError) -> (&'static str, &'static str) {
    (HeadError::reason(head), CloseError::reason(close))
}

#[unsafe(no_mangle)]
pub fn instant_new(number: u64) -> (Instant, Instant) {
    (Instant::from_micros(number), Instant::from_millis(number))
}

#[unsafe(no_mangle)]
pub fn instant_arithmetic(at: Instant, span: Duration, other: Instant) -> (u64, Duration) {
    let sum = Instant::as_micros(Instant::after(at, span));
    let difference = Instant::as_micros(Instant::before(other, span));
    (sum ^ difference, Instant::since(at, other))
}

crate::formats! { #[cfg(feature = "allowed")] WIRE_DEBUG:
    <CloseCode as Debug>;
    <CloseError as Debug>;
    <ClosePayload<'_> as Debug>;
    <Decoded as Debug>;
    <EncodedHead as Debug>;
    <FrameHead as Debug>;
    <HeadError as Debug>;
    <Instant as Debug>;
    <Kind as Debug>;
    <Masking as Debug>;
    <OpCode as Debug>;
    <Utf8Validator as Debug>;
}
