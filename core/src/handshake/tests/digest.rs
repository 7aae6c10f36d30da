use base64::{
    Engine as _, alphabet,
    engine::{GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};

use super::super::digest::{accept, base64, key, parse_key};
use super::super::sha1::{MAX_TEXT, sha1};
use super::*;

#[test]
fn the_example_of_rfc_6455_section_1_3_comes_out() {
    let key = key(*b"the sample nonce");
    assert_eq!(&key, b"dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(&accept(&key), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn the_example_key_of_rfc_6455_section_4_1_is_one_though_its_last_bits_are_not_zero() {
    assert!(parse_key(b"AQIDBAUGBwgJCgsMDQ4PEC==").is_some());
}

/// Both blocks, and the lengths around the border of one.
#[test]
fn sha1_of_every_length_equals_that_of_the_crate() {
    for len in 0..=MAX_TEXT {
        let text = vec![b'a'; len];
        let expected = sha1_smol::Sha1::from(&text).digest().bytes();
        assert_eq!(sha1(text.into_iter()), expected, "{len} bytes");
    }
}

/// The naive twin of `parse_key`: decode.
fn is_key(value: &[u8]) -> bool {
    decoded(value).is_some()
}

fn decoded(value: &[u8]) -> Option<[u8; 16]> {
    let config = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    let engine = GeneralPurpose::new(&alphabet::STANDARD, config);
    let mut bytes = [0; 64];
    let length = engine.decode_slice(value, &mut bytes).ok()?;
    bytes[..length].try_into().ok()
}

/// Values near a key: the right length or about it, in the right alphabet or about it.
fn almost_keys() -> impl Strategy<Value = Vec<u8>> {
    let tail = prop_oneof![
        6 => "[AQgwBh/+][=]{2}",
        1 => "[=A]{0,4}",
    ];
    let body = prop_oneof![
        6 => "[A-Za-z0-9+/]{21}",
        1 => "[A-Za-z0-9+/=_ -]{19,23}",
    ];
    (body, tail).prop_map(|(body, tail)| (body + &tail).into_bytes())
}

proptest! {
    #[test]
    fn a_key_is_what_decodes_to_16_bytes(value in almost_keys()) {
        prop_assert_eq!(parse_key(&value).is_some(), is_key(&value));
    }

    #[test]
    fn sha1_equals_that_of_the_crate(text in prop::collection::vec(any::<u8>(), 0..=MAX_TEXT)) {
        let expected = sha1_smol::Sha1::from(&text).digest().bytes();
        prop_assert_eq!(sha1(text.into_iter()), expected);
    }

    #[test]
    fn base64_equals_that_of_the_crate(bytes in prop::collection::vec(any::<u8>(), 0..=21)) {
        let mut expected = [0; 28];
        let length = STANDARD.encode_slice(&bytes, &mut expected).expect("it fits");
        let expected = &expected[..length];
        // What is longer than the bytes need ends with more padding.
        prop_assert_eq!(&base64::<28>(&bytes)[..length], expected);
        prop_assert!(base64::<28>(&bytes)[length..].iter().all(|byte| *byte == b'='));
    }

    #[test]
    fn every_nonce_makes_a_key(nonce: [u8; 16]) {
        let key = key(nonce);
        prop_assert!(parse_key(&key).is_some());
        prop_assert_eq!(decoded(&key), Some(nonce));
    }

    #[test]
    fn no_byte_of_a_key_can_be_anything(nonce: [u8; 16], place in 0..24_usize, byte: u8) {
        let mut key = key(nonce);
        key[place] = byte;
        prop_assert_eq!(parse_key(&key).is_some(), is_key(&key));
    }
}
