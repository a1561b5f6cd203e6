//! The future that serves a connection: first actix's dispatcher, then, for a hub's stream, a `StreamConnection`.

use std::{
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use actix_http::Protocol;
use actix_service::{Service, ServiceFactory};
use futures_core::future::LocalBoxFuture;

use super::{
    activity::{Activity, ClientProgress},
    handover::HandoverSlot,
    socket::{Socket, Transport},
    stream_connection::StreamConnection,
};

/// An accepted connection, in the form that actix's HTTP service takes.
pub(super) type AcceptedConnection<T> = (Socket<T>, Protocol, Option<SocketAddr>);

/// actix's HTTP service, whose streams can be handed over.
pub(super) struct ConnectionService<S> {
    pub(super) http: S,
    /// True if a client on HTTP/1.1 that has closed its sending side still gets an answer.
    pub(super) allow_half_closed: bool,
    pub(super) activity: Arc<Activity>,
}

impl<S, T> ServiceFactory<AcceptedConnection<T>> for ConnectionService<S>
where
    S: ServiceFactory<AcceptedConnection<T>, Response = ()>,
    S::Future: 'static,
    T: Transport,
{
    type Response = ();
    type Error = S::Error;
    type Config = S::Config;
    type Service = ConnectionService<S::Service>;
    type InitError = S::InitError;
    type Future = LocalBoxFuture<'static, Result<Self::Service, S::InitError>>;

    fn new_service(&self, config: S::Config) -> Self::Future {
        let service = self.http.new_service(config);
        let (allow_half_closed, activity) = (self.allow_half_closed, Arc::clone(&self.activity));
        Box::pin(async move {
            Ok(ConnectionService {
                http: service.await?,
                allow_half_closed,
                activity,
            })
        })
    }
}

impl<S, T> Service<AcceptedConnection<T>> for ConnectionService<S>
where
    S: Service<AcceptedConnection<T>, Response = ()>,
    T: Transport,
{
    type Response = ();
    type Error = S::Error;
    type Future = ConnectionTask<S::Future, T>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.http.poll_ready(cx)
    }

    fn call(&self, mut accepted: AcceptedConnection<T>) -> Self::Future {
        accepted.0.count(ClientProgress::new(&self.activity));
        if accepted.1 == Protocol::Http2 {
            accepted.0.replace_resets();
        }
        let slot = Rc::clone(accepted.0.slot());
        ConnectionTask::Http {
            // Boxed, so that its memory is freed when the connection is handed over.
            dispatcher: Box::pin(self.http.call(accepted)),
            slot,
            allow_half_closed: self.allow_half_closed,
        }
    }
}

/// A connection that is served.
pub(super) enum ConnectionTask<F, T> {
    Http {
        dispatcher: Pin<Box<F>>,
        slot: Rc<HandoverSlot<T>>,
        allow_half_closed: bool,
    },
    Stream(Rc<StreamConnection<T>>),
}

impl<F, T> Unpin for ConnectionTask<F, T> {}

impl<F, E, T> Future for ConnectionTask<F, T>
where
    F: Future<Output = Result<(), E>>,
    T: Transport,
{
    type Output = Result<(), E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Self::Http {
            dispatcher,
            slot,
            allow_half_closed,
        } = &mut *self
        {
            let polled = slot.state.with_current(|| dispatcher.as_mut().poll(cx));
            // Take the pending stream only if the socket has left the dispatcher.
            let transport = slot.transport.take();
            let Some((transport, stream)) =
                transport.and_then(|transport| Some((transport, slot.state.take_pending()?)))
            else {
                return polled;
            };
            let (transport, progress) = transport;
            let connection =
                StreamConnection::new(transport, progress, stream, cx.waker(), *allow_half_closed);
            *self = Self::Stream(connection);
        }
        if let Self::Stream(connection) = &*self {
            ready!(connection.poll(cx));
        }
        Poll::Ready(Ok(()))
    }
}
