//! The crate `reqwest-eventsource`: `reqwest_eventsource <url> [--post <body>]`.
//!
//! Prints what it is given, one JSON line each.

use std::{env, error::Error};

use futures_util::StreamExt as _;
use reqwest::{Client, header::CONTENT_TYPE};
use reqwest_eventsource::{Error as Failure, Event, EventSource, ReadyState, retry::Never};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let url = arguments.next().ok_or("no URL")?;
    let body = arguments.nth(1);
    let source = match body {
        None => EventSource::get(url),
        Some(body) => {
            let mut source = EventSource::new(
                Client::new()
                    .post(url)
                    .header(CONTENT_TYPE, "application/json")
                    .body(body),
            )?;
            // An answer that has ended is not asked for again.
            source.set_retry_policy(Box::new(Never));
            source
        }
    };
    follow(source).await;
    Ok(())
}

async fn follow(mut source: EventSource) {
    while let Some(event) = source.next().await {
        match event {
            Ok(Event::Open) => tell(&json!({ "moment": "open" })),
            Ok(Event::Message(message)) => show(&message.event, &message.data, &message.id),
            // The error says why. The source reconnects by itself, unless the answer was not a stream.
            Err(error) => lost(&error, source.ready_state()),
        }
    }
}

fn show(name: &str, data: &str, id: &str) {
    tell(&json!({ "moment": "event", "name": name, "data": data, "id": id }));
}

fn lost(error: &Failure, state: ReadyState) {
    tell(&match (error, state) {
        (Failure::StreamEnded, ReadyState::Closed) => json!({ "moment": "closed" }),
        (error, ReadyState::Closed) => json!({ "moment": "closed", "why": error.to_string() }),
        _ => json!({ "moment": "lost" }),
    });
}

fn tell(moment: &Value) {
    println!("{moment}");
}
