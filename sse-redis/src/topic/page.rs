//! Takes pages of a stream in.

use sse_actix_core::Keep;

use super::{Chain, Live, State, Topic, Wants, live::Step, note_fault, work::Needs};
use crate::entry::{EntryId, Stored};

/// A job that reads a part of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageJob {
    /// Read on after this entry.
    Forward { after: EntryId },
    /// Read back, beginning with this entry.
    Back { from: EntryId },
}

impl State {
    /// How many more events, and how many more bytes of events, retention lets the ring take.
    fn quota(&self, live: &Live) -> (usize, usize) {
        (
            self.retention.events().saturating_sub(live.ring.len()),
            self.retention.bytes().saturating_sub(live.ring.bytes()),
        )
    }
}

impl Topic {
    /// The next page to read, and about how many entries fit into `bytes` bytes.
    pub(crate) fn take_page_job(&self, bytes: usize) -> Option<(PageJob, usize)> {
        let mut state = self.state();
        let count = (bytes / state.wants.entry_bytes.max(1)).clamp(1, 1_000);
        let (events, _) = state.live.as_ref().map(|live| state.quota(live))?;
        let keyed = state.retention.keeps() == Keep::LatestPerKey;
        let State { live, wants, .. } = &mut *state;
        let live = live.as_ref()?;
        if live.target > live.head {
            return Some((PageJob::Forward { after: live.passed }, count));
        }
        if !wants.history {
            return None;
        }
        if live.complete {
            wants.history = false;
            return None;
        }
        if keyed {
            // The newest event of each key is all the history there is, and a newest request returns these events.
            wants.history = false;
            wants.newest_requests.request();
            return None;
        }
        let oldest_epoch = live
            .earlier
            .last()
            .map_or(live.epoch_number, |earlier| earlier.epoch_number);
        let last_deleted = live.ring.kept_range().last_deleted;
        let chain = wants
            .chain
            .get_or_insert_with(|| Chain::new(last_deleted, oldest_epoch));
        let from = chain.next();
        Some((PageJob::Back { from }, count.min(events.max(1))))
    }

    /// A page has come. `is_last` says that Redis has no more entries in this direction.
    pub(crate) fn take_page(&self, job: PageJob, page: Vec<Stored>, is_last: bool) -> Needs {
        let mut state = self.state();
        state.wants.measure(&page);
        state.fault = None;
        for stored in &page {
            note_fault(&mut state.fault, stored);
        }
        match job {
            PageJob::Forward { after } => self.read_on(&mut state, after, page, is_last),
            PageJob::Back { .. } => self.read_back(&mut state, page, is_last),
        }
        let needs = state.needs();
        drop(state);
        self.announce();
        needs
    }

    fn read_on(&self, state: &mut State, after: EntryId, page: Vec<Stored>, is_last: bool) {
        let retention = state.retention.clone();
        let State {
            live,
            wants,
            following,
            ..
        } = state;
        // The topic may have started again meanwhile, at another entry.
        let Some(known) = live.as_mut().filter(|live| live.passed >= after) else {
            return;
        };
        if known.is_in_doubt() && !known.is_proven_by(&page) {
            // Nothing that is known says where the other epoch began.
            *live = None;
            wants.chain = None;
            return wants.newest_requests.request();
        }
        let Some(live) = live else { return };
        for stored in page {
            if stored.id <= live.passed {
                continue;
            }
            match live.take(&self.name, &retention, stored, true) {
                Step::Taken | Step::Passed => {}
                step => {
                    live.target = live.head;
                    following.early.clear();
                    if step == Step::NeedsNewest {
                        live.complete = false;
                    }
                    return wants.note(step, live);
                }
            }
        }
        let step = live.take_early(&self.name, &retention, &mut following.early);
        following.recount();
        wants.note(step, live);
        if live.passed >= live.target {
            live.target = live.head;
        } else if is_last && step != Step::Hole {
            // Redis has lost its entries.
            live.target = live.head;
            wants.newest_requests.request();
        } else if is_last {
            // Entries that came early do not follow, and are not in the stream either.
            following.early.clear();
            live.target = live.head;
            wants.newest_requests.request();
        }
    }

    fn read_back(&self, state: &mut State, page: Vec<Stored>, is_last: bool) {
        let retention = state.retention.clone();
        let Some((events, bytes)) = state.live.as_ref().map(|live| state.quota(live)) else {
            return;
        };
        let State { live, wants, .. } = state;
        let (Some(live), Some(mut chain)) = (live.as_mut(), wants.chain.take()) else {
            return;
        };
        for stored in page {
            if !chain.is_over() {
                chain.push(stored, &self.name, events, bytes);
            }
        }
        if is_last {
            chain.end();
        }
        if !chain.is_over() {
            wants.chain = Some(chain);
            return;
        }
        wants.history = false;
        let begins_at = live.ring.kept_range().last_deleted;
        let joins = chain.joins(begins_at) && !live.complete;
        // Otherwise, retention has meanwhile deleted the event from which the chain continues.
        live.complete |= joins || chain.is_before(begins_at);
        if joins {
            let found = chain.finish();
            live.ring.prepend(found.entries, found.last_deleted);
            live.has_stream_start |= found.has_stream_start;
            live.earlier.extend(found.earlier);
            live.ring.trim(&retention, std::time::SystemTime::now());
        }
    }
}

impl Wants {
    /// Learns how large entries are.
    fn measure(&mut self, page: &[Stored]) {
        if page.is_empty() {
            return;
        }
        let bytes: usize = page.iter().map(|stored| stored.bytes + 32).sum();
        self.entry_bytes = (bytes / page.len()).max(32);
    }
}
