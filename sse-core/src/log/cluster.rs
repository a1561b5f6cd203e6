use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use super::{Completion, LogError};
use crate::TopicName;

/// Messages between the hubs of several nodes that share a log. They are not events: they concern revocations and
/// presence.
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
///     fn set_presence(&self, _: &TopicName, _: &str, _: usize) {}
///     fn presence_elsewhere(&self, _: &TopicName) -> BTreeMap<Arc<str>, usize> {
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
    /// Ends streams with this tag permanently on the other nodes. If the message cannot be sent now, it is sent as soon
    /// as possible, even if the caller does not await the completion.
    ///
    /// Once this has completed, no node delivers later events to such a stream: a node receives the revocation before
    /// these events, or it receives neither.
    fn revoke(&self, tag: &str) -> Completion<Result<(), LogError>>;

    /// Sends the other nodes the number of streams of a topic that carry this tag here. Called whenever the number
    /// changes.
    fn set_presence(&self, topic: &TopicName, tag: &str, streams: usize);

    /// The tags of a topic's streams on the other nodes, with the number of streams for each.
    fn presence_elsewhere(&self, topic: &TopicName) -> BTreeMap<Arc<str>, usize>;

    /// Registers a function that is called with each message of another node, on a thread of the log.
    fn listen(&self, on_message: Box<dyn Fn(ClusterMessage) + Send + Sync>);
}

/// A message of another node.
///
/// See [`ClusterChannel`]'s example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterMessage {
    /// Streams with this tag end permanently, unless they belong to a later log-in.
    Revoked {
        /// The tag.
        tag: String,
        /// The revocation is not older than this. Streams that were admitted longer ago end permanently. Other streams
        /// may have been admitted before or after it, so their clients must authenticate again.
        within: Duration,
    },
    /// There was a revocation, but its tag has been lost.
    RevokedUnknown,
    /// The presence of this topic has changed on another node.
    Presence(TopicName),
}
