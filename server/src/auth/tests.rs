//! Tokens as attackers make them, and as their issuers do.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use campanile_core::{
    hub::Authority as _,
    notify::{Refusal, TokenFault},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::{
    Keys, Settings,
    keys::{self, Key, signs},
};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const OTHER_SECRET: &[u8] = b"ffffffffffffffffffffffffffffffff";
const RSA: &[u8] = include_bytes!("testdata/rsa.pem");
const RSA_PUBLIC: &[u8] = include_bytes!("testdata/rsa.pub");
const EC: &[u8] = include_bytes!("testdata/ec.pem");
const EC_PUBLIC: &[u8] = include_bytes!("testdata/ec.pub");
const ED: &[u8] = include_bytes!("testdata/ed.pem");
const ED_PUBLIC: &[u8] = include_bytes!("testdata/ed.pub");
const P384_PUBLIC: &[u8] = include_bytes!("testdata/p384.pub");

const NOW: f64 = 1_800_000_000.0;

fn claims() -> Value {
    json!({
        "sub": "alice", "jti": "t1", "exp": 1_800_000_060, "nbf": 1_799_999_990,
        "subscribe": [{"package": "p", "page": "*"}],
    })
}

fn with(changes: &[(&str, Value)]) -> Value {
    let mut claims = claims();
    for (name, value) in changes {
        claims[name] = value.clone();
    }
    claims
}

fn key(bytes: &[u8]) -> Vec<Key> {
    keys::parse("key", bytes).expect("a key")
}

fn all_keys() -> Vec<Key> {
    [SECRET, RSA_PUBLIC, EC_PUBLIC, ED_PUBLIC]
        .into_iter()
        .flat_map(key)
        .collect()
}

fn signed(with: &[u8], claims: &Value) -> String {
    signed_as(with, None, claims)
}

fn signed_as(with: &[u8], kid: Option<&str>, claims: &Value) -> String {
    let (algorithm, key) = signs(with).expect("a key that signs");
    let header = Header {
        kid: kid.map(str::to_owned),
        ..Header::new(algorithm)
    };
    encode(&header, claims, &key).expect("it signs")
}

fn verdict(keys: Vec<Key>, token: &str) -> Result<(), Refusal> {
    verdict_by(keys, &Settings::default(), token)
}

fn verdict_by(keys: Vec<Key>, settings: &Settings, token: &str) -> Result<(), Refusal> {
    let keys = Keys::new(keys, settings.clone());
    keys.check(token, NOW).map(|_| ())
}

#[track_caller]
fn assert_fault(token: &str, fault: TokenFault) {
    assert_eq!(verdict(all_keys(), token), Err(fault.into()), "{token}");
}

/// A token with any header, signed by `sign`.
fn raw(header: &Value, claims: &Value, sign: impl Fn(&str) -> String) -> String {
    let encoded = |value: &Value| BASE64.encode(value.to_string());
    let message = format!("{}.{}", encoded(header), encoded(claims));
    let signature = sign(&message);
    format!("{message}.{signature}")
}

fn hmac(secret: &[u8], message: &str) -> String {
    let key = EncodingKey::from_secret(secret);
    jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("it signs")
}

#[test]
fn each_kind_of_key_verifies_its_algorithm_and_no_other() {
    let pairs = [
        (SECRET, SECRET, "HS256"),
        (RSA, RSA_PUBLIC, "RS256"),
        (EC, EC_PUBLIC, "ES256"),
        (ED, ED_PUBLIC, "EdDSA"),
    ];
    for (private, _, _) in pairs {
        let token = signed(private, &claims());
        assert_eq!(verdict(all_keys(), &token), Ok(()));
        for (other, public, name) in pairs {
            let keys = key(public);
            assert_eq!(keys::algorithm_of(&keys[0]), name);
            assert_eq!(verdict(keys, &token).is_ok(), other == private, "{name}");
        }
    }
}

#[test]
fn a_token_without_a_signature_is_refused_however_it_is_written() {
    for algorithm in ["none", "None", "NONE", "", "HS257"] {
        let header = json!({"alg": algorithm, "typ": "JWT"});
        let token = raw(&header, &claims(), |_| String::new());
        assert_fault(&token, TokenFault::Algorithm);
    }
    assert_fault(
        &raw(&json!({"typ": "JWT"}), &claims(), |_| String::new()),
        TokenFault::Algorithm,
    );
    for algorithm in ["HS256", "RS256", "ES256", "EdDSA"] {
        let token = raw(&json!({"alg": algorithm}), &claims(), |_| String::new());
        assert!(verdict(all_keys(), &token).is_err(), "{algorithm}");
    }
}

#[test]
fn a_public_key_is_no_secret() {
    // Signed with the text of the public key, and with its DER, as if those were secrets.
    let text = str::from_utf8(RSA_PUBLIC).expect("text");
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::prelude::BASE64_STANDARD
        .decode(&body)
        .expect("base64");
    for secret in [
        RSA_PUBLIC,
        text.trim().as_bytes(),
        body.as_bytes(),
        &der[..],
    ] {
        let token = raw(&json!({"alg": "HS256"}), &claims(), |message| {
            hmac(secret, message)
        });
        assert_fault(&token, TokenFault::Signature);
        assert_eq!(
            verdict(key(RSA_PUBLIC), &token),
            Err(TokenFault::Algorithm.into())
        );
    }
    // Nor does a file make it one.
    for file in [
        body.as_bytes(),
        &der[..],
        b"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQDB",
    ] {
        let reason = keys::parse("f", file).expect_err("it is a public key");
        assert!(reason.contains("public key"), "{reason}");
    }
}

#[test]
fn a_changed_token_is_refused() {
    for private in [SECRET, RSA, EC, ED] {
        let token = signed(private, &claims());
        let mut parts = token.split('.');
        let (header, signature) = (parts.next().expect("it"), parts.nth(1).expect("it"));
        let payload = BASE64.encode(with(&[("sub", json!("root"))]).to_string());
        assert_fault(
            &format!("{header}.{payload}.{signature}"),
            TokenFault::Signature,
        );
        // Any single character of the signature: its last one may have bits that are none of it.
        for at in [0, signature.len() / 2] {
            let mut changed = signature.to_owned();
            let other = if changed.as_bytes()[at] == b'A' {
                "B"
            } else {
                "A"
            };
            changed.replace_range(at..=at, other);
            let changed = token.replace(signature, &changed);
            assert!(verdict(all_keys(), &changed).is_err());
        }
    }
    assert_fault(&signed(OTHER_SECRET, &claims()), TokenFault::Signature);
}

#[test]
fn what_is_no_token_is_malformed() {
    for text in [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c.d",
        "é.é.é",
        "eyJhbGciOiJIUzI1NiJ9",
        "../../etc/passwd",
    ] {
        let fault = verdict(all_keys(), text).expect_err("it is none");
        assert!(
            matches!(
                fault.token_fault(),
                Some(TokenFault::Malformed | TokenFault::Algorithm)
            ),
            "{text}: {fault}"
        );
    }
}

#[test]
fn a_token_counts_from_nbf_to_exp_with_some_leeway() {
    for (exp, nbf, expected) in [
        (json!(1_800_000_001), json!(1_800_000_000), Ok(())),
        (json!(1_799_999_971), json!(null), Ok(())),
        (json!(1_799_999_970), json!(null), Err(TokenFault::Expired)),
        (json!(1_799_999_970.5), json!(null), Ok(())),
        (json!(-5), json!(null), Err(TokenFault::Expired)),
        (json!(1_800_000_060), json!(1_800_000_030), Ok(())),
        (
            json!(1_800_000_060),
            json!(1_800_000_031),
            Err(TokenFault::NotYetValid),
        ),
        (json!(null), json!(null), Err(TokenFault::NoExpiry)),
        (json!(1e300), json!(null), Ok(())),
        // Numbers as strings, which some libraries overlook.
        (json!("1800000060"), json!(null), Err(TokenFault::Claims)),
        (
            json!(1_800_000_060),
            json!("1900000000"),
            Err(TokenFault::Claims),
        ),
    ] {
        let token = signed(SECRET, &with(&[("exp", exp), ("nbf", nbf)]));
        assert_eq!(
            verdict(all_keys(), &token),
            expected.map_err(Refusal::from),
            "{token}"
        );
    }
}

#[test]
fn a_token_of_any_expiry_has_a_lifetime() {
    let keys = Keys::new(all_keys(), Settings::default());
    for exp in [json!(1e300), json!(99_999_999_999_u64)] {
        let token = signed(SECRET, &with(&[("exp", exp), ("nbf", json!(null))]));
        let lifetime = keys.admit(&token).expect("it is good").lifetime;
        assert!(lifetime.is_some_and(|time| time.as_secs() > 86_400 * 300));
    }
}

#[test]
fn issuer_and_audience_must_be_one_of_those_wanted() {
    let settings = Settings {
        issuer: vec!["a".into(), "b".into()],
        audience: vec!["x".into(), "y".into()],
        ..Settings::default()
    };
    for (iss, aud, expected) in [
        (json!("b"), json!("x"), Ok(())),
        (json!("a"), json!(["z", "y"]), Ok(())),
        (json!("c"), json!("x"), Err(TokenFault::Issuer)),
        (json!(null), json!("x"), Err(TokenFault::Issuer)),
        (json!("a"), json!("z"), Err(TokenFault::Audience)),
        (json!("a"), json!([]), Err(TokenFault::Audience)),
        (json!("a"), json!(null), Err(TokenFault::Audience)),
        (json!(["a"]), json!("x"), Err(TokenFault::Claims)),
        (json!("a"), json!(7), Err(TokenFault::Claims)),
    ] {
        let token = signed(SECRET, &with(&[("iss", iss), ("aud", aud)]));
        let verdict = verdict_by(all_keys(), &settings, &token);
        assert_eq!(verdict, expected.map_err(Refusal::from), "{token}");
    }
}

#[test]
fn claims_that_are_no_grants_are_named() {
    let keys = Keys::new(all_keys(), Settings::default());
    let exp = json!(super::now() + 60.0);
    for (claims, path) in [
        (json!({"exp": exp, "subscribe": "*"}), "subscribe"),
        (
            json!({"exp": exp, "publish": [{"package": "p"}]}),
            "publish[0].page",
        ),
    ] {
        let refusal = keys.admit(&signed(SECRET, &claims)).expect_err("it is bad");
        assert_eq!(refusal.path(), path);
    }
    let admitted = keys
        .admit(&signed(SECRET, &json!({"exp": exp})))
        .expect("it is good");
    assert!(admitted.subscribe.get().is_empty() && admitted.publish.get().is_empty());
}

#[test]
fn a_key_id_picks_the_key_and_names_nothing_else() {
    let jwks = |kid: &str, secret: &[u8]| json!({"kty": "oct", "kid": kid, "alg": "HS256", "k": BASE64.encode(secret)});
    let set = json!({"keys": [
        jwks("old", SECRET),
        jwks("new", OTHER_SECRET),
        {"kty": "oct", "kid": "hs512", "alg": "HS512", "k": BASE64.encode(SECRET)},
        {"kty": "RSA", "use": "enc", "n": "x", "e": "y"},
        {"kty": "EC", "crv": "P-521", "x": "", "y": ""},
        {"kty": "unheard of"},
    ]});
    let set = set.to_string();
    let of_set = || key(set.as_bytes());
    assert_eq!(of_set().len(), 2);
    let cases: BTreeMap<&str, [bool; 2]> = BTreeMap::from([
        ("old", [true, false]),
        ("new", [false, true]),
        ("hs512", [false, false]),
        ("../../../../etc/passwd", [false, false]),
        ("' OR 1=1 --", [false, false]),
        ("", [false, false]),
    ]);
    for (kid, expected) in cases {
        let accepted = [SECRET, OTHER_SECRET].map(|secret| {
            let token = signed_as(secret, Some(kid), &claims());
            verdict(of_set(), &token).is_ok()
        });
        assert_eq!(accepted, expected, "{kid}");
    }
    let token = signed_as(SECRET, Some("gone"), &claims());
    assert_eq!(
        verdict(of_set(), &token),
        Err(TokenFault::UnknownKey.into())
    );
    // Without one, all are tried; a key file has none, and takes any.
    assert_eq!(verdict(of_set(), &signed(OTHER_SECRET, &claims())), Ok(()));
    assert_eq!(verdict(key(SECRET), &token), Ok(()));
}

#[test]
fn public_keys_of_a_set_verify() {
    // The coordinates are the last 64 bytes of the key, and Ed25519's the last 32.
    let der = |pem: &[u8]| {
        let text = str::from_utf8(pem).expect("text");
        let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        base64::prelude::BASE64_STANDARD
            .decode(body)
            .expect("base64")
    };
    let (ec, ed) = (der(EC_PUBLIC), der(ED_PUBLIC));
    let point = &ec[ec.len() - 64..];
    let set = json!({"keys": [
        {"kty": "EC", "crv": "P-256", "x": BASE64.encode(&point[..32]), "y": BASE64.encode(&point[32..])},
        {"kty": "OKP", "crv": "Ed25519", "x": BASE64.encode(&ed[ed.len() - 32..])},
    ]});
    let keys = || key(set.to_string().as_bytes());
    for private in [EC, ED] {
        assert_eq!(verdict(keys(), &signed(private, &claims())), Ok(()));
    }
    assert!(verdict(keys(), &signed(RSA, &claims())).is_err());
}

#[test]
fn files_that_are_no_keys_are_refused_with_a_remedy() {
    let private_jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": "AA", "d": "AA"}).to_string();
    let short_jwk = json!({"kty": "oct", "k": BASE64.encode(&SECRET[1..])}).to_string();
    for (bytes, reason) in [
        (RSA, "private key"),
        (EC, "private key"),
        (P384_PUBLIC, "another kind"),
        (
            b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
            "openssl x509",
        ),
        (
            b"-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n",
            "malformed",
        ),
        (
            b"-----BEGIN RSA PUBLIC KEY-----\nMAA=\n-----END RSA PUBLIC KEY-----\n",
            "PUBLIC KEY",
        ),
        (&SECRET[1..], "31 bytes"),
        (b"", "0 bytes"),
        (b"{", "no JSON"),
        (b"{}", "no key"),
        (br#"{"keys":7}"#, "no array"),
        (private_jwk.as_bytes(), "private"),
        (short_jwk.as_bytes(), "shorter"),
    ] {
        let said = keys::parse("f", bytes).expect_err("it is no key");
        assert!(said.contains(reason), "{said}");
    }
    assert!(keys::parse("f", &[SECRET, b"\r\n"].concat()).is_ok());
}

#[test]
fn nothing_that_is_secret_is_in_what_is_printed_for_debugging() {
    let keys = Keys::new(all_keys(), Settings::default());
    let token = signed(SECRET, &claims());
    let (claims, key) = keys.check(&token, NOW).expect("it is good");
    let text = format!("{keys:?}{claims:?}{key:?}");
    for secret in ["alice", "0123456789abcdef", "eyJ"] {
        assert!(!text.contains(secret), "{text}");
    }
}
