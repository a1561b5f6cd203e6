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
    activity::Underway,
    context::Host,
    handover::{IsStream, Offer, Shared, Stream},
    http2_watch::Connection,
};

/// The application, with its requests counted.
pub(super) struct Counted<F, B> {
    inner: F,
    host: Host,
    _body: PhantomData<fn() -> B>,
}

impl<F, B> Counted<F, B> {
    pub(super) fn new(inner: F, host: Host) -> Self {
        Self {
            inner,
            host,
            _body: PhantomData,
        }
    }
}

impl<F, B> ServiceFactory<Request> for Counted<F, B>
where
    F: ServiceFactory<Request, Config = AppConfig>,
    F::Future: 'static,
    F::Service: 'static,
    F::InitError: 'static,
    F::Response: Into<Response<B>>,
    B: MessageBody + 'static,
{
    type Response = Response<CountedBody<B>>;
    type Error = F::Error;
    type Config = AppConfig;
    type Service = CountedService<F::Service, B>;
    type InitError = F::InitError;
    type Future = LocalBoxFuture<'static, Result<Self::Service, F::InitError>>;

    fn new_service(&self, config: AppConfig) -> Self::Future {
        let service = self.inner.new_service(config);
        let host = self.host.clone();
        Box::pin(async move {
            Ok(CountedService {
                inner: service.await?,
                host,
                _body: PhantomData,
            })
        })
    }
}

pub(super) struct CountedService<S, B> {
    inner: S,
    host: Host,
    _body: PhantomData<fn() -> B>,
}

impl<S, B> Service<Request> for CountedService<S, B>
where
    S: Service<Request>,
    S::Response: Into<Response<B>>,
    B: MessageBody + 'static,
{
    type Response = Response<CountedBody<B>>;
    type Error = S::Error;
    type Future = CountedCall<S::Future, B>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&self, request: Request) -> Self::Future {
        let mut host = self.host.clone();
        host.connection = request
            .conn_data::<Connection>()
            .and_then(|connection| connection.lifeline(request.version()));
        host.method = request.method().clone();
        host.drains = host.shutdown.is_fired();
        request.extensions_mut().insert(host.clone());
        let underway = Some(Underway::begin(&host.traffic));
        let is_http1 = request.version() < Version::HTTP_2;
        let connection = is_http1.then(Shared::current).flatten();
        if let Some(connection) = &connection {
            connection.begin_request(length_of(&request));
        }
        CountedCall {
            call: self.inner.call(request),
            host: Some(host),
            underway,
            connection,
            _body: PhantomData,
        }
    }
}

pin_project! {
    pub(super) struct CountedCall<F, B> {
        #[pin]
        call: F,
        host: Option<Host>,
        underway: Option<Underway>,
        // `None` on HTTP/2.
        connection: Option<Rc<Shared>>,
        _body: PhantomData<fn() -> B>,
    }
}

impl<F, R, E, B> Future for CountedCall<F, B>
where
    F: Future<Output = Result<R, E>>,
    R: Into<Response<B>>,
    B: MessageBody + 'static,
{
    type Output = Result<Response<CountedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let call = this.call;
        let called = Host::during(this.host, || call.poll(cx));
        if let (Poll::Ready(Err(_)), Some(connection)) = (&called, &this.connection) {
            connection.end_request();
        }
        called
            .map_ok(|response| CountedBody::of(response.into(), this.underway.take(), this.connection.take()))
    }
}

pin_project! {
    /// A response's body, counted until it is dropped.
    #[project = CountedBodyProj]
    pub(super) enum CountedBody<B> {
        Own {
            #[pin]
            body: B,
            underway: Option<Underway>,
            behind: Option<BehindStream>,
        },
        /// A stream that may be handed over.
        Offered { offer: Offer, behind: BehindStream },
    }
}

/// As long as a stream is sent, little is read behind it.
pub(super) struct BehindStream(Rc<Shared>);

impl BehindStream {
    fn new(connection: Rc<Shared>) -> Self {
        connection.begin_stream();
        Self(connection)
    }
}

impl Drop for BehindStream {
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

/// Puts headers in a map of their number. On HTTP/2 actix keeps them as long as the stream lasts, in one for fourteen names, of
/// 3.5 KB.
fn fit(headers: &mut HeaderMap) {
    let mut fitting = HeaderMap::with_capacity(headers.len_keys());
    for (name, value) in mem::take(headers) {
        fitting.append(name, value);
    }
    *headers = fitting;
}

impl<B: MessageBody + 'static> CountedBody<B> {
    fn of(
        mut response: Response<B>,
        underway: Option<Underway>,
        connection: Option<Rc<Shared>>,
    ) -> Response<Self> {
        let stream = response.extensions_mut().remove::<IsStream>();
        let (driven, connection) = match (stream, connection) {
            (Some(IsStream { driven }), Some(connection)) => (driven, Some(connection)),
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
                    offer: Offer::new(Rc::clone(&connection), stream),
                    behind: BehindStream::new(connection),
                }
            }
            (_, underway, connection) => Self::Own {
                body,
                underway,
                behind: connection.map(BehindStream::new),
            },
        })
    }
}

impl<B: MessageBody> MessageBody for CountedBody<B> {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        match self {
            Self::Own { body, .. } => body.size(),
            Self::Offered { .. } => BodySize::Stream,
        }
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        match self.project() {
            CountedBodyProj::Own { body, .. } => body.poll_next(cx).map_err(Into::into),
            CountedBodyProj::Offered { offer, .. } => offer.poll_next(cx),
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
