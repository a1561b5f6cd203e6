//! What a request is served by.

use std::{cell::Cell, sync::Arc};

use actix_web::{HttpMessage as _, HttpRequest, http::Method};

use super::{
    activity::Activity,
    http2_watch::{ConnectionLoss, LossNotifier, LossRegistration},
};
use crate::lifecycle::{control::StreamControl, shutdown::Shutdown};

/// What a stream has to know of the server that its request came to, and on HTTP/2 of its connection.
///
/// In the extensions of every request, and not in its connection's: ten thousand idle ones would each pay
/// for that.
#[derive(Clone)]
pub(crate) struct ServerContext {
    pub(crate) shutdown: Shutdown,
    pub(super) activity: Arc<Activity>,
    pub(super) loss_notifier: Option<LossNotifier>,
    /// Whether it hands connections over to hubs.
    pub(crate) hands_over: bool,
    /// The request's method; of the server itself, GET.
    pub(crate) method: Method,
    /// Whether the server was shutting down when the request came.
    pub(crate) arrived_while_draining: bool,
}

thread_local! {
    /// That of the request whose handler is being polled.
    static CURRENT: Cell<Option<ServerContext>> = const { Cell::new(None) };
}

impl ServerContext {
    /// `None` where the request came over no server of ours.
    pub(crate) fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get().cloned()
    }

    /// For code that has no request at hand, but is polled on behalf of one: a generator before its opening.
    pub(crate) fn current() -> Option<Self> {
        let current = CURRENT.take();
        CURRENT.set(current.clone());
        current
    }

    /// Polls on behalf of a request of `context`, which is given back.
    pub(super) fn with_current<T>(context: &mut Option<Self>, poll: impl FnOnce() -> T) -> T {
        let outer = CURRENT.replace(context.take());
        let polled = poll();
        *context = CURRENT.replace(outer);
        polled
    }

    /// Waits until a stream that has not opened is no longer needed: its client has gone, or the server shuts down and
    /// the client can resume.
    pub(crate) async fn until_abandoned(&self, ends_at_shutdown: bool) {
        let control = StreamControl::new();
        let _registration = self
            .loss_notifier
            .as_ref()
            .map(|notifier| notifier.register(&control));
        tokio::select! {
            () = self.shutdown.fired(), if ends_at_shutdown => {}
            () = control.until_ended() => {}
        }
    }
}

/// Counts a stream as open on its server until this is dropped. On HTTP/2 the stream is also told when the connection is
/// lost.
pub(crate) struct OpenStreamGuard {
    #[expect(dead_code, reason = "held for its drop")]
    loss_registration: Option<Box<LossRegistration>>,
    /// Where it counts as a stream. One that may finish counts as a request alone, and a shutdown waits for it.
    activity: Option<Arc<Activity>>,
}

impl OpenStreamGuard {
    /// `None` where nothing of the server is known.
    pub(crate) fn for_request(
        request: &HttpRequest,
        context: Option<&ServerContext>,
        control: &StreamControl,
        may_finish: bool,
    ) -> Option<Self> {
        if let Some(context) = context {
            return Some(Self::new(context.clone(), control, may_finish));
        }
        // On actix's server its hook may have left this.
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
