//! The token that a client shows.

use core::{convert::Infallible, fmt, str::FromStr};
use std::{env, fs};

use clap::Args;

/// The variable with a token.
pub(crate) const TOKEN: &str = "CAMPANILE_TOKEN";

/// Where the token is.
#[derive(Args, Debug)]
pub(crate) struct Credentials {
    /// The token to show, where the server wants one; --token-file keeps it from who may list processes.
    /// Without either, $CAMPANILE_TOKEN is it, if it is there
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    token: Option<Secret>,

    /// A file with the token
    #[arg(long, value_name = "FILE")]
    token_file: Option<String>,
}

/// A text that is not shown.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl Credentials {
    /// The token, if there is one.
    ///
    /// # Errors
    /// The file cannot be read, or what is there is no token.
    pub(crate) fn token(&self) -> Result<Option<String>, String> {
        let (place, token) = match (&self.token, &self.token_file) {
            (Some(Secret(token)), _) => ("--token".to_owned(), token.clone()),
            (None, Some(file)) => {
                let text = fs::read_to_string(file)
                    .map_err(|error| format!("the token file {file} cannot be read: {error}"))?;
                (format!("the token file {file}"), text)
            }
            (None, None) => match env::var(TOKEN) {
                Ok(token) if !token.is_empty() => {
                    (format!("the environment variable {TOKEN}"), token)
                }
                _ => return Ok(None),
            },
        };
        let token = token.trim();
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if token.is_empty() || !token.bytes().all(is_token) {
            return Err(format!(
                "{place} has no token in it; `campanile token mint` makes one"
            ));
        }
        Ok(Some(token.to_owned()))
    }
}
