//! Clients in a page.

use std::{
    fs,
    future::{pending, ready},
    sync::{Arc, Mutex},
};

use actix_web::{
    Error, HttpResponse, Responder,
    http::StatusCode,
    web::{self, Html, ServiceConfig},
};
use sse_actix::{Event, LastEventId, sse_stream, test::Serving};
use sse_tests::{browser::Browser, patience::until, serve::serve};

use super::{
    are_installed,
    client::folder,
    guide,
    proxy::{Cut, Proxy},
};

/// What each request brought as its last event id.
#[derive(Clone, Default)]
struct Requests(Arc<Mutex<Vec<Option<String>>>>);

impl Requests {
    fn note(&self, id: &LastEventId) -> usize {
        let mut requests = self.0.lock().unwrap();
        requests.push(id.as_str().map(str::to_owned));
        requests.len()
    }

    fn ids(&self) -> Vec<Option<String>> {
        self.0.lock().unwrap().clone()
    }
}

/// One event, which names its number to Datastar, too; then the end.
#[sse_stream(retry = "100ms")]
async fn ending(last: LastEventId, requests: web::Data<Requests>) -> Result<(), Error> {
    let number = requests.note(&last);
    emit!(numbered(number));
    Ok(())
}

/// One event, and a connection that stays.
#[sse_stream(retry = "100ms")]
async fn staying(last: LastEventId, requests: web::Data<Requests>) -> Result<(), Error> {
    let number = requests.note(&last);
    emit!(numbered(number));
    pending().await
}

/// One event that takes long to arrive, and a connection that stays.
#[sse_stream(retry = "100ms")]
async fn large(last: LastEventId, requests: web::Data<Requests>) -> Result<(), Error> {
    let number = requests.note(&last);
    let spaces = " ".repeat(1_000_000);
    let signals = format!("signals {{number: {number}{spaces}}}");
    emit!(Event::data(signals).event("datastar-merge-signals").id(number));
    pending().await
}

fn numbered(number: usize) -> Event {
    let signals = format!("signals {{number: {number}}}");
    Event::data(signals).event("datastar-merge-signals").id(number)
}

/// No stream.
async fn refuse(status: web::Path<u16>, last: LastEventId, requests: web::Data<Requests>) -> impl Responder {
    requests.note(&last);
    HttpResponse::build(StatusCode::from_u16(*status).unwrap())
}

/// Serves a page, and a script as `/script.js`.
fn serve_page(page: String, script: String) -> (Serving, Requests) {
    let requests = Requests::default();
    let data = web::Data::new(requests.clone());
    let routes = move |app: &mut ServiceConfig| {
        let page = page.clone();
        let script = script.clone();
        let script = move || {
            let answer = HttpResponse::Ok()
                .content_type("text/javascript")
                .body(script.clone());
            ready(answer)
        };
        app.app_data(data.clone())
            .route("/ending", web::get().to(ending))
            .route("/staying", web::get().to(staying))
            .route("/large", web::get().to(large))
            .route("/refused/{status}", web::get().to(refuse))
            .route("/script.js", web::get().to(script))
            .route("/", web::get().to(move || ready(Html::new(page.clone()))));
    };
    (serve(routes), requests)
}

/// A page with Datastar, whose number an event sets. Its button reads the stream that the fragment names.
const DATASTAR: &str = "<!doctype html><title>Datastar</title>
    <script>
        globalThis.seen = [];
        document.addEventListener('datastar-sse', (event) => seen.push(event.detail.type));
    </script>
    <script type=module src=/script.js></script>
    <div data-signals='{number: 0}'>
        <output data-text='$number'></output>
        <button data-on-click='@get(location.hash.slice(1))'>Read</button>
    </div>";

const SHOWN: &str = "return document.querySelector('output').textContent";

/// With this at the page's end.
fn serve_datastar(more: &str) -> (Serving, Requests) {
    let path = folder("node_modules/@starfederation/datastar/dist/datastar.js");
    serve_page(DATASTAR.to_owned() + more, fs::read_to_string(path).unwrap())
}

#[tokio::test]
async fn datastar_takes_a_clean_end_as_final() {
    if !are_installed() {
        return;
    }
    let Some(browser) = Browser::start().await else {
        return;
    };
    let (serving, requests) = serve_datastar("");
    browser.open(&serving.url("/#/ending")).await;
    browser.click("button").await;
    browser.wait_until("return seen.includes('finished')").await;
    assert_eq!(browser.run::<String>(SHOWN).await, "1");
    assert_eq!(requests.ids(), [None]);
}

#[tokio::test]
async fn with_the_guide_s_lines_datastar_reads_on_after_a_clean_end() {
    if !are_installed() {
        return;
    }
    let Some(browser) = Browser::start().await else {
        return;
    };
    let lines = guide::program("html", "datastar-sse").replace("'/prices'", "'/ending'");
    let (serving, _) = serve_datastar(&lines);
    browser.open(&serving.url("/")).await;
    browser.wait(SHOWN, |shown: &String| shown == "3").await;
}

#[tokio::test]
async fn datastar_comes_back_after_a_cut() {
    if !are_installed() {
        return;
    }
    let Some(browser) = Browser::start().await else {
        return;
    };
    let (serving, requests) = serve_datastar("");
    let proxy = Proxy::before(serving.addr()).await;
    browser.open(&proxy.url("/#/staying")).await;
    browser.click("button").await;
    browser.wait(SHOWN, |shown: &String| shown == "1").await;
    proxy.cut(Cut::Close);
    browser.wait(SHOWN, |shown: &String| shown == "2").await;
    assert_eq!(requests.ids(), [None, Some("1".to_owned())]);
}

/// It brings the id of an event that it never showed. Not always: a browser may drop what it has not given out yet
/// when the connection is cut.
#[tokio::test]
async fn datastar_may_lose_an_event_that_was_cut() {
    if !are_installed() {
        return;
    }
    let Some(browser) = Browser::start().await else {
        return;
    };
    let (serving, requests) = serve_datastar("");
    let proxy = Proxy::before(serving.addr()).await;
    for attempt in 0..20 {
        browser.open("about:blank").await;
        browser.open(&proxy.url("/#/large")).await;
        proxy.cut_after(10_000);
        browser.click("button").await;
        browser.wait(SHOWN, |shown: &String| shown != "0").await;
        let cut = requests.ids().len() - 1;
        if requests.ids().last() == Some(&Some(cut.to_string())) {
            println!("measured: lost at attempt {attempt}");
            return;
        }
    }
    panic!("it loses nothing: the guide is wrong");
}

#[tokio::test]
async fn datastar_stops_when_it_is_answered_without_a_stream() {
    if !are_installed() {
        return;
    }
    let Some(browser) = Browser::start().await else {
        return;
    };
    let (serving, requests) = serve_datastar("");
    for (before, status) in [204, 401, 503].into_iter().enumerate() {
        // So that the page is loaded again, though only its fragment differs.
        browser.open("about:blank").await;
        browser.open(&serving.url(&format!("/#/refused/{status}"))).await;
        browser.click("button").await;
        browser.wait_until("return seen.includes('finished')").await;
        assert_eq!(requests.ids().len(), before + 1, "{status}");
    }
}

/// Streams are the browser's own, and everything else goes the worker's way.
#[tokio::test]
async fn the_guide_s_service_worker_does_not_touch_streams() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let worker = guide::program_of("http2-and-tabs.md", "js", "respondWith")
        + "self.onactivate = (event) => event.waitUntil(clients.claim());";
    let (serving, requests) = serve_page("<!doctype html><title>worker</title>".to_owned(), worker);
    browser.open(&serving.url("/")).await;
    browser
        .run::<()>("navigator.serviceWorker.register('/script.js')")
        .await;
    browser
        .wait_until("return navigator.serviceWorker.controller !== null")
        .await;
    browser
        .run::<()>("globalThis.source = new EventSource('/ending')")
        .await;
    until("it to come back", async || requests.ids().len() >= 3).await;
    browser.run::<()>("source.close()").await;
    let ids = requests.ids();
    let expected = [None, Some("1".to_owned()), Some("2".to_owned())];
    assert_eq!(ids[..3], expected);
}
