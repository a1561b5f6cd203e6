//! Keep-alives, only after silence. Time is paused.

use std::time::Duration;

use actix_web::test::TestRequest;
use futures_util::{Stream, StreamExt as _, stream};
use sse_actix::{
    Decoded, Event, EventName, KeepAlive, Sse,
    test::{TestStream, respond},
};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, timeout};

/// Events after these pauses in milliseconds, then silence.
fn paced(pauses: impl IntoIterator<Item = u64> + 'static) -> impl Stream<Item = Event> {
    let events = stream::iter(pauses.into_iter().collect::<Vec<_>>()).then(async |pause| {
        sleep(Duration::from_millis(pause)).await;
        Event::data("event")
    });
    events.chain(stream::pending())
}

/// What a stream brings, with the millisecond it came in.
struct Log {
    start: Instant,
    stream: TestStream,
}

impl Log {
    fn of(sse: Sse<impl Stream<Item = Event> + 'static>) -> Self {
        Self {
            start: Instant::now(),
            stream: respond(sse, TestRequest::get()),
        }
    }

    async fn next(&mut self) -> (u128, String) {
        let decoded = self.stream.next_decoded().await.expect("it does not end");
        let decoded = match decoded {
            Decoded::Message(message) => format!("{} {:?}", message.event, &*message.data),
            Decoded::Retry(_) => "retry".to_owned(),
            Decoded::Comment(text) => format!(":{text}"),
            other => panic!("{other:?}"),
        };
        (self.start.elapsed().as_millis(), decoded)
    }

    async fn expect(&mut self, expected: &[(u128, &str)]) {
        for &(at, what) in expected {
            assert_eq!(self.next().await, (at, what.to_owned()));
        }
    }
}

const EVENT: &str = r#"message "event""#;

#[tokio::test(start_paused = true)]
async fn a_comment_comes_after_15_s_of_silence() {
    let mut log = Log::of(Sse::new(paced([])));
    log.expect(&[(0, "retry"), (15_000, ":"), (30_000, ":"), (45_000, ":")])
        .await;
}

#[tokio::test(start_paused = true)]
async fn silence_is_counted_from_the_last_event() {
    let mut log = Log::of(Sse::new(paced([10_000])));
    log.expect(&[(0, "retry"), (10_000, EVENT), (25_000, ":"), (40_000, ":")])
        .await;

    // At the very end of a silence, and just before it.
    let mut log = Log::of(Sse::new(paced([14_999, 14_999, 1])));
    log.expect(&[
        (0, "retry"),
        (14_999, EVENT),
        (29_998, EVENT),
        (29_999, EVENT),
        (44_999, ":"),
    ])
    .await;

    // And from the last keep-alive.
    let mut log = Log::of(Sse::new(paced([20_000])));
    log.expect(&[(0, "retry"), (15_000, ":"), (20_000, EVENT), (35_000, ":")])
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_sends_events_sends_no_keep_alive() {
    let mut log = Log::of(Sse::new(paced([9_000; 1_000])));
    assert_eq!(log.next().await, (0, "retry".to_owned()));
    for n in 1..=1_000 {
        assert_eq!(log.next().await, (9_000 * n, EVENT.to_owned()));
    }
    log.expect(&[(9_015_000, ":")]).await;
}

#[tokio::test(start_paused = true)]
async fn a_named_event_can_stand_in_for_the_comment() {
    let beat = KeepAlive::event(Duration::from_secs(2), EventName::from_static("beat"));
    let mut log = Log::of(Sse::new(paced([])).keep_alive(beat).event("not-for-beats"));
    log.expect(&[(0, "retry"), (2_000, r#"beat """#), (4_000, r#"beat """#)])
        .await;
}

#[tokio::test(start_paused = true)]
async fn it_can_be_off() {
    let hour = Duration::from_secs(3_600);
    let mut log = Log::of(Sse::new(paced([])).keep_alive(KeepAlive::OFF));
    assert_eq!(log.next().await.1, "retry");
    assert!(
        timeout(hour, log.next()).await.is_err(),
        "nothing came for an hour"
    );
}

#[tokio::test(start_paused = true)]
async fn it_comes_to_whichever_task_reads() {
    let mut log = Log::of(Sse::new(paced([10_000])).keep_alive(KeepAlive::comment(Duration::from_secs(4))));
    // Here the timer is told of this task.
    assert_eq!(log.next().await.1, "retry");
    assert!(timeout(Duration::from_secs(1), log.next()).await.is_err());
    let tasks = LocalSet::new();
    // Every keep-alive is read by a task of its own.
    for expected in [(4_000, ":"), (8_000, ":"), (10_000, EVENT), (14_000, ":")] {
        let reader = tasks.spawn_local(async move {
            log.expect(&[expected]).await;
            log
        });
        log = tasks.run_until(reader).await.unwrap();
    }
}
