//! The errors of subscriptions.

use std::{error::Error as StdError, fmt};

use actix_web::ResponseError;
use sse_actix_core::{EventId, Positions, TopicName};

/// These subscriptions cannot share one stream. See [`Subscription::and`](crate::Subscription::and)'s example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CombineError(pub(super) CombineErrorKind);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CombineErrorKind {
    Many(usize),
    Twice(String),
    TwoHubs,
}

impl fmt::Display for CombineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            CombineErrorKind::Many(topics) => write!(
                f,
                "{topics} topics on one stream, but one stream can resume at most {} topics; publish related events on one topic, and filter",
                Positions::MAX
            ),
            CombineErrorKind::Twice(topic) => write!(
                f,
                "topic `{topic}` is on this stream already; subscribe to it once"
            ),
            CombineErrorKind::TwoHubs => f.write_str(
                "the two subscriptions belong to two hubs, but a stream can read only one hub; make one hub for the program, and clone it",
            ),
        }
    }
}

impl StdError for CombineError {}

impl ResponseError for CombineError {}

/// The id belongs to no event of these topics: it is from another topic, or not from a topic at all. See
/// [`Subscription::after`](crate::Subscription::after)'s example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignId {
    id: String,
    topics: String,
}

impl ForeignId {
    pub(in crate::hub) fn new<'a>(id: &EventId, topics: impl IntoIterator<Item = &'a TopicName>) -> Self {
        let names: Vec<_> = topics.into_iter().map(|topic| format!("`{topic}`")).collect();
        Self {
            id: id.as_str().to_owned(),
            topics: names.join(", "),
        }
    }
}

impl fmt::Display for ForeignId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not an id of {}: pass an id that `publish` has returned for it",
            self.id, self.topics
        )
    }
}

impl StdError for ForeignId {}

impl ResponseError for ForeignId {}

/// A subscription was polled where the hub cannot spawn its worker's task.
#[derive(Debug)]
pub(super) struct NoRuntime;

impl fmt::Display for NoRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a subscription was polled on a thread that cannot spawn tasks: return it from a handler, poll it in a task of a `LocalSet`, or use `Hub::follow`, which needs neither")
    }
}

impl StdError for NoRuntime {}

impl ResponseError for NoRuntime {}
