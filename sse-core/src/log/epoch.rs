use std::{fmt, str};

use siphasher::sip::SipHasher24;

use crate::TopicName;

/// Digits of ids: they need no escaping anywhere, and no preflight in a CORS request.
const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
const BITS_PER_DIGIT: u32 = 5;
const DIGEST_LEN: usize = 7;
const NUMBER_BITS: u32 = 45;
pub(super) const LEN: usize = 16;

/// The identity of one period of a topic's log: from its creation until it is lost or deleted. A log that was lost and
/// created again has another epoch.
///
/// It has 16 characters. The first 7 are a digest of the topic's name, which distinguishes its positions from those of
/// another topic. The other 9 are the number of the epoch, which is also the key of the digest. So a client cannot choose
/// two names with the same digest before their topics exist. If two names have the same digest by chance, they differ
/// in their next epoch.
///
/// ```
/// use sse_actix_core::{Epoch, TopicName};
///
/// let topic = TopicName::from_static("prices");
/// let epoch = Epoch::new(&topic, 42);
/// assert_eq!(epoch.as_str(), "65le696a10000000");
/// assert_eq!(Epoch::parse(epoch.as_str()), Some(epoch));
/// assert!(epoch.is_of(&topic) && !epoch.is_of(&TopicName::from_static("news")));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch([u8; LEN]);

impl Epoch {
    /// The epoch of a topic's log with this number. It is a random number that no client chooses;
    /// its lowest 45 bits count.
    pub fn new(topic: &TopicName, epoch_number: u64) -> Self {
        let epoch_number = epoch_number & ((1 << NUMBER_BITS) - 1);
        let mut text = [b'0'; LEN];
        let (name, rest) = text.split_at_mut(DIGEST_LEN);
        fill(name, digest(topic, epoch_number));
        fill(rest, epoch_number);
        Self(text)
    }

    /// Parses the text of an epoch; `None` if the text is not an epoch.
    pub fn parse(text: &str) -> Option<Self> {
        let text: [u8; LEN] = text.as_bytes().try_into().ok()?;
        text.iter()
            .all(|byte| DIGITS.contains(byte))
            .then_some(Self(text))
    }

    /// The epoch as text: 16 digits and lower-case letters.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// True if this is an epoch of that topic's log, the current one or an earlier one.
    pub fn is_of(&self, topic: &TopicName) -> bool {
        let (_, epoch_number) = self.0.split_at(DIGEST_LEN);
        *self == Self::new(topic, number(epoch_number))
    }
}

/// Writes the lowest bits of `number`, five bits for each digit, the lowest first.
fn fill(text: &mut [u8], mut number: u64) {
    for digit in text {
        *digit = DIGITS.get((number & 31) as usize).copied().unwrap_or_default();
        number >>= BITS_PER_DIGIT;
    }
}

/// The number that [`fill`] has written.
fn number(text: &[u8]) -> u64 {
    text.iter().rev().fold(0, |number, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            _ => byte.wrapping_sub(b'a').wrapping_add(10),
        };
        number << BITS_PER_DIGIT | u64::from(digit)
    })
}

/// SipHash-2-4, which gives the same result on every machine and in every version.
fn digest(topic: &TopicName, epoch_number: u64) -> u64 {
    SipHasher24::new_with_keys(epoch_number, 0).hash(topic.as_str().as_bytes())
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: TopicName = TopicName::from_static("prices");

    /// The paper's example: <https://www.aumasson.jp/siphash/siphash.pdf>, appendix A.
    #[test]
    fn the_digest_is_siphash_2_4() {
        let message: Vec<u8> = (0..15).collect();
        let hasher = SipHasher24::new_with_keys(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
        assert_eq!(hasher.hash(&message), 0xa129_ca61_49be_45e5);
    }

    #[test]
    fn an_epoch_is_the_same_on_every_machine() {
        assert_ne!(Epoch::new(&TOPIC, 0), Epoch::new(&TOPIC, 1));
        // Changing it would make every id that clients hold unknown.
        let epoch = Epoch::new(&TOPIC, 0x1fff_ffff_ffff);
        assert_eq!(epoch.as_str(), "fgqvo7dvvvvvvvvv");
        assert_eq!(Epoch::new(&TOPIC, u64::MAX), epoch, "45 bits count");
    }

    #[test]
    fn an_epoch_is_of_its_topic_in_every_life() {
        for epoch_number in [0, 1, 31, 32, 0x0123_4567_89ab, 0x1fff_ffff_ffff] {
            let epoch = Epoch::new(&TOPIC, epoch_number);
            assert!(epoch.is_of(&TOPIC), "{epoch}");
            assert!(!epoch.is_of(&TopicName::from_static("news")), "{epoch}");
            let (_, text) = epoch.0.split_at(DIGEST_LEN);
            assert_eq!(number(text), epoch_number);
        }
    }

    /// These had the same digest in every epoch while the digest had no key.
    #[test]
    fn no_two_names_have_the_same_digest_in_every_life() {
        let names = ["room:1336536", "room:2398200"].map(TopicName::from_static);
        let [one, other] = &names;
        for epoch_number in 0..1_000 {
            assert!(!Epoch::new(one, epoch_number).is_of(other), "{epoch_number}");
            assert!(!Epoch::new(other, epoch_number).is_of(one), "{epoch_number}");
        }
    }
}
