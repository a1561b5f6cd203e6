//! TLS with a certificate that nobody has to trust but who is told to.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test that uses it")]

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use sse_actix::ServerConfig;

/// For a server that goes by these names, and the certificate that its clients see.
///
/// # Panics
///
/// If one is no name.
pub fn certified<const N: usize>(names: [&str; N]) -> (ServerConfig, CertificateDer<'static>) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names.map(str::to_owned)).unwrap();
    let certificate = cert.der().clone();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    (config, certificate)
}
