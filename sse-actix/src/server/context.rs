//! What a stream needs to know about the server that received its request.

use std::{cell::Cell, sync::Arc};

use actix_web::{HttpMessage as _, HttpRequest, http::Method};

use super::{
    activity::Activity,
    http2_watch::{ConnectionLoss, LossNotifier, LossRegistration},
};
use crate::lifecycle::{control::StreamControl, shutdown::Shutdown};

/// The facts about the server that received a request, and on HTTP/2 about its connection.
///
/// It is in the extensions of each request, not of the connection: otherwise each of ten thousand idle connections
/// would take memory for it.
#[derive(Clone)]
pub(crate) struct ServerContext {
    pub(crate) shutdown: Shutdown,
    pub(super) activity: Arc<Activity>,
    pub(super) loss_notifier: Option<LossNotifier>,
    /// True if the server hands connections over to hubs.
    pub(crate) hands_over: bool,
    /// The request's method; GET in the server's own context, which each request's context is cloned from.
    pub(crate) method: Method,
    /// True if the request came while the server was shutting down.
    pub(crate) arrived_while_draining: bool,
}

thread_local! {
    /// The context of the request whose handler is being polled now.
    static CURRENT: Cell<Option<ServerContext>> = const { Cell::new(None) };
}

impl ServerContext {
    /// `None` if the request did not come through this library's server or hook.
    pub(crate) fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get().cloned()
    }

    /// The context of the request whose handler is being polled. For code that has no `HttpRequest`: a generator before
    /// its opening.
    pub(crate) fn current() -> Option<Self> {
        let current = CURRENT.take();
        CURRENT.set(current.clone());
        current
    }

    /// Makes `context` the current one while `poll` runs; restores the previous one afterwards.
    pub(super) fn with_current<T>(context: &mut Option<Self>, poll: impl FnOnce() -> T) -> T {
        let outer = CURRENT.replace(context.take());
        let polled = poll();
        *context = CURRENT.replace(outer);
        polled
    }

    /// Waits until a stream that has not opened is no longer needed: its client has left, or the server shuts down and
    /// the client can resume.
    pub(crate) async fn until_abandoned(&self, ends_at_shutdown: bool) {
        let control = StreamControl::new();
        let _registration = self
            .loss_notifier
            .as_ref()
            .map(|notifier| notifier.register(&control));
        tokio::select! {
            () = self.shutdown.fired(), if ends_at_shutdown => {}
            () = control.until_end_requested() => {}
        }
    }
}

/// Counts a stream as open on its server until this is dropped. On HTTP/2 the stream is also notified when the
/// connection is lost.
pub(crate) struct OpenStreamGuard {
    #[expect(dead_code, reason = "held for its drop")]
    loss_registration: Option<Box<LossRegistration>>,
    /// The counts of the server, if this is counted there as a stream. A stream that may finish is counted only as a
    /// request, and a shutdown waits for it.
    activity: Option<Arc<Activity>>,
}

impl OpenStreamGuard {
    /// `None` if nothing is known about the server.
    pub(crate) fn for_request(
        request: &HttpRequest,
        context: Option<&ServerContext>,
        control: &StreamControl,
        may_finish: bool,
    ) -> Option<Self> {
        if let Some(context) = context {
            return Some(Self::new(context.clone(), control, may_finish));
        }
        // On actix's server, the connection hook may have stored this.
        let connection = request.conn_data::<ConnectionLoss>()?;
        let loss_notifier = connection.loss_notifier(request.version())?;
        Some(Self {
            loss_registration: Some(Box::new(loss_notifier.register(control))),
            activity: None,
        })
    }

    pub(crate) fn new(context: ServerContext, control: &StreamControl, may_finish: bool) -> Self {
        if !may_finish {
            context.activity.stream_opened();
        }
        Self {
            loss_registration: context
                .loss_notifier
                .map(|notifier| Box::new(notifier.register(control))),
            activity: Some(context.activity).filter(|_| !may_finish),
        }
    }
}

impl Drop for OpenStreamGuard {
    fn drop(&mut self) {
        if let Some(activity) = &self.activity {
            activity.stream_closed();
        }
    }
}
