//! Why there is no stream.

use std::{error::Error as StdError, fmt};

use actix_web::ResponseError;
use sse_actix_core::Positions;

/// One stream cannot have these topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooManyTopics(pub(super) TooManyTopicsKind);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TooManyTopicsKind {
    Many(usize),
    Twice(String),
}

impl fmt::Display for TooManyTopics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            TooManyTopicsKind::Many(topics) => write!(
                f,
                "{topics} topics on one stream, but the id that resumes them all has room for {}; publish what belongs together on one topic, and filter",
                Positions::MAX
            ),
            TooManyTopicsKind::Twice(topic) => write!(
                f,
                "topic `{topic}` is on this stream already; subscribe to it once"
            ),
        }
    }
}

impl StdError for TooManyTopics {}

impl ResponseError for TooManyTopics {}

/// A subscription was polled outside of an actix runtime.
#[derive(Debug)]
pub(super) struct NoRuntime;

impl fmt::Display for NoRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("subscriptions need an actix runtime on their thread: use `#[actix_web::main]`, or `actix_web::rt::System`")
    }
}

impl StdError for NoRuntime {}

impl ResponseError for NoRuntime {}
