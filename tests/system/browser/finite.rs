use std::sync::{Arc, Mutex};

use actix_web::{
    App, Error,
    dev::{Service as _, ServiceRequest},
    web,
};
use sse_actix::{Event, StreamError, sse_stream, test::Serving};
use sse_tests::browser::{Browser, Engine};

in_each_browser! {
    a_finite_stream_is_read_once_and_asked_for_once_more,
    a_failure_ends_a_stream_for_good_and_says_what_its_author_chose,
}

/// Path, last event id and status of each request.
type Requests = Arc<Mutex<Vec<(String, Option<String>, u16)>>>;

/// How often user code began.
type Runs = Arc<Mutex<usize>>;

#[sse_stream(finite, retry = "100ms")]
async fn three(runs: web::Data<Runs>) -> Result<(), Error> {
    *runs.lock().unwrap() += 1;
    for number in 1..=3 {
        emit!(Event::json(&number)?.id(number));
    }
    Ok(())
}

#[sse_stream(finite, retry = "100ms")]
async fn failing(runs: web::Data<Runs>) -> Result<(), Error> {
    *runs.lock().unwrap() += 1;
    emit!(Event::data("first").id(1));
    Err(StreamError::new("the disk is full").into())
}

#[sse_stream(retry = "100ms")]
async fn endless() -> Result<(), Error> {
    emit!("again");
    Ok(())
}

struct Scene {
    browser: Browser,
    serving: Serving,
    requests: Requests,
    runs: Runs,
}

impl Scene {
    async fn open(engine: Engine) -> Option<Self> {
        let browser = Browser::start_engine(engine).await?;
        let (requests, runs) = (Requests::default(), Runs::default());
        let (log, data) = (Arc::clone(&requests), web::Data::new(Arc::clone(&runs)));
        let serving = Serving::start(move || {
            let log = Arc::clone(&log);
            App::new()
                .wrap_fn(move |request, service| {
                    let (path, id, log) = (
                        request.path().to_owned(),
                        last_event_id(&request),
                        Arc::clone(&log),
                    );
                    let response = service.call(request);
                    async move {
                        let response = response.await?;
                        log.lock().unwrap().push((path, id, response.status().as_u16()));
                        Ok(response)
                    }
                })
                .app_data(data.clone())
                .route("/", web::get().to(super::blank))
                .route("/three", web::get().to(three))
                .route("/failing", web::get().to(failing))
                .route("/endless", web::get().to(endless))
        });
        browser.open(&serving.url("/")).await;
        Some(Self {
            browser,
            serving,
            requests,
            runs,
        })
    }

    /// What a page sees of a stream until its source is closed for good.
    async fn read(&self, path: &str) -> Vec<(String, String, String)> {
        let script = format!(
            "window.seen = [];
             window.source = new EventSource('{path}');
             const note = (event) => seen.push([event.type, event.data, event.lastEventId]);
             source.onmessage = note;
             source.addEventListener('sse-end', note);"
        );
        self.browser.run::<()>(&script).await;
        self.browser
            .wait_until("return source.readyState === EventSource.CLOSED")
            .await;
        self.browser.run("return seen").await
    }

    /// The requests for a path, after another source in the same page had the time for many.
    async fn requests_for(&self, path: &str) -> Vec<(Option<String>, u16)> {
        let endless = "
            window.ends = 0;
            window.other = new EventSource('/endless');
            other.onerror = () => ends += 1;
        ";
        self.browser.run::<()>(endless).await;
        self.browser.wait_until("return ends >= 10").await;
        self.browser.run::<()>("other.close()").await;
        assert!(
            self.browser
                .run::<bool>("return source.readyState === EventSource.CLOSED")
                .await
        );
        let requests = self.requests.lock().unwrap();
        let of_path = requests.iter().filter(|(requested, ..)| requested == path);
        of_path.map(|(_, id, status)| (id.clone(), *status)).collect()
    }
}

fn last_event_id(request: &ServiceRequest) -> Option<String> {
    let id = request.headers().get("last-event-id")?;
    Some(String::from_utf8_lossy(id.as_bytes()).into_owned())
}

fn event(name: &str, data: &str, id: &str) -> (String, String, String) {
    (name.to_owned(), data.to_owned(), id.to_owned())
}

async fn a_finite_stream_is_read_once_and_asked_for_once_more(engine: Engine) {
    let Some(scene) = Scene::open(engine).await else {
        return;
    };
    let mut expected: Vec<_> = ["1", "2", "3"]
        .map(|number| event("message", number, number))
        .into();
    expected.push(event("sse-end", r#"{"reason":"finished"}"#, "sse-end"));
    assert_eq!(scene.read("/three").await, expected);
    let requests = scene.requests_for("/three").await;
    assert_eq!(requests, [(None, 200), (Some("sse-end".to_owned()), 204)]);
    assert_eq!(*scene.runs.lock().unwrap(), 1);
    drop(scene.serving);
}

async fn a_failure_ends_a_stream_for_good_and_says_what_its_author_chose(engine: Engine) {
    let Some(scene) = Scene::open(engine).await else {
        return;
    };
    let seen = scene.read("/failing").await;
    assert_eq!(seen.first(), Some(&event("message", "first", "1")));
    let (name, data, id) = &seen[1];
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let expected = serde_json::json!({ "reason": "failed", "message": "the disk is full" });
    assert_eq!(
        (name.as_str(), id.as_str(), data),
        ("sse-end", "sse-end", expected)
    );
    let requests = scene.requests_for("/failing").await;
    assert_eq!(requests, [(None, 200), (Some("sse-end".to_owned()), 204)]);
    assert_eq!(*scene.runs.lock().unwrap(), 1);
    drop(scene.serving);
}
