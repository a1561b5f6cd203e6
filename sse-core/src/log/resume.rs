use super::{Epoch, Position, Start};

/// The log's answer to a start. It is never an error: for an id that makes no sense, the answer is `Unknown`. See
/// [`KeptRange`]'s example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// A new reader starts with the events from now on, and with as many earlier events as it requested.
    Live,
    /// The reader continues with everything after its position; nothing is missing.
    Complete,
    /// The reader starts with the oldest kept entry. `missed` entries after its position were deleted; `None` if the
    /// number is unknown.
    Gap {
        /// The number of deleted entries.
        missed: Option<u64>,
    },
    /// The reader starts with the oldest kept entry. Its position is of another epoch of the log, is later than the
    /// newest entry, or is not valid.
    Unknown,
}

/// The range of sequences that a log still has of a topic. The answer to a start needs only this.
///
/// ```
/// use sse_actix_core::{Epoch, Position, Resume, KeptRange, Start, TopicName};
///
/// let topic = TopicName::from_static("prices");
/// let epoch = Epoch::new(&topic, 1);
/// let range = KeptRange { epoch, last_deleted: 4, head: 9, contiguous: true };
/// let after = |sequence| range.resume(Start::After(Position { epoch, sequence }));
///
/// assert_eq!(after(6), Resume::Complete);
/// assert_eq!(after(9), Resume::Complete);
/// assert_eq!(after(1), Resume::Gap { missed: Some(3) });
/// assert_eq!(after(10), Resume::Unknown);
///
/// assert_eq!(range.after(Start::Oldest), 4);
/// assert_eq!(range.after(Start::Head), 9);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptRange {
    /// The current epoch.
    pub epoch: Epoch,
    /// The newest sequence that retention has deleted; 0 if none. All later entries are kept.
    pub last_deleted: u64,
    /// The newest sequence; 0 if there was none.
    pub head: u64,
    /// True if sequences have no holes, so that missed events can be counted.
    pub contiguous: bool,
}

impl KeptRange {
    /// The answer to this start.
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
                    Resume::Complete
                }
            }
        }
    }

    /// The sequence after which a reader with this start reads. The log itself handles [`Start::Last`].
    pub fn after(&self, start: Start) -> u64 {
        match (start, self.resume(start)) {
            (Start::Head, _) => self.head,
            (Start::After(position), Resume::Complete) => position.sequence,
            _ => self.last_deleted,
        }
    }
}
