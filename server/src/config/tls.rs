//! TLS, as it is configured.

use core::net::SocketAddr;
use std::path::PathBuf;

use campanile_tls::{ClientCertificates, ServerOptions};

use super::value::{Choice, Named};

/// Where TLS is spoken, and with which certificate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tls {
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) client_certificates: ClientCertificates,
    pub(crate) client_ca: Option<PathBuf>,
}

impl Tls {
    /// Which files to read.
    ///
    /// # Errors
    /// What is missing, in a line.
    pub(crate) fn options(&self) -> Result<ServerOptions, String> {
        let needs = |what| format!("`tls.listen` needs a certificate; set `{what}` to a PEM file");
        let certificate = self.certificate.clone();
        let key = self.key.clone();
        Ok(ServerOptions {
            certificate: certificate.ok_or_else(|| needs("tls.certificate"))?,
            key: key.ok_or_else(|| needs("tls.key"))?,
            client_ca: self.client_ca.clone(),
            client_certificates: self.client_certificates,
        })
    }
}

impl Named for ClientCertificates {
    const PLACEHOLDER: &'static str = "WHETHER";
    const NAMES: &'static [(Self, Choice)] = &[
        (
            Self::Off,
            Choice {
                name: "off",
                help: "Clients are not asked for one",
            },
        ),
        (
            Self::Optional,
            Choice {
                name: "optional",
                help: "Those that have one show it",
            },
        ),
        (
            Self::Required,
            Choice {
                name: "required",
                help: "Who has none is refused",
            },
        ),
    ];
}
