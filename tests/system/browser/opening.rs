//! The first and the last bytes of a stream, as browsers take them: neither has an empty line after it.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use actix_web::{
    App,
    web::{self, Data},
};
use futures_util::stream;
use sse_actix::{Ending, Event, Hub, KeepAlive, Shutdown, Sse, StreamControl, test::Serving};
use sse_tests::browser::{Browser, Engine};

in_each_browser! {
    a_silent_stream_opens_at_once,
    a_farewell_is_obeyed,
    a_position_is_kept_and_not_noticed,
}

fn silent() -> Sse<stream::Pending<Event>> {
    Sse::new(stream::pending()).keep_alive(KeepAlive::OFF)
}

/// Firefox needs a first byte for it.
async fn a_silent_stream_opens_at_once(engine: Engine) {
    let Some(browser) = Browser::start_engine(engine).await else {
        return;
    };
    let serving = Serving::start(|| {
        App::new()
            .route("/", web::get().to(super::blank))
            .route("/retry", web::get().to(async || silent()))
            .route("/no-retry", web::get().to(async || silent().no_retry()))
    });
    browser.open(&serving.url("/")).await;
    for path in ["/retry", "/no-retry"] {
        let open = format!(
            "window.opened = 0;
             window.source = new EventSource('{path}');
             source.onopen = () => opened += 1;"
        );
        browser.run::<()>(&open).await;
        browser.wait_until("return opened === 1").await;
        browser.run::<()>("source.close()").await;
    }
}

/// With times of their own, from 3 s on, browsers would come back less than twenty times within the minute that this
/// waits at most.
async fn a_farewell_is_obeyed(engine: Engine) {
    const RECONNECTS: usize = 25;

    let Some(browser) = Browser::start_engine(engine).await else {
        return;
    };
    let requests = Data::new(AtomicUsize::new(0));
    let counted = requests.clone();
    let serving = Serving::start(move || {
        let farewell = async |control: StreamControl, requests: Data<AtomicUsize>| {
            requests.fetch_add(1, Ordering::SeqCst);
            control.end(Ending::Reconnect);
            silent().no_retry()
        };
        App::new()
            .app_data(Shutdown::with_retry(
                Duration::from_millis(500)..=Duration::from_millis(500),
            ))
            .app_data(counted.clone())
            .route("/", web::get().to(super::blank))
            .route("/farewell", web::get().to(farewell))
    });
    browser.open(&serving.url("/")).await;
    browser
        .run::<()>("window.source = new EventSource('/farewell')")
        .await;
    sse_tests::patience::until("25 reconnects", async || {
        requests.load(Ordering::SeqCst) > RECONNECTS
    })
    .await;
}

/// A page that knows nothing of it comes back with its id.
async fn a_position_is_kept_and_not_noticed(engine: Engine) {
    let Some(browser) = Browser::start_engine(engine).await else {
        return;
    };
    let hub = Hub::new().unwrap();
    let shared = Data::new(hub.clone());
    let serving = Serving::start(move || {
        let events =
            async |hub: Data<Hub>| hub.subscribe("n").retry(Duration::from_millis(500)).tag("reader");
        App::new()
            .app_data(shared.clone())
            .route("/", web::get().to(super::blank))
            .route("/events", web::get().to(events))
    });
    browser.open(&serving.url("/")).await;
    browser
        .run::<()>(
            "window.seen = []; window.opened = 0;
             window.source = new EventSource('/events');
             source.onopen = () => opened += 1;
             source.onmessage = ({ data }) => seen.push(data);",
        )
        .await;
    browser.wait_until("return opened === 1").await;
    // Its connection is cut before it had an event, and something is published meanwhile.
    serving.shutdown().end_tagged("reader", Ending::Reconnect);
    hub.topic("n").publish(&1).await.unwrap();
    browser.wait_until("return opened === 2").await;
    hub.topic("n").publish(&2).await.unwrap();
    let seen: Vec<String> = browser.wait("return seen", |seen: &Vec<_>| seen.len() >= 2).await;
    assert_eq!(seen, ["1", "2"]);
}
