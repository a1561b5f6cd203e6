//! The future that serves a connection: actix's dispatcher, and for a hub's stream ours after it.

use std::{
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_http::Protocol;
use actix_service::{Service, ServiceFactory};
use futures_core::future::LocalBoxFuture;

use super::{
    handover::DispatcherLink,
    socket::{Socket, Transport},
    stream_connection::StreamConnection,
};

/// A connection that was accepted, as actix's HTTP service takes it.
pub(super) type AcceptedConnection<T> = (Socket<T>, Protocol, Option<SocketAddr>);

/// actix's HTTP service, whose streams can be handed over.
pub(super) struct ConnectionService<S>(pub(super) S);

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
        let service = self.0.new_service(config);
        Box::pin(async move { Ok(ConnectionService(service.await?)) })
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
        self.0.poll_ready(cx)
    }

    fn call(&self, accepted: AcceptedConnection<T>) -> Self::Future {
        let link = Rc::clone(accepted.0.link());
        ConnectionTask::Http {
            // Boxed, so that it leaves nothing behind when its stream is handed over.
            dispatcher: Box::pin(self.0.call(accepted)),
            link,
        }
    }
}

/// A connection that is served.
pub(super) enum ConnectionTask<F, T> {
    Http {
        dispatcher: Pin<Box<F>>,
        link: Rc<DispatcherLink<T>>,
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
        if let Self::Http { dispatcher, link } = &mut *self {
            let polled = link.shared.during(|| dispatcher.as_mut().poll(cx));
            // An offer stays where it is as long as the socket has not left.
            let transport = link.transport.take();
            let Some((transport, stream)) =
                transport.and_then(|transport| Some((transport, link.shared.take()?)))
            else {
                return polled;
            };
            *self = Self::Stream(StreamConnection::new(transport, stream, cx.waker()));
        }
        if let Self::Stream(connection) = &*self {
            ready!(connection.poll(cx));
        }
        Poll::Ready(Ok(()))
    }
}
