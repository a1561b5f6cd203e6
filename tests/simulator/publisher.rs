//! Publishers, some of which repeat an event until it is acknowledged, and some of which are killed.

use std::{cell::RefCell, rc::Rc};

use sse_actix::{AppendError, Event, Hub, IdempotencyKey, Position, PublishError};

use crate::plan::{Kind, name};

/// What became of an event, as its publisher knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It has not been told.
    Waiting,
    /// It is at this position.
    Acknowledged(Position),
    Refused,
    Unknown,
}

/// An event that somebody publishes.
#[derive(Debug)]
pub(crate) struct Event_ {
    pub(crate) topic: usize,
    pub(crate) number: u64,
    pub(crate) outcome: Outcome,
    /// It is repeated with its key.
    pub(crate) is_repeated: bool,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Events(pub(crate) Rc<RefCell<Vec<Event_>>>);

/// Publishes an event.
pub(crate) async fn publish(
    hub: Hub,
    events: Events,
    (topic, kind): (usize, Kind),
    key: u8,
    is_repeated: bool,
) {
    let number = {
        let mut events = events.0.borrow_mut();
        let number = events.len() as u64;
        events.push(Event_ {
            topic,
            number,
            outcome: Outcome::Waiting,
            is_repeated,
        });
        number
    };
    let raw = hub.raw(name(topic));
    let key = key.to_string();
    let event = || {
        let name = if number.is_multiple_of(2) { "even" } else { "odd" };
        // Some are so large that chunks are full.
        let every = if topic == 0 { 2 } else { 8 };
        let width = if number % every == 1 { 4_000 } else { 1 };
        Event::data(format!("{number:0width$}")).event(sse_actix::EventName::try_from(name).unwrap())
    };
    let once = IdempotencyKey::try_from(format!("event {number}")).unwrap();
    loop {
        let published = match (kind, is_repeated) {
            (Kind::Latest, true) => raw
                .once(&once)
                .publish_keyed(&key, event())
                .await
                .map(|published| published.id),
            (Kind::Latest, false) => raw.publish_keyed(&key, event()).await,
            (_, true) => raw
                .once(&once)
                .publish(event())
                .await
                .map(|published| published.id),
            (_, false) => raw.publish(event()).await,
        };
        let outcome = match published {
            Ok(id) => Outcome::Acknowledged(Position::parse(id.as_str()).unwrap()),
            Err(PublishError::Append(AppendError::Refused(_))) => Outcome::Refused,
            Err(PublishError::Append(AppendError::OutcomeUnknown(_))) => Outcome::Unknown,
            Err(error) => panic!("{error}"),
        };
        if is_repeated && !matches!(outcome, Outcome::Acknowledged(_)) {
            continue;
        }
        events.0.borrow_mut()[number as usize].outcome = outcome;
        return;
    }
}
