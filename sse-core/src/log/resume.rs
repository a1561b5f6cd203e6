use super::{Epoch, Position, Start};

/// How a reader can start, decided by the log. Never an error: an id that makes no sense is a decision too.
/// See [`KeptRange`]'s example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// With what comes from now on, or with as much before it as was asked for.
    Live,
    /// With everything after the position it was at.
    From,
    /// With the oldest entry kept: so many after its position are gone, or, with `None`, an unknown number.
    Gap {
        /// How many.
        missed: Option<u64>,
    },
    /// With the oldest entry kept: its position is of another life of the log, of its future, or of nothing.
    Unknown,
}

/// What a log still has of a topic: all that a resume decision needs.
///
/// ```
/// use sse_actix_core::{Epoch, Position, Resume, KeptRange, Start, TopicName};
///
/// let topic = TopicName::from_static("prices");
/// let epoch = Epoch::new(&topic, 1);
/// let range = KeptRange { epoch, last_deleted: 4, head: 9, contiguous: true };
/// let after = |sequence| range.resume(Start::After(Position { epoch, sequence }));
///
/// assert_eq!(after(6), Resume::From);
/// assert_eq!(after(9), Resume::From);
/// assert_eq!(after(1), Resume::Gap { missed: Some(3) });
/// assert_eq!(after(10), Resume::Unknown);
///
/// assert_eq!(range.after(Start::Oldest), 4);
/// assert_eq!(range.after(Start::Head), 9);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptRange {
    /// Which life of the log.
    pub epoch: Epoch,
    /// The newest sequence that retention has deleted; 0 if none. Everything after it is there.
    pub last_deleted: u64,
    /// The newest sequence; 0 if there was none.
    pub head: u64,
    /// Whether sequences are without holes, so that what was missed can be counted.
    pub contiguous: bool,
}

impl KeptRange {
    /// How a reader with this start can start.
    pub fn resume(&self, start: Start) -> Resume {
        match start {
            Start::Head | Start::Last(_) | Start::Oldest => Resume::Live,
            Start::Unknown => Resume::Unknown,
            Start::After(Position { epoch, sequence }) => {
                if epoch != self.epoch || sequence > self.head {
                    Resume::Unknown
                } else if sequence < self.last_deleted {
                    Resume::Gap {
                        missed: self.contiguous.then_some(self.last_deleted - sequence),
                    }
                } else {
                    Resume::From
                }
            }
        }
    }

    /// The sequence after which a reader with this start reads. For [`Start::Last`] see the log.
    pub fn after(&self, start: Start) -> u64 {
        match (start, self.resume(start)) {
            (Start::Head, _) => self.head,
            (Start::After(position), Resume::From) => position.sequence,
            _ => self.last_deleted,
        }
    }
}
