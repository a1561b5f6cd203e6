//! The suite finds what is wrong: logs that break one promise each, and the tests that have to fail.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
    task::Waker,
    time::{Duration, SystemTime},
};

use sse_actix_core::{
    AppendError, Appended, Batch, Completion, DeleteError, Event, Limit, Log, LogError, LogStats, MemoryLog,
    OnceWindow, Position, Record, Resume, Retention, Start, TopicName, Watch,
    log_suite::{self, LogFactory},
};

use crate::at;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    WakesNobody,
    AppendsTwice,
    KeepsEverything,
    TakesNoLimit,
    SaysThereIsNoMore,
    HidesGaps,
    LeavesOutTheOldest,
    TrustsPositions,
    ForgetsKeys,
    ForgetsKeysOfGoneEvents,
    RemembersKeysForever,
    ReturnsTheHeadForARepetition,
    DeletesNothing,
    DeletesEventsOnly,
    CannotDelete,
    DeletesForNothing,
}

#[derive(Debug)]
struct Faulty {
    log: MemoryLog,
    fault: Fault,
}

impl Faulty {
    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn batch(&self, topic: &TopicName, start: Start, limit: Limit, now: SystemTime) -> Batch {
        self.log
            .read(topic, start, limit, now)
            .into_ready()
            .unwrap()
            .unwrap()
    }

    fn without_idempotency_key(record: &Record) -> Record {
        let copy = Record::from_body(record.body().clone()).unwrap();
        match record.key_str() {
            Some(key) => copy.key(key),
            None => copy,
        }
    }
}

impl Log for Faulty {
    fn append(
        &self,
        topic: &TopicName,
        record: Record,
        retention: &Retention,
        now: SystemTime,
    ) -> Completion<Result<Appended, AppendError>> {
        let mut retention = retention.clone();
        if self.has(Fault::KeepsEverything) {
            retention = Retention::new();
        }
        if self.has(Fault::RemembersKeysForever) {
            retention = retention.once_within(OnceWindow::new());
        }
        if self.has(Fault::AppendsTwice) {
            let copy = Self::without_idempotency_key(&record);
            drop(self.log.append(topic, copy, &retention, now));
        }
        let copy = Self::without_idempotency_key(&record);
        let record = if self.has(Fault::ForgetsKeys) {
            copy.clone()
        } else {
            record
        };
        let completion = self.log.append(topic, record, &retention, now);
        let Ok(Ok(mut appended)) = completion.into_ready() else {
            return self.log.append(topic, copy, &retention, now);
        };
        let stats = self.log.stats(topic).unwrap();
        let is_gone = stats
            .oldest
            .is_none_or(|oldest| oldest > appended.position.sequence);
        if appended.repeated && is_gone && self.has(Fault::ForgetsKeysOfGoneEvents) {
            return self.log.append(topic, copy, &retention, now);
        }
        if appended.repeated && self.has(Fault::ReturnsTheHeadForARepetition) {
            appended.position.sequence = stats.head;
        }
        Completion::ready(Ok(appended))
    }

    fn read(
        &self,
        topic: &TopicName,
        mut start: Start,
        mut limit: Limit,
        now: SystemTime,
    ) -> Completion<Result<Batch, LogError>> {
        if self.has(Fault::TakesNoLimit) {
            limit = crate::ALL;
        }
        if let Start::After(position) = &mut start
            && self.has(Fault::TrustsPositions)
        {
            position.epoch = self.batch(topic, Start::Head, limit, now).end.epoch;
        }
        let mut batch = self.batch(topic, start, limit, now);
        if self.has(Fault::SaysThereIsNoMore) {
            batch.more = false;
        }
        if self.has(Fault::HidesGaps) && matches!(batch.resume, Resume::Gap { .. }) {
            batch.resume = Resume::Complete;
        }
        if self.has(Fault::LeavesOutTheOldest) && batch.entries.len() > 2 {
            batch.entries.remove(0);
        }
        Completion::ready(Ok(batch))
    }

    fn delete(&self, topic: &TopicName, now: SystemTime) -> Completion<Result<(), DeleteError>> {
        if self.has(Fault::CannotDelete) {
            return Completion::ready(Err(DeleteError::Unsupported));
        }
        if self.has(Fault::DeletesEventsOnly) {
            // What is left goes on in the same epoch.
            let nothing = Retention::new().max_events(0);
            let last = Record::event(&Event::data("the last"), None).unwrap();
            return match self.log.append(topic, last, &nothing, now).into_ready().unwrap() {
                Ok(_) => Completion::ready(Ok(())),
                Err(error) => Completion::ready(Err(DeleteError::Refused(error.into()))),
            };
        }
        if self.has(Fault::DeletesForNothing) {
            let first = Record::event(&Event::data("the first"), None).unwrap();
            drop(self.log.append(topic, first, &Retention::new(), now));
        }
        if self.has(Fault::DeletesNothing) {
            return Completion::ready(Ok(()));
        }
        self.log.delete(topic, now)
    }

    fn watch(&self, topic: &TopicName, waker: Waker, now: SystemTime) -> Watch {
        let woken = if self.has(Fault::WakesNobody) {
            Waker::noop().clone()
        } else {
            waker
        };
        self.log.watch(topic, woken, now)
    }

    fn stats(&self, topic: &TopicName) -> Option<LogStats> {
        self.log.stats(topic)
    }

    fn behind(&self, topic: &TopicName, position: Position) -> u64 {
        self.log.behind(topic, position)
    }

    fn maintain(&self, now: SystemTime) {
        self.log.maintain(now);
    }
}

struct WithFault {
    fault: Fault,
    time: AtomicU64,
}

impl LogFactory for WithFault {
    type Log = Faulty;

    const MODEL_RUNS: usize = 20;

    async fn open(&self) -> Faulty {
        Faulty {
            log: MemoryLog::new(),
            fault: self.fault,
        }
    }

    fn now(&self) -> SystemTime {
        at(self.time.load(Ordering::SeqCst))
    }

    async fn pass(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap();
        self.time.fetch_add(millis, Ordering::SeqCst);
    }
}

/// Whether a promise is kept by a log with this fault.
fn is_kept(fault: Fault, promise: impl AsyncFnOnce(&WithFault)) -> bool {
    let factory = WithFault {
        fault,
        time: AtomicU64::new(0),
    };
    catch_unwind(AssertUnwindSafe(|| pollster::block_on(promise(&factory)))).is_ok()
}

macro_rules! promises {
    ($fault:ident: $($promise:ident),+) => {
        $(
            let name = stringify!($promise);
            assert!(is_kept(Fault::Nothing, async |factory| log_suite::$promise(factory).await), "{name}");
 assert!(!is_kept(Fault::$fault, async |factory| log_suite::$promise(factory).await), "{name} does not find a log that has this fault: {}", stringify!($fault));
        )+
    };
}

#[test]
fn each_fault_is_found() {
    promises!(WakesNobody: watchers_are_woken_as_long_as_they_watch, a_reader_that_registers_first_misses_nothing, a_waker_may_use_the_log);
    promises!(AppendsTwice: sequences_grow_and_topics_have_nothing_in_common, threads_append_in_one_order);
    promises!(KeepsEverything: count_deletes_the_oldest, bytes_delete_the_oldest, age_deletes_the_oldest, of_each_key_the_latest_is_kept, a_changed_retention_holds_from_the_next_append_on);
    promises!(TakesNoLimit: a_read_returns_no_more_than_its_limit);
    promises!(SaysThereIsNoMore: reads_in_pieces_return_everything_once, a_read_returns_no_more_than_its_limit);
    promises!(HidesGaps: count_deletes_the_oldest, bytes_delete_the_oldest, age_deletes_the_oldest);
    promises!(LeavesOutTheOldest: every_start_reads_from_where_it_says, any_steps_are_answered_as_the_model_says);
    promises!(TrustsPositions: foreign_positions_are_unknown);
    promises!(ForgetsKeys: a_repeated_key_is_appended_once, a_key_at_the_same_time_is_appended_once, any_steps_are_answered_as_the_model_says);
    promises!(ForgetsKeysOfGoneEvents: a_key_outlives_its_event);
    promises!(RemembersKeysForever: a_key_is_forgotten_with_its_time, newer_keys_push_out_the_oldest);
    promises!(ReturnsTheHeadForARepetition: a_repeated_key_is_appended_once);
    promises!(DeletesNothing: a_deleted_topic_begins_a_new_epoch);
    promises!(DeletesEventsOnly: a_deleted_topic_begins_a_new_epoch);
    promises!(CannotDelete: a_deleted_topic_begins_a_new_epoch, to_delete_a_topic_without_events_changes_nothing);
    promises!(DeletesForNothing: to_delete_a_topic_without_events_changes_nothing);
}
