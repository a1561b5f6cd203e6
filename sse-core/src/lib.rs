//! Server-sent events without I/O.
//!
//! A handler makes an [`Event`]; its name and id are validated when they are made. The event is encoded once into a
//! [`Frame`], and later code handles only bytes. At the other end the [`Decoder`] turns the bytes back into the event.
//!
//! This crate is the protocol: it reads no clock, spawns no task and opens no socket.
//! [`sse-actix`](https://docs.rs/sse-actix) sends the bytes.
//!
//! | to | use |
//! |---|---|
//! | make events | [`Event`], [`Comment`], [`Json`], [`EventName`], [`EventId`], [`Retry`] |
//! | name a stream's events in an enum | [`SseEvents`], [`DecodeEventError`], [`UnknownEvent`] |
//! | encode them | [`Frame`], [`Emit`] |
//! | decode a stream | [`Decoder`], [`Decoded`], [`Message`], [`DecodeError`] |
//! | send it on | [`Relayed`], [`RelayedEvents`] |
//! | keep a silent stream alive | [`KeepAlive`], [`SilenceClock`] |
//! | store the events of topics | [`Log`], [`MemoryLog`], [`Retention`], [`Ring`] |
//! | append an event once, however often it is published | [`IdempotencyKey`], [`OnceWindow`], [`Appended`] |
//! | test your own log | feature `test`: `log_suite!` |
//! | read a topic | [`Position`], [`Resume`], [`Window`], [`WakeQueue`] |
//! | end a stream permanently | [`end_frame`], [`END_ID`] |

mod decode;
mod encode;
mod end;
mod event;
mod events;
mod field;
mod frame;
mod keep_alive;
mod line;
mod log;
#[cfg(feature = "test")]
pub mod log_suite;
mod relayed;
#[cfg(feature = "actix-web")]
mod response_error;
mod scratch;
mod topic;
mod wake_queue;
mod window;

pub use self::{
    decode::{ByteString, DecodeError, Decoded, Decoder, Message},
    encode::{Emit, EmitError, Json, JsonError},
    end::end_frame,
    event::{Comment, Event},
    events::{CatchAll, DecodeEventError, IdField, SseEvents, TopicValue, UnknownEvent},
    field::{
        END_EVENT, END_ID, EventId, EventName, FieldError, FieldErrorKind, IntoEventId, IntoEventName, Retry,
        RetryError,
    },
    frame::Frame,
    keep_alive::{KeepAlive, SilenceClock},
    log::{
        AppendError, Appended, Batch, ClusterChannel, ClusterMessage, Completion, DeleteError, Entry, Epoch,
        GAP_EVENT, IdempotencyKey, IdempotencyKeyError, Keep, KeptRange, Limit, Log, LogError, LogFile,
        LogHealth, LogStats, MemoryLog, MemoryLogBuilder, NotARecord, OnceStats, OnceWindow, OwnId,
        POSITION_EVENT, Position, Positions, PositionsId, PositionsLine, Record, RecordError, Resume,
        Retention, Ring, Start, Watch, Watchers, gap_frame, position_frame,
    },
    relayed::{Relayed, RelayedEvents},
    topic::{IntoTopicName, TopicName, TopicNameError},
    wake_queue::{TopicWaker, WakeQueue},
    window::{Window, WindowRead},
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
