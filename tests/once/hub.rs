//! Publishing once through a hub: in each form, with what is told of it.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex},
    time::Duration,
};

use sse_actix::{Event, Hub, IdempotencyKey, MemoryLog, OnceWindow, Published, TopicOptions};
use tracing::{Level, Subscriber, field::Field};
use tracing_subscriber::{
    Registry,
    layer::{Context, Layer, SubscriberExt as _},
};

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::try_from(text).unwrap()
}

/// A repetition returns what the first call did.
fn assert_repeats(first: &Published, again: &Published) {
    assert_eq!(
        (&again.id, first.repeated, again.repeated),
        (&first.id, false, true)
    );
}

#[tokio::test]
async fn every_form_publishes_once() {
    let hub = Hub::builder()
        .topic("prices", TopicOptions::latest())
        .build()
        .unwrap();
    let typed = hub.topic("orders").once(&key("typed"));
    let first = typed.publish("a").await.unwrap();
    assert_repeats(&first, &typed.publish("another value").await.unwrap());
    assert_repeats(&first, &typed.publish_blocking("a").unwrap());
    // It is the topic's key, whichever handle publishes with it.
    let raw = hub.raw("orders").once(&key("typed"));
    assert_repeats(&first, &raw.publish(Event::data("raw")).await.unwrap());
    let raw = hub.raw("orders").once(&key("raw"));
    let first = raw.publish_blocking(Event::data("raw")).unwrap();
    assert_repeats(&first, &raw.publish(Event::data("raw")).await.unwrap());

    // The other key says of what the value is the newest state.
    let prices = hub.topic("prices");
    let first = prices.once(&key("1")).publish_keyed("ACME", &1).await.unwrap();
    let second = prices.once(&key("2")).publish_keyed_blocking("ACME", &2).unwrap();
    assert!(!second.repeated && second.id != first.id);
    assert_repeats(
        &first,
        &prices.once(&key("1")).publish_keyed("ACME", &1).await.unwrap(),
    );
    let raw = hub.raw("prices").once(&key("3"));
    let third = raw.publish_keyed("ACME", Event::data("3")).await.unwrap();
    assert_repeats(
        &third,
        &raw.publish_keyed_blocking("ACME", Event::data("3")).unwrap(),
    );

    let stats = hub.stats();
    let orders = stats.topic("orders").unwrap();
    assert_eq!((orders.published, orders.repeated), (2, 4));
    assert_eq!(orders.log.unwrap().events, 2);
    let prices = stats.topic("prices").unwrap();
    assert_eq!(
        (prices.published, prices.repeated, prices.log.unwrap().events),
        (3, 2, 1)
    );
}

/// Warnings that were logged, a line each.
#[derive(Debug, Clone, Default)]
struct Warnings(Arc<Mutex<String>>);

impl<S: Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == Level::WARN {
            let mut lines = self.0.lock().unwrap();
            event.record(&mut |field: &Field, value: &dyn fmt::Debug| {
                write!(lines, "{field}={value:?} ").unwrap();
            });
            lines.push('\n');
        }
    }
}

/// The window is as long as it should be, until a bound cuts it: then the figures and the log say so.
#[tokio::test]
async fn a_window_that_a_bound_cuts_is_told() {
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(Registry::default().with(warnings.clone()));
    let minute = Duration::from_secs(60);
    let window = OnceWindow::new().max_age(minute);
    let hub = Hub::builder()
        .log(MemoryLog::builder().max_key_bytes(20_000).build())
        .topic("few", TopicOptions::log().once_within(window.max_keys(3)))
        .topics(TopicOptions::log().once_within(window))
        .build()
        .unwrap();
    let publish = async |topic, count: usize| {
        for nth in 0..count {
            hub.topic(topic)
                .once(&key(&nth.to_string()))
                .publish(&nth)
                .await
                .unwrap();
        }
        let stats = hub.stats();
        let topic = stats.topic(topic).unwrap();
        (topic.once_reach, topic.log.unwrap().once.keys)
    };
    let logged = || warnings.0.lock().unwrap().clone();

    assert_eq!(publish("few", 3).await, (minute, 3));
    assert_eq!(logged(), "");
    let (reach, keys) = publish("few", 4).await;
    assert!(reach < minute, "{reach:?}");
    assert_eq!(keys, 3);
    let line = logged();
    assert!(
        line.contains("idempotency keys are forgotten earlier than the topic's options say"),
        "{line}"
    );
    assert!(
        line.contains("topic=\"few\"") && line.contains("age=60s"),
        "{line}"
    );

    // The bound of all topics together; the topic with the most gives.
    assert_eq!(publish("another", 20).await, (minute, 20));
    let (reach, keys) = publish("many", 500).await;
    assert!(reach < minute && keys < 150, "{reach:?} {keys}");
    assert!(logged().contains("topic=\"many\""), "{}", logged());
    let stats = hub.stats();
    assert_eq!(stats.topic("another").unwrap().once_reach, minute);
    // A second later at the earliest is the same told again.
    assert!(logged().lines().count() < 20, "{}", logged());
}
