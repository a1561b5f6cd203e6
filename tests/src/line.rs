//! A line between a browser and a server that can go dead as networks do: neither side is told.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test that uses it")]

use std::{future::pending, net::SocketAddr};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// Passes on what either side sends, while it is alive. All connections end when it is dropped.
#[derive(Debug)]
pub struct Line {
    addr: SocketAddr,
    alive: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Line {
    /// A line to `server`, at a port of its own.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (alive, is_alive) = watch::channel(true);
        let task = tokio::spawn(serve(listener, server, is_alive));
        Self { addr, alive, task }
    }

    /// Where it is reached.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The `http` address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// From now on nothing passes. Connections stay open, and silent for ever; new ones wait.
    pub fn die(&self) {
        self.alive.send_replace(false);
    }

    /// New connections pass again, and those that have waited. Those from before stay silent.
    pub fn revive(&self) {
        self.alive.send_replace(true);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, server: SocketAddr, mut alive: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    while alive.wait_for(|alive| *alive).await.is_ok() {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                connections.spawn(pass(client, server, alive.clone()));
            }
            () = died(&mut alive) => {}
        }
    }
}

async fn died(alive: &mut watch::Receiver<bool>) {
    let _ = alive.wait_for(|alive| !alive).await;
}

async fn pass(mut client: TcpStream, server: SocketAddr, mut alive: watch::Receiver<bool>) {
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        // Both sockets stay open.
        () = died(&mut alive) => pending().await,
    }
}
