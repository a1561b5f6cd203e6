//! Deleting a topic.

use std::{sync::Arc, task::Waker};

use super::{
    LogFactory,
    tested_topic::{TestedTopic, Woken, data, idempotency_key, record},
};
use crate::{DeleteError, Keep, Log, Resume, Retention, Start};

/// A deleted topic's events are gone, with their idempotency keys. Later events are of another epoch. A reader with an
/// earlier position learns of the deletion.
pub async fn a_deleted_topic_begins_a_new_epoch<F: LogFactory>(factory: &F) {
    if !F::DELETES {
        let tested = TestedTopic::new(factory, Retention::new()).await;
        let deleted = tested.log.delete(&tested.topic, factory.now()).await;
        assert!(matches!(deleted, Err(DeleteError::Unsupported)), "{deleted:?}");
        return;
    }
    for keep in [Keep::Every, Keep::LatestPerKey] {
        let mut tested = TestedTopic::new(factory, Retention::new().keep(keep)).await;
        let mut other = TestedTopic::on(
            factory,
            Arc::clone(&tested.log),
            "another topic",
            Retention::new(),
        );
        other.append(record("other")).await;
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let _watch = tested.log.watch(&tested.topic, waker, factory.now());
        let before = tested.read(Start::Head).await.end;
        let once = |text: &str| {
            let record = record(text).key("k");
            if F::REMEMBERS_KEYS {
                record.once(idempotency_key("once"))
            } else {
                record
            }
        };
        tested.append(once("1")).await;
        tested.append(record("2").key("l")).await;
        let epoch = tested.position(0).epoch;
        for nth in 0..2 {
            let times = woken.times();
            let deleted = tested.log.delete(&tested.topic, factory.now()).await;
            deleted.expect("it is deleted");
            if nth == 0 {
                tested
                    .until("the watcher to be woken", || woken.times() > times)
                    .await;
            }
            assert_eq!(tested.data().await, Vec::<String>::new());
        }
        let at_deletion = tested.read(Start::Head).await.end;
        for position in [tested.position(0), tested.position(1)] {
            let batch = tested.read(Start::After(position)).await;
            assert_eq!(
                (batch.resume, data(&batch)),
                (Resume::Unknown, Vec::new()),
                "{keep:?}"
            );
        }
        let appended = tested.try_append(once("3")).await.expect("it is appended");
        assert!(!appended.repeated, "its key was deleted");
        assert_ne!(appended.position.epoch, epoch);
        let mut positions = vec![tested.position(0), tested.position(1)];
        if keep == Keep::Every {
            // A reader from before the first event has missed some events. If the topic keeps the newest event of each
            // key, that reader gets all newest events, so it has missed nothing.
            positions.push(before);
        }
        for position in positions {
            let batch = tested.read(Start::After(position)).await;
            assert_eq!(
                (batch.resume, data(&batch)),
                (Resume::Unknown, vec!["3".to_owned()]),
                "{keep:?} {position}"
            );
        }
        // A reader that has learned of the deletion does not learn of it again.
        let batch = tested.read(Start::After(at_deletion)).await;
        assert_eq!(
            (batch.resume, data(&batch)),
            (Resume::Complete, vec!["3".to_owned()])
        );
        // Only this topic was deleted.
        assert_eq!(other.data().await, ["other"]);
    }
}

/// The readers of a topic without events have missed nothing.
pub async fn to_delete_a_topic_without_events_changes_nothing<F: LogFactory>(factory: &F) {
    if !F::DELETES {
        return;
    }
    let tested = TestedTopic::new(factory, Retention::new()).await;
    let before = tested.read(Start::Head).await.end;
    tested
        .log
        .delete(&tested.topic, factory.now())
        .await
        .expect("it is deleted");
    tested.try_append(record("1")).await.expect("it is appended");
    let batch = tested.read(Start::After(before)).await;
    assert_eq!(
        (batch.resume, data(&batch)),
        (Resume::Complete, vec!["1".to_owned()])
    );
}

/// A reader before the first event of another topic gets no gap, either.
pub async fn to_delete_a_topic_is_no_gap_in_others<F: LogFactory>(factory: &F) {
    if !F::DELETES {
        return;
    }
    let mut tested = TestedTopic::new(factory, Retention::new()).await;
    let mut other = TestedTopic::on(
        factory,
        Arc::clone(&tested.log),
        "another topic",
        Retention::new(),
    );
    let before = other.read(Start::Head).await.end;
    tested.append(record("1")).await;
    tested
        .log
        .delete(&tested.topic, factory.now())
        .await
        .expect("it is deleted");
    other.append(record("2")).await;
    let batch = other.read(Start::After(before)).await;
    assert_eq!(
        (batch.resume, data(&batch)),
        (Resume::Complete, vec!["2".to_owned()])
    );
}
