//! `proxy`, and the origins of `handshake`.

use core::net::{IpAddr, SocketAddr};

use campanile_core::{
    handshake::{BadPattern, Origin, OriginPattern},
    proxy::{self, BadForwarding, BadNetwork, Field, Header, InvalidHeader, Network, Parsed},
};

use crate::{comparisons, formats};

#[unsafe(no_mangle)]
pub fn proxy_header(bytes: &[u8]) -> Result<Parsed, InvalidHeader> {
    Header::parse(bytes)
}

#[unsafe(no_mangle)]
pub fn proxy_client(
    field: Field,
    values: &[&[u8]],
    is_trusted: fn(IpAddr) -> bool,
) -> Result<Option<SocketAddr>, BadForwarding> {
    proxy::client(field, values.iter().copied(), is_trusted)
}

#[unsafe(no_mangle)]
pub fn proxy_field(field: Field) -> &'static str {
    Field::name(field)
}

#[unsafe(no_mangle)]
pub fn proxy_network(text: &str) -> Result<Network, BadNetwork> {
    Network::parse(text)
}

#[unsafe(no_mangle)]
pub fn proxy_network_contains(network: &Network, address: IpAddr) -> bool {
    Network::contains(network, address)
}

#[unsafe(no_mangle)]
pub fn origin<'a>(text: &'a str) -> Option<Origin<'a>> {
    Origin::parse(text)
}

#[unsafe(no_mangle)]
pub fn origin_pattern<'a>(text: &'a str) -> Result<OriginPattern<'a>, BadPattern> {
    OriginPattern::parse(text)
}

#[unsafe(no_mangle)]
pub fn origin_pattern_allows(pattern: &OriginPattern<'_>, origin: &str) -> bool {
    OriginPattern::allows(pattern, origin)
}

formats! { PROXY_FORMATS:
    <BadForwarding as Debug>;
    <BadForwarding as Display>;
    <BadNetwork as Debug>;
    <BadNetwork as Display>;
    <BadPattern as Debug>;
    <BadPattern as Display>;
    <Field as Debug>;
    <InvalidHeader as Debug>;
    <InvalidHeader as Display>;
}

comparisons! { PROXY_COMPARISONS:
    <Origin<'static> as PartialEq> to Origin<'static>;
}
