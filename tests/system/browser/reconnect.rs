use std::sync::{Arc, Mutex};

use actix_web::{App, Error, web};
use sse_actix::{Event, EventId, LastEventId, sse_stream, test::Serving};
use sse_tests::browser::{Browser, Engine};

in_each_browser! {
    retry_is_obeyed_and_the_last_event_id_comes_back,
    nul_in_data_does_not_arrive_in_firefox,
}

/// What each request brought as its last event id.
type Requests = Arc<Mutex<Vec<Option<String>>>>;

/// One event, and the end: a browser comes back after `retry`.
#[sse_stream(retry = "150ms")]
async fn once(last: LastEventId, requests: web::Data<Requests>) -> Result<(), Error> {
    let number = {
        let mut requests = requests.lock().unwrap();
        requests.push(last.as_str().map(str::to_owned));
        requests.len()
    };
    let id = EventId::try_from(format!("größe {number}")).unwrap();
    emit!(Event::data("one\ntwo\r\nthree\r\rfive").id(id));
    Ok(())
}

/// Chromium's own 3 s would take longer for so many than this test waits, which is a minute.
const RECONNECTS: usize = 25;

async fn retry_is_obeyed_and_the_last_event_id_comes_back(engine: Engine) {
    let Some(browser) = Browser::start_engine(engine).await else {
        return;
    };
    let requests = Requests::default();
    let data = web::Data::new(Arc::clone(&requests));
    let serving = Serving::start(move || {
        let app = App::new().app_data(data.clone());
        app.route("/", web::get().to(super::blank))
            .route("/once", web::get().to(once))
    });
    browser.open(&serving.url("/")).await;
    let listen = "
        window.seen = [];
        window.source = new EventSource('/once');
        source.onmessage = (event) => seen.push([event.data, event.lastEventId]);
    ";
    browser.run::<()>(listen).await;
    let seen: Vec<(String, String)> = browser
        .wait("return seen", |seen: &Vec<_>| seen.len() > RECONNECTS)
        .await;
    browser.run::<()>("source.close()").await;

    let ids: Vec<_> = (1..=seen.len()).map(|number| format!("größe {number}")).collect();
    assert_eq!(
        seen.iter().map(|(_, id)| id).collect::<Vec<_>>(),
        ids.iter().collect::<Vec<_>>()
    );
    assert!(
        seen.iter().all(|(data, _)| data == "one\ntwo\nthree\n\nfive"),
        "{seen:?}"
    );

    let requests = requests.lock().unwrap();
    let brought = ids.into_iter().take(RECONNECTS).map(Some);
    assert_eq!(
        requests[..=RECONNECTS],
        [None].into_iter().chain(brought).collect::<Vec<_>>()
    );
}

#[sse_stream]
async fn nul() -> Result<(), Error> {
    loop {
        emit!("a\0b");
        std::future::pending::<()>().await;
    }
}

/// The guide's table says so.
async fn nul_in_data_does_not_arrive_in_firefox(engine: Engine) {
    let Some(browser) = Browser::start_engine(engine).await else {
        return;
    };
    let serving = Serving::start(|| {
        let app = App::new().route("/", web::get().to(super::blank));
        app.route("/nul", web::get().to(nul))
    });
    browser.open(&serving.url("/")).await;
    let listen = "
        window.seen = [];
        window.source = new EventSource('/nul');
        source.onmessage = ({ data }) => seen.push(data);
    ";
    browser.run::<()>(listen).await;
    let seen: Vec<String> = browser
        .wait("return seen", |seen: &Vec<_>| !seen.is_empty())
        .await;
    let expected = match engine {
        Engine::Chromium => "a\0b",
        Engine::Firefox => "ab",
    };
    assert_eq!(seen, [expected]);
}
