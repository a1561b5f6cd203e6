//! A subscription as the answer to a request.

use std::{
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError as _, body::BoxBody, http::Method};

use super::{Subscription, begin::Refused, error::NoRuntime};
use crate::{
    extract::is_reconnect_after_end,
    lifecycle::ending::no_content,
    stream::{
        buffer::EventBuffer,
        response,
        source::{Source, SourceResult},
    },
};

impl<E> Responder for Subscription<E> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse<BoxBody> {
        if !self.options.is_plain(request.method()) && is_reconnect_after_end(request) {
            return no_content();
        }
        let buffer = Rc::new(EventBuffer::new(None));
        let mut this = self.on(request);
        if request.method() == Method::HEAD {
            return response::respond(request, &this.options, this.headers.as_ref(), buffer, EmptySource);
        }
        match this.begin() {
            Ok(reading) => {
                reading.subscriber().set_returned();
                response::respond(request, &this.options, this.headers.as_ref(), buffer, reading)
            }
            Err(Refused::LimitExceeded(limit)) => {
                tracing::debug!(target: "sse_actix", path = request.path(), "turned away: {limit}");
                let retry = this.hub.0.limits.retry();
                let status = limit.status();
                response::refuse_over_limit(request, &this.options, this.headers.as_ref(), status, retry)
            }
            Err(Refused::NoRuntime) => NoRuntime.error_response(),
            Err(Refused::WrongType(error)) => {
                tracing::error!(target: "sse_actix", path = request.path(), "{error}");
                error.error_response()
            }
        }
    }
}

/// The source of an answer without a body.
struct EmptySource;

impl Source for EmptySource {
    fn poll_fill(&mut self, _: &EventBuffer, _: &mut Context<'_>) -> Poll<SourceResult> {
        Poll::Pending
    }
}
