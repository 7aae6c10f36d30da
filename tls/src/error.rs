//! What goes wrong, in words for who can mend it.

use core::fmt;
use std::io;

use campanile_core::server::TlsFailure;
use rustls::{AlertDescription, CertificateError, InvalidMessage};

/// Why certificates, keys or other settings cannot be used: a line for who set them, with the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

impl Error {
    pub(crate) const fn new(reason: String) -> Self {
        Self(reason)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for Error {}

/// Why a connection of a server cannot go on.
#[derive(Clone, Debug)]
pub struct Failure {
    pub(crate) kind: TlsFailure,
    pub(crate) detail: String,
}

impl Failure {
    /// Which kind of failure it is.
    #[must_use]
    pub const fn kind(&self) -> TlsFailure {
        self.kind
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl core::error::Error for Failure {}

impl From<rustls::Error> for Failure {
    fn from(error: rustls::Error) -> Self {
        use rustls::Error as E;
        let kind = match &error {
            E::InvalidMessage(InvalidMessage::InvalidContentType) => TlsFailure::NotTls,
            E::PeerIncompatible(_) | E::NoApplicationProtocol => TlsFailure::Incompatible,
            E::NoCertificatesPresented | E::InvalidCertificate(_) => TlsFailure::Certificate,
            E::AlertReceived(_) => TlsFailure::Declined,
            _ => TlsFailure::Broken,
        };
        let detail = match &error {
            E::NoCertificatesPresented => {
                "the client has no certificate, which is required".to_owned()
            }
            E::InvalidCertificate(CertificateError::UnknownIssuer) => {
                "the client's certificate is of an authority that is not in `tls.client_ca`"
                    .to_owned()
            }
            E::AlertReceived(alert) => format!("the client gave up: {}", words(*alert)),
            error => error.to_string(),
        };
        Self { kind, detail }
    }
}

/// What an alert means to whoever gets it.
fn words(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::UnknownCA => "it does not trust the certificate's authority".to_owned(),
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            "it does not accept the certificate".to_owned()
        }
        AlertDescription::CertificateExpired => "the certificate has expired".to_owned(),
        alert => format!("{alert:?}"),
    }
}

/// The error of a client's connection to `name`, in words for who uses the client, where it is one of
/// TLS.
#[must_use]
pub fn explain(name: &str, error: io::Error) -> io::Error {
    let inner = error.get_ref();
    let Some(reason) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return error;
    };
    io::Error::new(error.kind(), Error(explained(name, reason)))
}

fn explained(name: &str, error: &rustls::Error) -> String {
    use rustls::Error as E;
    match error {
        E::InvalidCertificate(reason) => match reason {
            CertificateError::UnknownIssuer => {
                "the server's certificate is of an authority that is not trusted here; trust it, or give \
                 its certificate as CA file"
                    .to_owned()
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the server's certificate has expired; have it renewed, or check this machine's clock"
                    .to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet; check this machine's clock".to_owned()
            }
            CertificateError::NotValidForName
            | CertificateError::NotValidForNameContext { .. } => format!(
                "the server's certificate is not for {name}; use a name that it is for, or one for this \
                 name"
            ),
            reason => format!("the server's certificate cannot be used: {reason}"),
        },
        E::InvalidMessage(_) => format!(
            "what answers there does not speak TLS ({error}); use ws://, or the port that TLS is on"
        ),
        E::AlertReceived(AlertDescription::CertificateRequired) => {
            "the server requires a certificate of its clients; give one".to_owned()
        }
        E::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired,
        ) => format!("the server does not accept this client's certificate ({error}); use another one"),
        error => format!("TLS with the server fails: {error}"),
    }
}
