//! Names of keys and channels.

use std::sync::LazyLock;

use sse_actix_core::TopicName;

/// The number of groups of topics. The keys of one group are in the same slot of a Redis Cluster.
const GROUPS: u16 = 256;

/// Slots of a Redis Cluster.
const SLOTS: u16 = 16_384;

/// For each group, the smallest number whose slot is in the group's part of all slots. So groups spread evenly over
/// the primaries of a cluster.
static TAGS: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let mut tags = vec![None; usize::from(GROUPS)];
    let mut missing = tags.len();
    let mut number = 0;
    while missing > 0 {
        let slot = crc16(number.to_string().as_bytes()) % SLOTS;
        if let Some(tag @ None) = tags.get_mut(usize::from(slot / (SLOTS / GROUPS))) {
            *tag = Some(number);
            missing -= 1;
        }
        number += 1;
    }
    tags.into_iter().flatten().collect()
});

/// The keys of an application: all begin with its prefix.
#[derive(Debug)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    /// A topic's stream, and the channel on which its new entries are announced:
    /// `<prefix>:topic:{<tag>}:<name>`. The name may hold any character, so it comes last.
    pub(crate) fn stream(&self, topic: &TopicName) -> String {
        self.of_topic("topic", topic)
    }

    /// The hash that holds the newest event of each key.
    pub(crate) fn latest(&self, topic: &TopicName) -> String {
        self.of_topic("latest", topic)
    }

    /// The sorted set that holds when each key was published.
    pub(crate) fn ages(&self, topic: &TopicName) -> String {
        self.of_topic("ages", topic)
    }

    /// The hash that holds where each idempotency key was appended.
    pub(crate) fn once(&self, topic: &TopicName) -> String {
        self.of_topic("once", topic)
    }

    /// The list that holds the idempotency keys in the order in which they were appended.
    pub(crate) fn once_order(&self, topic: &TopicName) -> String {
        self.of_topic("once-order", topic)
    }

    fn of_topic(&self, kind: &str, topic: &TopicName) -> String {
        format!("{}:{kind}:{{{}}}:{topic}", self.prefix, tag(topic))
    }

    /// The name of the topic whose stream this is.
    pub(crate) fn topic_of<'a>(&self, stream: &'a str) -> Option<&'a str> {
        let rest = stream
            .strip_prefix(self.prefix.as_str())?
            .strip_prefix(":topic:{")?;
        let (_, name) = rest.split_once("}:")?;
        Some(name)
    }

    /// The stream of revocations, and the channel of their notices.
    pub(crate) fn revoked(&self) -> String {
        format!("{}:revoked", self.prefix)
    }

    /// The channel on which nodes publish their presence.
    pub(crate) fn presence(&self) -> String {
        format!("{}:presence", self.prefix)
    }

    /// The channel of one node's heartbeat, and the key by which that node checks whether Redis accepts writes.
    pub(crate) fn heartbeat(&self, node: &str) -> String {
        format!("{}:node:{node}", self.prefix)
    }
}

/// The tag of a topic's keys, which decides on their slot.
fn tag(topic: &TopicName) -> u32 {
    let group = crc16(topic.as_str().as_bytes()) % GROUPS;
    TAGS.get(usize::from(group)).copied().unwrap_or_default()
}

/// CRC16/XMODEM, by which Redis Cluster finds the slot of a key:
/// <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                crc << 1 ^ 0x1021
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_redis_cluster() {
        // The specification's example.
        assert_eq!(crc16(b"123456789"), 0x31C3);
    }

    #[test]
    fn names_of_keys_are_as_documented() {
        let keys = Keys::new("shop");
        let topic = TopicName::from_static("room:{7}");
        let stream = keys.stream(&topic);
        assert_eq!(stream, format!("shop:topic:{{{}}}:room:{{7}}", tag(&topic)));
        assert_eq!(keys.topic_of(&stream), Some("room:{7}"));
        assert_eq!(keys.topic_of("shop:latest:{1}:x"), None);
        assert_eq!(keys.topic_of("sse:topic:{1}:x"), None);
    }

    #[test]
    fn groups_spread_evenly_over_slots() {
        assert_eq!(TAGS.len(), 256);
        for (group, tag) in TAGS.iter().enumerate() {
            let slot = crc16(tag.to_string().as_bytes()) % SLOTS;
            assert_eq!(usize::from(slot) / 64, group, "{tag}");
        }
    }
}
