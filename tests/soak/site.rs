//! The server, from outside.

use std::{collections::BTreeMap, fs, net::SocketAddr};

use rustls::pki_types::CertificateDer;
use serde::{Deserialize, de::DeserializeOwned};
use sse_tests::{
    certified::connect_for,
    child::Child,
    patience::within,
    wire::Wire,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpSocket, TcpStream},
};

/// A connection, over TLS or not.
pub trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

/// One of the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Direct,
    OverTls,
    Actix,
}

pub struct Site {
    process: u32,
    direct: SocketAddr,
    description: Description,
}

#[derive(Deserialize)]
struct Description {
    others: [SocketAddr; 2],
    certificate: Vec<u8>,
}

#[derive(Debug, Deserialize)]
pub struct Figures {
    /// What has to be as it was, when everyone has left.
    pub left: Left,
    pub heap: usize,
    pub topics: usize,
    /// Bytes that the topics' events take.
    pub kept: usize,
    pub followed: u64,
    /// What has to have happened, for a run to tell something.
    pub happened: BTreeMap<String, u64>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
pub struct Left {
    pub streams: usize,
    pub reading: usize,
    pub handed_over: usize,
    pub subscribers: usize,
    pub present: usize,
}

impl Site {
    pub async fn start() -> (Child, Self) {
        // It panics when it is asked to, which need not be read.
        let child = Child::start_silent(env!("CARGO_BIN_EXE_soak_server"), &[], std::process::Stdio::null()).await;
        let description = ask(child.addr(), "GET /site").await;
        let site = Self {
            process: child.id(),
            direct: child.addr(),
            description: serde_json::from_slice(&description).unwrap(),
        };
        (child, site)
    }

    pub fn addr(&self, server: Server) -> SocketAddr {
        let [over_tls, actix] = self.description.others;
        match server {
            Server::Direct => self.direct,
            Server::OverTls => over_tls,
            Server::Actix => actix,
        }
    }

    /// Connects from this address, for HTTP/1.1 or HTTP/2.
    pub async fn connect(&self, server: Server, from: [u8; 4], http2: bool) -> std::io::Result<Box<dyn Socket>> {
        let socket = self.connect_plainly(server, from, false).await?;
        if server != Server::OverTls {
            return Ok(Box::new(socket));
        }
        let protocol: &[u8] = if http2 { b"h2" } else { b"http/1.1" };
        let certificate = CertificateDer::from(self.description.certificate.clone());
        Ok(Box::new(connect_for(protocol, socket, certificate).await))
    }

    /// Connects without TLS, with as little room for what the server sends as the kernel allows, if `narrow`.
    pub async fn connect_plainly(
        &self,
        server: Server,
        from: [u8; 4],
        narrow: bool,
    ) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if narrow {
            socket.set_recv_buffer_size(1)?;
        }
        socket.bind(SocketAddr::from((from, 0)))?;
        within("a connection", socket.connect(self.addr(server))).await
    }

    pub async fn figures(&self) -> Figures {
        self.ask("GET /figures").await
    }

    /// How many streams of a tag there were.
    pub async fn revoke(&self, tag: &str) -> usize {
        #[derive(Deserialize)]
        struct Answer {
            ended: usize,
        }
        self.ask::<Answer>(&format!("POST /revoke?tag={tag}")).await.ended
    }

    async fn ask<T: DeserializeOwned>(&self, request: &str) -> T {
        serde_json::from_slice(&ask(self.direct, request).await).unwrap()
    }

    /// How many descriptors the process has.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.process)).unwrap().count()
    }

    /// Bytes of the process's memory that are resident.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
    }
}

/// Sends a request without a body, and returns the body of its answer.
async fn ask(addr: SocketAddr, request: &str) -> Vec<u8> {
    let mut wire = Wire::connect(addr).await;
    wire.send(format!("{request} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n"))
        .await;
    let head = wire.head().await;
    assert_eq!(head.status_line(), "HTTP/1.1 200 OK", "{request}");
    wire.exactly(head.values("content-length")[0].parse().unwrap()).await.to_vec()
}
