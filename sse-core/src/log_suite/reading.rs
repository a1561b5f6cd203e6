//! Reading: where a read starts, how much it returns, and what is known without reading.

use std::num::NonZeroUsize;

use super::{
    LogFactory,
    tested_topic::{TestedTopic, data, record},
};
use crate::{Keep, Limit, Log as _, Position, Resume, Retention, Start};

/// From the head, from so many before it, from the oldest, and after each position.
pub async fn every_start_reads_from_where_it_says<F: LogFactory>(factory: &F) {
    let mut tested = TestedTopic::new(factory, Retention::new()).await;
    let before = tested.read(Start::Head).await;
    assert_eq!(
        (before.resume, before.entries.len(), before.more),
        (Resume::Live, 0, false)
    );
    tested.append_numbers(5).await;

    for (start, first) in [
        (Start::Head, 5),
        (Start::Oldest, 0),
        (Start::Last(0), 5),
        (Start::Last(2), 3),
        (Start::Last(5), 0),
        (Start::Last(usize::MAX), 0),
    ] {
        let batch = tested.read(start).await;
        assert_eq!(
            (batch.resume, data(&batch)),
            (Resume::Live, tested.after(first)),
            "{start:?}"
        );
        assert_eq!((batch.end, batch.more), (tested.position(4), false), "{start:?}");
        if first > 0 {
            assert_eq!(batch.start, tested.position(first - 1), "{start:?}");
        }
    }
    // The position of a reader that began before the first event.
    let all = tested.read(Start::After(before.end)).await;
    assert_eq!((all.resume, data(&all)), (Resume::Complete, tested.after(0)));
    for nth in 0..5 {
        let batch = tested.read(Start::After(tested.position(nth))).await;
        assert_eq!(
            (batch.resume, data(&batch)),
            (Resume::Complete, tested.after(nth + 1))
        );
        assert_eq!(
            (batch.start, batch.end),
            (tested.position(nth), tested.position(4))
        );
    }
}

/// A read returns as many events and bytes as its limit allows. It returns one event even if that is larger.
pub async fn a_read_returns_no_more_than_its_limit<F: LogFactory>(factory: &F) {
    let mut tested = TestedTopic::new(factory, Retention::new()).await;
    tested.append_numbers(3).await;
    let whole = tested.read(Start::Oldest).await;
    let frame = whole.entries[0].frame().len();
    assert!(whole.entries.iter().all(|entry| entry.frame().len() == frame));
    for (events, bytes, returned) in [
        (1, usize::MAX, 1),
        (2, usize::MAX, 2),
        (3, usize::MAX, 3),
        (9, 0, 1),
        (9, frame, 1),
        (9, 2 * frame - 1, 1),
        (9, 2 * frame, 2),
        (9, 3 * frame, 3),
    ] {
        let limit = Limit {
            events: NonZeroUsize::new(events).unwrap(),
            bytes,
        };
        let batch = tested.read_up_to(Start::Oldest, limit).await;
        assert_eq!(batch.entries.len(), returned, "{limit:?}");
        assert_eq!(
            (batch.more, batch.end),
            (returned < 3, tested.position(returned - 1)),
            "{limit:?}"
        );
    }
}

/// The next read continues where the last one ended.
pub async fn reads_in_pieces_return_everything_once<F: LogFactory>(factory: &F) {
    for keep in [Keep::Every, Keep::LatestPerKey] {
        let mut tested = TestedTopic::new(factory, Retention::new().keep(keep)).await;
        for nth in 0..40_usize {
            tested
                .append(record(&nth.to_string()).key(format!("{}", nth % 23)))
                .await;
        }
        let whole = tested.read(Start::Oldest).await;
        assert_eq!(whole.entries.len(), if keep == Keep::Every { 40 } else { 23 });
        for (events, bytes) in [(1, usize::MAX), (7, usize::MAX), (usize::MAX, 150)] {
            let limit = Limit {
                events: NonZeroUsize::new(events).unwrap(),
                bytes,
            };
            let mut batch = tested.read_up_to(Start::Oldest, limit).await;
            let mut pieces = data(&batch);
            while batch.more {
                assert!(!batch.entries.is_empty(), "a read goes on");
                batch = tested.read_up_to(Start::After(batch.end), limit).await;
                assert_eq!(batch.resume, Resume::Complete);
                pieces.extend(data(&batch));
            }
            assert_eq!(
                (pieces, batch.end),
                (data(&whole), whole.end),
                "{keep:?} {limit:?}"
            );
        }
    }
}

/// The statistics of a log, once it has been read.
pub async fn stats_say_what_is_kept<F: LogFactory>(factory: &F) {
    let mut tested = TestedTopic::new(factory, Retention::new()).await;
    tested.append_numbers(4).await;
    tested.read(Start::Oldest).await;
    let stats = tested.log.stats(&tested.topic).expect("something is kept");
    assert_eq!(
        (stats.epoch, stats.head),
        (tested.position(3).epoch, tested.position(3).sequence)
    );
    assert_eq!(
        (stats.events, stats.oldest),
        (4, Some(tested.position(0).sequence))
    );
    assert!(stats.bytes > 0);
    assert_eq!(stats.deleted, 0);
    for (read, behind) in [(0, 3), (2, 1), (3, 0)] {
        assert_eq!(tested.log.behind(&tested.topic, tested.position(read)), behind);
    }
    // A position of another epoch.
    let other = TestedTopic::<F>::new(factory, Retention::new()).await;
    let foreign = Position {
        epoch: other.read(Start::Head).await.end.epoch,
        sequence: 1,
    };
    assert_eq!(tested.log.behind(&tested.topic, foreign), 0);
    assert!(tested.log.health().reachable);
}
