//! Wraps the application: counts requests, and makes streams ready to be handed over.
//!
//! `run.rs` puts a [`TrackedFactory`] around each worker's application. For each request its service inserts the
//! [`ServerContext`] and takes a [`RequestGuard`]. When the application has answered, [`TrackedCall`] wraps the
//! response's outermost body, including middleware bodies around the stream, in a [`TrackedBody`]. actix's dispatcher
//! polls that body, and writes its chunks to this library's `Socket`:
//!
//! ```text
//!                    writes              polls
//! TcpStream ◀─ Socket ◀─ actix's dispatcher ─▶ TrackedBody ─▶ middleware's bodies ─▶ StreamBody ─▶ Source
//!              (socket.rs)
//! ```
//!
//! When the stream is handed over, `StreamConnection` polls the same body without `TrackedBody`, and writes to the
//! `TcpStream` itself.

use std::{
    error::Error,
    marker::PhantomData,
    mem,
    pin::Pin,
    rc::Rc,
    sync::LazyLock,
    task::{Context, Poll},
};

use actix_http::{BoxedPayloadStream, Payload, Request, Response, error::PayloadError};
use actix_service::{Service, ServiceFactory};
use actix_web::{
    HttpMessage as _,
    body::{BodySize, MessageBody},
    dev::AppConfig,
    http::{
        Method, Version,
        header::{self, HeaderMap},
    },
};
use bytes::Bytes;
use futures_core::{Stream, future::LocalBoxFuture};
use pin_project_lite::pin_project;

use super::{
    activity::RequestGuard,
    context::ServerContext,
    handover::{ConnectionState, HandoverCandidate, HubStream, MadeStream, StreamMarker},
    http2_watch::ConnectionLoss,
};
use crate::{extract::header_text::trim_blanks, tracing_limit::TracingLimit};

/// The application, with its requests counted.
pub(super) struct TrackedFactory<F, B> {
    inner: F,
    context: ServerContext,
    _body: PhantomData<fn() -> B>,
}

impl<F, B> TrackedFactory<F, B> {
    pub(super) fn new(inner: F, context: ServerContext) -> Self {
        Self {
            inner,
            context,
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
        let context = self.context.clone();
        Box::pin(async move {
            Ok(TrackedService {
                inner: service.await?,
                context,
                _body: PhantomData,
            })
        })
    }
}

pub(super) struct TrackedService<S, B> {
    inner: S,
    context: ServerContext,
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

    fn call(&self, mut request: Request) -> Self::Future {
        let mut context = self.context.clone();
        context.loss_notifier = request
            .conn_data::<ConnectionLoss>()
            .and_then(|connection| connection.loss_notifier(request.version()));
        context.method = request.method().clone();
        context.arrived_while_draining = context.shutdown.is_fired();
        request.extensions_mut().insert(context.clone());
        let request_guard = Some(RequestGuard::begin(&context.activity));
        let is_http1 = request.version() < Version::HTTP_2;
        let connection_state = is_http1.then(ConnectionState::current).flatten();
        if let Some(connection_state) = &connection_state {
            let length = length_of(&request);
            let number = connection_state.begin_request(length);
            if length.is_none() {
                let body: BoxedPayloadStream = Box::pin(UnsizedRequestBody {
                    payload: request.take_payload(),
                    connection_state: Rc::clone(connection_state),
                    request: number,
                });
                *request.payload() = body.into();
            }
        }
        TrackedCall {
            call: self.inner.call(request),
            context: Some(context),
            request_guard,
            connection_state,
            _body: PhantomData,
        }
    }
}

/// A request's body of unknown length.
struct UnsizedRequestBody {
    payload: Payload,
    connection_state: Rc<ConnectionState>,
    request: u32,
}

impl Stream for UnsizedRequestBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.payload).poll_next(cx);
        match polled {
            Poll::Ready(Some(_)) => self.connection_state.body_taken(self.request),
            Poll::Ready(None) => self.connection_state.body_ended(self.request),
            Poll::Pending => self.connection_state.body_awaited(self.request),
        }
        polled
    }
}

impl Drop for UnsizedRequestBody {
    fn drop(&mut self) {
        self.connection_state.body_ended(self.request);
    }
}

pin_project! {
    pub(super) struct TrackedCall<F, B> {
        #[pin]
        call: F,
        context: Option<ServerContext>,
        request_guard: Option<RequestGuard>,
        // `None` on HTTP/2.
        connection_state: Option<Rc<ConnectionState>>,
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
        let called = ServerContext::with_current(this.context, || call.poll(cx));
        if let (Poll::Ready(Err(_)), Some(connection_state)) = (&called, &this.connection_state) {
            connection_state.end_request();
        }
        called.map_ok(|response| {
            TrackedBody::of(
                response.into(),
                this.request_guard.take(),
                this.connection_state.take(),
            )
        })
    }
}

pin_project! {
    /// A response's body, counted until it is dropped.
    #[project = TrackedBodyProj]
    pub(super) enum TrackedBody<B> {
        InDispatcher {
            #[pin]
            body: B,
            request_guard: Option<RequestGuard>,
            read_limit: Option<PipelinedReadLimit>,
        },
        /// A stream that may be handed over.
        Candidate { candidate: HandoverCandidate, read_limit: PipelinedReadLimit },
    }
}

/// While a stream is sent, limits the bytes that are read after its request.
pub(super) struct PipelinedReadLimit(Rc<ConnectionState>);

impl PipelinedReadLimit {
    fn new(connection_state: Rc<ConnectionState>) -> Self {
        connection_state.begin_stream();
        Self(connection_state)
    }
}

impl Drop for PipelinedReadLimit {
    fn drop(&mut self) {
        self.0.end_request();
    }
}

/// The length of a request's body; `None` if it is unknown.
fn length_of(request: &Request) -> Option<u64> {
    let headers = request.headers();
    // The length of a tunnel is unknown, too.
    let is_tunnel = request.method() == Method::CONNECT || headers.contains_key(header::UPGRADE);
    if is_tunnel || headers.contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    match headers.get(header::CONTENT_LENGTH) {
        Some(length) => str::from_utf8(trim_blanks(length.as_bytes())).ok()?.parse().ok(),
        None => Some(0),
    }
}

/// Logs that a hub's stream cannot be handed over, so that it takes more memory.
fn report_stream_not_handed_over() {
    static LIMIT: LazyLock<TracingLimit> = LazyLock::new(TracingLimit::new);
    if let Some(left_out) = LIMIT.take() {
        tracing::info!(
            target: "sse_actix", left_out,
            "a hub's stream stays in actix's dispatcher, with 13 KB of memory instead of 1.6 KB: middleware has made a new response, or \
             has given its body a length"
        );
    }
}

/// Moves the headers to a map of the right size. On HTTP/2 actix keeps them for as long as the stream lasts, in a map
/// for fourteen names (3.5 KB).
fn shrink_headers(headers: &mut HeaderMap) {
    let mut fitting = HeaderMap::with_capacity(headers.len_keys());
    for (name, value) in mem::take(headers) {
        fitting.append(name, value);
    }
    *headers = fitting;
}

impl<B: MessageBody + 'static> TrackedBody<B> {
    fn of(
        mut response: Response<B>,
        request_guard: Option<RequestGuard>,
        connection_state: Option<Rc<ConnectionState>>,
    ) -> Response<Self> {
        let marker = response.extensions_mut().remove::<StreamMarker>();
        let is_marked = marker.is_some();
        let owner = marker.and_then(|marker| marker.owner);
        let connection_state = match connection_state {
            Some(connection_state) if is_marked || connection_state.made_stream() != MadeStream::None => {
                Some(connection_state)
            }
            Some(connection_state) => {
                connection_state.end_request();
                None
            }
            None => {
                if is_marked {
                    shrink_headers(response.headers_mut());
                }
                None
            }
        };
        // Middleware may have replaced the body or given it a Content-Length.
        let is_chunked = response.body().size() == BodySize::Stream && response.head().chunked();
        let stays = owner.is_none() || !is_chunked;
        let made_stream = connection_state
            .as_ref()
            .map(|connection_state| connection_state.made_stream());
        if stays && made_stream == Some(MadeStream::MayBeHandedOver) {
            report_stream_not_handed_over();
        }
        response.map_body(|_, body| match (owner, request_guard, connection_state) {
            (Some(owner), Some(request_guard), Some(connection_state)) if is_chunked => {
                let stream = HubStream {
                    body: body.boxed(),
                    owner,
                    request_guard,
                };
                Self::Candidate {
                    candidate: HandoverCandidate::new(Rc::clone(&connection_state), stream),
                    read_limit: PipelinedReadLimit::new(connection_state),
                }
            }
            (_, request_guard, connection_state) => Self::InDispatcher {
                body,
                request_guard,
                read_limit: connection_state.map(PipelinedReadLimit::new),
            },
        })
    }
}

impl<B: MessageBody> MessageBody for TrackedBody<B> {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        match self {
            Self::InDispatcher { body, .. } => body.size(),
            Self::Candidate { .. } => BodySize::Stream,
        }
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        match self.project() {
            TrackedBodyProj::InDispatcher { body, .. } => body.poll_next(cx).map_err(Into::into),
            TrackedBodyProj::Candidate { candidate, .. } => candidate.poll_next(cx),
        }
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        match self {
            Self::InDispatcher {
                body,
                request_guard,
                read_limit,
            } => body.try_into_bytes().map_err(|body| Self::InDispatcher {
                body,
                request_guard,
                read_limit,
            }),
            candidate @ Self::Candidate { .. } => Err(candidate),
        }
    }
}
