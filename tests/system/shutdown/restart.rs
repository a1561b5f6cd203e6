//! Restarts under a listening socket that somebody else holds.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rustix::process::Signal;
use sse_tests::child::Child;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::STREAMS;

#[derive(Default)]
struct Clients {
    stop: AtomicBool,
    answered: AtomicUsize,
    cut: AtomicUsize,
}

impl Clients {
    /// Connects and asks, again and again, as those do who come back.
    async fn hammer(self: Arc<Self>, addr: SocketAddr) {
        while !self.stop.load(Ordering::SeqCst) {
            let connected = TcpStream::connect(addr).await;
            let mut socket = connected.expect("the socket is held, so nobody is refused");
            match ask(&mut socket).await {
                Some(answer) => {
                    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
                    self.answered.fetch_add(1, Ordering::SeqCst);
                }
                // Accepted by a server that was about to go; a browser tries again.
                None => _ = self.cut.fetch_add(1, Ordering::SeqCst),
            }
            sleep(Duration::from_millis(1)).await;
        }
    }
}

/// The first bytes of the answer, `None` if the connection ends without.
async fn ask(socket: &mut TcpStream) -> Option<String> {
    socket
        .write_all(b"GET /idle HTTP/1.1\r\nHost: test\r\n\r\n")
        .await
        .ok()?;
    let mut answer = [0; 1_000];
    let received = timeout(Duration::from_secs(30), socket.read(&mut answer)).await;
    let length = received
        .expect("an answer, if not from this server, then from the next")
        .ok()?;
    (length > 0).then(|| String::from_utf8_lossy(&answer[..length]).into_owned())
}

#[tokio::test]
async fn nobody_is_refused() {
    let socket = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let addr = socket.local_addr().unwrap();
    let mut child = Child::start_with_socket(STREAMS, &["actix", "inherit"], &socket).await;
    assert_eq!(child.addr(), addr, "it serves the socket that it was given");

    let clients = Arc::new(Clients::default());
    let hammers: Vec<_> = (0..8)
        .map(|_| tokio::spawn(Arc::clone(&clients).hammer(addr)))
        .collect();
    for _ in 0..5 {
        let enough = clients.answered.load(Ordering::SeqCst) + 100;
        while clients.answered.load(Ordering::SeqCst) < enough {
            assert!(
                hammers.iter().all(|hammer| !hammer.is_finished()),
                "somebody was refused"
            );
            sleep(Duration::from_millis(1)).await;
        }
        child.signal(Signal::TERM);
        assert!(child.ended().await.success());
        child = Child::start_with_socket(STREAMS, &["actix", "inherit"], &socket).await;
    }
    clients.stop.store(true, Ordering::SeqCst);
    for hammer in hammers {
        hammer.await.unwrap();
    }
    let (answered, cut) = (&clients.answered, &clients.cut);
    println!("measured: 5 restarts, {answered:?} answered at once, {cut:?} cut, none refused");
}
