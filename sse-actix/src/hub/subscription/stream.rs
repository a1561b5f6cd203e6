//! A subscription as a stream.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::Error;
use futures_core::Stream;
use sse_actix_core::{Entry, Frame, PositionsLine};

use super::{Subscription, begin::Refused, error::NoRuntime};
use crate::{
    hub::reader::{FrameTarget, IdLine},
    lifecycle::control::EndCause,
};

/// Ends when the hub ends it. Then the stream to which [`on`](Subscription::on) has bound it ends as well. An `Err` is
/// the failure of a snapshot, or says that there is no actix runtime or that the topic has another type.
impl<E> Stream for Subscription<E> {
    type Item = Result<Frame, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Error>>> {
        if self.polled_state.over {
            return Poll::Ready(None);
        }
        let this = &mut *self;
        let reading = match &mut this.polled_state.reader {
            Some(reading) => reading,
            None => match this.begin() {
                Ok(reading) => this.polled_state.reader.insert(reading),
                Err(refused) => {
                    this.polled_state.over = true;
                    return Poll::Ready(match refused {
                        Refused::NoRuntime => Some(Err(NoRuntime.into())),
                        Refused::WrongType(error) => Some(Err(error.into())),
                        Refused::LimitExceeded(limit) => {
                            tracing::debug!(target: "sse_actix", "turned away: {limit}");
                            if let Some(control) = &this.request.control {
                                control.end_with_retry(this.hub.0.limits.retry(), EndCause::TurnedAway);
                            }
                            None
                        }
                    });
                }
            },
        };
        let mut one = SingleFrame(None);
        let polled = reading.poll(&mut one, cx);
        // Check after the read: if there is no revocation now, nothing that was read was published after one.
        if let Some(control) = &this.request.control
            && control.has_lost_access()
        {
            this.polled_state.over = true;
            return Poll::Ready(None);
        }
        let is_over = reading.subscriber().is_over();
        match (one.0, polled) {
            (Some(frame), _) => Poll::Ready(Some(Ok(frame))),
            (None, Poll::Ready(Err(error))) => {
                this.polled_state.over = true;
                Poll::Ready(Some(Err(*error)))
            }
            (None, _) if is_over => {
                this.polled_state.over = true;
                Poll::Ready(None)
            }
            (None, Poll::Pending) => {
                let after = this.options.keep_alive.after();
                let due = after.and_then(|after| reading.due_position(after));
                due.map_or(Poll::Pending, |frame| Poll::Ready(Some(Ok(frame))))
            }
            (None, Poll::Ready(Ok(()))) => Poll::Ready(None),
        }
    }
}

/// Room for one frame.
struct SingleFrame(Option<Frame>);

impl FrameTarget for SingleFrame {
    fn is_full(&self) -> bool {
        self.0.is_some()
    }

    fn entry(&mut self, entry: &Entry, id: IdLine<'_>) {
        self.0 = Some(match id {
            IdLine::Own => entry.to_frame(),
            IdLine::None => entry.to_frame_with(&PositionsLine::default()),
            IdLine::Positions(line) => entry.to_frame_with(line),
        });
    }

    fn frame(&mut self, frame: &Frame) {
        self.0 = Some(frame.clone());
    }
}
