//! Subscriptions with any options.

use std::time::{Duration, SystemTime};

use actix_web::{
    Error, HttpRequest,
    error::ErrorBadRequest,
    http::header::{HeaderName, HeaderValue},
    route,
    web::{Data, Query},
};
use serde::Deserialize;
use serde_json::Value;
use sse_actix::{Event, EventId, EventName, KeepAlive, LastEventId, Subscription, TopicName};

use super::Site;

/// Topics, separated by blanks, and options of the form `name` or `name=value`, separated so as well.
#[derive(Deserialize)]
pub(super) struct Wish {
    topics: String,
    #[serde(default)]
    options: String,
}

/// By POST it is plain.
#[route("/stream", method = "GET", method = "POST")]
pub(super) async fn stream(
    request: HttpRequest,
    site: Data<Site>,
    wish: Query<Wish>,
    last: LastEventId,
) -> Result<Subscription, Error> {
    let mut subscription: Option<Subscription> = None;
    for topic in wish.topics.split_whitespace() {
        let next = site.hub.subscribe(TopicName::try_from(topic)?);
        subscription = Some(match subscription {
            Some(known) => known.and(next)?,
            None => next,
        });
    }
    let mut subscription = subscription.ok_or_else(|| ErrorBadRequest("no topic"))?;
    for option in wish.options.split_whitespace() {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        subscription = match name {
            "admit" => {
                site.hub.admit(&request, value);
                subscription
            }
            "resume" => subscription.resume(last.clone()),
            _ => set(subscription, name, value)?,
        };
    }
    Ok(subscription)
}

fn set(subscription: Subscription, name: &str, value: &str) -> Result<Subscription, Error> {
    let number = || value.parse::<u64>().map_err(ErrorBadRequest);
    let time = || Ok::<_, Error>(Duration::from_millis(number()?));
    let shifted = |time: Duration| {
        SystemTime::now()
            .checked_add(time)
            .ok_or_else(|| ErrorBadRequest("too late"))
    };
    Ok(match name {
        "filter" => subscription.filter(Value::is_number),
        "filter_names" => subscription.filter_names(|name| name.is_some()),
        "since" => subscription.since(shifted(time()?)?),
        "after" => subscription.after(&EventId::try_from(value)?)?,
        "history" => subscription.history(usize::try_from(number()?).map_err(ErrorBadRequest)?),
        "snapshot" => {
            let size = usize::try_from(number()?).map_err(ErrorBadRequest)?;
            subscription.snapshot(async move |_| {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Event::data("s".repeat(size))
            })
        }
        "failing_snapshot" => {
            subscription.snapshot(async |_| Err::<Event, _>(ErrorBadRequest("there is none")))
        }
        "tag" => subscription.tag(value),
        "valid_for" => subscription.valid_until(shifted(time()?)?),
        "max_age" => subscription.max_age(time()?),
        "keep_alive" => subscription.keep_alive(KeepAlive::comment(time()?)),
        "keep_alive_event" => {
            subscription.keep_alive(KeepAlive::event(time()?, EventName::from_static("alive")))
        }
        "no_keep_alive" => subscription.keep_alive(KeepAlive::OFF),
        "retry" => subscription.retry(time()?),
        "no_retry" => subscription.no_retry(),
        "plain" => subscription.plain(true),
        "no_positions" => subscription.positions(false),
        "compress" => subscription.compress(),
        "header" => subscription.header(
            HeaderName::from_static("x-soak"),
            HeaderValue::from_str(value).map_err(ErrorBadRequest)?,
        ),
        _ => return Err(ErrorBadRequest(format!("no option: {name}"))),
    })
}
