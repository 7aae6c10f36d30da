//! Keys: what they are, by what a file has in it.

use core::fmt;
use std::{env, fs::File, io::Read as _};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, jwk::Jwk};
use pkcs8::{
    ObjectIdentifier, PrivateKeyInfo, SecretDocument, SubjectPublicKeyInfoRef,
    der::{Decode as _, Document},
};
use serde_json::Value;

/// The variable with a secret, for HS256.
pub(crate) const SECRET: &str = "CAMPANILE_SECRET";

/// The largest file of keys, in bytes: many times what [`MOST`] keys take.
const LARGEST: u64 = 256 * 1024;

/// Most keys: a token that names none is tried with all of its algorithm, and each may cost a tenth of a
/// millisecond.
const MOST: usize = 32;

/// The shortest secret, in bytes (RFC 7518, section 3.2).
const SHORTEST_SECRET: usize = 32;

/// A key, and the one algorithm that it is for.
pub(crate) struct Key {
    /// Its name, for people.
    pub(crate) name: String,
    /// What tokens call it, if it has a name for them.
    pub(super) id: Option<String>,
    pub(crate) algorithm: Algorithm,
    pub(super) verifies: DecodingKey,
}

impl fmt::Debug for Key {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("name", &self.name)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ELLIPTIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// What a key of this kind is for.
fn algorithm(kind: ObjectIdentifier, curve: Option<ObjectIdentifier>) -> Option<Algorithm> {
    match kind {
        RSA => Some(Algorithm::RS256),
        ELLIPTIC if curve == Some(P_256) => Some(Algorithm::ES256),
        ED25519 => Some(Algorithm::EdDSA),
        _ => None,
    }
}

/// The keys of files and of the [variable](SECRET); what is wrong with them is added to `problems`.
pub(super) fn load(files: &[String], problems: &mut Vec<String>) -> Vec<Key> {
    let mut keys = Vec::new();
    for file in files {
        let found = read(file).and_then(|bytes| parse(file, &bytes));
        match found {
            Ok(found) => keys.extend(found),
            Err(reason) => problems.push(format!("the key file {file} {reason}")),
        }
    }
    if let Some(secret) = env::var_os(SECRET).filter(|secret| !secret.is_empty()) {
        match of_secret(SECRET, secret.as_encoded_bytes()) {
            Ok(key) => keys.push(key),
            Err(reason) => problems.push(format!("the environment variable {SECRET} {reason}")),
        }
    }
    if keys.len() > MOST {
        problems.push(format!(
            "there are {} keys, and {MOST} may be; take out those that sign no longer",
            keys.len()
        ));
    }
    keys
}

fn read(file: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let limited = File::open(file).map(|file| file.take(LARGEST.saturating_add(1)));
    let read = limited.and_then(|mut file| file.read_to_end(&mut bytes));
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!(
            "has more than {LARGEST} bytes, and is no file of keys"
        ));
    }
    Ok(bytes)
}

/// The keys of a file's content.
pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<Vec<Key>, String> {
    let text = str::from_utf8(bytes).unwrap_or_default().trim();
    if text.contains("-----BEGIN") {
        return of_pem(file, text).map(|key| vec![key]);
    }
    if text.starts_with('{') {
        return of_jwks(file, text);
    }
    of_secret(file, bytes).map(|key| vec![key])
}

fn of_pem(file: &str, text: &str) -> Result<Key, String> {
    if text.contains("PRIVATE KEY-----") {
        return Err(
            "has a private key, which the server must not have; give it the public one: openssl pkey \
             -pubout"
                .to_owned(),
        );
    }
    if text.contains("BEGIN CERTIFICATE-----") {
        return Err(
            "has a certificate; give the public key of it: openssl x509 -noout -pubkey".to_owned(),
        );
    }
    let (label, document) = Document::from_pem(text)
        .map_err(|error| format!("is no PEM of one public key: {error}"))?;
    if label != "PUBLIC KEY" {
        return Err(format!(
            "has a {label} in it; write it as PUBLIC KEY: openssl pkey -pubin -pubout"
        ));
    }
    let key = SubjectPublicKeyInfoRef::from_der(document.as_bytes())
        .map_err(|error| format!("has a malformed public key: {error}"))?;
    let curve = key.algorithm.parameters_oid().ok();
    let algorithm = algorithm(key.algorithm.oid, curve).ok_or(
        "has a key of another kind than RSA, P-256 and Ed25519, for which there is no algorithm",
    )?;
    let bare = key.subject_public_key.raw_bytes();
    let verifies = match algorithm {
        Algorithm::RS256 => DecodingKey::from_rsa_der(bare),
        Algorithm::ES256 => DecodingKey::from_ec_der(bare),
        _ => DecodingKey::from_ed_der(bare),
    };
    Ok(Key {
        name: file.to_owned(),
        id: None,
        algorithm,
        verifies,
    })
}

/// A secret, of which one line feed at the end is none of it. What looks like a public key is none: with
/// that as a secret, everybody who has it could sign.
fn of_secret(name: &str, bytes: &[u8]) -> Result<Key, String> {
    let secret = secret(bytes)?;
    Ok(Key {
        name: name.to_owned(),
        id: None,
        algorithm: Algorithm::HS256,
        verifies: DecodingKey::from_secret(secret),
    })
}

fn secret(bytes: &[u8]) -> Result<&[u8], String> {
    let secret = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
    // What DER and the base64 of it begin with, for keys of all lengths, and OpenSSH's own form.
    let public: [&[u8]; 8] = [
        b"\x30\x82",
        b"\x30\x81",
        b"\x30\x59\x30",
        b"\x30\x2a\x30",
        b"MII",
        b"MFkw",
        b"MCow",
        b"ssh-",
    ];
    if public.iter().any(|start| secret.starts_with(start)) {
        return Err(
            "looks like a public key without its PEM lines; add `-----BEGIN PUBLIC KEY-----` and \
             `-----END PUBLIC KEY-----`, or choose another secret"
                .to_owned(),
        );
    }
    if secret.len() < SHORTEST_SECRET {
        return Err(format!(
            "has a secret of {} bytes, and HS256 needs {SHORTEST_SECRET}: openssl rand -base64 48",
            secret.len()
        ));
    }
    Ok(secret)
}

/// The keys of a JWK set, or one JWK (RFC 7517). Those of other kinds and uses are left out, as its
/// section 5 says.
fn of_jwks(file: &str, text: &str) -> Result<Vec<Key>, String> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
    let all = match value.get("keys") {
        Some(Value::Array(all)) => all.clone(),
        Some(_) => return Err("is no JWK set: `keys` is no array".to_owned()),
        None => vec![value],
    };
    let mut keys = Vec::new();
    for (at, jwk) in all.into_iter().enumerate() {
        let refuse = |reason: &str| Err(format!("has a key, number {at}, {reason}"));
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let algorithm = match (text("kty"), text("crv")) {
            (Some("RSA"), _) => Algorithm::RS256,
            (Some("EC"), Some("P-256")) => Algorithm::ES256,
            (Some("OKP"), Some("Ed25519")) => Algorithm::EdDSA,
            (Some("oct"), _) => Algorithm::HS256,
            _ => continue,
        };
        let is_other = text("alg").is_some_and(|named| named != name_of(algorithm));
        if is_other || text("use").is_some_and(|named| named != "sig") {
            continue;
        }
        if jwk.get("d").is_some() {
            return refuse("that is private, which the server must not have; take `d` out");
        }
        // Four characters of base64 are three bytes.
        let secret_len = text("k").map_or(0, |key| key.trim_end_matches('=').len() * 3 / 4);
        if algorithm == Algorithm::HS256 && secret_len < SHORTEST_SECRET {
            return refuse("whose secret is shorter than 32 bytes, which HS256 needs");
        }
        let id = text("kid").map(str::to_owned);
        let name = match &id {
            Some(id) => format!("{file} ({id})"),
            None => format!("{file} (number {at})"),
        };
        let parsed = serde_json::from_value::<Jwk>(jwk.clone()).ok();
        let Some(verifies) = parsed.and_then(|jwk| DecodingKey::from_jwk(&jwk).ok()) else {
            return refuse("that is malformed; export it again");
        };
        keys.push(Key {
            name,
            id,
            algorithm,
            verifies,
        });
    }
    if keys.is_empty() {
        return Err("has no key for HS256, RS256, ES256 or EdDSA that signs".to_owned());
    }
    Ok(keys)
}

/// What `alg` says.
pub(super) const fn name_of(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::HS256 => "HS256",
        Algorithm::RS256 => "RS256",
        Algorithm::ES256 => "ES256",
        Algorithm::EdDSA => "EdDSA",
        _ => "",
    }
}

/// The name of a key's algorithm.
pub(crate) const fn algorithm_of(key: &Key) -> &'static str {
    name_of(key.algorithm)
}

/// The key of a file with which test tokens are signed: a secret, or a private key in PKCS #8.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn signing_key(file: &str) -> Result<(Algorithm, EncodingKey), String> {
    let bytes = read(file).map_err(|reason| format!("the key file {file} {reason}"))?;
    signs(&bytes).map_err(|reason| format!("the key file {file} {reason}"))
}

pub(super) fn signs(bytes: &[u8]) -> Result<(Algorithm, EncodingKey), String> {
    let text = str::from_utf8(bytes).unwrap_or_default().trim();
    if !text.contains("-----BEGIN") {
        return Ok((Algorithm::HS256, EncodingKey::from_secret(secret(bytes)?)));
    }
    let (label, document) = SecretDocument::from_pem(text)
        .map_err(|error| format!("is no PEM of one private key: {error}"))?;
    if label != "PRIVATE KEY" {
        return Err(format!(
            "has a {label} in it; a PRIVATE KEY is needed: openssl pkey"
        ));
    }
    let key = PrivateKeyInfo::try_from(document.as_bytes())
        .map_err(|error| format!("has a malformed private key: {error}"))?;
    let curve = key.algorithm.parameters_oid().ok();
    let algorithm = algorithm(key.algorithm.oid, curve)
        .ok_or("has a key of another kind than RSA, P-256 and Ed25519")?;
    let signs = match algorithm {
        Algorithm::RS256 => EncodingKey::from_rsa_der(key.private_key),
        Algorithm::ES256 => EncodingKey::from_ec_der(document.as_bytes()),
        _ => EncodingKey::from_ed_der(document.as_bytes()),
    };
    Ok((algorithm, signs))
}
