//! Streams of generators and of other streams.

use std::time::Duration;

use actix_web::{
    Error, HttpRequest, Responder,
    error::{ErrorBadRequest, ErrorNotFound},
    get,
    http::header::{HeaderName, HeaderValue},
    route,
    web::{Data, Query},
};
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use sse_actix::{Event, EventName, KeepAlive, LastEventId, Sse, sse_stream};
use tokio::time::sleep;

use super::Site;

/// The numbers, emitted.
#[get("/forwarded")]
#[sse_stream(retry = "1s", keep_alive = "1s", resume)]
pub(super) async fn forwarded(request: HttpRequest, site: Data<Site>) -> Result<(), Error> {
    let mut numbers = site.hub.subscribe("numbers").on(&request);
    open!();
    while let Some(frame) = numbers.next().await {
        emit!(frame?);
    }
    Ok(())
}

#[derive(Deserialize)]
pub(super) struct Wish {
    #[serde(default)]
    options: String,
    events: usize,
    size: usize,
    /// Between two events, in milliseconds.
    pause: u64,
}

/// As many events as asked for, then silence.
#[route("/sent", method = "GET", method = "POST")]
pub(super) async fn sent(wish: Query<Wish>) -> Result<impl Responder, Error> {
    let (size, pause) = (wish.size, Duration::from_millis(wish.pause));
    let events = stream::iter(0..wish.events).then(move |nth| async move {
        sleep(pause).await;
        Event::data("x".repeat(size)).id(nth)
    });
    let mut sse = Sse::new(events.chain(stream::pending()).boxed_local());
    for option in wish.options.split_whitespace() {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let time = || value.parse().map(Duration::from_millis).map_err(ErrorBadRequest);
        sse = match name {
            "keep_alive" => sse.keep_alive(KeepAlive::comment(time()?)),
            "no_keep_alive" => sse.keep_alive(KeepAlive::OFF),
            "retry" => sse.retry(time()?),
            "no_retry" => sse.no_retry(),
            "plain" => sse.plain(true),
            "on_error" => sse.on_error(|_| Event::data("failed")),
            "event" => sse.event(EventName::from_static("sent")),
            "finite" => sse.finite(),
            "resume" => sse.resume(),
            "compress" => sse.compress(),
            "header" => sse.header(
                HeaderName::from_static("x-soak"),
                HeaderValue::from_str(value).map_err(ErrorBadRequest)?,
            ),
            _ => return Err(ErrorBadRequest(format!("no option: {name}"))),
        };
    }
    Ok(sse)
}

#[derive(Deserialize)]
pub(super) struct Failure {
    how: String,
}

/// Fails before its head, after it, or panics.
#[route("/failing", method = "GET", method = "POST")]
#[sse_stream]
pub(super) async fn failing(failure: Query<Failure>) -> Result<(), Error> {
    if failure.how == "before" {
        return Err(ErrorNotFound("nothing"));
    }
    emit!("something");
    sleep(Duration::from_millis(1)).await;
    assert!(failure.how != "panic", "as it was asked to");
    Err(ErrorBadRequest("later"))
}

/// Ends for good, after ten events.
#[get("/finite")]
#[sse_stream(finite, event = "tick", keep_alive = "100ms", headers = [("x-soak", "finite")])]
pub(super) async fn finite(last: LastEventId) -> Result<(), Error> {
    let first: u64 = last.parse().ok().flatten().unwrap_or(0);
    for nth in first..first.saturating_add(10) {
        emit!(Event::data("tick").id(nth));
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
