//! Certificates and keys in PEM files.

use std::{path::Path, sync::Arc};

use rustls::{
    RootCertStore,
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
};

use crate::Error;

/// What does the cryptography.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// A certificate with those between it and a root, in this order.
pub(crate) fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(path, "certificate", &error))?;
    if all.is_empty() {
        return Err(unreadable(path, "certificate", &pem::Error::NoItemsFound));
    }
    Ok(all)
}

pub(crate) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| unreadable(path, "private key", &error))
}

/// The certificates of a file, to be trusted.
pub(crate) fn roots(path: &Path) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(path)? {
        roots.add(certificate).map_err(|error| {
            Error::new(format!(
                "{} has a certificate that nobody can be checked with: {error}; have the authority's own \
                 certificate in it",
                path.display()
            ))
        })?;
    }
    Ok(roots)
}

fn unreadable(path: &Path, what: &str, error: &pem::Error) -> Error {
    let path = path.display();
    Error::new(match error {
        pem::Error::Io(error) => {
            format!(
                "cannot read the {what} file {path}: {error}; check the path and who may read it"
            )
        }
        pem::Error::NoItemsFound => {
            format!("there is no {what} in {path}; it is to be in PEM form")
        }
        error => format!("{path} is no PEM file with a {what}: {error}"),
    })
}
