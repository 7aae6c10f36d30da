//! Whom a client trusts, and who it is.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};

use crate::{Error, files};

/// What a client needs for TLS, the same for all of its connections. Clones share it.
#[derive(Clone, Debug)]
pub struct Client(Arc<ClientConfig>);

/// A client's own certificate. Both files are in PEM form.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate, and behind it those between it and a root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Client {
    /// Trusts the authorities in the file `ca` and no other, or without a file those that this system
    /// trusts; is `identity` where a server asks for that.
    ///
    /// It reads files, which may take some milliseconds: once will do for all connections.
    ///
    /// # Errors
    /// Which file is wrong, and how; or that this system trusts nobody.
    pub fn new(ca: Option<&Path>, identity: Option<&Identity>) -> Result<Self, Error> {
        let roots = ca.map_or_else(system, files::roots)?;
        let unusable = |error: rustls::Error| Error::new(format!("TLS cannot be set up: {error}"));
        let builder = ClientConfig::builder_with_provider(files::provider())
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(Identity { certificate, key }) => builder
                .with_client_auth_cert(files::chain(certificate)?, files::key(key)?)
                .map_err(|error| {
                    let (certificate, key) = (certificate.display(), key.display());
                    Error::new(format!("{certificate} with {key} cannot be used: {error}"))
                })?,
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    /// For rustls.
    #[must_use]
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }

    /// What the certificate of a server at `name`, or at an address, has to be for.
    ///
    /// # Errors
    /// No certificate can be for that.
    pub fn server_name(name: &str) -> io::Result<ServerName<'static>> {
        ServerName::try_from(name.to_owned()).map_err(|_| {
            let reason =
                format!("no certificate can be for {name}; use a name of the DNS, or an address");
            io::Error::new(io::ErrorKind::InvalidInput, Error::new(reason))
        })
    }
}

/// Whom this system trusts.
fn system() -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reason = found.errors.first().map(ToString::to_string);
        return Err(Error::new(format!(
            "this system has no list of trusted authorities ({}); install its package `ca-certificates`, \
             or give a CA file",
            reason.unwrap_or_else(|| "none was found".to_owned())
        )));
    }
    Ok(roots)
}
