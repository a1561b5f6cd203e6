//! Foreign code that panics in a hub's worker: a log, a waker. Streams end then, with a reason, and clients come back.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use actix_web::{
    App, Error, HttpRequest,
    test::TestRequest,
    web::{self, Data},
};
use futures_util::{Stream as _, StreamExt as _};
use sse_actix::{
    EventId, Hub, Subscription, sse_stream,
    test::{Serving, respond},
};
use sse_tests::{http2::Http2, patience::until};

use super::{
    Reader, count, event,
    hooked_log::{Call, Hooked},
    until_reads, without_positions,
};

async fn answer(hub: Data<Hub>) -> Subscription {
    hub.subscribe("n")
}

#[sse_stream]
async fn inside(request: HttpRequest, hub: Data<Hub>) -> Result<(), Error> {
    let mut events = hub.subscribe("n").on(&request);
    while let Some(event) = events.next().await {
        emit!(event?);
    }
    Ok(())
}

/// Serves on one thread, so that all streams have the same worker.
fn serve(hub: &Hub) -> Serving {
    let hub = hub.clone();
    Serving::with(
        move || {
            App::new()
                .app_data(Data::new(hub.clone()))
                .route("/", web::get().to(answer))
                .route("/inside", web::get().to(inside))
        },
        |server| server.workers(1).bind_auto_h2c(("127.0.0.1", 0)).unwrap(),
    )
}

/// What comes after the first event: the second one, if its worker got so far, and a `retry`.
fn is_told_to_come_back(rest: &str, second: &EventId, at: Call) {
    let retry = rest.strip_prefix(&event(second, 2)).unwrap_or(rest);
    let millis = retry.trim_end().strip_prefix("retry: ").map(str::parse::<u32>);
    assert!(matches!(millis, Some(Ok(1_000..=5_000))), "{at:?}: {rest:?}");
}

#[tokio::test]
async fn streams_end_with_a_retry_and_a_new_worker_serves() {
    for (at, answers_later) in [(Call::Read, false), (Call::PollRead, true)] {
        let log = if answers_later {
            Hooked::new().answers_later()
        } else {
            Hooked::new()
        };
        let hub = Hub::builder().log(log.clone()).build().unwrap();
        let serving = serve(&hub);
        let mut readers = [
            Reader::new(serving.addr(), "/").await,
            Reader::new(serving.addr(), "/inside").await,
        ];
        let mut http2 = Http2::connect(serving.addr()).await;
        let mut multiplexed = http2.get("/").await;
        until("three readers", async || hub.stats().streams == 3).await;
        let ids = count(&hub, "n", 1..=1).await;
        for reader in &mut readers {
            assert_eq!(reader.next().await, event(&ids[0], 1));
        }

        log.hook(move |call| assert_ne!(call, at, "as the test wants"));
        let second = count(&hub, "n", 2..=2).await.remove(0);
        for reader in &mut readers {
            is_told_to_come_back(&reader.rest().await, &second, at);
        }
        let rest = without_positions(&multiplexed.body().await);
        let first = format!("retry: 3000\n{}", event(&ids[0], 1));
        is_told_to_come_back(rest.strip_prefix(&first).unwrap(), &second, at);
        until("no reader", async || hub.stats().streams == 0).await;
        assert_eq!(hub.stats().evictions.failed, 3, "{at:?}");
        assert_eq!(hub.stats().topic("n").unwrap().subscribers, 0, "{at:?}");

        log.unhook();
        let mut back = Reader::back(serving.addr(), "/", &ids[0]).await;
        assert!(back.next().await.ends_with("data: 2\n\n"));
        let ids = count(&hub, "n", 3..=3).await;
        assert_eq!(back.next().await, event(&ids[0], 3));
    }
}

/// Figures and maintenance: streams go on without them.
#[actix_web::test]
async fn a_panic_in_what_streams_do_not_need_ends_none() {
    tokio::time::pause();
    for at in [Call::Behind, Call::Maintain] {
        let log = Hooked::new();
        let hub = Hub::builder().log(log.clone()).build().unwrap();
        let mut reader = respond(hub.subscribe("n"), TestRequest::get());
        until_reads(&hub, "n").await;
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        log.hook(move |call| {
            if call == at {
                counted.fetch_add(1, Ordering::SeqCst);
                panic!("as the test wants");
            }
        });
        for n in 1..=3 {
            count(&hub, "n", n..=n).await;
            assert_eq!(&*reader.next().await.unwrap().data, n.to_string());
            tokio::time::sleep(Duration::from_secs(11)).await;
        }
        assert!(calls.load(Ordering::SeqCst) >= 3, "{at:?}");
        drop(reader);
        log.unhook();
        let stats = hub.stats();
        assert_eq!((stats.streams, stats.evictions.failed), (0, 0), "{at:?}");
    }
}

/// A stream that is to end asks the log how far it is.
#[actix_web::test]
async fn a_stream_ends_though_the_log_panics_when_asked_for_its_head() {
    let log = Hooked::new();
    let hub = Hub::builder().log(log.clone()).build().unwrap();
    let subscription = hub.subscribe("n").max_age(Duration::ZERO);
    log.hook(|call| assert_ne!(call, Call::Stats, "as the test wants"));
    let mut reader = respond(subscription, TestRequest::get());
    while reader.next_decoded().await.is_some() {}
    drop(reader);
    log.unhook();
    assert_eq!((hub.stats().streams, hub.stats().evictions.aged), (0, 1));
}

#[actix_web::test]
async fn a_log_is_maintained_when_all_readers_have_left() {
    tokio::time::pause();
    let log = Hooked::new();
    let hub = Hub::builder().log(log.clone()).build().unwrap();
    let reader = respond(hub.subscribe("n"), TestRequest::get());
    until_reads(&hub, "n").await;
    drop(reader);
    assert_eq!(hub.stats().streams, 0);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    log.hook(move |call| {
        counted.fetch_add(usize::from(call == Call::Maintain), Ordering::SeqCst);
    });
    tokio::time::sleep(Duration::from_secs(60)).await;
    let calls = calls.load(Ordering::SeqCst);
    assert!((5..=7).contains(&calls), "{calls} times in a minute");
}

/// A subscription whose second topic cannot be watched leaves the first one.
#[actix_web::test]
async fn a_panic_at_the_beginning_leaves_nothing_behind() {
    let log = Hooked::new();
    let hub = Hub::builder().log(log.clone()).build().unwrap();
    let watches = AtomicUsize::new(0);
    log.hook(move |call| {
        let is_second = call == Call::Watch && watches.fetch_add(1, Ordering::SeqCst) == 1;
        assert!(!is_second, "as the test wants");
    });
    let both = hub.subscribe("a").and(hub.subscribe("b")).unwrap();
    let mut both = Box::pin(both);
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        both.as_mut().poll_next(&mut Context::from_waker(Waker::noop()))
    }));
    assert!(polled.is_err());
    drop(both);
    log.unhook();
    let stats = hub.stats();
    assert_eq!((stats.streams, stats.topic("a").unwrap().subscribers), (0, 0));
    let mut a = respond(hub.subscribe("a"), TestRequest::get());
    until_reads(&hub, "a").await;
    count(&hub, "a", 1..=1).await;
    assert_eq!(&*a.next().await.unwrap().data, "1");
}

thread_local! {
    static POLLED: std::cell::RefCell<Option<std::pin::Pin<Box<Subscription>>>> = const { std::cell::RefCell::new(None) };
}

/// A waker that polls at once, within `wake`.
struct PollsAtOnce(Arc<Mutex<usize>>);

impl Wake for PollsAtOnce {
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        POLLED.with(|polled| {
            let mut polled = polled.borrow_mut();
            let Some(subscription) = polled.as_mut() else {
                return;
            };
            let mut cx = Context::from_waker(&waker);
            while let Poll::Ready(Some(_)) = subscription.as_mut().poll_next(&mut cx) {
                *self.0.lock().unwrap() += 1;
            }
        });
    }
}

#[actix_web::test]
async fn a_waker_that_polls_at_once_harms_nobody() {
    let hub = Hub::new().unwrap();
    let polls = Arc::new(PollsAtOnce(Arc::default()));
    POLLED.set(Some(Box::pin(hub.subscribe("n"))));
    Arc::clone(&polls).wake();
    let mut other = respond(hub.subscribe("n"), TestRequest::get());
    assert_eq!(hub.stats().streams, 2);
    count(&hub, "n", 1..=3).await;
    for n in 1..=3 {
        assert_eq!(&*other.next().await.unwrap().data, n.to_string());
    }
    until("all events", async || *polls.0.lock().unwrap() >= 3).await;
    assert_eq!(hub.stats().evictions.failed, 0);
    POLLED.set(None);
}
