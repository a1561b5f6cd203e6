//! The promises of [`Log`] as tests for your own log (feature `test`).
//!
//! Write a [`LogFactory`] that makes the log, and name it in [`log_suite!`](crate::log_suite!), which makes a `#[test]`
//! of each promise. The suite reads no clock and needs no runtime: the factory says what time it is and lets time pass,
//! and the first argument of the macro is a function that runs a future to its end, such as a runtime's `block_on`. All
//! logs of this library pass the suite.
//!
//! ```
//! use std::{
//!     sync::atomic::{AtomicU64, Ordering},
//!     time::{Duration, SystemTime},
//! };
//! use sse_actix_core::{MemoryLog, log_suite::LogFactory};
//!
//! #[derive(Default)]
//! struct InMemory(AtomicU64);
//!
//! impl LogFactory for InMemory {
//!     type Log = MemoryLog;
//!
//!     async fn open(&self) -> MemoryLog {
//!         MemoryLog::new()
//!     }
//!
//!     fn now(&self) -> SystemTime {
//!         SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000 + self.0.load(Ordering::Relaxed))
//!     }
//!
//!     async fn pass(&self, time: Duration) {
//!         self.0.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
//!     }
//! }
//!
//! sse_actix_core::log_suite!(pollster::block_on, InMemory::default());
//! # pollster::block_on(async {
//! #     sse_actix_core::log_suite::a_repeated_key_is_appended_once(&InMemory::default()).await;
//! # });
//! ```

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails here fails the test that uses it"
)]

mod appending;
mod deleting;
mod model;
mod once;
mod reading;
mod resuming;
mod retaining;
mod tested_topic;
mod watching;

use std::{
    future::ready,
    time::{Duration, SystemTime},
};

pub use self::{
    appending::*, deleting::*, model::any_steps_are_answered_as_the_model_says, once::*, reading::*,
    resuming::*, retaining::*, watching::*,
};
use crate::Log;

/// Makes logs for the suite, and says what time it is. See [`log_suite`](mod@crate::log_suite)'s example.
pub trait LogFactory {
    /// The log.
    type Log: Log;

    /// The time step of the suite. Wherever one event has to be older than another, or than its topic's limit, the
    /// suite lets at least this time pass. For a log that reads its own clock, choose a time that is short enough to
    /// wait for. Default: a second.
    const TICK: Duration = Duration::from_secs(1);

    /// True if retention, and the window of idempotency keys, remove what is beyond a bound at the next append or read.
    /// A log that cleans up only now and then may keep more for a while. Default: `true`.
    const IS_EXACT: bool = true;

    /// True if the log remembers idempotency keys. Otherwise it has to refuse each record with a key. Default: `true`.
    const REMEMBERS_KEYS: bool = true;

    /// Whether the log can delete topics. One that cannot has to say so. Default: it can.
    const DELETES: bool = true;

    /// How often random steps are compared with the model. Default: 100.
    const MODEL_RUNS: usize = 100;

    /// A new, empty log. It shares nothing with the logs that were opened before.
    fn open(&self) -> impl Future<Output = Self::Log>;

    /// The time that is passed to the log. It changes only by [`pass`](Self::pass), unless the log reads a clock
    /// itself.
    fn now(&self) -> SystemTime;

    /// Lets time pass.
    fn pass(&self, time: Duration) -> impl Future<Output = ()>;

    /// Gives the log time for its own work, for a moment. The suite calls this up to a thousand times while it waits
    /// for something that a log promises to do, such as waking a watcher. Default: does nothing.
    fn rest(&self) -> impl Future<Output = ()> {
        ready(())
    }
}

/// Makes a `#[test]` of each promise of [`Log`](crate::Log), for the logs of a
/// [`LogFactory`](crate::log_suite::LogFactory).
///
/// The first argument is the path of a function that runs a future to its end. The second is an expression that makes a
/// new factory for each test. See [`log_suite`](mod@crate::log_suite)'s example.
#[macro_export]
macro_rules! log_suite {
    ($block_on:path, $factory:expr $(,)?) => {
        $crate::__log_tests! { $block_on, $factory,
            what_is_read_is_what_was_appended,
            sequences_grow_and_topics_have_nothing_in_common,
            threads_append_in_one_order,
            the_times_of_events_never_go_back,
            what_could_never_be_kept_is_refused_and_changes_nothing,
            a_record_without_key_is_refused_and_changes_nothing,
            every_start_reads_from_where_it_says,
            a_read_returns_no_more_than_its_limit,
            reads_in_pieces_return_everything_once,
            stats_say_what_is_kept,
            an_id_without_a_position_is_unknown,
            foreign_positions_are_unknown,
            each_topic_and_each_life_has_its_epoch,
            count_deletes_the_oldest,
            bytes_delete_the_oldest,
            age_deletes_the_oldest,
            of_each_key_the_latest_is_kept,
            what_was_replaced_is_neither_missed_nor_ahead,
            a_changed_retention_holds_from_the_next_append_on,
            watchers_are_woken_as_long_as_they_watch,
            a_reader_that_registers_first_misses_nothing,
            a_waker_may_use_the_log,
            a_repeated_key_is_appended_once,
            a_key_at_the_same_time_is_appended_once,
            a_key_outlives_its_event,
            a_key_is_forgotten_with_its_time,
            newer_keys_push_out_the_oldest,
            a_refused_record_leaves_no_key,
            a_deleted_topic_begins_a_new_epoch,
            to_delete_a_topic_without_events_changes_nothing,
            to_delete_a_topic_is_no_gap_in_others,
            any_steps_are_answered_as_the_model_says,
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log_tests {
    ($block_on:path, $factory:expr, $($promise:ident,)*) => {
        $(
            #[test]
            fn $promise() {
                $block_on(async { $crate::log_suite::$promise(&$factory).await });
            }
        )*
    };
}
