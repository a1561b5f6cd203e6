use serde::{Deserialize, Serialize};
use sse_actix::{Hub, SseEvents, TopicFamily, TopicName, TopicOf};

#[derive(Serialize, Deserialize, SseEvents)]
enum Market {
    Price(f64),
}

#[derive(Serialize, Deserialize, SseEvents)]
enum Chat {
    Said(String),
}

#[derive(Serialize, Deserialize, SseEvents)]
enum Numbered {
    Price {
        #[sse(id)]
        n: u64,
    },
}

#[derive(Serialize, Deserialize, SseEvents)]
#[sse(plain)]
enum Plain {
    Price(f64),
}

const NUMBERED: TopicOf<Numbered> = TopicOf::from_static("numbered");
const PLAIN: TopicFamily<Plain> = TopicFamily::from_static("plain:");
const MARKET: TopicOf<Market> = TopicOf::from_static("market");
const ROOMS: TopicFamily<Chat> = TopicFamily::from_static("room:");
const ILLEGAL: TopicOf<Market> = TopicOf::from_static("");

async fn publish(hub: Hub) {
    hub.topic(MARKET).publish(&Chat::Said("a".to_owned())).await.unwrap();
    drop(hub.subscribe(MARKET).filter(|event: &Chat| true));
    drop(hub.subscribe(MARKET).snapshot(async |_| Ok::<_, actix_web::Error>(vec![Chat::Said("a".to_owned())])));
    drop(hub.topic::<Chat>(MARKET));
    drop(hub.subscribe(String::from("market")));
    let _: TopicOf<Numbered> = TopicOf::new(TopicName::from_static("numbered"));
    drop(ROOMS.of(7).map(|room| hub.topic::<Market>(room)));
}

fn main() {}
