//! Subscriptions inside `#[sse_stream]`.

use std::time::{Duration, SystemTime};

use actix_web::{Error, HttpRequest, get, web};
use futures_util::StreamExt as _;
use sse_actix::{Event, Hub, sse_stream};
use sse_tests::wire::Wire;

use super::{opening, serve_hub};

#[get("/news")]
#[sse_stream(finite)]
async fn news(request: HttpRequest, hub: web::Data<Hub>) -> Result<(), Error> {
    emit!(Event::data("welcome").event("greeting"));
    let mut news = hub.subscribe("news").on(&request);
    if request.query_string() == "expired" {
        news = news.valid_until(SystemTime::now() - Duration::from_secs(1));
    }
    while let Some(event) = news.next().await {
        emit!(event?);
    }
    Ok(())
}

async fn rest(mut wire: Wire) -> String {
    let mut text = String::new();
    while let Some(chunk) = wire.chunk().await {
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    text
}

const WELCOME: &str = "retry: 3000\nevent: greeting\ndata: welcome\n\n";

#[actix_web::test]
async fn frames_pass_as_they_are_and_resume() {
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, |app| _ = app.service(news));
    let mut wire = Wire::get(serving.addr(), "/news").await;
    wire.head().await;
    assert_eq!(opening(&mut wire).await, WELCOME);
    let topic = hub.raw("news");
    let first = topic.publish(Event::data("first").event("news")).await.unwrap();
    let frame = format!("id: {}\nevent: news\ndata: first\n\n", first.as_str());
    assert_eq!(wire.chunk().await.unwrap(), frame);
    drop(wire);

    let second = topic.publish(Event::data("second")).await.unwrap();
    let header = format!("Last-Event-ID: {}\r\n", first.as_str());
    let mut wire = Wire::get_with(serving.addr(), "/news", header.as_bytes()).await;
    wire.head().await;
    let mut text = String::new();
    while !text.ends_with("data: second\n\n") {
        text.push_str(std::str::from_utf8(&wire.chunk().await.unwrap()).unwrap());
    }
    assert_eq!(
        text,
        format!("{WELCOME}id: {}\ndata: second\n\n", second.as_str())
    );
}

/// The function has come to its end, but its stream has not: the client is to come back.
#[actix_web::test]
async fn one_that_the_hub_sends_away_is_not_finished() {
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, |app| _ = app.service(news));
    let mut wire = Wire::get(serving.addr(), "/news?expired").await;
    wire.head().await;
    let text = rest(wire).await;
    let last = text.strip_prefix(WELCOME).unwrap();
    let retry: u32 = last
        .strip_prefix("retry: ")
        .and_then(|rest| rest.trim_end().parse().ok())
        .unwrap_or_else(|| panic!("{last:?}"));
    assert!((1_000..=5_000).contains(&retry));
    assert_eq!(hub.stats().evictions.expired, 1);
}

#[actix_web::test]
async fn what_was_published_right_before_the_shutdown_is_delivered() {
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, |app| {
        _ = app.route(
            "/",
            web::get().to(async |hub: web::Data<Hub>| hub.subscribe("news")),
        );
    });
    let mut wire = Wire::get(serving.addr(), "/").await;
    wire.head().await;
    assert_eq!(opening(&mut wire).await, "retry: 3000\n");
    for _ in 0..100 {
        hub.raw("news")
            .publish(Event::data("x".repeat(1_000)))
            .await
            .unwrap();
    }
    let last = hub.raw("news").publish(Event::data("last")).await.unwrap();
    serving.shutdown().fire();
    let text = rest(wire).await;
    assert_eq!(text.matches("data: x").count(), 100);
    let (_, end) = text
        .split_once(&format!("id: {}\ndata: last\n\n", last.as_str()))
        .unwrap();
    assert!(end.starts_with("retry: "), "{end}");
}
