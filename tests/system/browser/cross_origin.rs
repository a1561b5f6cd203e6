//! A page of one site that reads the streams of another, over TLS, as browsers demand it for cookies.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use actix_web::{App, HttpRequest, HttpResponse, Responder, get, post, web};
use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use sse_actix::{CrossOrigin, Ending, Event, LastEventId, SessionCookie, Sse, StreamControl, test::Serving};
use sse_tests::{
    browser::{Browser, Engine, Settings},
    certified::certified,
    guard::Guards,
    patience::until,
    wire::report,
};

in_each_browser! {
    an_allowed_origin_gets_events_with_its_cookie_and_again_after_a_reconnect,
    without_credentials_there_is_no_cookie,
    other_origins_see_nothing_and_no_handler_runs,
    a_sandboxed_frame_of_an_allowed_page_sees_nothing,
    where_third_party_cookies_are_blocked_a_partitioned_one_comes_back,
    a_client_that_fetches_is_let_through_by_the_preflight,
    on_http_2_all_of_twenty_streams_open,
    on_http_1_1_six_of_twenty_streams_open_and_the_rest_wait,
    a_log_out_ends_the_stream_at_once_and_for_good,
    the_shared_source_reads_across_origins_with_a_cookie_and_its_last_id,
    a_refused_reconnect_is_final_in_firefox,
}

/// What reached a handler.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Arrival {
    method: String,
    cookie: Option<String>,
    last_id: Option<String>,
}

#[derive(Debug, Clone)]
struct Seen {
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    guards: Guards,
}

impl Seen {
    fn note(&self, request: &HttpRequest, last_id: &LastEventId) {
        self.arrivals.lock().unwrap().push(Arrival {
            method: request.method().to_string(),
            cookie: session().value(request),
            last_id: last_id.as_str().map(str::to_owned),
        });
    }

    fn arrivals(&self) -> Vec<Arrival> {
        self.arrivals.lock().unwrap().clone()
    }
}

fn session() -> SessionCookie {
    SessionCookie::new("session").unwrap()
}

fn got(cookie: Option<&str>, last_id: Option<&str>) -> Arrival {
    Arrival {
        method: "GET".to_owned(),
        cookie: cookie.map(str::to_owned),
        last_id: last_id.map(str::to_owned),
    }
}

/// One event, its number behind the last one that the client has; then silence.
#[get("/stream")]
async fn numbers(
    request: HttpRequest,
    last: LastEventId,
    control: StreamControl,
    seen: web::Data<Seen>,
) -> impl Responder {
    seen.note(&request, &last);
    if let Some(cookie) = session().value(&request) {
        control.tag(cookie);
    }
    let next = last.parse::<u32>().ok().flatten().unwrap_or(0) + 1;
    let events = stream::iter([Event::data(next.to_string()).id(next)]).chain(stream::pending());
    Sse::new(seen.guards.held_by(events)).retry(Duration::from_millis(200))
}

#[post("/login")]
async fn login(cookie: web::Query<Login>) -> impl Responder {
    let mut session = session();
    if cookie.partitioned {
        session = session.partitioned();
    }
    HttpResponse::NoContent()
        .append_header(session.set("ada").unwrap())
        .finish()
}

#[derive(serde::Deserialize)]
struct Login {
    partitioned: bool,
}

/// A site of pages, and one of streams that allows these.
struct Scene {
    browser: Browser,
    pages: Serving,
    streams: Serving,
    seen: Seen,
}

const PAGE: &str = "page.localhost";

impl Scene {
    async fn open(engine: Engine, settings: Settings) -> Option<Self> {
        let browser = Browser::start_with(Settings {
            engine,
            any_certificate: true,
            ..settings
        })
        .await?;
        let pages = pages();
        let allowed = CrossOrigin::allow([format!("https://{PAGE}:{}", pages.addr().port())]).unwrap();
        let (guards, _) = Guards::new();
        let seen = Seen {
            arrivals: Arc::default(),
            guards,
        };
        let data = web::Data::new(seen.clone());
        let (config, _) = certified(["streams.localhost"]);
        let streams = Serving::with(
            move || {
                let routes = web::scope("")
                    .wrap(allowed.clone().authorization())
                    .service(numbers)
                    .service(login);
                App::new().app_data(data.clone()).service(routes)
            },
            |server| server.bind_rustls_0_23(("127.0.0.1", 0), config).unwrap(),
        );
        Some(Self {
            browser,
            pages,
            streams,
            seen,
        })
    }

    fn url(&self, path: &str) -> String {
        format!("https://streams.localhost:{}{path}", self.streams.addr().port())
    }

    /// Opens the page that is allowed.
    async fn visit(&self) {
        self.visit_as(PAGE).await;
    }

    async fn visit_as(&self, host: &str) {
        let port = self.pages.addr().port();
        self.browser.open(&format!("https://{host}:{port}/")).await;
    }

    async fn log_in(&self, partitioned: bool) {
        let url = self.url(&format!("/login?partitioned={partitioned}"));
        let script = format!(
            "window.login = null;
             fetch('{url}', {{ method: 'POST', credentials: 'include' }}).then((answer) => login = answer.status);"
        );
        self.browser.run::<()>(&script).await;
        self.browser.wait_until("return login === 204").await;
    }

    async fn listen(&self, options: &str) {
        self.browser
            .run::<()>(&source(&self.url("/stream"), options))
            .await;
    }

    async fn until_seen(&self, data: &[&str]) {
        let seen: Vec<String> = self
            .browser
            .wait("return seen", |seen: &Vec<String>| seen.len() >= data.len())
            .await;
        assert_eq!(seen, data);
    }

    /// That this page is refused: it sees nothing, and no handler ran for it.
    async fn refused(&self) {
        self.listen("{ withCredentials: true }").await;
        self.browser
            .wait_until("return source.readyState === EventSource.CLOSED")
            .await;
        assert_eq!(
            self.browser
                .run::<(u32, Vec<String>)>("return [errors, seen]")
                .await,
            (1, vec![])
        );
        assert_eq!(self.seen.arrivals(), []);
    }
}

fn pages() -> Serving {
    let (config, _) = certified([PAGE]);
    Serving::with(
        || {
            App::new()
                .service(sse_actix::shared_event_source())
                .default_service(web::to(super::blank))
        },
        |server| server.bind_rustls_0_23(("127.0.0.1", 0), config).unwrap(),
    )
}

/// Opens a source that notes what it sees.
fn source(url: &str, options: &str) -> String {
    format!(
        "window.seen = [];
         window.errors = 0;
         window.source = new EventSource('{url}', {options});
         source.onmessage = (event) => seen.push(event.data);
         source.onerror = () => errors += 1;"
    )
}

async fn an_allowed_origin_gets_events_with_its_cookie_and_again_after_a_reconnect(engine: Engine) {
    let Some(scene) = Scene::open(engine, Settings::default()).await else {
        return;
    };
    scene.visit().await;
    scene.log_in(false).await;
    scene.listen("{ withCredentials: true }").await;
    scene.until_seen(&["1"]).await;
    assert_eq!(scene.streams.shutdown().end_tagged("ada", Ending::Reconnect), 1);
    scene.until_seen(&["1", "2"]).await;
    assert_eq!(
        scene.seen.arrivals(),
        [got(Some("ada"), None), got(Some("ada"), Some("1"))]
    );
}

async fn without_credentials_there_is_no_cookie(engine: Engine) {
    let Some(scene) = Scene::open(engine, Settings::default()).await else {
        return;
    };
    scene.visit().await;
    scene.log_in(false).await;
    scene.listen("{}").await;
    scene.until_seen(&["1"]).await;
    assert_eq!(scene.seen.arrivals(), [got(None, None)]);
}

async fn other_origins_see_nothing_and_no_handler_runs(engine: Engine) {
    let Some(scene) = Scene::open(engine, Settings::default()).await else {
        return;
    };
    for host in [
        "elsewhere.localhost",
        // A prefix, a suffix, a sub-domain.
        "evil-page.localhost",
        "page.localhost.evil.localhost",
        "sub.page.localhost",
        "localhost",
    ] {
        scene.visit_as(host).await;
        scene.refused().await;
    }

    let other_port = pages();
    scene
        .browser
        .open(&format!("https://{PAGE}:{}/", other_port.addr().port()))
        .await;
    scene.refused().await;

    let other_scheme = Serving::start(|| App::new().default_service(web::to(super::blank)));
    scene
        .browser
        .open(&format!("http://{PAGE}:{}/", other_scheme.addr().port()))
        .await;
    scene.refused().await;
}

async fn a_sandboxed_frame_of_an_allowed_page_sees_nothing(engine: Engine) {
    let Some(scene) = Scene::open(engine, Settings::default()).await else {
        return;
    };
    scene.visit().await;
    let frame = format!(
        "window.told = null;
         onmessage = (message) => told = [message.origin, ...message.data];
         const frame = document.createElement('iframe');
         frame.sandbox = 'allow-scripts';
         frame.srcdoc = `<script>
             const source = new EventSource('{}', {{ withCredentials: true }});
             source.onmessage = () => parent.postMessage(['message', source.readyState], '*');
             source.onerror = () => parent.postMessage(['error', source.readyState], '*');
         <\\/script>`;
         document.body.append(frame);",
        scene.url("/stream")
    );
    scene.browser.run::<()>(&frame).await;
    let told: Value = scene
        .browser
        .wait("return told", |told: &Value| !told.is_null())
        .await;
    assert_eq!(told, serde_json::json!(["null", "error", 2]));
    assert_eq!(scene.seen.arrivals(), []);
}

async fn where_third_party_cookies_are_blocked_a_partitioned_one_comes_back(engine: Engine) {
    let blocking = Settings {
        no_third_party_cookies: true,
        ..Settings::default()
    };
    let Some(scene) = Scene::open(engine, blocking).await else {
        return;
    };
    scene.visit().await;
    scene.log_in(false).await;
    scene.listen("{ withCredentials: true }").await;
    scene.until_seen(&["1"]).await;
    scene.log_in(true).await;
    assert_eq!(scene.seen.arrivals(), [got(None, None)], "anonymous");

    scene.listen("{ withCredentials: true }").await;
    scene.until_seen(&["1"]).await;
    scene.streams.shutdown().end_tagged("ada", Ending::Reconnect);
    scene.until_seen(&["1", "2"]).await;
    let arrivals = scene.seen.arrivals();
    assert_eq!(
        arrivals[1..],
        [got(Some("ada"), None), got(Some("ada"), Some("1"))]
    );
}

async fn a_client_that_fetches_is_let_through_by_the_preflight(engine: Engine) {
    let Some(scene) = Scene::open(engine, Settings::default()).await else {
        return;
    };
    scene.visit().await;
    scene.log_in(false).await;
    let read = |headers: &str| {
        format!(
            "window.text = '';
             fetch('{}', {{
                 credentials: 'include',
                 headers: {{ 'Accept': 'text/event-stream', 'Cache-Control': 'no-store', {headers} }},
             }}).then(async (answer) => {{
                 const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
                 for (;;) {{
                     const {{ done, value }} = await reader.read();
                     if (done) break;
                     text += value;
                 }}
             }}, (error) => text = String(error));",
            scene.url("/stream")
        )
    };
    scene
        .browser
        .run::<()>(&read("'Authorization': 'Bearer x'"))
        .await;
    let text: String = scene
        .browser
        .wait("return text", |text: &String| text.ends_with("data: 1\n\n"))
        .await;
    assert_eq!(text, "retry: 200\nid: 1\ndata: 1\n\n");
    scene.browser.run::<()>(&read("'Last-Event-ID': '1'")).await;
    scene
        .browser
        .wait_until("return text.endsWith('data: 2\\n\\n')")
        .await;
    assert_eq!(
        scene.seen.arrivals(),
        [got(Some("ada"), None), got(Some("ada"), Some("1"))]
    );
}

const PANELS: usize = 20;

/// Opens a stream for each of twenty panels.
fn panels(url: &str) -> String {
    format!(
        "window.sources = Array.from({{ length: {PANELS} }}, (_, panel) => new EventSource(`{url}?panel=${{panel}}`, {{ withCredentials: true }}));"
    )
}

const OPEN: &str = "return sources.filter((source) => source.readyState === EventSource.OPEN).length";

async fn on_http_2_all_of_twenty_streams_open(engine: Engine) {
    let Some(scene) = Scene::open(engine, Settings::default()).await else {
        return;
    };
    scene.visit().await;
    scene.browser.run::<()>(&panels(&scene.url("/stream"))).await;
    scene.browser.wait(OPEN, |open: &usize| *open == PANELS).await;
    assert_eq!(scene.streams.shutdown().open_streams(), PANELS);
}

async fn on_http_1_1_six_of_twenty_streams_open_and_the_rest_wait(engine: Engine) {
    let Some(browser) = Browser::start_engine(engine).await else {
        return;
    };
    let (guards, _) = Guards::new();
    let data = web::Data::new(Seen {
        arrivals: Arc::default(),
        guards,
    });
    let serving = Serving::start(move || {
        let app = App::new().app_data(data.clone()).service(numbers);
        app.route("/", web::get().to(super::blank))
    });
    browser.open(&serving.url("/")).await;
    browser.run::<()>(&panels("/stream")).await;
    browser.wait(OPEN, |open: &usize| *open == 6).await;
    assert_eq!(serving.shutdown().open_streams(), 6);
    let waiting = "return sources.filter((source) => source.readyState === EventSource.CONNECTING).length";
    assert_eq!(browser.run::<usize>(waiting).await, PANELS - 6);

    // Each that is closed makes room for one that waits.
    browser
        .run::<()>("sources.filter((source) => source.readyState === EventSource.OPEN).forEach((source) => source.close())")
        .await;
    browser.wait(OPEN, |open: &usize| *open == 6).await;
    assert_eq!(browser.run::<usize>(waiting).await, PANELS - 12);
}

async fn a_log_out_ends_the_stream_at_once_and_for_good(engine: Engine) {
    let Some(scene) = Scene::open(engine, Settings::default()).await else {
        return;
    };
    scene.visit().await;
    scene.log_in(false).await;
    scene.listen("{ withCredentials: true }").await;
    scene.until_seen(&["1"]).await;
    let start = Instant::now();
    assert_eq!(scene.streams.shutdown().end_tagged("ada", Ending::Final), 1);
    until("the stream to end", async || scene.seen.guards.held() == 0).await;
    report(
        "log-out, until the stream has ended on the server",
        start.elapsed(),
    );
    scene
        .browser
        .wait_until("return source.readyState === EventSource.CLOSED")
        .await;
    report("log-out, until the browser has closed for good", start.elapsed());
    // The reconnect was answered before the handler.
    assert_eq!(scene.streams.shutdown().open_streams(), 0);
}

async fn the_shared_source_reads_across_origins_with_a_cookie_and_its_last_id(engine: Engine) {
    let Some(scene) = Scene::open(engine, Settings::default()).await else {
        return;
    };
    scene.visit().await;
    scene.log_in(false).await;
    let listen = format!(
        "window.seen = [];
         import('/shared-event-source.js').then(({{ SharedEventSource }}) => {{
             window.source = new SharedEventSource('{}', {{ withCredentials: true }});
             source.onmessage = (event) => seen.push(event.data);
         }});",
        scene.url("/stream")
    );
    scene.browser.run::<()>(&listen).await;
    scene.until_seen(&["1"]).await;
    assert_eq!(scene.streams.shutdown().end_tagged("ada", Ending::Reconnect), 1);
    scene.until_seen(&["1", "2"]).await;
    assert_eq!(
        scene.seen.arrivals(),
        [got(Some("ada"), None), got(Some("ada"), Some("1"))]
    );
}

/// The guide's table says so.
async fn a_refused_reconnect_is_final_in_firefox(engine: Engine) {
    let Some(scene) = Scene::open(engine, Settings::default()).await else {
        return;
    };
    scene.visit().await;
    scene.listen("{}").await;
    scene.until_seen(&["1"]).await;
    drop(scene.streams);
    match engine {
        Engine::Firefox => {
            scene
                .browser
                .wait_until("return source.readyState === EventSource.CLOSED")
                .await;
        }
        Engine::Chromium => {
            scene.browser.wait_until("return errors >= 3").await;
            let connecting = "return source.readyState === EventSource.CONNECTING";
            assert!(scene.browser.run::<bool>(connecting).await);
        }
    }
}
