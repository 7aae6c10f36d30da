//! What all connections of a server have in common.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    ServerConfig,
    crypto::ring::Ticketer,
    server::{NoServerSessionStorage, UnbufferedServerConnection, WebPkiClientVerifier},
};

use crate::{Error, Failure, Session, files};

/// What is asked of clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Nothing.
    #[default]
    Off,
    /// A certificate, of those who have one.
    Optional,
    /// A certificate.
    Required,
}

/// Where a server's certificates are. All files are in PEM form.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    /// The server's certificate, and behind it those between it and a root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities that may certify clients; needed where clients are asked.
    pub client_ca: Option<PathBuf>,
    /// Whether clients are asked for a certificate.
    pub client_certificates: ClientCertificates,
}

/// What a server needs for TLS, the same for all of its connections and threads.
#[derive(Debug)]
pub struct Server {
    config: RwLock<Arc<ServerConfig>>,
}

impl Server {
    /// Reads the files.
    ///
    /// # Errors
    /// Which file is wrong, and how.
    pub fn new(options: &ServerOptions) -> Result<Self, Error> {
        let config = config(options)?;
        Ok(Self {
            config: RwLock::new(config),
        })
    }

    /// Reads the files again: connections that come from now on get what is in them. Those that there
    /// are go on. Tickets of earlier sessions are of no more use, as what they vouch for may not hold any
    /// longer.
    ///
    /// # Errors
    /// Which file is wrong, and how. Everything stays as it was then.
    pub fn reload(&self, options: &ServerOptions) -> Result<(), Error> {
        let config = config(options)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// A connection that has just been accepted.
    ///
    /// # Errors
    /// rustls refuses the configuration, which it has taken before: no way to that is known.
    pub fn accept(&self) -> Result<Session, Failure> {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        let connection = UnbufferedServerConnection::new(Arc::clone(&config))?;
        Ok(Session::new(connection))
    }
}

fn config(options: &ServerOptions) -> Result<Arc<ServerConfig>, Error> {
    let (certificate, key) = (&options.certificate, &options.key);
    let chain = files::chain(certificate)?;
    let private = files::key(key)?;
    let unusable = |error: rustls::Error| Error::new(format!("TLS cannot be set up: {error}"));
    let builder = ServerConfig::builder_with_provider(files::provider())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = match options.client_certificates {
        ClientCertificates::Off => builder.with_no_client_auth(),
        asked @ (ClientCertificates::Optional | ClientCertificates::Required) => {
            let Some(path) = &options.client_ca else {
                return Err(Error::new(
                    "client certificates need an authority to check them with; set `tls.client_ca`"
                        .to_owned(),
                ));
            };
            let roots = Arc::new(files::roots(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, files::provider());
            let verifier = if asked == ClientCertificates::Optional {
                verifier.allow_unauthenticated()
            } else {
                verifier
            };
            let verifier = verifier.build().map_err(|error| {
                Error::new(format!("{} cannot be used: {error}", path.display()))
            })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, private).map_err(|error| {
        let (certificate, key) = (certificate.display(), key.display());
        Error::new(match error {
            rustls::Error::InconsistentKeys(_) => {
                format!("the key in {key} is not that of the certificate in {certificate}; have both of one")
            }
            error => format!("{certificate} with {key} cannot be used: {error}"),
        })
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Sessions are resumed by tickets, which the clients keep: nothing is kept here.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = Ticketer::new().map_err(unusable)?;
    Ok(Arc::new(config))
}
