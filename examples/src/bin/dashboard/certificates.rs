use std::{
    fs, io,
    io::Write as _,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
};
use tempfile::NamedTempFile;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a certificate is valid: long enough that a browser seldom asks, and short enough that a stolen key soon
/// becomes useless.
const VALID: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// A self-signed certificate, and its key.
#[derive(Debug)]
pub(crate) struct Certificate {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Certificate {
    /// The certificate at `path`, if it is valid for these names and for at least one more day. Otherwise this makes a
    /// new one and stores it there, readable for its owner only.
    pub(crate) fn kept_or_new(path: &Path, names: &[&str]) -> io::Result<Self> {
        let now = SystemTime::now();
        if let Some(kept) = Self::read(path).filter(|kept| kept.is_good(names, now + DAY)) {
            return Ok(kept);
        }
        let pem = generate(names, now).map_err(io::Error::other)?;
        keep(path, &pem).map_err(|error| {
            let message = format!("cannot keep a certificate at {}: {error}", path.display());
            io::Error::new(error.kind(), message)
        })?;
        Self::parse(pem.as_bytes()).ok_or_else(|| io::Error::other("the new certificate is none"))
    }

    /// The configuration for HTTPS with this certificate. The server adds HTTP/2.
    pub(crate) fn server_config(&self) -> io::Result<ServerConfig> {
        ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                let chain = vec![self.certificate.clone()];
                builder
                    .with_no_client_auth()
                    .with_single_cert(chain, self.key.clone_key())
            })
            .map_err(io::Error::other)
    }

    fn read(path: &Path) -> Option<Self> {
        Self::parse(&fs::read(path).ok()?)
    }

    fn parse(pem: &[u8]) -> Option<Self> {
        Some(Self {
            certificate: CertificateDer::from_pem_slice(pem).ok()?,
            key: PrivateKeyDer::from_pem_slice(pem).ok()?,
        })
    }

    /// Whether a client that trusts this certificate would accept it at that time, for each of these names.
    fn is_good(&self, names: &[&str], then: SystemTime) -> bool {
        let then = then.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut roots = RootCertStore::empty();
        if roots.add(self.certificate.clone()).is_err() {
            return false;
        }
        let provider = Arc::new(default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        verifier.is_ok_and(|verifier| {
            names.iter().all(|name| {
                let then = UnixTime::since_unix_epoch(then);
                ServerName::try_from(*name).is_ok_and(|name| {
                    verifier
                        .verify_server_cert(&self.certificate, &[], &name, &[], then)
                        .is_ok()
                })
            })
        })
    }
}

/// A new certificate and its key, as PEM.
fn generate(names: &[&str], now: SystemTime) -> Result<String, rcgen::Error> {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut wanted = CertificateParams::new(names)?;
    wanted
        .distinguished_name
        .push(DnType::CommonName, "sse-actix dashboard");
    wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // The certificate is valid from yesterday on, because a client's clock may be slow.
    (wanted.not_before, wanted.not_after) = ((now - DAY).into(), (now + VALID).into());
    let key = KeyPair::generate()?;
    let certificate = wanted.self_signed(&key)?;
    Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
}

/// Writes the file in one step, so that another process that starts now reads all of it, or nothing.
fn keep(path: &Path, pem: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // Only the owner can read a temporary file.
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(pem.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 2] = ["one.localhost", "two.localhost"];

    #[test]
    fn it_is_kept_for_its_owner_alone_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("certificate.pem");
        let first = Certificate::kept_or_new(&path, &NAMES).unwrap();
        let second = Certificate::kept_or_new(&path, &NAMES).unwrap();
        assert_eq!(first.certificate, second.certificate);
        assert_eq!(first.key, second.key);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn it_is_good_for_its_names_and_its_time() {
        let now = SystemTime::now();
        let certificate = Certificate::parse(generate(&NAMES, now).unwrap().as_bytes()).unwrap();
        assert!(certificate.is_good(&NAMES, now));
        assert!(certificate.is_good(&NAMES, now + VALID - DAY));
        assert!(!certificate.is_good(&NAMES, now + VALID + DAY));
        assert!(!certificate.is_good(&NAMES, now - 2 * DAY));
        assert!(!certificate.is_good(&["one.localhost", "three.localhost"], now));
    }

    #[test]
    fn one_that_is_no_longer_good_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("certificate.pem");
        let now = SystemTime::now();
        let expiring = generate(&NAMES, now - VALID).unwrap();
        for old in [expiring.as_str(), "no certificate"] {
            fs::write(&path, old).unwrap();
            let new = Certificate::kept_or_new(&path, &NAMES).unwrap();
            assert!(new.is_good(&NAMES, now + DAY));
            assert_eq!(Certificate::read(&path).unwrap().certificate, new.certificate);
        }
        let other = Certificate::kept_or_new(&path, &["three.localhost"]).unwrap();
        assert!(other.is_good(&["three.localhost"], now));
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("certificate.pem");
        let error = Certificate::kept_or_new(&path, &NAMES).unwrap_err().to_string();
        let expected = format!("cannot keep a certificate at {}: ", path.display());
        assert!(error.starts_with(&expected), "{error}");
    }
}
