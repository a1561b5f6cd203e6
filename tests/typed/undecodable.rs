//! An event of a newer node, whose enum has a variant more, during a deploy.

use std::{
    fmt::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use actix_web::{
    App, get,
    test::{TestRequest, init_service},
    web,
};
use serde::{Deserialize, Deserializer, Serialize};
use sse_actix::{Event, Hub, SseEvents, Subscription, TopicOf, test};
use tracing::{
    Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt as _},
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, SseEvents)]
#[serde(rename_all = "lowercase")]
enum Market {
    Price(f64),
    Closed,
}

const MARKET: TopicOf<Market> = TopicOf::from_static("market");

#[get("/all")]
async fn all(hub: web::Data<Hub>) -> Subscription<Market> {
    hub.subscribe(MARKET).history(100)
}

#[get("/filtered")]
async fn filtered(hub: web::Data<Hub>) -> Subscription<Market> {
    hub.subscribe(MARKET)
        .history(100)
        .filter(|_| true)
        .filter(|_| true)
}

static DECODED: AtomicU32 = AtomicU32::new(0);

/// Counts how often it is decoded.
#[derive(Debug, PartialEq, Serialize, Deserialize, SseEvents)]
enum Counted {
    Number(Number),
}

#[derive(Debug, PartialEq, Serialize)]
struct Number(u32);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DECODED.fetch_add(1, Ordering::SeqCst);
        u32::deserialize(deserializer).map(Self)
    }
}

const COUNTED: TopicOf<Counted> = TopicOf::from_static("counted");

#[get("/counted/typed")]
async fn counted_typed(hub: web::Data<Hub>) -> Subscription<Counted> {
    hub.subscribe(COUNTED).history(100).filter(|_| true)
}

#[get("/counted/untyped")]
async fn counted_untyped(hub: web::Data<Hub>) -> Subscription {
    hub.subscribe(COUNTED.name().clone())
        .history(100)
        .filter(|_: &serde_json::Value| true)
}

/// The warnings of a test.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                write!(self.0, "{}={value:?} ", field.name()).unwrap();
            }
        }
        if event.metadata().target() == "sse_actix" && *event.metadata().level() == tracing::Level::WARN {
            let mut text = Text(String::new());
            event.record(&mut text);
            self.0.lock().unwrap().push(text.0);
        }
    }
}

#[actix_web::test]
async fn it_reaches_unfiltered_readers_is_hidden_by_filters_counted_once_and_told() {
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(Registry::default().with(warnings.clone()));
    let hub = Hub::new().unwrap();
    let newer = hub.raw("market");
    hub.topic(MARKET).publish(&Market::Price(1.0)).await.unwrap();
    newer
        .publish(Event::data("{\"ratio\":2}").event("split"))
        .await
        .unwrap();
    newer
        .publish(Event::data("\"high\"").event("price"))
        .await
        .unwrap();
    newer.publish(Event::data("without a name")).await.unwrap();
    // JSON of the enum, as a topic without a type would have it.
    hub.topic("market").publish(&Market::Closed).await.unwrap();
    hub.topic(MARKET).publish(&Market::Closed).await.unwrap();

    let app = init_service(
        App::new()
            .app_data(web::Data::new(hub.clone()))
            .service(all)
            .service(filtered),
    )
    .await;
    let mut stream = test::call(&app, TestRequest::get().uri("/all")).await;
    for (name, data) in [
        ("price", "1.0"),
        ("split", "{\"ratio\":2}"),
        ("price", "\"high\""),
        ("message", "without a name"),
        ("message", "\"closed\""),
        ("closed", "null"),
    ] {
        let message = stream.next().await.unwrap();
        assert_eq!((&*message.event, &*message.data), (name, data));
    }
    assert_eq!(hub.stats().undecodable, 0);

    for _ in 0..3 {
        let request = TestRequest::get().uri("/filtered");
        let mut events = test::call(&app, request).await.events::<Market>();
        assert_eq!(events.next().await, Some(Market::Price(1.0)));
        assert_eq!(events.next().await, Some(Market::Closed));
    }
    assert_eq!(hub.stats().undecodable, 4);

    let warnings = warnings.0.lock().unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let warning = &warnings[0];
    for part in [
        "topic=\"market\"",
        "no event is called `split`: there are `price`, `closed`",
        "left_out=0",
    ] {
        assert!(warning.contains(part), "{warning}");
    }
}

#[actix_web::test]
async fn beside_filters_of_other_types_an_event_is_decoded_once_and_counted_once() {
    let hub = Hub::new().unwrap();
    let newer = hub.raw("counted");
    newer
        .publish(Event::data("\"high\"").event("Number"))
        .await
        .unwrap();
    hub.topic(COUNTED)
        .publish(&Counted::Number(Number(7)))
        .await
        .unwrap();
    let app = init_service(
        App::new()
            .app_data(web::Data::new(hub.clone()))
            .service(counted_typed)
            .service(counted_untyped),
    )
    .await;
    for _ in 0..3 {
        let request = TestRequest::get().uri("/counted/untyped");
        let mut stream = test::call(&app, request).await;
        assert_eq!(stream.next().await.unwrap().data, "\"high\"");
        assert_eq!(stream.next().await.unwrap().data, "7");
        let request = TestRequest::get().uri("/counted/typed");
        let before = DECODED.load(Ordering::SeqCst);
        let mut stream = test::call(&app, request).await;
        assert_eq!(stream.next().await.unwrap().data, "7");
        let decoded = DECODED.load(Ordering::SeqCst) - before;
        assert_eq!(
            (decoded, hub.stats().undecodable),
            (if before == 0 { 2 } else { 0 }, 1)
        );
    }
}
