//! Every kind of event.

use actix_web::{Error, web};
use futures_util::future::join_all;
use serde_json::json;
use sse_actix::{Event, sse_stream};
use sse_tests::serve::serve;

use super::{
    are_installed,
    client::{Client, Given, Running},
};

#[sse_stream(finite)]
async fn kinds() -> Result<(), Error> {
    let price = json!({ "name": "Käse", "cents": 250 });
    emit!(Event::data("plain").id(1));
    emit!(Event::json(&price)?.event("price").id(2));
    emit!(Event::data("one\n\n  three\n").id(3));
    emit!(Event::data("").id(4));
    emit!(Event::data("x".repeat(1_000_000)).id(5));
    emit!(Event::data(": no comment\ndata: no field").id(6));
    Ok(())
}

fn given(name: &str, id: u32, data: impl Into<String>) -> Given {
    Given {
        name: name.to_owned(),
        data: data.into(),
        id: id.to_string(),
    }
}

async fn has_every_kind(mut client: Running) {
    for expected in [
        given("message", 1, "plain"),
        given("price", 2, "{\"cents\":250,\"name\":\"Käse\"}"),
        given("message", 3, "one\n\n  three\n"),
        given("message", 4, ""),
        given("message", 5, "x".repeat(1_000_000)),
        given("message", 6, ": no comment\ndata: no field"),
    ] {
        assert_eq!(client.event().await, expected, "{client:?}");
    }
    let end = client.event().await;
    assert_eq!((end.name.as_str(), end.id.as_str()), ("sse-end", "sse-end"));
    assert_eq!(end.data, "{\"reason\":\"finished\"}");
    client.closed().await;
}

#[tokio::test]
async fn every_kind_of_event_arrives_as_it_was_sent_and_no_other() {
    if !are_installed() {
        return;
    }
    let serving = serve(|app| _ = app.route("/", web::get().to(kinds)));
    let clients = Client::READERS.map(|client| has_every_kind(client.read(&serving.url("/"))));
    join_all(clients).await;
}
