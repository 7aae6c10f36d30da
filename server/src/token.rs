//! `campanile token`: makes test tokens, and explains given ones.

use core::time::Duration;
use std::{
    io::{self, Read as _, Write as _},
    process::ExitCode,
};

use campanile_core::{hub::MAX_TOKEN, notify::Limits, notify::OwnedGrants};
use clap::{Args, Subcommand};
use jsonwebtoken::{Header, decode_header, encode};
use serde_json::value::RawValue;

use crate::{
    WRONG,
    auth::{self, Claims, Keys, algorithm_of, signing_key},
    complain,
    config::{Flags, Sources},
};

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token, for tests and for a start
    ///
    /// Prints the token on standard output. In production it is the back end that makes tokens;
    /// docs/tokens.md shows how in PHP.
    #[command(after_help = MINT_EXAMPLES)]
    Mint(MintArguments),

    /// Say who a token is for, what it allows and until when, and whether this server would take it
    ///
    /// Takes all options of `serve`, for the keys and for what is asked of tokens.
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainArguments),
}

#[derive(Args, Debug)]
pub(crate) struct MintArguments {
    /// The file with the secret, for HS256, or with the private key: PEM in PKCS #8, of RSA for RS256,
    /// of P-256 for ES256, of Ed25519 for EdDSA
    #[arg(long, value_name = "FILE")]
    key: String,

    /// What the key is called, for servers with several (`kid`)
    #[arg(long, value_name = "NAME")]
    kid: Option<String>,

    /// Whose token it is (`sub`)
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,

    /// The token's own name, by which it can be revoked (`jti`)
    #[arg(long, value_name = "NAME")]
    id: Option<String>,

    /// Who has issued it (`iss`)
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,

    /// Whom it is for (`aud`)
    #[arg(long, value_name = "NAME")]
    audience: Option<String>,

    /// For how many seconds it is good
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    expires_in: u32,

    /// What it allows to hear: PACKAGE/PAGE, or a JSON array of grants; * stands for all
    #[arg(long, value_name = "GRANT")]
    subscribe: Vec<String>,

    /// What it allows to publish, likewise
    #[arg(long, value_name = "GRANT")]
    publish: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct ExplainArguments {
    /// A file with the token; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: String,

    #[command(flatten)]
    flags: Flags,
}

/// What was asked for is on standard output, what is wrong on standard error.
pub(crate) fn run(command: TokenCommand) -> ExitCode {
    let result = match command {
        TokenCommand::Mint(arguments) => mint(&arguments).map(|token| (token, true)),
        TokenCommand::Explain(arguments) => explain(arguments),
    };
    match result {
        Ok((text, is_good)) => {
            // Who does not read it does not want it.
            let _ = writeln!(io::stdout(), "{text}");
            if is_good {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(problems) => {
            problems.iter().for_each(|problem| complain(problem));
            ExitCode::from(WRONG)
        }
    }
}

fn mint(arguments: &MintArguments) -> Result<String, Vec<String>> {
    let (algorithm, key) = signing_key(&arguments.key).map_err(|problem| vec![problem])?;
    let grants = |list: &[String], claim| {
        (!list.is_empty())
            .then(|| claim_of(list, claim))
            .transpose()
            .map_err(|problem| vec![problem])
    };
    let claims = Claims {
        sub: arguments.subject.clone(),
        jti: arguments.id.clone(),
        iss: arguments.issuer.clone(),
        aud: arguments.audience.clone().map(auth::Audience::One),
        exp: Some((auth::now() + f64::from(arguments.expires_in)).floor()),
        nbf: None,
        subscribe: grants(&arguments.subscribe, "subscribe")?,
        publish: grants(&arguments.publish, "publish")?,
    };
    let header = Header {
        kid: arguments.kid.clone(),
        ..Header::new(algorithm)
    };
    encode(&header, &claims, &key).map_err(|_| {
        vec![format!(
            "the key file {} has a key that cannot sign; RSA needs 2048 bits",
            arguments.key
        )]
    })
}

/// The claim that these grants are together.
fn claim_of(list: &[String], claim: &'static str) -> Result<Box<RawValue>, String> {
    let mut all = Vec::new();
    for grant in list {
        if let Some(array) = grant.trim().strip_prefix('[') {
            let inner = array.strip_suffix(']').unwrap_or(array).trim();
            if !inner.is_empty() {
                all.push(inner.to_owned());
            }
        } else if let Some((package, page)) = grant.split_once('/') {
            all.push(serde_json::json!({"package": package, "page": page}).to_string());
        } else {
            return Err(format!(
                "--{claim} cannot be {grant:?}; allowed is PACKAGE/PAGE, or a JSON array of grants"
            ));
        }
    }
    let text = format!("[{}]", all.join(","));
    OwnedGrants::parse(text.as_bytes(), claim, &Limits::default())
        .map_err(|refusal| format!("--{claim}: {refusal}"))?;
    RawValue::from_string(text).map_err(|error| format!("--{claim} is no JSON: {error}"))
}

/// The text, and whether the token is good.
fn explain(arguments: ExplainArguments) -> Result<(String, bool), Vec<String>> {
    let token = read(&arguments.file).map_err(|error| {
        vec![format!(
            "the token in {} cannot be read: {error}",
            arguments.file
        )]
    })?;
    let effective = Sources::new(arguments.flags).load()?;
    Ok(describe(&token, effective.keys(), auth::now()))
}

fn read(file: &str) -> io::Result<String> {
    let mut text = String::new();
    let most = (MAX_TOKEN as u64).saturating_mul(2);
    if file == "-" {
        io::stdin().take(most).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(file)?
            .take(most)
            .read_to_string(&mut text)?;
    }
    let text = text.trim();
    Ok(text.strip_prefix("Bearer ").unwrap_or(text).to_owned())
}

/// What a token says of itself, and what the keys say of it. Its signature is not shown.
fn describe(token: &str, keys: Option<&Keys>, now: f64) -> (String, bool) {
    let mut lines = Vec::new();
    let mut line = |name: &str, value: &str| {
        // Anybody may have written it, and a terminal would obey some characters.
        let value = value.replace(char::is_control, "\u{FFFD}");
        lines.push(format!("{name:<10} {value}"));
    };
    if let Ok(header) = decode_header(token) {
        line("algorithm", &format!("{:?}", header.alg));
        line("key id", header.kid.as_deref().unwrap_or("-"));
    }
    if let Some(claims) = Claims::unverified(token) {
        line("subject", claims.sub.as_deref().unwrap_or("-"));
        line("token id", claims.jti.as_deref().unwrap_or("-"));
        line("issuer", claims.iss.as_deref().unwrap_or("-"));
        line("audience", &claims.audience());
        if let Some(from) = claims.nbf {
            line("not before", &when(from, now));
        }
        let expiry = claims.exp.map(|expiry| when(expiry, now));
        line("expires", expiry.as_deref().unwrap_or("-"));
        for (name, claim) in [
            ("subscribe", &claims.subscribe),
            ("publish", &claims.publish),
        ] {
            line(name, claim.as_ref().map_or("nothing", |text| text.get()));
        }
    }
    let verdict = match keys {
        _ if token.len() > MAX_TOKEN => {
            Err(campanile_core::notify::TokenFault::TooLong.to_string())
        }
        None => Err(
            "this configuration has no keys; give the server's with --config or --auth-keys"
                .to_owned(),
        ),
        Some(keys) => keys
            .check(token, now)
            .and_then(|(claims, key)| claims.grants().map(|_| key))
            .map_err(|refusal| refusal.to_string()),
    };
    match &verdict {
        Ok(key) => line(
            "accepted",
            &format!("by the key {}, {}", key.name, algorithm_of(key)),
        ),
        Err(reason) => line("refused", reason),
    }
    (lines.join("\n"), verdict.is_ok())
}

/// A time in seconds since 1970, and how far away that is.
fn when(time: f64, now: f64) -> String {
    let away = Duration::try_from_secs_f64((time - now).abs()).unwrap_or(Duration::MAX);
    let seconds = away.as_secs();
    let [days, hours, minutes, rest] = [
        seconds / 86_400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    ];
    let mut text = String::new();
    for (count, unit) in [(days, "d"), (hours, "h"), (minutes, "m"), (rest, "s")] {
        if count > 0 {
            text.push_str(&format!("{count}{unit} "));
        }
    }
    if text.is_empty() {
        text.push_str("0s ");
    }
    let text = text.trim_end();
    if time < now {
        format!("{text} ago ({time})")
    } else {
        format!("in {text} ({time})")
    }
}

pub(crate) const EXAMPLES: &str = "\
Examples:
  openssl rand -base64 48 >secret                a secret for HS256
  campanile --auth-keys secret                   a server that wants tokens
  campanile token mint --key secret --subject alice --subscribe 'plant/*' >token
  campanile token explain token --auth-keys secret
  campanile subscribe ws://127.0.0.1:8000 --token-file token --package plant --page alerts

Exit codes: 0 a token was made, or is accepted; 1 it is refused; 2 wrong arguments or files.";

const MINT_EXAMPLES: &str = "\
Examples:
  campanile token mint --key secret --subject alice --subscribe 'plant/*'
      Alice may hear everything of the package plant for an hour
  campanile token mint --key private.pem --kid 2026 --publish '*/*' --expires-in 86400
      a back end may publish everything for a day
  campanile token mint --key secret --subscribe \\
      '[{\"package\":\"chat\",\"page\":\"messages\",\"filters\":{\"values\":{\"channel\":[\"2\",\"3\"]}}}]'
      only two channels

Exit codes: 0 it is on standard output; 2 wrong arguments, or a key that cannot be read.";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  campanile token explain token --config my.toml
  some-command | campanile token explain --auth-keys public.pem

Everything that the token says is shown, also where nobody has signed it; the signature is not.

Exit codes: 0 the server would accept it; 1 it would not; 2 wrong arguments, or a file that cannot be
read.";
