use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use super::{Completion, LogError};
use crate::TopicName;

/// What the hubs of several nodes on one log tell each other besides events: revocations, and who is there.
///
/// ```
/// use std::{collections::BTreeMap, sync::{Arc, Mutex}, time::Duration};
/// use sse_actix_core::{ClusterChannel, ClusterMessage, Completion, LogError, TopicName};
///
/// /// The channel of two nodes, as the second one has it.
/// #[derive(Debug, Default)]
/// struct Pair(Mutex<Vec<String>>);
///
/// impl ClusterChannel for Pair {
///     fn revoke(&self, tag: &str) -> Completion<Result<(), LogError>> {
///         self.0.lock().unwrap().push(tag.to_owned());
///         Completion::ready(Ok(()))
///     }
///     fn present(&self, _: &TopicName, _: &str, _: usize) {}
///     fn elsewhere(&self, _: &TopicName) -> BTreeMap<Arc<str>, usize> {
///         BTreeMap::new()
///     }
///     fn listen(&self, on_message: Box<dyn Fn(ClusterMessage) + Send + Sync>) {
///         on_message(ClusterMessage::Revoked { tag: "user:7".into(), within: Duration::ZERO });
///     }
/// }
///
/// let pair = Pair::default();
/// assert!(matches!(pair.revoke("session:1").into_ready(), Ok(Ok(()))));
/// pair.listen(Box::new(|message| {
///     assert!(matches!(message, ClusterMessage::Revoked { tag, .. } if tag == "user:7"));
/// }));
/// assert_eq!(*pair.0.lock().unwrap(), ["session:1"]);
/// ```
pub trait ClusterChannel: fmt::Debug + Send + Sync {
    /// Tells the other nodes that streams with this tag end for good. What cannot be told yet is told as soon as
    /// it can be, whether or not the completion is awaited.
    ///
    /// Once it has completed, no node delivers to such a stream what is published later: a node hears of the revocation before
    /// that, or hears nothing.
    fn revoke(&self, tag: &str) -> Completion<Result<(), LogError>>;

    /// Tells the other nodes how many streams of a topic carry this tag here, whenever that changes.
    fn present(&self, topic: &TopicName, tag: &str, streams: usize);

    /// How many streams of a topic carry which tags on the other nodes.
    fn elsewhere(&self, topic: &TopicName) -> BTreeMap<Arc<str>, usize>;

    /// Registers a function that is called with each message of another node, on a thread of the log's.
    fn listen(&self, on_message: Box<dyn Fn(ClusterMessage) + Send + Sync>);
}

/// What another node has told.
///
/// See [`ClusterChannel`]'s example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterMessage {
    /// Streams with this tag end for good, unless they are of a later log-in.
    Revoked {
        /// The tag.
        tag: String,
        /// It was revoked no longer ago than this. Streams that were admitted longer ago end for good; of others
        /// it is unknown whether they came before or after, so their clients must authenticate again.
        within: Duration,
    },
    /// Something was revoked, but what is not known any more.
    RevokedUnknown,
    /// The presence of this topic has changed on another node.
    Presence(TopicName),
}
