//! Topics that have a type.

use actix_web::{
    App, Error, get,
    test::{TestRequest, init_service},
    web,
};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use sse_actix::{
    Hub, PublishError, SseEvents, Subscription, TopicEvent, TopicFamily, TopicName, TopicOf, TopicOptions,
    TopicValue, test,
};

use crate::market::{Market, every_kind, price};

const MARKET: TopicOf<Market> = TopicOf::from_static("market");
const ROOMS: TopicFamily<Chat> = TopicFamily::from_static("room:");

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, SseEvents)]
#[serde(rename_all = "lowercase")]
enum Chat {
    Said { by: String, text: String },
    Left(String),
}

fn said(by: &str) -> Chat {
    Chat::Said {
        by: by.to_owned(),
        text: "hello".to_owned(),
    }
}

#[get("/market")]
async fn market(hub: web::Data<Hub>) -> Subscription<Market> {
    hub.subscribe(MARKET).history(100)
}

#[get("/acme")]
async fn acme(hub: web::Data<Hub>) -> Subscription<Market> {
    let is_acme = |event: &Market| matches!(event, Market::Price(price) if price.symbol == "ACME");
    hub.subscribe(MARKET).history(100).filter(is_acme)
}

#[get("/state")]
async fn state(hub: web::Data<Hub>) -> Subscription<Market> {
    let state = hub
        .subscribe(&MARKET)
        .snapshot(async |_| Ok::<_, Error>([price("ACME", 1.0), price("B", 2.0)]));
    state.filter(|event| matches!(event, Market::Price(price) if price.symbol == "B"))
}

#[get("/room/{room}")]
async fn room(hub: web::Data<Hub>, room: web::Path<String>) -> Result<Subscription<Chat>, Error> {
    Ok(hub.subscribe(ROOMS.of(room)?).history(100))
}

#[get("/both")]
async fn both(hub: web::Data<Hub>) -> Result<Subscription, Error> {
    Ok(hub
        .subscribe(MARKET)
        .history(100)
        .and(hub.subscribe(ROOMS.of(7)?).history(100))?)
}

/// Takes the market's name for another type.
#[get("/wrong")]
async fn wrong(hub: web::Data<Hub>) -> Subscription<Chat> {
    hub.subscribe(TopicOf::from_static("market"))
}

macro_rules! app {
    ($hub:expr) => {
        init_service(
            App::new()
                .app_data(web::Data::new($hub.clone()))
                .service(market)
                .service(acme)
                .service(state)
                .service(room)
                .service(both)
                .service(wrong),
        )
        .await
    };
}

#[actix_web::test]
async fn a_typed_topic_brings_the_bytes_of_its_events() {
    let hub = hub();
    let topic = hub.topic(MARKET);
    for (event, ..) in every_kind() {
        topic.publish(&event).await.unwrap();
    }
    let app = app!(hub);
    let mut stream = test::call(&app, TestRequest::get().uri("/market")).await;
    for (event, name, data) in every_kind() {
        let message = stream.next().await.unwrap();
        assert_eq!((&*message.event, &*message.data), (name, data));
        assert_eq!(Market::from_message(&message).unwrap(), event);
    }
    let mut events = hub.follow(MARKET.name()).from_oldest();
    for (event, ..) in every_kind() {
        let Some(TopicEvent::Published(published)) = events.next().await else {
            panic!()
        };
        assert_eq!(published.event::<Market>().unwrap(), event);
    }
}

#[actix_web::test]
async fn filters_and_snapshots_see_the_enum() {
    let hub = hub();
    for event in [
        price("ACME", 1.0),
        Market::Opened,
        price("B", 3.0),
        price("ACME", 2.0),
    ] {
        hub.topic(&MARKET).publish(&event).await.unwrap();
    }
    let app = app!(hub);
    let mut events = test::call(&app, TestRequest::get().uri("/acme"))
        .await
        .events::<Market>();
    assert_eq!(events.next().await, Some(price("ACME", 1.0)));
    assert_eq!(events.next().await, Some(price("ACME", 2.0)));

    let mut events = test::call(&app, TestRequest::get().uri("/state"))
        .await
        .events::<Market>();
    assert_eq!(events.next().await, Some(price("B", 2.0)));
    hub.topic(MARKET)
        .publish_keyed("B", &price("B", 4.0))
        .await
        .unwrap();
    assert_eq!(events.next().await, Some(price("B", 4.0)));
}

#[actix_web::test]
async fn a_family_has_one_type_and_many_names() {
    let hub = hub();
    let (seven, eight) = (hub.topic(ROOMS.of(7).unwrap()), hub.topic(ROOMS.of("8").unwrap()));
    seven.publish(&said("ann")).await.unwrap();
    eight.publish(&Chat::Left("bob".to_owned())).await.unwrap();
    assert_eq!(seven.name().as_str(), "room:7");
    let app = app!(hub);
    let mut events = test::call(&app, TestRequest::get().uri("/room/8"))
        .await
        .events::<Chat>();
    assert_eq!(events.next().await, Some(Chat::Left("bob".to_owned())));

    let error = ROOMS.of("a\nb").unwrap_err().to_string();
    assert_eq!(
        error,
        "topic name holds a control character (U+000A) at byte 6; leave it out"
    );
}

#[actix_web::test]
async fn several_topics_of_several_types_are_one_stream() {
    let hub = hub();
    hub.topic(MARKET).publish(&Market::Opened).await.unwrap();
    hub.topic(ROOMS.of(7).unwrap())
        .publish(&said("ann"))
        .await
        .unwrap();
    let app = app!(hub);
    let mut stream = test::call(&app, TestRequest::get().uri("/both")).await;
    let mut names = [
        stream.next().await.unwrap().event,
        stream.next().await.unwrap().event,
    ];
    names.sort();
    assert_eq!(names, ["opened", "said"]);
}

#[actix_web::test]
async fn a_name_has_one_type_in_a_hub() {
    let hub = hub();
    hub.topic(MARKET).publish(&Market::Opened).await.unwrap();
    let both_types = |message: &str| {
        assert!(message.contains("topic `market`"), "{message}");
        assert!(
            message.contains("market::Market`") && message.contains("topics::Chat`"),
            "{message}"
        );
    };

    let error = hub
        .topic(TopicOf::from_static("market"))
        .publish(&said("ann"))
        .await
        .unwrap_err();
    assert!(matches!(error, PublishError::Type(_)));
    both_types(&error.to_string());

    let app = app!(hub);
    let response = actix_web::test::call_service(&app, TestRequest::get().uri("/wrong").to_request()).await;
    assert_eq!(response.status(), 500);
    both_types(std::str::from_utf8(&actix_web::test::read_body(response).await).unwrap());

    let mut polled = hub.subscribe(TopicOf::<Chat>::from_static("market"));
    both_types(&polled.next().await.unwrap().unwrap_err().to_string());
    assert!(polled.next().await.is_none());

    // The same text is another topic in another hub, and a name as text is not checked.
    self::hub()
        .topic(TopicOf::from_static("market"))
        .publish(&said("ann"))
        .await
        .unwrap();
    hub.topic("market").publish("unchecked").await.unwrap();
    assert_eq!(hub.stats().topic("market").unwrap().log.unwrap().events, 2);
}

#[actix_web::test]
async fn types_of_topics_that_are_not_in_use_are_forgotten() {
    let hub = hub();
    for n in 0..30_000 {
        let topic = hub.topic(ROOMS.of(n).unwrap());
        topic.publish(&said("ann")).await.unwrap();
    }
    assert!(hub.stats().topics.len() <= 10_000);
    hub.topic(TopicOf::from_static("room:0"))
        .publish(&Market::Opened)
        .await
        .unwrap();
}

#[actix_web::test]
async fn a_typed_name_can_be_made_at_run_time() {
    let hub = hub();
    let topic = TopicOf::new(TopicName::try_from(format!("room:{}", 1)).unwrap());
    hub.topic(topic).publish(&said("ann")).await.unwrap();
    assert_eq!(hub.stats().topic("room:1").unwrap().published, 1);
}

fn hub() -> Hub {
    Hub::builder()
        .topics_with_prefix(ROOMS.prefix(), TopicOptions::log().max_events(10))
        .topic(MARKET.name(), TopicOptions::log())
        .build()
        .unwrap()
}

/// Said by hand to be for topics.
#[derive(Serialize, Deserialize, SseEvents)]
enum Numbered {
    Whole(#[sse(id)] Option<u64>),
    Text(#[sse(id)] String),
}

impl TopicValue for Numbered {}

#[actix_web::test]
async fn an_event_with_an_id_of_its_own_is_refused_whatever_its_type_says() {
    let hub = Hub::new().unwrap();
    let topic = hub.topic(TopicOf::<Numbered>::from_static("numbered"));
    for event in [
        Numbered::Whole(Some(7)),
        Numbered::Text("a".to_owned()),
        Numbered::Text("no\nid".to_owned()),
    ] {
        let error = topic.publish(&event).await.unwrap_err();
        assert!(matches!(error, PublishError::OwnId(_)), "{error:?}");
        assert!(
            error
                .to_string()
                .ends_with("leave `.id(..)`, or `#[sse(id)]`, out"),
            "{error}"
        );
    }
    topic.publish(&Numbered::Whole(None)).await.unwrap();
}
