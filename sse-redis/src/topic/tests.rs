use bytes::Bytes;
use sse_actix_core::{Event, Limit, Resume, Start};

use super::*;
use crate::{entry::Latest, keys::Keys};

const TTL: u64 = 604_800_000;

fn topic() -> Topic {
    let name = TopicName::from_static("n");
    Topic::new(&name, Keys::new("sse", false).stream(&name), 0)
}

pub(super) fn id(text: &str) -> EntryId {
    EntryId::parse(text.as_bytes()).unwrap()
}

/// An entry with one event.
pub(super) fn entry(at: &str, previous: &str, epoch_number: u64) -> Stored {
    let events = u8::from(previous != "0-0");
    let notice = format!("{at} 2 {epoch_number} abc {previous} {events} 1 1 13\n9 -\ndata: x\n\n");
    Stored::parse_notice(Bytes::from(notice)).unwrap()
}

/// A topic that has requested its newest entry, and whose newest entry is this.
pub(super) fn followed(newest: Option<&Stored>) -> Topic {
    let topic = topic();
    topic.begins_following(1);
    topic.is_followed(1);
    answers_newest(&topic, newest);
    topic
}

pub(super) fn answers_newest(topic: &Topic, newest: Option<&Stored>) {
    topic.request_newest();
    assert_eq!(topic.take_head_job(), Some(HeadJob::Newest { latest: false }));
    topic.take_newest(newest, None);
}

pub(super) fn read(topic: &Topic, start: Start) -> Option<(Resume, usize, u64)> {
    let batch = topic.read(start, Limit::DEFAULT, SystemTime::now(), TTL, &mut None)?;
    Some((batch.resume, batch.entries.len(), batch.end.sequence))
}

pub(super) fn after(epoch_number: u64, id: EntryId) -> Start {
    Start::After(Position {
        epoch: Epoch::new(&TopicName::from_static("n"), epoch_number),
        sequence: id.last(1),
    })
}

/// A time at which events of these tests are not too old.
pub(super) fn now() -> String {
    now_millis().to_string()
}

#[test]
fn a_topic_whose_newest_entry_is_of_a_later_version_is_not_taken_for_a_new_one() {
    let now = now();
    let newer = format!("{now}-1 3 whatever\n");
    let newer = Stored::parse_notice(Bytes::from(newer)).unwrap();
    let topic = followed(Some(&newer));
    assert!(topic.has_events());
    assert_eq!(topic.passed(), Some(newer.id));
}

#[test]
fn a_notice_that_follows_is_taken_and_one_that_does_not_waits_for_what_is_between() {
    let now = now();
    let [one, two, three] = [0, 1, 2].map(|count| format!("{now}-{count}"));
    let topic = followed(Some(&entry(&one, "0-0", 7)));
    assert_eq!(
        topic.receive(1, entry(&three, &two, 7)),
        Needs {
            head: false,
            page: true
        }
    );
    assert_eq!(
        read(&topic, Start::Head),
        None,
        "it was acknowledged, so it is waited for"
    );
    let (job, _) = topic.take_page_job(1_000).unwrap();
    assert_eq!(job, PageJob::Forward { after: id(&one) });
    topic.take_page(job, vec![entry(&two, &one, 7)], true);
    assert_eq!(
        read(&topic, after(7, id(&one))),
        Some((Resume::Complete, 2, id(&three).last(1)))
    );
}

#[test]
fn what_was_acknowledged_and_is_gone_is_not_waited_for() {
    let one = format!("{}-0", now());
    let topic = followed(Some(&entry(&one, "0-0", 7)));
    topic.note_exists(EntryId::at(now_millis() + 5));
    let (job, _) = topic.take_page_job(1_000).unwrap();
    assert_eq!(
        topic.take_page(job, Vec::new(), true),
        Needs {
            head: true,
            page: false
        }
    );
    assert_eq!(
        read(&topic, Start::Head),
        Some((Resume::Live, 0, id(&one).last(1)))
    );
}

#[test]
fn a_newest_entry_that_notices_have_overtaken_changes_nothing() {
    let now = now();
    let [one, two] = [0, 1].map(|count| format!("{now}-{count}"));
    let topic = followed(None);
    topic.request_newest();
    topic.take_head_job().unwrap();
    topic.receive(1, entry(&one, "0-0", 7));
    topic.receive(1, entry(&two, &one, 7));
    topic.take_newest(None, None);
    assert_eq!(
        read(&topic, Start::Oldest),
        Some((Resume::Live, 2, id(&two).last(1)))
    );
    assert_eq!(topic.needs(), Needs::default());
}

#[test]
fn another_epoch_that_continues_this_one_is_no_gap() {
    let now = now();
    let [one, two, three] = [0, 1, 2].map(|count| format!("{now}-{count}"));
    let topic = followed(None);
    topic.receive(1, entry(&one, "0-0", 7));
    topic.receive(1, entry(&two, &one, 8));
    topic.receive(1, entry(&three, &two, 8));
    assert_eq!(
        read(&topic, after(7, id(&one))),
        Some((Resume::Complete, 2, id(&three).last(1)))
    );
    // A reader that has more of the earlier epoch has an event that was lost.
    let lost = read(&topic, after(7, id(&two)));
    assert_eq!(lost, Some((Resume::Unknown, 2, id(&three).last(1))));
    // Before the first event.
    let before_first_event = Start::After(Position {
        epoch: Epoch::new(&topic.name, 0),
        sequence: live::sequence_before_first_event(now_millis()),
    });
    assert_eq!(
        read(&topic, before_first_event),
        Some((Resume::Complete, 3, id(&three).last(1)))
    );
}

#[test]
fn a_primary_that_lagged_has_lost_what_came_after() {
    let now = now();
    let [one, two, three] = [0, 1, 2].map(|count| format!("{now}-{count}"));
    let topic = followed(None);
    topic.receive(1, entry(&one, "0-0", 7));
    topic.receive(1, entry(&two, &one, 7));
    topic.receive(1, entry(&three, &one, 8));
    // The node reads the kept entries again, but a reader that has them does not get them again.
    assert_eq!(read(&topic, after(7, id(&two))), None);
    let (job, _) = topic.take_page_job(1_000).unwrap();
    topic.take_page(job, vec![entry(&one, "0-0", 7)], true);
    let told = read(&topic, after(7, id(&two)));
    assert_eq!(told, Some((Resume::Unknown, 1, id(&three).last(1))));
    assert_eq!(
        read(&topic, after(7, id(&one))),
        Some((Resume::Complete, 1, id(&three).last(1)))
    );
}

#[test]
fn a_stream_that_went_back_begins_another_epoch() {
    let now = now();
    let [one, two] = [0, 1].map(|count| format!("{now}-{count}"));
    let topic = followed(None);
    topic.receive(1, entry(&one, "0-0", 7));
    topic.receive(1, entry(&two, &one, 7));
    answers_newest(&topic, Some(&entry(&one, "0-0", 7)));
    assert_eq!(topic.take_head_job(), Some(HeadJob::Renew { epoch_number: 7 }));
}

#[test]
fn history_is_read_backwards_in_pages() {
    let now = now();
    let ids: Vec<_> = (0..5).map(|count| format!("{now}-{count}")).collect();
    let entry_at = |at: usize| {
        let previous = if at == 0 { "0-0" } else { &ids[at - 1] };
        entry(&ids[at], previous, 7)
    };
    let topic = followed(Some(&entry_at(4)));
    assert_eq!(read(&topic, Start::Oldest), None);
    for page in [vec![4, 3], vec![2, 1], vec![0]] {
        let (job, _) = topic.take_page_job(1_000).unwrap();
        assert_eq!(
            job,
            PageJob::Back {
                from: id(&ids[page[0]])
            }
        );
        topic.take_page(job, page.into_iter().map(entry_at).collect(), false);
    }
    assert_eq!(
        read(&topic, Start::Oldest),
        Some((Resume::Live, 5, id(&ids[4]).last(1)))
    );
}

#[test]
fn an_id_of_a_keyed_topic_is_proven() {
    let now = now();
    let [one, two] = [0, 1].map(|count| format!("{now}-{count}"));
    let topic = topic();
    topic.keep(&Retention::new().keep(Keep::LatestPerKey));
    topic.begins_following(1);
    topic.is_followed(1);
    assert_eq!(topic.take_head_job(), Some(HeadJob::Newest { latest: true }));
    let latest = Latest {
        sequence: id(&two).last(1),
        epoch_number: 7,
        event: Record::event(&Event::data("x"), None).unwrap().key("k"),
    };
    topic.take_newest(Some(&entry(&two, &one, 7)), Some(vec![latest]));
    for (is_there, resume) in [(true, Resume::Complete), (false, Resume::Unknown)] {
        assert_eq!(read(&topic, after(7, id(&one))), None);
        let sequences = vec![id(&one).last(1)];
        assert_eq!(topic.take_head_job(), Some(HeadJob::Verify { sequences }));
        topic.take_proofs([(id(&one).last(1), is_there)]);
        assert_eq!(
            read(&topic, after(7, id(&one))),
            Some((resume, 1, id(&two).last(1)))
        );
        topic.fail(String::new(), false);
    }
}
