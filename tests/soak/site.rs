//! The server, from outside.

use std::{collections::BTreeMap, fs, io, net::SocketAddr, process::Stdio};

use rustls::pki_types::CertificateDer;
use serde::{Deserialize, de::DeserializeOwned};
use sse_tests::{
    certified::{connector, name},
    child::Child,
    patience::within,
    wire::Wire,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::TlsConnector;

/// A connection, over TLS or not.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

/// One of the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    Direct,
    OverTls,
    Actix,
}

pub(crate) struct Site {
    process: u32,
    addrs: [SocketAddr; 3],
    /// For HTTP/1.1 and HTTP/2.
    tls: [TlsConnector; 2],
}

#[derive(Debug, Deserialize)]
pub(crate) struct Figures {
    /// What has to be as it was, when everyone has left.
    pub(crate) left: Left,
    pub(crate) heap: usize,
    pub(crate) topics: usize,
    /// Bytes that the topics' events take.
    pub(crate) kept: usize,
    pub(crate) followed: u64,
    /// What has to have happened, for a run to tell something.
    pub(crate) happened: BTreeMap<String, u64>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) streams: usize,
    pub(crate) reading: usize,
    pub(crate) handed_over: usize,
    pub(crate) subscribers: usize,
    pub(crate) present: usize,
}

impl Site {
    pub(crate) async fn start() -> (Child, Self) {
        #[derive(Deserialize)]
        struct Description {
            others: [SocketAddr; 2],
            certificate: Vec<u8>,
        }

        // It panics when it is asked to, which need not be read.
        let program = env!("CARGO_BIN_EXE_soak_server");
        let child = Child::start_silent(program, &[], Stdio::null()).await;
        let description = ask(child.addr(), "GET /site").await;
        let Description { others, certificate } = serde_json::from_slice(&description).unwrap();
        let certificate = CertificateDer::from(certificate);
        let protocols: [&[u8]; 2] = [b"http/1.1", b"h2"];
        let site = Self {
            process: child.id(),
            addrs: [child.addr(), others[0], others[1]],
            tls: protocols.map(|protocol| connector(&[protocol], certificate.clone())),
        };
        (child, site)
    }

    pub(crate) fn addr(&self, server: Server) -> SocketAddr {
        self.addrs[server as usize]
    }

    /// Connects from this address, for HTTP/1.1 or HTTP/2.
    pub(crate) async fn connect(
        &self,
        server: Server,
        from: [u8; 4],
        http2: bool,
    ) -> io::Result<Box<dyn Socket>> {
        let socket = self.connect_plainly(server, from, false).await?;
        if server != Server::OverTls {
            return Ok(Box::new(socket));
        }
        let connect = self.tls[usize::from(http2)].connect(name(), socket);
        Ok(Box::new(within("a handshake", connect).await?))
    }

    /// Connects without TLS, with as little room for what the server sends as the kernel allows, if `narrow`.
    pub(crate) async fn connect_plainly(
        &self,
        server: Server,
        from: [u8; 4],
        narrow: bool,
    ) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if narrow {
            socket.set_recv_buffer_size(1)?;
        }
        socket.bind(SocketAddr::from((from, 0)))?;
        within("a connection", socket.connect(self.addr(server))).await
    }

    pub(crate) async fn figures(&self) -> Figures {
        self.ask("GET /figures").await
    }

    /// How many streams of a tag there were.
    pub(crate) async fn revoke(&self, tag: &str) -> usize {
        #[derive(Deserialize)]
        struct Answer {
            ended: usize,
        }
        self.ask::<Answer>(&format!("POST /revoke?tag={tag}")).await.ended
    }

    async fn ask<T: DeserializeOwned>(&self, request: &str) -> T {
        serde_json::from_slice(&ask(self.addr(Server::Direct), request).await).unwrap()
    }

    /// How many descriptors the process has.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.process))
            .unwrap()
            .count()
    }

    /// Bytes of the process's memory that are resident.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process)).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
    }
}

/// Sends a request without a body, and returns the body of its answer.
async fn ask(addr: SocketAddr, request: &str) -> Vec<u8> {
    let mut wire = Wire::connect(addr).await;
    wire.send(format!(
        "{request} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n"
    ))
    .await;
    let head = wire.head().await;
    assert_eq!(head.status_line(), "HTTP/1.1 200 OK", "{request}");
    wire.exactly(head.values("content-length")[0].parse().unwrap())
        .await
        .to_vec()
}
