//! `shared-event-source.js`: one stream for all tabs, in a worker or, without one, in a tab that is elected.

mod answers;
mod by_hand;
mod headers;
mod heartbeat;
mod parser;
mod position;
mod rejoin;
mod tabs;
mod typed;

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use actix_web::{
    App, Error, HttpRequest,
    dev::Service as _,
    error::InternalError,
    get,
    http::{ConnectionType, StatusCode},
    web::{self, Html},
};
use sse_actix::{Event, EventName, LastEventId, Shutdown, StreamControl, sse_stream, test::Serving};
use sse_tests::{
    browser::{Browser, Engine, Tab},
    patience::until,
};
use tokio::sync::watch;

use by_hand::ByHand;

/// What a server has to tell, and how it answers.
struct Feed {
    events: watch::Sender<Vec<(String, String)>>,
    /// What each request brought as its last event id.
    requests: Mutex<Vec<Option<String>>>,
    /// Statuses to answer instead of a stream.
    answers: Mutex<VecDeque<u16>>,
}

impl Feed {
    fn new() -> web::Data<Self> {
        web::Data::new(Self {
            events: watch::Sender::default(),
            requests: Mutex::default(),
            answers: Mutex::default(),
        })
    }

    fn publish(&self, name: &str, data: &str) {
        self.events
            .send_modify(|events| events.push((name.to_owned(), data.to_owned())));
    }

    /// As many unnamed events, numbered from `first` on.
    fn publish_numbers(&self, numbers: std::ops::RangeInclusive<usize>) {
        for number in numbers {
            self.publish("message", &number.to_string());
        }
    }

    fn answer_first(&self, statuses: &[u16]) {
        self.answers.lock().unwrap().extend(statuses);
    }

    fn requests(&self) -> Vec<Option<String>> {
        self.requests.lock().unwrap().clone()
    }
}

/// Everything behind the last event that the client has, each with its number as its id.
#[get("/feed")]
#[sse_stream(retry = "100ms")]
async fn all(last: LastEventId, control: StreamControl, feed: web::Data<Feed>) -> Result<(), Error> {
    control.tag("feed");
    feed.requests
        .lock()
        .unwrap()
        .push(last.as_str().map(str::to_owned));
    let answer = feed.answers.lock().unwrap().pop_front();
    match answer {
        Some(204) => return Ok(()),
        Some(status) => {
            let status = StatusCode::from_u16(status).unwrap();
            return Err(InternalError::new("not now", status).into());
        }
        None => open!(),
    }
    let mut events = feed.events.subscribe();
    let mut seen: usize = last.parse().ok().flatten().unwrap_or(0);
    loop {
        let fresh: Vec<_> = events.borrow_and_update().iter().skip(seen).cloned().collect();
        for (name, data) in fresh {
            seen += 1;
            let name = EventName::try_from(name).unwrap();
            emit!(Event::data(data).event(name).id(seen));
        }
        if events.changed().await.is_err() {
            return Ok(());
        }
    }
}

/// A page that has the module as `shared`; `?without=SharedWorker` takes that away first.
#[get("/")]
async fn page(request: HttpRequest) -> Html {
    let without = request
        .query_string()
        .strip_prefix("without=")
        .unwrap_or("nothing");
    Html::new(format!(
        "<!doctype html><title>shared</title>
         <script>
             delete globalThis.{without};
             globalThis.returned = 0;
             addEventListener('pageshow', ({{ persisted }}) => returned += persisted);
         </script>
         <script type=module>
             globalThis.shared = await import('/shared-event-source.js');
         </script>"
    ))
}

struct Scene {
    browser: Browser,
    serving: Serving,
    feed: web::Data<Feed>,
    by_hand: web::Data<ByHand>,
    query: &'static str,
}

/// Both ways.
const WAYS: [&str; 2] = ["/", "/?without=SharedWorker"];

impl Scene {
    async fn open(engine: Engine, query: &'static str) -> Option<Self> {
        let browser = Browser::start_engine(engine).await?;
        let feed = Feed::new();
        let by_hand = web::Data::new(ByHand::default());
        let serving = serve_both(&feed, &by_hand, 0);
        let scene = Self {
            browser,
            serving,
            feed,
            by_hand,
            query,
        };
        scene.browser.open(&scene.serving.url(query)).await;
        scene.loaded().await;
        Some(scene)
    }

    async fn loaded(&self) {
        self.browser
            .wait_until("return globalThis.shared !== undefined")
            .await;
    }

    async fn tab(&self) -> Tab {
        let tab = self.browser.open_tab(&self.serving.url(self.query)).await;
        self.loaded().await;
        tab
    }

    /// Opens a source in the current tab, which notes all that happens.
    async fn listen(&self, options: &str) {
        self.listen_to("/feed", options).await;
    }

    async fn listen_to(&self, path: &str, options: &str) {
        let script = format!(
            "window.seen = [];
             window.told = [];
             window.source = new shared.SharedEventSource('{path}', {options});
             const note = ({{ type, data, lastEventId }}) => seen.push([type, data, lastEventId]);
             for (const name of ['message', 'a', 'b', 'sse-end', 'sse-position']) source.addEventListener(name, note);
             source.onopen = () => told.push('open');
             source.onerror = () => told.push('error');
             source.onclose = ({{ reason, status }}) => told.push(`${{reason}} ${{status}}`);"
        );
        self.browser.run::<()>(&script).await;
    }

    async fn listening(&self) {
        self.browser
            .wait_until("return source.readyState === source.OPEN")
            .await;
    }

    /// That the current tab gets these, and has got nothing else.
    async fn sees(&self, expected: &[(&str, &str)]) {
        let seen: Vec<(String, String, String)> = self
            .browser
            .wait("return seen", |seen: &Vec<_>| seen.len() >= expected.len())
            .await;
        let seen: Vec<_> = seen.iter().map(|(name, data, _)| (&**name, &**data)).collect();
        assert_eq!(seen, expected);
    }

    async fn sees_numbers(&self, numbers: std::ops::RangeInclusive<usize>) {
        let numbers: Vec<_> = numbers.map(|number| number.to_string()).collect();
        let expected: Vec<_> = numbers.iter().map(|number| ("message", &**number)).collect();
        self.sees(&expected).await;
    }

    async fn until_open_streams(&self, count: usize) {
        until("streams to open or end", async || {
            self.serving.shutdown().open_streams() == count
        })
        .await;
    }
}

/// On a port, or on a free one.
fn serve(feed: &web::Data<Feed>, port: u16) -> Serving {
    serve_both(feed, &web::Data::new(ByHand::default()), port)
}

fn serve_both(feed: &web::Data<Feed>, by_hand: &web::Data<ByHand>, port: u16) -> Serving {
    let (feed, by_hand) = (feed.clone(), by_hand.clone());
    Serving::with(
        move || {
            let app = App::new().app_data(feed.clone()).app_data(by_hand.clone());
            // So that no request is sent on an older connection, which may be dead.
            let app = app.wrap_fn(|request, service| {
                let response = service.call(request);
                async {
                    let mut response = response.await?;
                    let head = response.response_mut().head_mut();
                    head.set_connection_type(ConnectionType::Close);
                    Ok(response)
                }
            });
            app.service(sse_actix::shared_event_source())
                .service(page)
                .service(all)
                .service(by_hand::by_hand)
                .route("/elsewhere", web::get().to(super::blank))
        },
        move |server| {
            let soon = Duration::from_millis(100)..=Duration::from_millis(200);
            server
                .shut_down_by(&Shutdown::with_retry(soon))
                .bind(("127.0.0.1", port))
                .unwrap()
        },
    )
}
