//! The answer to a request for a stream: status, headers and body.

use std::{
    mem,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    Error, HttpRequest, HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    http::{
        ConnectionType, Method, StatusCode, Version,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    web::Data,
};
use bytes::Bytes;
use sse_actix_core::{Frame, Retry};

use super::{
    body::{BodyTransport, StreamBody, StreamGuards},
    buffer::EventBuffer,
    options::StreamOptions,
    source::Source,
    span::StreamSpan,
};
use crate::{
    extract::is_reconnect_after_end,
    lifecycle::ending::{UNCACHED, no_content},
    lifecycle::{control::StreamControl, shutdown::Shutdown},
    server::{ConnectionState, MadeStream, OpenStreamGuard, ServerContext, StreamMarker},
};

const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
/// nginx and similar proxies buffer a response's body before they pass it on, unless this header says no.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// The silence after which a client may expect a keep-alive, in milliseconds. A much longer silence means a lost
/// connection.
pub(crate) const KEEP_ALIVE_INTERVAL: HeaderName = HeaderName::from_static("sse-keep-alive");
const NO: HeaderValue = HeaderValue::from_static("no");

/// Answers with a stream, or with another response: 204 after its end, only the head for HEAD, and a `retry` when the
/// server is draining.
pub(crate) fn respond<S: Source + 'static>(
    request: &HttpRequest,
    options: &StreamOptions,
    headers: Option<&HeaderMap>,
    buffer: Rc<EventBuffer>,
    source: S,
) -> HttpResponse<BoxBody> {
    let plain = options.is_plain(request.method());
    if !plain && is_reconnect_after_end(request) {
        return no_content();
    }
    if let Some(error) = refused_to_browsers(options, plain, &buffer) {
        tracing::error!(target: "sse_actix", path = request.path(), %error, "no stream");
        return error.error_response();
    }
    let context = ServerContext::of(request);
    let shutdown = shutdown_for(request, context.as_ref());
    let mut draining = draining(shutdown, context.as_ref());
    if plain && let Some(retry) = draining {
        let is_older_than_shutdown =
            |context: &ServerContext| !context.arrived_while_draining && context.shutdown.is_fired();
        if !context.as_ref().is_some_and(is_older_than_shutdown) {
            return unavailable(StatusCode::SERVICE_UNAVAILABLE, retry);
        }
        // The request came before the shutdown: its plain stream may finish.
        draining = None;
    }

    let mut stream = None;
    let body = if request.method() == Method::HEAD {
        BoxBody::new(HeadBody)
    } else if let Some(retry) = draining {
        BoxBody::new(RetryOnlyBody::new(retry, request, context.as_ref()))
    } else {
        let control = StreamControl::of(request);
        let is_candidate = !plain && may_be_handed_over(request, context.as_ref());
        let owner = is_candidate.then(|| source.handover_owner()).flatten();
        ConnectionState::note_made_stream(match &owner {
            Some(_) => MadeStream::MayBeHandedOver,
            None => MadeStream::InDispatcher,
        });
        stream = Some(StreamMarker { owner });
        // The client of a plain stream cannot resume. So the stream may finish, unless its source never ends by itself.
        let may_finish = plain && source.may_finish();
        let guards = StreamGuards {
            registration: shutdown.map(|shutdown| shutdown.register(&control, may_finish)),
            open_stream: OpenStreamGuard::for_request(request, context.as_ref(), &control, may_finish),
            control,
            transport: match request.version() {
                Version::HTTP_2 => BodyTransport::Http2,
                _ if context.is_none() => BodyTransport::OtherServer,
                Version::HTTP_10 => BodyTransport::Http10,
                _ => BodyTransport::Http11,
            },
            plain,
        };
        let span = StreamSpan::open(request, &guards.control);
        BoxBody::new(StreamBody::new(options, buffer, source, guards, span))
    };

    let mut response = answer(request, options, headers, body, draining.is_some());
    if let Some(stream) = stream {
        response.extensions_mut().insert(stream);
    }
    response
}

/// True if the connection may be handed over to a hub's stream: it is on HTTP/1.1, and the request was read completely.
fn may_be_handed_over(request: &HttpRequest, context: Option<&ServerContext>) -> bool {
    let headers = request.headers();
    context.is_some_and(|context| context.hands_over)
        && request.version() == Version::HTTP_11
        && request.method() == Method::GET
        && !headers.contains_key(header::TRANSFER_ENCODING)
        && !headers.contains_key(header::UPGRADE)
        && headers
            .get(header::CONTENT_LENGTH)
            .is_none_or(|length| length == "0")
}

/// The error of a stream for browsers that has names or ids that browsers cannot use.
fn refused_to_browsers(options: &StreamOptions, plain: bool, buffer: &EventBuffer) -> Option<Error> {
    let emitted = buffer.set_plain(plain).map_err(Error::from);
    if plain {
        return None;
    }
    options
        .check_for_browsers()
        .map_err(Error::from)
        .and(emitted)
        .err()
}

/// Tells a client other than `EventSource` to come back later, with `Retry-After` instead of a `retry` line.
pub(crate) fn unavailable(status: StatusCode, retry: Retry) -> HttpResponse<BoxBody> {
    let mut response = HttpResponse::new(status);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, UNCACHED);
    headers.insert(header::RETRY_AFTER, retry.as_millis().div_ceil(1_000).into());
    response
}

/// Answers a client that is over a limit. A browser gets 200, `retry`, and the end of the stream: an error status would
/// make `EventSource` give up. Any other client gets the status.
pub(crate) fn refuse_over_limit(
    request: &HttpRequest,
    options: &StreamOptions,
    headers: Option<&HeaderMap>,
    status: StatusCode,
    retry: Retry,
) -> HttpResponse<BoxBody> {
    let context = ServerContext::of(request);
    let draining = draining(shutdown_for(request, context.as_ref()), context.as_ref());
    let retry = draining.unwrap_or(retry);
    if options.is_plain(request.method()) {
        let status = draining.map_or(status, |_| StatusCode::SERVICE_UNAVAILABLE);
        return unavailable(status, retry);
    }
    let body = if request.method() == Method::HEAD {
        BoxBody::new(HeadBody)
    } else {
        BoxBody::new(RetryOnlyBody::new(retry, request, context.as_ref()))
    };
    answer(request, options, headers, body, true)
}

/// The reconnection time, if the server drains.
fn draining(shutdown: Option<&Shutdown>, context: Option<&ServerContext>) -> Option<Retry> {
    shutdown
        .into_iter()
        .chain(context.map(|context| &context.shutdown))
        .find(|shutdown| shutdown.is_fired())
        .map(Shutdown::jittered_retry)
}

fn answer(
    request: &HttpRequest,
    options: &StreamOptions,
    headers: Option<&HeaderMap>,
    body: BoxBody,
    close: bool,
) -> HttpResponse<BoxBody> {
    let mut response = HttpResponse::with_body(StatusCode::OK, body);
    fill_headers(response.headers_mut(), options, headers);
    let head = response.head_mut();
    if request.version() == Version::HTTP_10 {
        head.no_chunking(true);
        head.set_connection_type(ConnectionType::Close);
    } else if close && request.version() == Version::HTTP_11 {
        head.set_connection_type(ConnectionType::Close);
    }
    response
}

/// The handle that may end this request's stream: the application's own, else the server's, or the one from the hook on
/// actix's server.
fn shutdown_for<'a>(request: &'a HttpRequest, context: Option<&'a ServerContext>) -> Option<&'a Shutdown> {
    request
        .app_data::<Shutdown>()
        .or_else(|| request.app_data::<Data<Shutdown>>().map(Data::get_ref))
        .or_else(|| context.map(|context| &context.shutdown))
        .or_else(|| request.conn_data())
}

fn fill_headers(head: &mut HeaderMap, options: &StreamOptions, headers: Option<&HeaderMap>) {
    for (name, value) in options.headers {
        // Checked when the macro was expanded.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(*name), HeaderValue::try_from(*value)) {
            head.append(name, value);
        }
    }
    for (name, value) in headers.into_iter().flatten() {
        head.append(name.clone(), value.clone());
    }
    // A stream has no length, and the connection decides on its framing.
    for name in [
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        header::UPGRADE,
    ] {
        head.remove(name);
    }
    // Last, so that nothing replaces what makes this a stream.
    head.insert(header::CONTENT_TYPE, EVENT_STREAM);
    head.insert(header::CACHE_CONTROL, UNCACHED);
    head.insert(ACCEL_BUFFERING, NO);
    if let Some(after) = options.keep_alive.after() {
        let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        head.insert(KEEP_ALIVE_INTERVAL, millis.into());
    }
    if options.compress {
        head.remove(header::CONTENT_ENCODING);
    } else {
        // `Compress` does not change a response that has an encoding.
        head.insert(header::CONTENT_ENCODING, IDENTITY);
    }
}

/// The body of an answer to HEAD: it has a stream's size, so that the head is a stream's, and no bytes.
struct HeadBody;

impl MessageBody for HeadBody {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(None)
    }
}

/// The body for a refused client: a `retry` line. Counted as a stream, not as a request, so a client that does not read
/// it cannot delay a shutdown.
struct RetryOnlyBody {
    retry: Bytes,
    _open_stream: Option<OpenStreamGuard>,
}

impl RetryOnlyBody {
    fn new(retry: Retry, request: &HttpRequest, context: Option<&ServerContext>) -> Self {
        let control = StreamControl::of(request);
        Self {
            retry: Frame::retry(retry).into_bytes(),
            _open_stream: context
                .cloned()
                .map(|context| OpenStreamGuard::new(context, &control, false)),
        }
    }
}

impl MessageBody for RetryOnlyBody {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        self.retry.size()
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let retry = mem::take(&mut self.get_mut().retry);
        Poll::Ready((!retry.is_empty()).then_some(Ok(retry)))
    }
}
