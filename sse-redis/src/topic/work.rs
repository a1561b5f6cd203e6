//! The jobs of a topic for Redis, and the effects of the answers.

use sse_actix_core::{Epoch, Keep, Ring};

use super::{
    Live, State, Topic, entry_of,
    live::{WITHOUT_EVENTS, sequence_before_first_event},
    note_fault, now_millis,
};
use crate::entry::{Content, EntryId, Header, Latest, NONE, Stored};

/// How many ids of a `latest()` topic are remembered as proven.
const MAX_VERIFIED: usize = 4_096;

/// The epoch number of a stream whose newest entry cannot be read: no position belongs to it.
const UNREADABLE: u64 = (1 << 45) - 1;

/// Which kinds of jobs a topic has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Short ones: see [`HeadJob`].
    pub(crate) head: bool,
    /// Long ones: see [`PageJob`].
    pub(crate) page: bool,
}

/// A job whose answer is short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeadJob {
    /// Read the newest entry; of a `latest()` topic, also the newest event of each key.
    Newest { latest: bool },
    /// Begin another epoch, if this one is still the current one.
    Renew { epoch_number: u64 },
    /// Prove that these events of a `latest()` topic were stored: a reader's position is after one of them.
    Verify { sequences: Vec<u64> },
}

impl State {
    pub(super) fn needs(&self) -> Needs {
        let is_hole = self.live.as_ref().is_some_and(|live| live.target > live.head);
        let has_head_job = self.wants.newest_requests.asked > self.wants.newest_requests.begun
            || self.wants.renewal.is_some()
            || self.wants.verified.values().any(Option::is_none);
        Needs {
            head: has_head_job && (self.following.is_subscribed || self.live.is_some()),
            page: is_hole || self.wants.history && self.live.is_some(),
        }
    }
}

impl Topic {
    pub(crate) fn needs(&self) -> Needs {
        self.state().needs()
    }

    /// Requests the newest entry, because the stream may have changed without a notice.
    pub(crate) fn request_newest(&self) {
        let wants = &mut self.state().wants;
        wants.newest_requests.request();
    }

    /// Notes that Redis has this entry, whether or not this node has it.
    pub(crate) fn note_exists(&self, id: EntryId) -> Needs {
        let mut state = self.state();
        if let Some(live) = &mut state.live
            && id > live.passed
        {
            live.target = live.target.max(id);
        }
        state.needs()
    }

    /// The entry up to which everything has been read, if the topic is followed.
    pub(crate) fn passed(&self) -> Option<EntryId> {
        self.state().live.as_ref().map(|live| live.passed)
    }

    /// Whether it is followed, and is not known to have more in Redis.
    pub(crate) fn is_up_to_date(&self) -> bool {
        let state = self.state();
        state.live.as_ref().is_some_and(|live| live.target <= live.head)
    }

    /// Whether it is followed and has entries in Redis.
    pub(crate) fn has_events(&self) -> bool {
        self.state()
            .live
            .as_ref()
            .is_some_and(|live| live.epoch_number != WITHOUT_EVENTS)
    }

    /// Notes that it cannot be read. It is compared alone until it can be read again.
    pub(crate) fn mark_unreadable(&self) {
        self.state().unreadable = true;
    }

    pub(crate) fn mark_readable(&self) {
        let mut state = self.state();
        if std::mem::take(&mut state.unreadable) {
            state.fault = None;
        }
    }

    /// Whether it could not be read the last time.
    pub(crate) fn is_unreadable(&self) -> bool {
        self.state().unreadable
    }

    pub(crate) fn failures(&self) -> u64 {
        self.state().wants.failures
    }

    pub(crate) fn failure(&self) -> String {
        self.state().wants.failure.clone()
    }

    /// Notes that a job has failed. If the cause is the topic itself, this is a fault of the topic.
    pub(crate) fn fail(&self, why: String, is_fault: bool) {
        let mut state = self.state();
        let State { wants, fault, .. } = &mut *state;
        wants.history = false;
        wants.chain = None;
        wants.renewal = None;
        wants.verified.clear();
        wants.newest_requests.asked = wants.newest_requests.asked.min(wants.newest_requests.begun);
        wants.failures += 1;
        if is_fault {
            *fault = Some(why.clone());
        }
        wants.failure = why;
        drop(state);
        self.changed.notify_waiters();
    }

    pub(crate) fn take_head_job(&self) -> Option<HeadJob> {
        let mut state = self.state();
        let keyed = state.retention.keeps() == Keep::LatestPerKey;
        let State { wants, live, .. } = &mut *state;
        wants.newest_requests.from = live.as_ref().map_or(NONE, |live| live.head);
        if let Some(epoch_number) = wants.renewal.take() {
            return Some(HeadJob::Renew { epoch_number });
        }
        if wants.newest_requests.asked > wants.newest_requests.begun {
            wants.newest_requests.begun = wants.newest_requests.asked;
            return Some(HeadJob::Newest { latest: keyed });
        }
        let unproven = wants.verified.iter().filter(|(_, proof)| proof.is_none());
        let sequences: Vec<u64> = unproven.map(|(sequence, _)| *sequence).collect();
        (!sequences.is_empty()).then_some(HeadJob::Verify { sequences })
    }

    /// Handles the answer to a newest request: the newest entry, if there is one, and the newest event of each key.
    ///
    /// Notices may have arrived since the request began. So the answer is compared with `newest_requests.from`, which
    /// was `head` then.
    /// `head` is the newest entry that the node has taken in; `passed`, up to where it has read the stream; and `target`,
    /// the newest entry that Redis is known to have. If `target` is after `head`, the entries between them are read next.
    /// If an entry after `head` is of another epoch, the known `head` may be lost, and is read again (`Live::doubt`).
    ///
    /// | the answer | the node knows | then |
    /// |---|---|---|
    /// | no entry | entries that have come since the request began | the answer is too old |
    /// | no entry | a topic without events | it has had no event until now either |
    /// | no entry | nothing, or entries | the entries are lost; the topic is one without events |
    /// | an entry after `head` | entries, and needs no events of keys | `target` moves (`doubt`, if of another epoch) |
    /// | an entry before `from`, or of another epoch | the same | the entries after it are lost; it begins there |
    /// | an entry | nothing, or needs the events of keys | it begins there |
    pub(crate) fn take_newest(&self, newest: Option<&Stored>, latest: Option<Vec<Latest>>) -> Needs {
        let mut state = self.state();
        let keep = state.retention.keeps();
        let State {
            live, wants, fault, ..
        } = &mut *state;
        *fault = None;
        // The answer contains only the header of the newest entry.
        if let Some(newer) = newest.filter(|stored| matches!(stored.content, Content::Newer(_))) {
            note_fault(fault, newer);
        }
        wants.newest_requests.done = wants.newest_requests.begun;
        let newest = newest.and_then(|stored| Some((stored.id, head_of(stored, live.as_ref())?)));
        let is_stale = live
            .as_ref()
            .is_some_and(|live| live.head > wants.newest_requests.from);
        match (newest, &mut *live) {
            // The topic's first event has arrived since the request began.
            (None, Some(_)) if is_stale => {}
            (None, Some(live)) if live.epoch_number == WITHOUT_EVENTS => {
                let now = sequence_before_first_event(now_millis());
                live.ring.advance(now);
                live.without_events_since.get_or_insert(now);
            }
            (None, _) => {
                *live = Some(Live::without_events(&self.name, keep, now_millis()));
                wants.chain = None;
            }
            (Some((id, header)), Some(known)) if latest.is_none() || known.complete => {
                if id > known.head {
                    known.target = known.target.max(id);
                    if header.epoch_number != known.epoch_number
                        && !is_stale
                        && known.epoch_number != WITHOUT_EVENTS
                    {
                        known.doubt();
                    }
                } else if id < wants.newest_requests.from
                    || header.epoch_number != known.epoch_number && !is_stale
                {
                    // The events after it are lost.
                    if header.epoch_number == known.epoch_number {
                        wants.renewal = Some(header.epoch_number);
                    }
                    *live = Some(Live::at(&self.name, keep, id, &header));
                    wants.chain = None;
                }
            }
            (Some((id, header)), known) => {
                let target = known.as_ref().map_or(id, |known| known.head.max(known.target));
                let mut new = Live::at(&self.name, keep, id, &header);
                if id >= wants.newest_requests.from {
                    new.target = new.target.max(target);
                } else if known
                    .as_ref()
                    .is_some_and(|known| known.epoch_number == header.epoch_number)
                {
                    wants.renewal = Some(header.epoch_number);
                }
                *known = Some(new);
                wants.chain = None;
            }
        }
        if let (Some(live), Some(entries)) = (live.as_mut(), latest)
            && !live.complete
        {
            let mut ring = Ring::new(Epoch::new(&self.name, live.epoch_number), keep, 0, false);
            let head = live.ring.kept_range().head;
            for newest in entries {
                if newest.sequence <= head {
                    ring.push(entry_of(
                        &self.name,
                        newest.epoch_number,
                        newest.sequence,
                        newest.event,
                    ));
                }
            }
            ring.advance(head);
            live.ring = ring;
            live.complete = true;
            wants.history = false;
        }
        let retention = state.retention.clone();
        let State {
            live,
            following,
            wants,
            ..
        } = &mut *state;
        if let Some(live) = live {
            let step = live.take_early(&self.name, &retention, &mut following.early);
            following.recount();
            wants.note(step, live);
            if let Some(newest) = following.early.back() {
                live.target = live.target.max(newest.id);
            }
        }
        let needs = state.needs();
        drop(state);
        self.announce();
        needs
    }

    /// Handles the answer that says which of these events Redis has.
    pub(crate) fn take_proofs(&self, proofs: impl IntoIterator<Item = (u64, bool)>) {
        let mut state = self.state();
        if state.wants.verified.len() > MAX_VERIFIED {
            state.wants.verified.clear();
        }
        for (sequence, proof) in proofs {
            state.wants.verified.insert(sequence, Some(proof));
        }
        drop(state);
        self.changed.notify_waiters();
    }
}

/// The header of the newest entry. The meaning of a later version is unknown, so all its events count as missed.
fn head_of(newest: &Stored, known: Option<&Live>) -> Option<Header> {
    match newest.content {
        Content::Newer(_) => Some(Header {
            epoch_number: known.map_or(UNREADABLE, |known| known.epoch_number),
            previous: NONE,
            previous_last: 0,
            events: usize::MAX,
        }),
        _ => newest.header(),
    }
}
