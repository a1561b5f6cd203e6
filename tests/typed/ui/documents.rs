use serde::{Deserialize, Serialize};
use sse_actix::{
    SseEvents,
    openapi::{BrowserStream, PlainStream, TopicStream},
    typescript::Module,
};

/// Without `ToSchema`.
#[derive(Serialize, Deserialize)]
struct Price(f64);

#[derive(Serialize, Deserialize, SseEvents)]
#[sse(openapi)]
enum ForOpenApi {
    Price(Price),
}

/// Nobody has asked for its documents, so nothing is asked of its data.
#[derive(Serialize, Deserialize, SseEvents)]
enum Undescribed {
    Price(Price),
}

/// Its ids are its own, so it has no topic.
#[derive(Serialize, Deserialize, SseEvents)]
#[sse(openapi)]
enum Numbered {
    Price {
        #[sse(id)]
        n: u64,
    },
}

const FUNCTION: BrowserStream<Undescribed> = BrowserStream::new();
const PLAIN: PlainStream<Undescribed> = PlainStream::new();
const TOPIC: TopicStream<Numbered> = TopicStream::new();

fn module() {
    let _ = Module::new("cargo run").events::<Undescribed>();
}

fn main() {}
