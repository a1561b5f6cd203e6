//! A topic's events for the rest of the program.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread,
};

use futures_util::{StreamExt as _, future::join};
use sse_actix::{Event, EventId, Hub, TopicEvent, TopicEvents, TopicOptions, test::Serving};
use sse_tests::patience::within;

use super::{Reader, count, event, hooked_log::Hooked, serve_topic, slow_log::Slow};

fn options(events: usize) -> TopicOptions {
    TopicOptions::log().max_events(events)
}

/// The next events' ids; a gap's size in its place.
async fn take(events: &mut TopicEvents, number: usize) -> Vec<Result<EventId, Option<u64>>> {
    let taken = events.by_ref().take(number).map(|event| match event {
        TopicEvent::Published(event) => Ok(event.id()),
        TopicEvent::Gap { missed } => Err(missed),
        other => panic!("{other:?}"),
    });
    within("events", taken.collect()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_to_any_thread_and_begins_with_what_comes_next() {
    let hub = Hub::new().unwrap();
    count(&hub, "n", 1..=3).await;
    let mut events = hub.follow("n");
    let publisher = hub.clone();
    let reading = tokio::spawn(async move { take(&mut events, 100).await });
    let ids = tokio::spawn(async move { count(&publisher, "n", 4..=103).await });
    let ids: Vec<_> = ids.await.unwrap().into_iter().map(Ok).collect();
    assert_eq!(reading.await.unwrap(), ids);
}

#[tokio::test]
async fn it_resumes_and_tells_of_a_gap() {
    let hub = Hub::builder().topics(options(3)).build().unwrap();
    let ids = count(&hub, "n", 1..=3).await;
    let mut after = hub.follow("n").after(&ids[0]).unwrap();
    assert_eq!(
        take(&mut after, 2).await,
        [Ok(ids[1].clone()), Ok(ids[2].clone())]
    );

    let more = count(&hub, "n", 4..=10).await;
    let kept: Vec<_> = more[4..].iter().cloned().map(Ok).collect();
    let mut expected = vec![Err(Some(4))];
    expected.extend(kept.clone());
    assert_eq!(take(&mut after, 4).await, expected);
    assert_eq!(take(&mut hub.follow("n").from_oldest(), 3).await, kept);
    assert_eq!(hub.stats().topic("n").unwrap().gaps, 1);

    let error = hub.follow("other").after(&ids[0]).unwrap_err();
    assert!(error.to_string().contains("is not an id of `other`"), "{error}");
}

#[tokio::test]
async fn a_log_that_answers_later_loses_nothing() {
    let hub = Hub::builder().log(Slow::new(1, 5, 0)).build().unwrap();
    let mut events = hub.follow("n").from_oldest();
    let (ids, events) = join(count(&hub, "n", 1..=50), take(&mut events, 50)).await;
    let ids: Vec<_> = ids.into_iter().map(Ok).collect();
    assert_eq!(events, ids);
}

/// Code that is not async publishes from threads that know of no runtime; readers and the rest of the program get it.
#[tokio::test(flavor = "multi_thread")]
async fn a_thread_without_a_runtime_publishes() {
    let hub = Hub::new().unwrap();
    let serving: Serving = serve_topic(&hub, "n");
    let mut reader = Reader::new(serving.addr(), "/").await;
    let publisher = hub.clone();
    let publishing = thread::spawn(move || {
        let one = publisher.topic("n").publish_blocking(&1).unwrap();
        let two = publisher.raw("n").publish_blocking(Event::data("2")).unwrap();
        [one, two]
    });
    let [one, two] = publishing.join().unwrap();
    assert_eq!(reader.take(2).await, [event(&one, 1), event(&two, 2)]);
}

#[test]
fn a_log_that_answers_later_blocks_the_thread_until_then() {
    let log = Slow::new(1, 20, 0);
    let hub = Hub::builder().log(log).build().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // What answers later may need a runtime, as this log's timer does; the program's own is enough.
    let _entered = runtime.enter();
    hub.topic("n").publish_blocking(&1).unwrap();
    assert_eq!(hub.stats().topic("n").unwrap().published, 1);
}

/// Without tokio, a log that cannot be read is waited for all the same.
#[test]
fn it_needs_no_runtime() {
    let log = Hooked::new();
    let hub = Hub::builder().log(log.clone()).build().unwrap();
    hub.topic("n").publish_blocking(&1).unwrap();
    log.fail_reads(2);
    let mut events = hub.follow("n").from_oldest();
    let event = futures_executor(events.next());
    assert!(matches!(event, Some(TopicEvent::Published(event)) if event.data() == "1"));
}

/// Runs a future on this thread, without any runtime.
fn futures_executor<T>(future: impl Future<Output = T>) -> T {
    struct Parked(thread::Thread);
    impl Wake for Parked {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Parked(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
