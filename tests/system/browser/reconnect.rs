use std::sync::{Arc, Mutex};

use actix_web::{App, Error, web};
use sse_actix::{Event, EventId, LastEventId, sse_stream, test::Serving};
use sse_tests::browser::Browser;

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

#[actix_web::test]
async fn retry_is_obeyed_and_the_last_event_id_comes_back() {
    let Some(browser) = Browser::start().await else {
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
