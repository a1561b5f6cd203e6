//! The application, with its requests counted, and its streams ready to be handed over.

use std::{
    error::Error,
    marker::PhantomData,
    mem,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_http::{Request, Response};
use actix_service::{Service, ServiceFactory};
use actix_web::{
    HttpMessage as _,
    body::{BodySize, MessageBody},
    dev::AppConfig,
    http::{
        Version,
        header::{self, HeaderMap},
    },
};
use bytes::Bytes;
use futures_core::future::LocalBoxFuture;
use pin_project_lite::pin_project;

use super::{
    activity::RequestGuard,
    context::ServerContext,
    handover::{Handover, Stream, StreamMarker, StreamOffer},
    http2_watch::ConnectionWatch,
};

/// The application, with its requests counted.
pub(super) struct TrackedFactory<F, B> {
    inner: F,
    host: ServerContext,
    _body: PhantomData<fn() -> B>,
}

impl<F, B> TrackedFactory<F, B> {
    pub(super) fn new(inner: F, host: ServerContext) -> Self {
        Self {
            inner,
            host,
            _body: PhantomData,
        }
    }
}

impl<F, B> ServiceFactory<Request> for TrackedFactory<F, B>
where
    F: ServiceFactory<Request, Config = AppConfig>,
    F::Future: 'static,
    F::Service: 'static,
    F::InitError: 'static,
    F::Response: Into<Response<B>>,
    B: MessageBody + 'static,
{
    type Response = Response<TrackedBody<B>>;
    type Error = F::Error;
    type Config = AppConfig;
    type Service = TrackedService<F::Service, B>;
    type InitError = F::InitError;
    type Future = LocalBoxFuture<'static, Result<Self::Service, F::InitError>>;

    fn new_service(&self, config: AppConfig) -> Self::Future {
        let service = self.inner.new_service(config);
        let host = self.host.clone();
        Box::pin(async move {
            Ok(TrackedService {
                inner: service.await?,
                host,
                _body: PhantomData,
            })
        })
    }
}

pub(super) struct TrackedService<S, B> {
    inner: S,
    host: ServerContext,
    _body: PhantomData<fn() -> B>,
}

impl<S, B> Service<Request> for TrackedService<S, B>
where
    S: Service<Request>,
    S::Response: Into<Response<B>>,
    B: MessageBody + 'static,
{
    type Response = Response<TrackedBody<B>>;
    type Error = S::Error;
    type Future = TrackedCall<S::Future, B>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&self, request: Request) -> Self::Future {
        let mut host = self.host.clone();
        host.connection = request
            .conn_data::<ConnectionWatch>()
            .and_then(|connection| connection.lifeline(request.version()));
        host.method = request.method().clone();
        host.drains = host.shutdown.is_fired();
        request.extensions_mut().insert(host.clone());
        let underway = Some(RequestGuard::begin(&host.activity));
        let is_http1 = request.version() < Version::HTTP_2;
        let connection = is_http1.then(Handover::current).flatten();
        if let Some(connection) = &connection {
            connection.begin_request(length_of(&request));
        }
        TrackedCall {
            call: self.inner.call(request),
            host: Some(host),
            underway,
            connection,
            _body: PhantomData,
        }
    }
}

pin_project! {
    pub(super) struct TrackedCall<F, B> {
        #[pin]
        call: F,
        host: Option<ServerContext>,
        underway: Option<RequestGuard>,
        // `None` on HTTP/2.
        connection: Option<Rc<Handover>>,
        _body: PhantomData<fn() -> B>,
    }
}

impl<F, R, E, B> Future for TrackedCall<F, B>
where
    F: Future<Output = Result<R, E>>,
    R: Into<Response<B>>,
    B: MessageBody + 'static,
{
    type Output = Result<Response<TrackedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let call = this.call;
        let called = ServerContext::during(this.host, || call.poll(cx));
        if let (Poll::Ready(Err(_)), Some(connection)) = (&called, &this.connection) {
            connection.end_request();
        }
        called
            .map_ok(|response| TrackedBody::of(response.into(), this.underway.take(), this.connection.take()))
    }
}

pin_project! {
    /// A response's body, counted until it is dropped.
    #[project = TrackedBodyProj]
    pub(super) enum TrackedBody<B> {
        Own {
            #[pin]
            body: B,
            underway: Option<RequestGuard>,
            behind: Option<LimitedReads>,
        },
        /// A stream that may be handed over.
        Offered { offer: StreamOffer, behind: LimitedReads },
    }
}

/// While a stream is sent, limits what is read behind its request.
pub(super) struct LimitedReads(Rc<Handover>);

impl LimitedReads {
    fn new(connection: Rc<Handover>) -> Self {
        connection.begin_stream();
        Self(connection)
    }
}

impl Drop for LimitedReads {
    fn drop(&mut self) {
        self.0.end_request();
    }
}

/// How long a request's body is; `None` if only its end tells.
fn length_of(request: &Request) -> Option<u64> {
    let headers = request.headers();
    if headers.contains_key(header::TRANSFER_ENCODING) || headers.contains_key(header::UPGRADE) {
        return None;
    }
    match headers.get(header::CONTENT_LENGTH) {
        Some(length) => length.to_str().ok()?.trim().parse().ok(),
        None => Some(0),
    }
}

/// Moves the headers to a map of the right size. On HTTP/2 actix keeps them for as long as the stream lasts, in a map for
/// fourteen names (3.5 KB).
fn fit(headers: &mut HeaderMap) {
    let mut fitting = HeaderMap::with_capacity(headers.len_keys());
    for (name, value) in mem::take(headers) {
        fitting.append(name, value);
    }
    *headers = fitting;
}

impl<B: MessageBody + 'static> TrackedBody<B> {
    fn of(
        mut response: Response<B>,
        underway: Option<RequestGuard>,
        connection: Option<Rc<Handover>>,
    ) -> Response<Self> {
        let stream = response.extensions_mut().remove::<StreamMarker>();
        let (driven, connection) = match (stream, connection) {
            (Some(StreamMarker { driven }), Some(connection)) => (driven, Some(connection)),
            (None, Some(connection)) => {
                connection.end_request();
                (None, None)
            }
            (stream, None) => {
                if stream.is_some() {
                    fit(response.headers_mut());
                }
                (None, None)
            }
        };
        // Middleware may have put another body in its place, or measured it.
        let is_chunked = response.body().size() == BodySize::Stream && response.head().chunked();
        response.map_body(|_, body| match (driven, underway, connection) {
            (Some(driven), Some(underway), Some(connection)) if is_chunked => {
                let stream = Stream {
                    body: Box::pin(body),
                    driven,
                    underway,
                };
                Self::Offered {
                    offer: StreamOffer::new(Rc::clone(&connection), stream),
                    behind: LimitedReads::new(connection),
                }
            }
            (_, underway, connection) => Self::Own {
                body,
                underway,
                behind: connection.map(LimitedReads::new),
            },
        })
    }
}

impl<B: MessageBody> MessageBody for TrackedBody<B> {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        match self {
            Self::Own { body, .. } => body.size(),
            Self::Offered { .. } => BodySize::Stream,
        }
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        match self.project() {
            TrackedBodyProj::Own { body, .. } => body.poll_next(cx).map_err(Into::into),
            TrackedBodyProj::Offered { offer, .. } => offer.poll_next(cx),
        }
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        match self {
            Self::Own {
                body,
                underway,
                behind,
            } => body.try_into_bytes().map_err(|body| Self::Own {
                body,
                underway,
                behind,
            }),
            offered @ Self::Offered { .. } => Err(offered),
        }
    }
}
