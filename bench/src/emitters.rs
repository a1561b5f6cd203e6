//! The handlers that are compared. Each sends the same cycle of events without end: as text, as JSON, or as JSON with a
//! name and an id.

use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{Error, Responder, body::BoxBody};
use actix_web_lab::sse::{self, Data};
use async_stream::try_stream;
use futures_core::Stream;
use sse_actix::{Event, Json, JsonError, Sse, sse_stream};

use crate::{Drain, Expected, id, quote, text};

/// The form of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 100 bytes of text.
    Text,
    /// A struct as JSON.
    Json,
    /// A struct as JSON, with a name and an id.
    Event,
}

/// What the handler does between two events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Nothing, so a chunk can hold many events.
    Pouring,
    /// It returns `Pending` once, so each poll produces one event.
    Yielding,
    /// It waits until the reader has found nothing to read, so each event follows a poll without an event.
    Waiting,
}

/// Which library sends the events, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// `#[sse_stream]`.
    Macro,
    /// `async_stream` into [`Sse`].
    Ours,
    /// `async_stream` into actix-web-lab's `Sse`.
    Lab,
}

/// All kinds, with their names for the printed table.
pub const KINDS: [(Kind, &str); 3] = [
    (Kind::Text, "text"),
    (Kind::Json, "`Json(&value)`"),
    (Kind::Event, "`Event::json(&value)?.event(..).id(..)`"),
];

/// All paces, with their names for the printed table.
pub const PACES: [(Pace, &str); 3] = [
    (Pace::Pouring, "batched"),
    (Pace::Yielding, "one at a time"),
    (Pace::Waiting, "each after a wait"),
];

/// All senders, with their names for the printed table. The last one is the library that we compare with.
pub const SENDERS: [(Sender, &str); 3] = [
    (Sender::Macro, "`emit!`"),
    (Sender::Ours, "`async_stream` into `Sse`"),
    (Sender::Lab, "`async_stream` into actix-web-lab's `Sse`"),
];

impl Sender {
    /// Calls the handler, and returns its stream.
    ///
    /// # Errors
    ///
    /// The error that the handler returns.
    pub async fn open(self, kind: Kind, pace: Pace, expected: &Expected) -> Result<Drain<'_>, Error> {
        let retry = "retry: 3000\n";
        Ok(match (self, kind) {
            (Self::Macro, Kind::Text) => Drain::new(emit_text(pace).await?, retry, expected),
            (Self::Macro, Kind::Json) => Drain::new(emit_json(pace).await?, retry, expected),
            (Self::Macro, Kind::Event) => Drain::new(emit_event(pace).await?, retry, expected),
            (Self::Ours, Kind::Text) => Drain::new(yield_text(pace), retry, expected),
            (Self::Ours, Kind::Json) => Drain::new(yield_json(pace), retry, expected),
            (Self::Ours, Kind::Event) => Drain::new(yield_event(pace), retry, expected),
            (Self::Lab, Kind::Text) => Drain::new(lab_text(pace), "", expected),
            (Self::Lab, Kind::Json) => Drain::new(lab_json(pace), "", expected),
            (Self::Lab, Kind::Event) => Drain::new(lab_event(pace), "", expected),
        })
    }

    /// The bytes that a client has to receive.
    pub fn expected(self, kind: Kind) -> Expected {
        let data = |n| serde_json::to_string(&quote(n)).unwrap_or_default();
        match (kind, self) {
            (Kind::Text, _) => Expected::texts(),
            (Kind::Json, _) => Expected::new(|n| format!("data: {}\n\n", data(n))),
            (Kind::Event, Self::Lab) => {
                Expected::new(|n| format!("id: {}\nevent: tick\ndata: {}\n\n", id(n), data(n)))
            }
            (Kind::Event, _) => {
                Expected::new(|n| format!("event: tick\nid: {}\ndata: {}\n\n", id(n), data(n)))
            }
        }
    }
}

#[sse_stream]
async fn emit_text(pace: Pace) -> Result<(), Error> {
    for n in 0.. {
        emit!(text(n));
        pace.keep().await;
    }
    Ok(())
}

#[sse_stream]
async fn emit_json(pace: Pace) -> Result<(), Error> {
    for n in 0.. {
        emit!(Json(quote(n)));
        pace.keep().await;
    }
    Ok(())
}

#[sse_stream]
async fn emit_event(pace: Pace) -> Result<(), Error> {
    for n in 0.. {
        emit!(Event::json(&quote(n))?.event("tick").id(id(n)));
        pace.keep().await;
    }
    Ok(())
}

fn yield_text(pace: Pace) -> impl Responder<Body = BoxBody> {
    ours(try_stream! {
        for n in 0.. {
            yield text(n);
            pace.keep().await;
        }
    })
}

fn yield_json(pace: Pace) -> impl Responder<Body = BoxBody> {
    ours(try_stream! {
        for n in 0.. {
            yield Json(quote(n));
            pace.keep().await;
        }
    })
}

fn yield_event(pace: Pace) -> impl Responder<Body = BoxBody> {
    ours(try_stream! {
        for n in 0.. {
            yield Event::json(&quote(n))?.event("tick").id(id(n));
            pace.keep().await;
        }
    })
}

fn ours<T: sse_actix::StreamItem + 'static>(
    stream: impl Stream<Item = Result<T, JsonError>> + 'static,
) -> impl Responder<Body = BoxBody> {
    Sse::new(stream)
}

fn lab_text(pace: Pace) -> impl Responder<Body = BoxBody> {
    lab(try_stream! {
        for n in 0.. {
            yield Data::new(text(n)).into();
            pace.keep().await;
        }
    })
}

fn lab_json(pace: Pace) -> impl Responder<Body = BoxBody> {
    lab(try_stream! {
        for n in 0.. {
            yield Data::new_json(quote(n))?.into();
            pace.keep().await;
        }
    })
}

fn lab_event(pace: Pace) -> impl Responder<Body = BoxBody> {
    lab(try_stream! {
        for n in 0.. {
            yield Data::new_json(quote(n))?.event("tick").id(id(n).to_string()).into();
            pace.keep().await;
        }
    })
}

fn lab(
    stream: impl Stream<Item = Result<sse::Event, serde_json::Error>> + 'static,
) -> impl Responder<Body = BoxBody> {
    sse::Sse::from_stream(stream)
}

impl Pace {
    /// Waits between two events as this pace requires.
    pub async fn keep(self) {
        match self {
            Self::Pouring => {}
            Self::Yielding => Pause(false).await,
            Self::Waiting => News.await,
        }
    }
}

/// Pending once. It wakes nobody, so the reader has to poll again without being woken.
struct Pause(bool);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

thread_local! {
    static NEWS: Cell<bool> = const { Cell::new(false) };
}

/// Pending until the reader calls [`arrive`], which it does when it has found nothing to read.
struct News;

impl Future for News {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if NEWS.take() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// Lets a handler of the pace `Waiting` send its next event.
pub fn arrive() {
    NEWS.set(true);
}
