//! The future that serves a connection: actix's dispatcher, and for a hub's stream ours after it.

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

/// A connection that was accepted, as actix's HTTP service takes it.
pub(super) type AcceptedConnection<T> = (Socket<T>, Protocol, Option<SocketAddr>);

/// actix's HTTP service, whose streams can be handed over.
pub(super) struct ConnectionService<S> {
    pub(super) http: S,
    /// Whether a client on HTTP/1.1 that sends no more is still answered.
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
        let slot = Rc::clone(accepted.0.slot());
        ConnectionTask::Http {
            // Boxed, so that it leaves nothing behind when its stream is handed over.
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
            // A candidate stays where it is as long as the socket has not left.
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
