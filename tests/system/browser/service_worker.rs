//! Service workers between a page and its stream.

use std::sync::{Arc, Mutex};

use actix_web::{App, Error, HttpResponse, web};
use sse_actix::{Event, LastEventId, sse_stream, test::Serving};
use sse_tests::browser::{Browser, Engine};

in_each_browser! {
    that_pass_requests_on_lose_the_last_event_id_in_chromium,
    that_leave_streams_alone_lose_nothing,
    that_pass_requests_on_lose_nothing_of_a_shared_source,
}

/// What each request brought as its last event id.
type Requests = Arc<Mutex<Vec<Option<String>>>>;

/// As many tutorials show it.
const PASSES_ON: &str = "event.respondWith(fetch(event.request));";

/// As the guide shows it.
const LEAVES_STREAMS_ALONE: &str = r#"if (event.request.headers.get("Accept") === "text/event-stream") return;
event.respondWith(fetch(event.request));"#;

/// One event, and the end: a browser comes back after `retry`.
#[sse_stream(retry = "100ms")]
async fn once(last: LastEventId, requests: web::Data<Requests>) -> Result<(), Error> {
    let number = {
        let mut requests = requests.lock().unwrap();
        requests.push(last.as_str().map(str::to_owned));
        requests.len()
    };
    emit!(Event::data(number.to_string()).id(number));
    Ok(())
}

struct Scene {
    browser: Browser,
    requests: Requests,
    _serving: Serving,
}

impl Scene {
    /// A page that a service worker controls, which does this at each fetch.
    async fn open(engine: Engine, at_fetch: &'static str) -> Option<Self> {
        let browser = Browser::start_engine(engine).await?;
        let requests = Requests::default();
        let data = web::Data::new(Arc::clone(&requests));
        let script = format!(
            "oninstall = () => skipWaiting();
             onactivate = (event) => event.waitUntil(clients.claim());
             onfetch = (event) => {{ {at_fetch} }};"
        );
        let serving = Serving::start(move || {
            let script = script.clone();
            let worker = web::get().to(move || {
                let script = script.clone();
                async { HttpResponse::Ok().content_type("text/javascript").body(script) }
            });
            App::new()
                .app_data(data.clone())
                .service(sse_actix::shared_event_source())
                .route("/", web::get().to(super::blank))
                .route("/worker.js", worker)
                .route("/once", web::get().to(once))
        });
        browser.open(&serving.url("/")).await;
        browser
            .run::<()>("navigator.serviceWorker.register('/worker.js')")
            .await;
        browser
            .wait_until("return navigator.serviceWorker.controller?.state === 'activated'")
            .await;
        Some(Self {
            browser,
            requests,
            _serving: serving,
        })
    }

    /// What three requests bring of a page that opens this source.
    async fn three_requests(&self, source: &str) -> Vec<Option<String>> {
        let script = format!(
            "window.seen = [];
             {source}.then((opened) => {{
                 window.source = opened;
                 opened.onmessage = ({{ data }}) => seen.push(data);
             }});"
        );
        self.browser.run::<()>(&script).await;
        self.browser.wait_until("return seen.length >= 3").await;
        self.browser.run::<()>("source.close()").await;
        self.requests.lock().unwrap()[..3].to_vec()
    }
}

const PLAIN: &str = "Promise.resolve(new EventSource('/once'))";
const SHARED: &str =
    "import('/shared-event-source.js').then(({ SharedEventSource }) => new SharedEventSource('/once'))";

fn resumed() -> [Option<String>; 3] {
    [None, Some("1".to_owned()), Some("2".to_owned())]
}

/// The guide's table says so. If Chromium is mended, it is time to change the guide.
async fn that_pass_requests_on_lose_the_last_event_id_in_chromium(engine: Engine) {
    let Some(scene) = Scene::open(engine, PASSES_ON).await else {
        return;
    };
    let requests = scene.three_requests(PLAIN).await;
    match engine {
        Engine::Chromium => assert_eq!(requests, [None, None, None]),
        Engine::Firefox => assert_eq!(requests, resumed()),
    }
}

async fn that_leave_streams_alone_lose_nothing(engine: Engine) {
    let guide = include_str!("../../../docs/http2-and-tabs.md");
    let line = LEAVES_STREAMS_ALONE.lines().next().unwrap();
    assert!(guide.contains(line), "the guide shows it");
    let Some(scene) = Scene::open(engine, LEAVES_STREAMS_ALONE).await else {
        return;
    };
    assert_eq!(scene.three_requests(PLAIN).await, resumed());
}

async fn that_pass_requests_on_lose_nothing_of_a_shared_source(engine: Engine) {
    let Some(scene) = Scene::open(engine, PASSES_ON).await else {
        return;
    };
    assert_eq!(scene.three_requests(SHARED).await, resumed());
}
