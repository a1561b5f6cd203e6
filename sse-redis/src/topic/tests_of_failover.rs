//! How a node handles a stream that another primary has continued, or whose retention has changed.

use super::{
    tests::{after, answers_newest, entry, followed, id, now, read},
    *,
};
use crate::topic::live::sequence_before_first_event;
use sse_actix_core::{Limit, Resume, Start};

/// Three entries' ids, the oldest first.
fn three() -> [String; 3] {
    let now = now();
    [0, 1, 2].map(|count| format!("{now}-{count}"))
}

#[test]
fn history_that_is_on_its_way_over_a_fail_over_is_none_of_the_new_ring() {
    let [one, two, three] = three();
    let topic = followed(Some(&entry(&three, &two, 7)));
    assert_eq!(read(&topic, Start::Oldest), None);
    let (job, _) = topic.take_page_job(1_000).unwrap();
    // The new primary lacks the newest one.
    answers_newest(&topic, Some(&entry(&two, &one, 8)));
    topic.take_page(job, vec![entry(&three, &two, 7)], true);
    assert_eq!(read(&topic, Start::Oldest), None, "what is older is not read yet");
    let (job, _) = topic.take_page_job(1_000).unwrap();
    assert_eq!(job, PageJob::Back { from: id(&two) });
    topic.take_page(job, vec![entry(&two, &one, 8), entry(&one, "0-0", 8)], true);
    assert_eq!(
        read(&topic, Start::Oldest),
        Some((Resume::Live, 2, id(&two).last(1)))
    );
}

/// The new primary lacks an entry, and has given its id to another one.
#[test]
fn an_event_that_took_the_id_of_a_lost_one_is_read() {
    let [one, two, three] = three();
    let topic = followed(None);
    topic.receive(1, entry(&one, "0-0", 7));
    topic.receive(1, entry(&two, &one, 7));
    let stream = [
        entry(&one, "0-0", 7),
        entry(&two, &one, 8),
        entry(&three, &two, 8),
    ];
    answers_newest(&topic, stream.last());
    let (job, _) = topic.take_page_job(1_000).unwrap();
    let PageJob::Forward { after: from } = job else {
        panic!("{job:?}")
    };
    let page = stream.iter().filter(|stored| stored.id > from);
    topic.take_page(job, page.cloned().collect(), true);
    answers_newest(&topic, stream.last());
    assert_eq!(
        read(&topic, after(7, id(&two))),
        None,
        "what is older is not read yet"
    );
    let (job, _) = topic.take_page_job(1_000).unwrap();
    topic.take_page(job, stream.iter().rev().cloned().collect(), true);
    let told = read(&topic, after(7, id(&two)));
    assert_eq!(told, Some((Resume::Unknown, 2, id(&three).last(1))));
    let told = read(&topic, after(7, id(&one)));
    assert_eq!(told, Some((Resume::Complete, 2, id(&three).last(1))));
}

#[test]
fn an_event_before_a_lost_one_is_read() {
    let topic = followed(None);
    let now = now();
    let [one, before, two, three] = [0, 1, 2, 3].map(|count| format!("{now}-{count}"));
    topic.receive(1, entry(&one, "0-0", 7));
    topic.receive(1, entry(&two, &one, 7));
    topic.receive(1, entry(&three, &before, 8));
    assert_eq!(
        read(&topic, after(7, id(&two))),
        None,
        "where the epoch_number began is not known"
    );
    let (job, _) = topic.take_page_job(1_000).unwrap();
    let stream = [entry(&before, &one, 8), entry(&one, "0-0", 7)];
    topic.take_page(job, stream.to_vec(), true);
    let told = read(&topic, after(7, id(&two)));
    assert_eq!(told, Some((Resume::Unknown, 2, id(&three).last(1))));
    let told = read(&topic, after(7, id(&one)));
    assert_eq!(told, Some((Resume::Complete, 2, id(&three).last(1))));
}

#[test]
fn another_primary_that_has_everything_is_read_on_without_a_gap() {
    let [one, two, three] = three();
    // Retention may also have deleted the known entry.
    for has_two in [true, false] {
        let topic = followed(None);
        topic.receive(1, entry(&one, "0-0", 7));
        topic.receive(1, entry(&two, &one, 7));
        answers_newest(&topic, Some(&entry(&three, &two, 8)));
        let (job, _) = topic.take_page_job(1_000).unwrap();
        let mut page = vec![entry(&three, &two, 8)];
        if has_two {
            page.insert(0, entry(&two, &one, 7));
        }
        topic.take_page(job, page, true);
        let told = read(&topic, after(7, id(&two)));
        assert_eq!(told, Some((Resume::Complete, 1, id(&three).last(1))), "{has_two}");
        let told = read(&topic, Start::Oldest);
        assert_eq!(told, Some((Resume::Live, 3, id(&three).last(1))), "{has_two}");
    }
}

#[test]
fn a_first_event_that_comes_before_the_newest_entry_is_read_at_once() {
    let topic = Topic::new(
        &TopicName::from_static("n"),
        crate::keys::Keys::new("sse", false).stream(&TopicName::from_static("n")),
        0,
    );
    topic.begins_following(1);
    topic.is_followed(1);
    topic.take_head_job().unwrap();
    let one = format!("{}-0", now());
    topic.receive(1, entry(&one, "0-0", 7));
    assert_eq!(topic.take_newest(None, None), Needs::default());
    assert_eq!(
        read(&topic, Start::Oldest),
        Some((Resume::Live, 1, id(&one).last(1)))
    );
}

#[test]
fn a_topic_that_is_kept_otherwise_is_looked_at_again() {
    let topic = followed(Some(&entry(&format!("{}-0", now()), "0-0", 7)));
    topic.keep(&Retention::new().keep(Keep::LatestPerKey));
    assert!(topic.needs().head);
}

#[test]
fn who_was_connected_all_along_misses_nothing_however_old_the_position() {
    let topic = followed(None);
    let (_, _, here) = read(&topic, Start::Head).unwrap();
    let one = format!("{}-0", now_millis() + 5);
    topic.receive(1, entry(&one, "0-0", 7));
    let read = |sequence| {
        let start = Start::After(Position {
            epoch: Epoch::new(&topic.name, live::WITHOUT_EVENTS),
            sequence,
        });
        let batch = topic.read(start, Limit::DEFAULT, SystemTime::now(), 0, &mut None);
        batch.map(|batch| (batch.resume, batch.entries.len()))
    };
    assert_eq!(read(here), Some((Resume::Complete, 1)));
    // This position is from before this node followed the topic.
    let before = sequence_before_first_event(now_millis() - 1_000);
    assert_eq!(read(before), Some((Resume::Unknown, 1)));
}

#[test]
fn what_could_be_read_since_is_no_fault() {
    let topic = followed(None);
    topic.fail("WRONGTYPE".to_owned(), true);
    assert!(topic.fault().is_some());
    answers_newest(&topic, None);
    assert_eq!(topic.fault(), None);
}
