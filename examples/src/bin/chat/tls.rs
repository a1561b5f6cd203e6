//! A certificate and its key, from PEM files.

use std::{io, sync::Arc};

use rustls::{
    crypto::ring::default_provider,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
};
use sse_actix::ServerConfig;

/// The configuration with which [`Server`](sse_actix::Server) serves HTTPS, and so HTTP/2. `files` names two files with
/// a comma between them: the certificate with the other certificates of its chain, and the key.
pub(crate) fn config(files: &str) -> io::Result<ServerConfig> {
    let invalid = |error: String| io::Error::new(io::ErrorKind::InvalidInput, error);
    let Some((certificate, key)) = files.split_once(',') else {
        return Err(invalid(format!(
            "--tls takes two files, as in `--tls fullchain.pem,privkey.pem`, and not `{files}`"
        )));
    };
    let of = |file: &str, error: pem::Error| invalid(format!("{file}: {error}"));
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| of(certificate, error))?;
    if chain.is_empty() {
        return Err(of(certificate, pem::Error::NoItemsFound));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| of(key, error))?;
    ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| invalid(format!("{certificate} with its key: {error}")))
}
