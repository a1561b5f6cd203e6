//! How long a stream may last.

use std::time::{Duration, SystemTime};

use actix_web::{test::TestRequest, web};
use futures_util::future::join_all;
use sse_actix::{
    Decoded, Hub, HubError, KeepAlive, Subscription, TopicOptions,
    test::{TestStream, respond},
};
use tokio::time::Instant;

use super::{Reader, count, serve_hub, sibling};

/// Reads to the end: how many seconds it took, and the `retry` it ended with, in milliseconds.
async fn lasted(mut stream: TestStream) -> (f64, u128) {
    let start = Instant::now();
    let mut retry = 0;
    while let Some(decoded) = stream.next_decoded().await {
        match decoded {
            Decoded::Retry(after) => retry = after.as_millis(),
            Decoded::Message(message) => assert_ne!(message.event, "sse-end"),
            _ => {}
        }
    }
    (start.elapsed().as_secs_f64(), retry)
}

fn open(subscription: Subscription) -> TestStream {
    respond(subscription.keep_alive(KeepAlive::OFF), TestRequest::get())
}

#[actix_web::test]
async fn streams_end_at_times_that_are_spread() {
    const STREAMS: u32 = 1_000;
    tokio::time::pause();
    let hub = Hub::builder()
        .max_age(Duration::from_secs(1_000))
        .build()
        .unwrap();
    let streams = (0..STREAMS).map(|_| lasted(open(hub.subscribe("n"))));
    let ends = join_all(streams).await;

    let mut histogram = [0_u32; 10];
    for (seconds, retry) in ends {
        // A tick's worth of lateness.
        assert!((800.0..1_001.5).contains(&seconds), "{seconds}");
        assert!((1_000..=5_000).contains(&retry), "{retry}");
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "of small numbers"
        )]
        let slot = ((seconds - 800.0) / 20.0) as usize;
        histogram[slot.min(9)] += 1;
    }
    for (slot, streams) in (0_u32..).zip(histogram) {
        let (from, to) = (80 + 2 * slot, 82 + 2 * slot);
        println!(
            "measured: {from} % to {to} % of the age: {streams:4} {}",
            "#".repeat(streams as usize / 4)
        );
        // A tenth each; so far off comes once in a billion runs.
        assert!((40..=160).contains(&streams), "{histogram:?}");
    }
    assert_eq!(hub.stats().evictions.aged, u64::from(STREAMS));
    assert_eq!(hub.stats().streams, 0);
}

#[actix_web::test]
async fn a_stream_ends_when_its_credential_does() {
    tokio::time::pause();
    let hub = Hub::builder()
        .max_age(Duration::from_secs(3_600))
        .build()
        .unwrap();
    let at = |seconds| SystemTime::now() + Duration::from_secs(seconds);
    // The earliest counts.
    let both = hub
        .subscribe("n")
        .valid_until(at(900))
        .valid_until(at(60))
        .and(hub.subscribe("m").valid_until(at(300)))
        .unwrap();
    let (seconds, retry) = lasted(open(both)).await;
    assert!((59.0..62.0).contains(&seconds), "{seconds}");
    assert!((1_000..=5_000).contains(&retry), "{retry}");
    assert_eq!(hub.stats().evictions.expired, 1);
    assert_eq!(hub.stats().topic("m").unwrap().evictions.expired, 1);

    let (seconds, _) = lasted(open(hub.subscribe("n").max_age(Duration::from_secs(10)))).await;
    assert!((8.0..11.5).contains(&seconds), "{seconds}");
    assert_eq!(
        (hub.stats().evictions.expired, hub.stats().evictions.aged),
        (1, 1)
    );
}

/// What expires while the request is on its way shows nothing.
#[tokio::test]
async fn a_credential_that_has_expired_shows_nothing() {
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, |app| {
        app.route(
            "/",
            web::get().to(async |hub: web::Data<Hub>| {
                hub.subscribe("n")
                    .valid_until(SystemTime::now() - Duration::from_millis(1))
            }),
        );
    });
    let ids = count(&hub, "n", 1..=3).await;
    let mut reader = Reader::back(serving.addr(), "/", sibling(&ids[0], 0)).await;
    let rest = reader.rest().await;
    assert!(
        rest.starts_with("retry: ") && rest.lines().count() == 1,
        "{rest:?}"
    );
    assert_eq!((hub.stats().streams, hub.stats().evictions.expired), (0, 1));
}

#[tokio::test]
async fn an_end_loses_nothing() {
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, |app| {
        app.route(
            "/",
            web::get().to(async |hub: web::Data<Hub>| {
                let soon = SystemTime::now() + Duration::from_millis(20);
                hub.subscribe("n").valid_until(soon).history(10_000)
            }),
        );
    });
    let mut reader = Reader::new(serving.addr(), "/").await;
    let (mut received, mut published) = (Vec::new(), 0_u64);
    let mut last = String::new();
    let mut ends = 0;
    while ends < 5 {
        count(&hub, "n", published..published + 3).await;
        published += 3;
        while received.len() < usize::try_from(published).unwrap() {
            let event = reader.next().await;
            if event.starts_with("retry") {
                assert_eq!(reader.rest().await, "");
                reader = if last.is_empty() {
                    Reader::new(serving.addr(), "/").await
                } else {
                    Reader::back(serving.addr(), "/", &last).await
                };
                ends += 1;
                continue;
            }
            last = super::id_of(&event).to_owned();
            received.push(super::data(&[event])[0].parse::<u64>().unwrap());
        }
    }
    assert_eq!(received, (0..published).collect::<Vec<_>>());
}

#[test]
fn ages_that_make_no_sense_are_refused() {
    let build = |builder: sse_actix::HubBuilder| builder.build().map(drop).unwrap_err();
    let moment = Duration::from_millis(999);
    assert_eq!(build(Hub::builder().max_age(moment)), HubError::MaxAge);
    let error = build(Hub::builder().stall_timeout(moment));
    assert_eq!(error, HubError::StallTimeout(moment));
    assert!(error.to_string().contains("999ms"), "{error}");
    let seconds = Duration::from_secs;
    let error = build(Hub::builder().overload_retry(seconds(60)..=seconds(30)));
    let told = "the range of `overload_retry` ends before it begins; write 30s..=60s";
    assert_eq!(error.to_string(), told);
    for (options, told) in [
        (
            TopicOptions::log().max_bytes(0),
            "with `max_bytes(0)` a topic would accept no event; give it room for its largest event",
        ),
        (
            TopicOptions::latest().max_age(Duration::ZERO),
            "with a `max_age` of zero a topic would delete each event before it is read; give it a second or more",
        ),
    ] {
        let error = build(Hub::builder().topics_with_prefix("a", options));
        assert_eq!(error.to_string(), told);
    }
    let error = build(Hub::builder().trusted_proxy("10.0.0.0/33"));
    assert!(error.to_string().contains("`10.0.0.0/33` is neither"), "{error}");
}
