use std::{fmt, net::SocketAddr, sync::mpsc, thread};

use actix_http::{Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory};
use actix_web::{Error, body::MessageBody, dev::AppConfig};

use crate::{Server, Shutdown};

/// An application on its own port, served by a [`Server`] with one worker on its own thread, until this is dropped.
///
/// ```
/// use actix_web::{App, Error, get};
/// use sse_actix::{sse_stream, test};
///
/// #[get("/hello")]
/// #[sse_stream]
/// async fn hello() -> Result<(), Error> {
///     emit!("hello");
///     Ok(())
/// }
///
/// # #[actix_web::main]
/// # async fn main() {
/// let serving = test::Serving::start(|| App::new().service(hello));
/// let mut stream = test::connect(&serving.url("/hello"), "").await;
/// assert_eq!(stream.next().await.unwrap().data, "hello");
///
/// let serving = test::Serving::with(App::new, |server| server.h1_allow_half_closed(true));
/// assert_eq!(serving.url("/"), format!("http://{}/", serving.addr()));
/// assert!(!serving.shutdown().is_fired());
/// # }
/// ```
pub struct Serving {
    addr: SocketAddr,
    shutdown: Shutdown,
    thread: Option<thread::JoinHandle<()>>,
}

impl Serving {
    /// Serves the applications of `factory` on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub fn start<F, I, S, B>(factory: F) -> Self
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Error: Into<Error> + 'static,
        S::InitError: fmt::Debug,
        S::Response: Into<Response<B>> + 'static,
        <S::Service as Service<Request>>::Future: 'static,
        S::Service: 'static,
        B: MessageBody + 'static,
    {
        Self::with(factory, |server| server)
    }

    /// Like [`start`](Self::start), with more settings. If they bind an address, the server uses it, else HTTP/1.1 on a
    /// free port.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    #[allow(clippy::panic, reason = "a test that cannot go on")]
    pub fn with<F, I, S, B>(
        factory: F,
        configure: impl FnOnce(Server<F>) -> Server<F> + Send + 'static,
    ) -> Self
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Error: Into<Error> + 'static,
        S::InitError: fmt::Debug,
        S::Response: Into<Response<B>> + 'static,
        <S::Service as Service<Request>>::Future: 'static,
        S::Service: 'static,
        B: MessageBody + 'static,
    {
        let (started, start) = mpsc::channel();
        let thread = thread::spawn(move || {
            let server = configure(Server::new(factory).workers(1).disable_signals());
            let server = if server.addrs().is_empty() {
                server
                    .bind(("127.0.0.1", 0))
                    .unwrap_or_else(|error| panic!("{error}"))
            } else {
                server
            };
            let _ = started.send((server.addrs(), server.shutdown()));
            if let Err(error) = actix_web::rt::System::new().block_on(server.run()) {
                panic!("the server failed: {error}");
            }
        });
        match start
            .recv()
            .map(|(addrs, shutdown)| (addrs.first().copied(), shutdown))
        {
            Ok((Some(addr), shutdown)) => Self {
                addr,
                shutdown,
                thread: Some(thread),
            },
            _ => panic!("the server did not start"),
        }
    }

    /// The address on which it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The `http` address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// The handle that ends its streams and stops the server.
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.shutdown.fire();
        if let Some(thread) = self.thread.take() {
            // If the thread panicked, it has printed that itself.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}
