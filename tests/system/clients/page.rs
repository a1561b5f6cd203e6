//! Clients in a page.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use actix_web::{
    Error, HttpRequest, HttpResponse, Responder,
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
    std::future::pending().await
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

fn script(text: String) -> HttpResponse {
    HttpResponse::Ok().content_type("text/javascript").body(text)
}

fn serve_page(page: &'static str, script_text: String) -> (Serving, Requests) {
    let requests = Requests::default();
    let data = web::Data::new(requests.clone());
    let routes = move |app: &mut ServiceConfig| {
        let text = script_text.clone();
        app.app_data(data.clone())
            .route("/ending", web::get().to(ending))
            .route("/staying", web::get().to(staying))
            .route("/refused/{status}", web::get().to(refuse))
            .route(
                "/script.js",
                web::get().to(move || std::future::ready(script(text.clone()))),
            )
            .route(
                "/",
                web::get().to(move |_: HttpRequest| std::future::ready(Html::new(page))),
            );
    };
    (serve(routes), requests)
}

/// Reads the stream that the query names, and notes what happens to it.
const DATASTAR: &str = "<!doctype html><title>Datastar</title>
    <script>
        globalThis.seen = [];
        document.addEventListener('datastar-sse', (event) => seen.push(event.detail.type));
    </script>
    <script type=module src=/script.js></script>
    <div data-signals='{number: 0}' data-on-load='@get(location.hash.slice(1))'>
        <output data-text='$number'></output>
    </div>";

const SHOWN: &str = "return document.querySelector('output').textContent";

fn serve_datastar() -> (Serving, Requests) {
    let path = folder("node_modules/@starfederation/datastar/dist/datastar.js");
    serve_page(DATASTAR, fs::read_to_string(path).unwrap())
}

#[tokio::test]
async fn datastar_takes_a_clean_end_as_final() {
    if !are_installed() {
        return;
    }
    let Some(browser) = Browser::start().await else {
        return;
    };
    let (serving, requests) = serve_datastar();
    browser.open(&serving.url("/#/ending")).await;
    browser.wait_until("return seen.includes('finished')").await;
    assert_eq!(browser.run::<String>(SHOWN).await, "1");
    assert_eq!(requests.ids(), [None]);
}

#[tokio::test]
async fn datastar_comes_back_after_a_cut() {
    if !are_installed() {
        return;
    }
    let Some(browser) = Browser::start().await else {
        return;
    };
    let (serving, requests) = serve_datastar();
    let proxy = Proxy::before(serving.addr()).await;
    browser.open(&proxy.url("/#/staying")).await;
    browser.wait(SHOWN, |shown: &String| shown == "1").await;
    proxy.cut(Cut::Close);
    browser.wait(SHOWN, |shown: &String| shown == "2").await;
    assert_eq!(requests.ids(), [None, Some("1".to_owned())]);
}

#[tokio::test]
async fn datastar_asks_again_after_204_and_stops_after_an_error_status() {
    if !are_installed() {
        return;
    }
    let Some(browser) = Browser::start().await else {
        return;
    };
    let (serving, requests) = serve_datastar();
    for status in [401, 503] {
        let before = requests.ids().len();
        browser.open("about:blank").await;
        browser.open(&serving.url(&format!("/#/refused/{status}"))).await;
        browser.wait_until("return seen.includes('finished')").await;
        assert_eq!(requests.ids().len(), before + 1, "{status}");
    }
    let before = requests.ids().len();
    browser.open("about:blank").await;
    browser.open(&serving.url("/#/refused/204")).await;
    until("it to ask again", async || requests.ids().len() == before + 2).await;
}

/// Streams are the browser's own, and everything else goes the worker's way.
#[tokio::test]
async fn the_guide_s_service_worker_does_not_touch_streams() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let worker = guide::program("js", "respondWith")
        + "self.onactivate = (event) => event.waitUntil(clients.claim());";
    let (serving, requests) = serve_page("<!doctype html><title>worker</title>", worker);
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
