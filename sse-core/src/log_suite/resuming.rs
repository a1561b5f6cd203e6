//! Resuming: the answer to each kind of id.

use std::sync::Arc;

use super::{
    LogFactory,
    tested_topic::{TestedTopic, data, record},
};
use crate::{Epoch, Position, Resume, Retention, Start};

/// A reader whose id is not a position learns that something may be missing.
pub async fn an_id_without_a_position_is_unknown<F: LogFactory>(factory: &F) {
    let mut tested = TestedTopic::new(factory, Retention::new()).await;
    tested.append_numbers(3).await;
    let batch = tested.read(Start::Unknown).await;
    assert_eq!((batch.resume, data(&batch)), (Resume::Unknown, tested.after(0)));
    assert_eq!(batch.end, tested.position(2));
}

/// A position of another epoch, of another topic, of a log that is lost, or beyond the head.
pub async fn foreign_positions_are_unknown<F: LogFactory>(factory: &F) {
    let mut lost = TestedTopic::new(factory, Retention::new()).await;
    lost.append_numbers(2).await;
    let mut tested = TestedTopic::new(factory, Retention::new()).await;
    tested.append_numbers(3).await;
    let mut other = TestedTopic::on(
        factory,
        Arc::clone(&tested.log),
        "another topic",
        Retention::new(),
    );
    other.append(record("other")).await;

    let head = tested.position(2);
    let foreign = Epoch::new(&tested.topic, 123_456);
    assert_ne!(foreign, head.epoch);
    let at = |epoch, sequence| Position { epoch, sequence };
    for position in [
        lost.position(0),
        lost.position(1),
        other.position(0),
        at(foreign, head.sequence),
        at(foreign, 0),
        at(head.epoch, head.sequence + 1),
        at(head.epoch, u64::MAX),
    ] {
        let batch = tested.read(Start::After(position)).await;
        assert_eq!(
            (batch.resume, data(&batch)),
            (Resume::Unknown, tested.after(0)),
            "{position}"
        );
        assert_eq!(batch.end, head, "{position}");
    }
    // These reads have changed nothing.
    assert_eq!(tested.data().await, tested.after(0));
}

/// An id of one topic, or of a log that is gone, is never taken for one of another.
pub async fn each_topic_and_each_life_has_its_epoch<F: LogFactory>(factory: &F) {
    let first = TestedTopic::new(factory, Retention::new()).await;
    let second = TestedTopic::new(factory, Retention::new()).await;
    let other = TestedTopic::on(factory, Arc::clone(&first.log), "another topic", Retention::new());
    let mut epochs = Vec::new();
    for tested in [&first, &second, &other] {
        // Before the first append, a log may not know yet which epoch it will be.
        assert!(tested.read(Start::Head).await.end.epoch.is_of(&tested.topic));
        let epoch = async || {
            let appended = tested.try_append(record("x")).await.expect("it is appended");
            appended.position.epoch
        };
        let first = epoch().await;
        assert!(first.is_of(&tested.topic));
        assert_eq!(tested.read(Start::Head).await.end.epoch, first);
        assert_eq!(epoch().await, first, "an epoch lives as long as its topic");
        epochs.push(first);
    }
    assert!(epochs[0] != epochs[1] && epochs[1] != epochs[2] && epochs[0] != epochs[2]);
}
