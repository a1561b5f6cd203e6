//! Prices, halts and news of a simulated market. One enum lists the events, for the stream, for the page's TypeScript,
//! and for OpenAPI.
//!
//! `cargo run --bin market`, or `cargo run --bin market -- --typescript examples/src/bin/market/page/src/market.ts`

use std::error::Error;

use actix_web::{
    App, Responder, get,
    web::{Data, Json},
};
use serde_json::json;
use sse_actix::{Hub, LastEventId, Server, Subscription, openapi::TopicStream, typescript::Module};
use sse_examples::CommandLine;
use utoipa::OpenApi;

use self::{
    events::{MARKET, Market, State},
    exchange::Exchange,
};

mod events;
mod exchange;
mod pages;
mod simulation;

/// The market's events: its state, and then every change.
#[utoipa::path(get, path = "/events", params(LastEventId), responses(TopicStream<Market>))]
#[get("/events")]
async fn stream(hub: Data<Hub>, exchange: Data<Exchange>) -> Subscription<Market> {
    hub.subscribe(MARKET)
        .snapshot(async move |_| Ok::<_, actix_web::Error>([Market::State(exchange.state())]))
}

/// The market's state, for a tab that joins another tab's stream.
#[utoipa::path(get, path = "/state", responses((status = 200, description = "Everything as it is.", body = State)))]
#[get("/state")]
async fn state(exchange: Data<Exchange>) -> impl Responder {
    Json(exchange.state())
}

/// The number of open streams. It shows that tabs share a stream.
#[get("/figures")]
async fn figures(hub: Data<Hub>) -> impl Responder {
    Json(json!({ "streams": hub.stats().streams }))
}

const EVENTS: TopicStream<Market> = TopicStream::new();

#[derive(OpenApi)]
#[openapi(
    info(
        title = "A simulated market",
        description = "Prices, halts and news of eight shares that do not exist. Written from one Rust enum.",
        version = "1"
    ),
    paths(stream, state),
    modifiers(&EVENTS)
)]
struct Api;

/// The TypeScript file of the events.
fn typescript() -> Result<Module, Box<dyn Error>> {
    let command = "cargo run --bin market -- --typescript examples/src/bin/market/page/src/market.ts";
    Ok(Module::new(command).events::<Market>()?)
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let command_line = CommandLine::read_with_option("market", "--typescript", "FILE");
    if let Some(file) = &command_line.option {
        return Ok(typescript()?.write(file)?);
    }
    let listener = command_line.listen();
    println!("http://{}", listener.local_addr()?);

    let hub = Data::new(Hub::new()?);
    let exchange = Data::new(Exchange::open(hub.topic(MARKET)));
    Server::new(move || {
        let app = App::new().app_data(hub.clone()).app_data(exchange.clone());
        app.configure(pages::configure)
            .service(stream)
            .service(state)
            .service(figures)
    })
    .listen(listener)?
    .run()
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_types_of_the_server() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin/market/page/src/market.ts");
        typescript().unwrap().check(file).unwrap();
    }

    #[test]
    fn the_document_says_which_events_there_are() {
        let described = serde_json::to_value(Api::openapi()).unwrap();
        assert_eq!(described["openapi"], "3.2.0");
        let events = described["components"]["schemas"]["MarketTopicEvent"]["oneOf"]
            .as_array()
            .unwrap();
        let names = events.iter().map(|event| {
            let name = event["properties"]["event"]["enum"][0].as_str().unwrap();
            assert_eq!(event["title"], name);
            name
        });
        let names: Vec<_> = names.collect();
        assert_eq!(
            names,
            [
                "state",
                "price",
                "halted",
                "resumed",
                "news",
                "sse-end",
                "sse-gap",
                "sse-position"
            ]
        );
    }
}
