//! The handlers that are compared: each sends the cycle of events of [`text`] and [`quote`] for ever, as
//! text, as JSON, or as JSON with a name and an id.

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

/// What an event is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A hundred bytes of text.
    Text,
    /// A struct as JSON.
    Json,
    /// A struct as JSON, with a name and an id.
    Event,
}

/// What the handler does between two events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Nothing: the body may give as much as it will in one chunk.
    Pouring,
    /// It yields: each poll gives one event.
    Yielding,
    /// It waits, and the reader finds nothing before it comes back for the next event.
    Waiting,
}

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// `#[sse_stream]`.
    Macro,
    /// `async_stream` into [`Sse`].
    Ours,
    /// `async_stream` into actix-web-lab's `Sse`.
    Lab,
}

/// Each with its name in a table.
pub const KINDS: [(Kind, &str); 3] = [
    (Kind::Text, "text"),
    (Kind::Json, "`Json(&value)`"),
    (Kind::Event, "`Event::json(&value)?.event(..).id(..)`"),
];

/// Each with its name in a table.
pub const PACES: [(Pace, &str); 3] = [
    (Pace::Pouring, "batched"),
    (Pace::Yielding, "one at a time"),
    (Pace::Waiting, "each after a wait"),
];

/// Each with its name in a table, the peer last.
pub const SENDERS: [(Sender, &str); 3] = [
    (Sender::Macro, "`emit!`"),
    (Sender::Ours, "`async_stream` into `Sse`"),
    (Sender::Lab, "`async_stream` into actix-web-lab's `Sse`"),
];

impl Sender {
    /// The stream of one handler, ready to be read.
    ///
    /// # Errors
    ///
    /// The handler's.
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

    /// What a client must see.
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
    /// Lets the reader in between two events, as this pace says.
    pub async fn keep(self) {
        match self {
            Self::Pouring => {}
            Self::Yielding => Pause(false).await,
            Self::Waiting => News.await,
        }
    }
}

/// Pending once, for whoever polls again without being told to.
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

/// Pending until the reader, who found nothing, has let something [`arrive`].
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

/// Lets a handler that waits send its next event.
pub fn arrive() {
    NEWS.set(true);
}
