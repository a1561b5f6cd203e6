//! A TCP proxy that cuts connections.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// How a connection ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cut {
    /// As if the server had closed it: what was sent before arrives.
    Close,
    /// As if the server's machine had been turned off and on.
    Reset,
}

/// In front of one server.
pub(super) struct Proxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: Mutex<SocketAddr>,
    /// Its number tells one cut from the next.
    cut: watch::Sender<(usize, Cut)>,
    /// How many more bytes of answers pass before the connection that takes the last of them is cut.
    passing: AtomicUsize,
    passed: watch::Sender<Vec<u8>>,
}

impl Proxy {
    pub(super) async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            server: Mutex::new(server),
            cut: watch::Sender::new((0, Cut::Close)),
            passing: AtomicUsize::new(usize::MAX),
            passed: watch::Sender::new(Vec::new()),
        });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).forward(client));
            }
        });
        Self { addr, shared }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// New connections are led to this server.
    pub(super) fn lead_to(&self, server: SocketAddr) {
        *self.shared.server.lock().unwrap() = server;
    }

    /// Cuts all connections.
    pub(super) fn cut(&self, how: Cut) {
        self.shared.cut.send_modify(|(number, with)| {
            *number += 1;
            *with = how;
        });
    }

    /// Lets this many more bytes of answers pass, then cuts the connection that had the last of them. Later ones
    /// are not cut.
    pub(super) fn cut_after(&self, bytes: usize) {
        self.shared.passing.store(bytes, Ordering::SeqCst);
    }

    /// Waits until this has passed to the client.
    pub(super) async fn passes(&self, text: &str) {
        let mut passed = self.shared.passed.subscribe();
        let has_passed = |passed: &Vec<u8>| passed.windows(text.len()).any(|part| part == text.as_bytes());
        let wait = passed.wait_for(has_passed);
        sse_tests::patience::within(text, wait).await.unwrap();
    }
}

impl Shared {
    fn server(&self) -> SocketAddr {
        *self.server.lock().unwrap()
    }

    async fn forward(self: Arc<Self>, mut client: TcpStream) {
        let mut cut = self.cut.subscribe();
        // Without a server the connection ends at once.
        let Ok(mut server) = TcpStream::connect(self.server()).await else {
            return;
        };
        let how = {
            let (mut from_client, mut to_client) = client.split();
            let (mut from_server, mut to_server) = server.split();
            tokio::select! {
                _ = copy(&mut from_client, &mut to_server) => Cut::Close,
                how = self.answer(&mut from_server, &mut to_client) => how,
                _ = cut.changed() => cut.borrow().1,
            }
        };
        if matches!(how, Cut::Reset) {
            client.set_zero_linger().unwrap();
        }
    }

    /// Passes the server's bytes on, until it ends or the connection has to be cut.
    async fn answer(
        &self,
        server: &mut (impl AsyncReadExt + Unpin),
        client: &mut (impl AsyncWriteExt + Unpin),
    ) -> Cut {
        let mut bytes = [0; 16 * 1024];
        while let Ok(length @ 1..) = server.read(&mut bytes).await {
            let passing = self.passing.load(Ordering::SeqCst);
            let passes = &bytes[..length.min(passing)];
            if client.write_all(passes).await.is_err() {
                break;
            }
            self.passed.send_modify(|passed| passed.extend_from_slice(passes));
            if passing <= length {
                self.passing.store(usize::MAX, Ordering::SeqCst);
                return Cut::Close;
            }
            if passing != usize::MAX {
                self.passing.store(passing - length, Ordering::SeqCst);
            }
        }
        Cut::Close
    }
}
