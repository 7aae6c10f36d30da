//! `handshake`, for both roles.

use campanile_core::handshake::{self, *};

#[unsafe(no_mangle)]
pub fn hs_limits() -> Limits {
    <Limits as Default>::default()
}

#[unsafe(no_mangle)]
pub fn hs_server_new(limits: Limits) -> ServerHandshake {
    ServerHandshake::new(limits)
}

#[cfg(feature = "allowed")]
#[unsafe(no_mangle)]
pub fn hs_server_receive<'h, 'b>(
    handshake: &mut ServerHandshake,
    bytes: &'b [u8],
    headers: &'h mut [Header<'b>],
) -> Result<Status<Request<'h, 'b>>, BadRequest> {
    ServerHandshake::receive(handshake, bytes, headers)
}

#[cfg(feature = "allowed")]
#[unsafe(no_mangle)]
pub fn hs_server_answer<'o>(
    handshake: &mut ServerHandshake,
    received: &[u8],
    out: &'o mut [u8; RESPONSE_BYTES],
) -> Answer<'o> {
    ServerHandshake::answer(handshake, received, out)
}

#[cfg(feature = "allowed")]
#[unsafe(no_mangle)]
pub fn hs_server_answer_as<'o>(
    handshake: &mut ServerHandshake,
    received: &[u8],
    out: &'o mut [u8; RESPONSE_BYTES],
    judge: for<'b> fn(&Request<'_, 'b>) -> Verdict<'b>,
) -> Answer<'o> {
    ServerHandshake::answer_as(handshake, received, out, judge)
}

#[unsafe(no_mangle)]
pub fn hs_accept<'o>(
    request: &Request<'_, '_>,
    reply: &Reply<'_>,
    out: &'o mut [u8],
) -> Result<&'o [u8], WriteError> {
    handshake::accept(request, reply, out)
}

#[unsafe(no_mangle)]
pub fn hs_reject<'o>(refusal: &BadRequest, out: &'o mut [u8]) -> Result<&'o [u8], WriteError> {
    handshake::reject(refusal, out)
}

#[unsafe(no_mangle)]
pub fn hs_refuse<'o>(refusal: &Refusal<'_>, out: &'o mut [u8]) -> Result<&'o [u8], WriteError> {
    handshake::refuse(refusal, out)
}

#[unsafe(no_mangle)]
pub fn hs_status(refusal: BadRequest) -> u16 {
    BadRequest::status(refusal)
}

#[unsafe(no_mangle)]
pub fn hs_bad_response<'b>(bad: BadResponse<'b>) -> (Option<u16>, Option<&'b str>) {
    (BadResponse::status(bad), BadResponse::detail(bad))
}

#[unsafe(no_mangle)]
pub fn hs_request_texts<'b>(request: &Request<'_, 'b>, sink: &mut dyn FnMut(&'b str)) {
    sink(Request::resource(request));
    sink(Request::path(request));
    sink(Request::host(request));
    sink(Request::query(request).unwrap_or_default());
    sink(Request::origin(request).unwrap_or_default());
}

#[unsafe(no_mangle)]
pub fn hs_request_fields<'b>(
    request: &Request<'_, 'b>,
    name: &str,
    sink: &mut dyn FnMut(&'b [u8]),
) {
    sink(Request::authorization(request).unwrap_or_default());
    Request::header(request, name).for_each(sink);
}

#[unsafe(no_mangle)]
pub fn hs_request_protocols<'b>(request: &Request<'_, 'b>, sink: &mut dyn FnMut(Subprotocol<'b>)) {
    Request::protocols(request).for_each(sink);
}

#[unsafe(no_mangle)]
pub fn hs_request_extensions<'b>(request: &Request<'_, 'b>, sink: &mut dyn FnMut(Extension<'b>)) {
    Request::extensions(request).for_each(sink);
}

#[unsafe(no_mangle)]
pub fn hs_opening<'a>(host: &'a str, path: &'a str) -> Opening<'a> {
    Opening::new(host, path)
}

#[unsafe(no_mangle)]
pub fn hs_client_start<'o>(
    nonce: [u8; 16],
    opening: &Opening<'_>,
    limits: Limits,
    out: &'o mut [u8],
) -> Result<(&'o [u8], ClientHandshake), WriteError> {
    ClientHandshake::start(nonce, opening, limits, out)
}

#[cfg(feature = "allowed")]
#[unsafe(no_mangle)]
pub fn hs_client_receive<'h, 'b>(
    handshake: &mut ClientHandshake,
    opening: &Opening<'_>,
    bytes: &'b [u8],
    headers: &'h mut [Header<'b>],
) -> Result<Status<Response<'h, 'b>>, BadResponse<'b>> {
    ClientHandshake::receive(handshake, opening, bytes, headers)
}

#[unsafe(no_mangle)]
pub fn hs_response_fields<'b>(
    response: &Response<'_, 'b>,
    name: &str,
    sink: &mut dyn FnMut(&'b [u8]),
) {
    sink(Response::protocol(response).unwrap_or_default().as_bytes());
    Response::header(response, name).for_each(sink);
}

#[unsafe(no_mangle)]
pub fn hs_response_extensions<'b>(
    response: &Response<'_, 'b>,
    sink: &mut dyn FnMut(Extension<'b>),
) {
    Response::extensions(response).for_each(sink);
}

#[unsafe(no_mangle)]
pub fn hs_extension<'b>(extension: Extension<'b>, sink: &mut dyn FnMut(Parameter<'b>)) -> &'b str {
    Extension::parameters(extension).for_each(sink);
    Extension::name(extension)
}

#[unsafe(no_mangle)]
pub fn hs_parameter<'b>(parameter: Parameter<'b>) -> (&'b str, Option<ParameterValue<'b>>) {
    (Parameter::name(parameter), Parameter::value(parameter))
}

#[unsafe(no_mangle)]
pub fn hs_parameter_value(value: ParameterValue<'_>, sink: &mut dyn FnMut(u8)) {
    ParameterValue::bytes(value).for_each(sink);
}

#[unsafe(no_mangle)]
pub fn hs_subprotocol(protocol: Subprotocol<'_>) -> &str {
    Subprotocol::as_str(protocol)
}

crate::comparisons! { HANDSHAKE_COMPARED:
    <ParameterValue<'_> as PartialEq> to str;
    <ParameterValue<'_> as PartialEq> to &str;
    <Subprotocol<'_> as PartialEq> to str;
    <Subprotocol<'_> as PartialEq> to &str;
}

crate::formats! { HANDSHAKE_DISPLAY:
    <ParameterValue<'_> as Display>;
    <Subprotocol<'_> as Display>;
    <BadRequest as Display>;
    <BadResponse<'_> as Display>;
    <WriteError as Display>;
}

crate::formats! { #[cfg(feature = "allowed")] HANDSHAKE_DEBUG:
    <Answer<'_> as Debug>;
    <Argument as Debug>;
    <BadRequest as Debug>;
    <BadResponse<'_> as Debug>;
    <ClientHandshake as Debug>;
    <Extension<'_> as Debug>;
    <Limits as Debug>;
    <Opening<'_> as Debug>;
    <Parameter<'_> as Debug>;
    <ParameterValue<'_> as Debug>;
    <Refusal<'_> as Debug>;
    <Reply<'_> as Debug>;
    <Request<'_, '_> as Debug>;
    <Response<'_, '_> as Debug>;
    <ServerHandshake as Debug>;
    <Verdict<'_> as Debug>;
    <Status<()> as Debug>;
    <Subprotocol<'_> as Debug>;
    <WriteError as Debug>;
}
