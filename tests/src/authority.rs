//! Certificates for tests.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};

/// A certificate authority whose files are in a folder of its own, which goes with it.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    /// One that nobody knows.
    #[must_use]
    pub fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("campanile-ca-{}-{number}", process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, format!("Test authority {number}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        fs::write(folder.join("ca.pem"), issuer.pem()).expect("a file");
        Self { issuer, folder }
    }

    /// The authority's own certificate, a file.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Certifies a server called `name` and at 127.0.0.1: the files `NAME.pem` and `NAME.key`.
    pub fn server(&self, name: &str) -> [PathBuf; 2] {
        let names = [name, "127.0.0.1"].map(str::to_owned);
        let params = CertificateParams::new(names).expect("names");
        self.issue(name, params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// The same, but until the year 2000.
    pub fn expired_server(&self, name: &str) -> [PathBuf; 2] {
        let names = [name, "127.0.0.1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).expect("names");
        params.not_after = rcgen::date_time_ymd(2000, 1, 1);
        self.issue(name, params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Certifies a client with the subject `CN=NAME,O=Tests`.
    pub fn client(&self, name: &str) -> [PathBuf; 2] {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let subject = &mut params.distinguished_name;
        subject.push(DnType::OrganizationName, "Tests");
        subject.push(DnType::CommonName, name);
        self.issue(name, params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(
        &self,
        name: &str,
        mut params: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
    ) -> [PathBuf; 2] {
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let paths = ["pem", "key"].map(|end| self.folder.join(format!("{name}.{end}")));
        fs::write(&paths[0], certificate.pem()).expect("a file");
        fs::write(&paths[1], key.serialize_pem()).expect("a file");
        paths
    }

    /// The folder of all these files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
