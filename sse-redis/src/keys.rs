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
    is_cluster: bool,
}

impl Keys {
    pub(crate) fn new(prefix: &str, is_cluster: bool) -> Self {
        Self {
            prefix: prefix.to_owned(),
            is_cluster,
        }
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.is_cluster
    }

    /// The command that announces on the channel of a topic.
    pub(crate) fn publish(&self) -> &'static str {
        if self.is_cluster { "SPUBLISH" } else { "PUBLISH" }
    }

    /// How many groups may be at different primaries. Without a cluster, all topics are one group.
    pub(crate) fn groups(&self) -> u16 {
        if self.is_cluster { GROUPS } else { 1 }
    }

    /// The group that a topic belongs to.
    pub(crate) fn group(&self, topic: &TopicName) -> u16 {
        group_of(topic) % self.groups()
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
        format!("{}:{kind}:{{{}}}:{topic}", self.prefix, tag(group_of(topic)))
    }

    /// The name of the topic whose stream this is.
    pub(crate) fn topic_of<'a>(&self, stream: &'a str) -> Option<&'a str> {
        let rest = stream
            .strip_prefix(self.prefix.as_str())?
            .strip_prefix(":topic:{")?;
        let (_, name) = rest.split_once("}:")?;
        Some(name)
    }

    /// The stream of revocations, and the channel on which they are announced. In a cluster, each group has its own.
    pub(crate) fn revoked(&self, group: u16) -> String {
        if self.is_cluster {
            format!("{}:revoked:{{{}}}", self.prefix, tag(group))
        } else {
            format!("{}:revoked", self.prefix)
        }
    }

    /// The group whose revocations are announced on this channel.
    pub(crate) fn group_of_revoked(&self, channel: &str) -> Option<u16> {
        let rest = channel
            .strip_prefix(self.prefix.as_str())?
            .strip_prefix(":revoked")?;
        if rest.is_empty() {
            return Some(0);
        }
        let tag: u32 = rest.strip_prefix(":{")?.strip_suffix('}')?.parse().ok()?;
        let group = slot_of_tag(tag) / (SLOTS / GROUPS);
        (self.is_cluster && self::tag(group) == tag).then_some(group)
    }

    /// The channel on which nodes publish their presence.
    pub(crate) fn presence(&self) -> String {
        format!("{}:presence", self.prefix)
    }

    /// The key by which a node finds out whether the primary of this group takes writes.
    pub(crate) fn written(&self, node: &str, group: u16) -> String {
        if self.is_cluster {
            format!("{}:node:{{{}}}:{node}", self.prefix, tag(group))
        } else {
            self.heartbeat(node)
        }
    }

    /// The channel of one node's heartbeat.
    pub(crate) fn heartbeat(&self, node: &str) -> String {
        format!("{}:node:{node}", self.prefix)
    }
}

/// The slot of a cluster that holds a group.
pub(crate) fn slot(group: u16) -> u16 {
    slot_of_tag(tag(group))
}

fn group_of(topic: &TopicName) -> u16 {
    crc16(topic.as_str().as_bytes()) % GROUPS
}

/// The tag of a group's keys, which decides on their slot.
fn tag(group: u16) -> u32 {
    TAGS.get(usize::from(group)).copied().unwrap_or_default()
}

fn slot_of_tag(tag: u32) -> u16 {
    crc16(tag.to_string().as_bytes()) % SLOTS
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
        let keys = Keys::new("shop", false);
        let topic = TopicName::from_static("room:{7}");
        let stream = keys.stream(&topic);
        assert_eq!(
            stream,
            format!("shop:topic:{{{}}}:room:{{7}}", tag(group_of(&topic)))
        );
        assert_eq!(keys.topic_of(&stream), Some("room:{7}"));
        assert_eq!(keys.topic_of("shop:latest:{1}:x"), None);
        assert_eq!(keys.topic_of("sse:topic:{1}:x"), None);
    }

    #[test]
    fn groups_spread_evenly_over_slots() {
        assert_eq!(TAGS.len(), 256);
        for group in 0..GROUPS {
            assert_eq!(slot(group) / 64, group, "{}", tag(group));
        }
    }

    #[test]
    fn topics_spread_evenly_over_primaries() {
        // Each primary has a range of slots of the same length, as `redis-cli --cluster create` gives them.
        for primaries in [3, 6, 12] {
            let mut topics = vec![0_usize; primaries];
            for n in 0..30_000 {
                let topic = TopicName::try_from(format!("orders:{n}")).unwrap();
                let slot = usize::from(slot(group_of(&topic)));
                topics[slot * primaries / usize::from(SLOTS)] += 1;
            }
            let most = topics.iter().max().unwrap();
            assert!(most * primaries * 10 < 30_000 * 11, "{primaries}: {topics:?}");
        }
    }

    #[test]
    fn in_a_cluster_each_group_has_its_keys() {
        let keys = Keys::new("shop", true);
        for group in [0, 1, 255] {
            assert_eq!(keys.group_of_revoked(&keys.revoked(group)), Some(group));
            assert!(keys.written("n", group).contains(&format!("{{{}}}", tag(group))));
        }
        assert_eq!(keys.group_of_revoked("shop:revoked:{x}"), None);
        assert_eq!(Keys::new("shop", false).group_of_revoked("shop:revoked"), Some(0));
    }
}
