use sse_actix_core::Event;

use super::*;

const LIFE: u64 = 1;

fn followed(head: u64) -> Topic {
    let topic = Topic::new("sse", &TopicName::from_static("n"));
    let newest = Newest {
        head,
        life: LIFE,
        latest: Vec::new(),
    };
    assert_eq!(topic.looked(newest, None, false), Applied::Here);
    topic
}

fn appended(sequence: u64, previous: u64) -> Appended {
    Appended {
        sequence,
        previous,
        life: LIFE,
    }
}

fn record() -> Record {
    Record::event(&Event::data("x"), None).unwrap()
}

fn stored(sequence: u64, previous: u64) -> Stored {
    Stored::published(&appended(sequence, previous), record())
}

fn read_to(topic: &Topic) -> Option<u64> {
    let batch = topic.read(Start::Head, Limit::DEFAULT, SystemTime::now(), &mut None);
    batch.map(|batch| batch.end.sequence)
}

#[test]
fn what_was_acknowledged_is_waited_for_until_it_comes() {
    let topic = followed(5);
    assert_eq!(read_to(&topic), Some(5));
    topic.published(&appended(7, 6), Some(record()));
    assert_eq!(read_to(&topic), None, "6 has not come yet");
    assert_eq!(topic.apply([stored(6, 5)]), Applied::Here);
    assert_eq!(read_to(&topic), None);
    assert_eq!(topic.apply([stored(7, 6), stored(8, 7)]), Applied::Here);
    assert_eq!(read_to(&topic), Some(8));
    topic.published(&appended(9, 8), Some(record()));
    assert_eq!(read_to(&topic), Some(9), "what follows is here at once");
    topic.published(&appended(10, 9), None);
    assert_eq!(read_to(&topic), None, "but not what is to be read back");
}

#[test]
fn what_was_acknowledged_and_is_gone_is_not_waited_for() {
    let topic = followed(5);
    topic.published(&appended(7, 6), Some(record()));
    topic.ask();
    let known = Some((LIFE, 7));
    assert_eq!(topic.take_job(false), Some(Job::Look { latest: false, known }));
    let newest = Newest {
        head: 5,
        life: LIFE,
        latest: Vec::new(),
    };
    assert_eq!(
        topic.looked(newest, known, false),
        Applied::Diverged { life: LIFE }
    );

    // Or others were published in its place.
    let topic = followed(5);
    topic.published(&appended(7, 6), Some(record()));
    assert_eq!(topic.apply([stored(8, 5)]), Applied::Diverged { life: LIFE });
}
