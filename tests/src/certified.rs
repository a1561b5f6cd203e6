//! TLS with a certificate that nobody has to trust but who is told to.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test that uses it")]

use std::{net::SocketAddr, sync::Arc};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
};
use sse_actix::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::patience::within;

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

/// Connects to `localhost`, to speak HTTP/2.
///
/// # Panics
///
/// If it is refused, the certificate is another, or the other side does not speak it.
pub async fn connect(addr: SocketAddr, trusted: CertificateDer<'static>) -> TlsStream<TcpStream> {
    connect_for(b"h2", TcpStream::connect(addr).await.unwrap(), trusted).await
}

/// As [`connect`], to speak this protocol over a socket that is connected.
///
/// # Panics
///
/// As [`connect`].
pub async fn connect_for(
    protocol: &[u8],
    socket: TcpStream,
    trusted: CertificateDer<'static>,
) -> TlsStream<TcpStream> {
    let connected = shake_hands(&[protocol], socket, trusted).await;
    assert_eq!(connected.get_ref().1.alpn_protocol(), Some(protocol));
    connected
}

/// As [`connect_for`], without a word on the protocol.
///
/// # Panics
///
/// As [`connect`].
pub async fn connect_silently(socket: TcpStream, trusted: CertificateDer<'static>) -> TlsStream<TcpStream> {
    let connected = shake_hands(&[], socket, trusted).await;
    assert_eq!(connected.get_ref().1.alpn_protocol(), None);
    connected
}

async fn shake_hands(
    protocols: &[&[u8]],
    socket: TcpStream,
    trusted: CertificateDer<'static>,
) -> TlsStream<TcpStream> {
    let connected = within(
        "a handshake",
        connector(protocols, trusted).connect(name(), socket),
    )
    .await;
    connected.unwrap()
}

/// As what a server of [`certified`] is addressed.
///
/// # Panics
///
/// If it is no name, which it is.
pub fn name() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

/// What connects, and offers these protocols.
///
/// # Panics
///
/// If the certificate is none.
pub fn connector(protocols: &[&[u8]], trusted: CertificateDer<'static>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}
