//! Connections that are lost, and readers that come back.

use std::time::Duration;

use actix_web::web;
use futures_util::future::join_all;
use sse_actix::{Event, Hub, Shutdown, test::Serving};
use sse_tests::patience::until;

use super::{
    are_installed,
    client::Client,
    proxy::{Cut, Proxy},
};

/// So that nobody waits for long.
const RETRY: Duration = Duration::from_millis(100);

fn serve(hub: &Hub) -> Serving {
    let hub = web::Data::new(hub.clone());
    let app = move || {
        let events = web::get().to(async |hub: web::Data<Hub>| hub.subscribe("events").retry(RETRY));
        actix_web::App::new().app_data(hub.clone()).route("/", events)
    };
    Serving::with(app, |server| {
        server.shut_down_by(&Shutdown::with_retry(RETRY..=RETRY))
    })
}

/// Waits until the hub has one reader.
async fn is_read(hub: &Hub) {
    until("a reader", async || hub.stats().streams == 1).await;
}

async fn publish(hub: &Hub, data: &[&str]) {
    for &data in data {
        hub.raw("events").publish(Event::data(data)).await.unwrap();
    }
}

#[tokio::test]
async fn after_abrupt_cuts_every_event_arrives_once() {
    async fn resumes(client: Client) {
        let hub = Hub::new().unwrap();
        let serving = serve(&hub);
        let proxy = Proxy::before(serving.addr()).await;
        let mut reader = client.read(&proxy.url("/"));
        is_read(&hub).await;
        publish(&hub, &["1", "2"]).await;
        assert_eq!(reader.data(2).await, ["1", "2"], "{client:?}");

        for (cut, next) in [(Cut::Close, ["3", "4"]), (Cut::Reset, ["5", "6"])] {
            proxy.cut(cut);
            publish(&hub, &next[..1]).await;
            assert_eq!(reader.data(1).await, next[..1], "{client:?}: {cut:?}");
            publish(&hub, &next[1..]).await;
            assert_eq!(reader.data(1).await, next[1..], "{client:?}: {cut:?}");
        }

        // Behind the line with its id, and long before its end.
        let large = "x".repeat(1_000_000);
        proxy.cut_after(10_000);
        publish(&hub, &[&large, "7"]).await;
        assert!(reader.data(2).await == [&large, "7"], "{client:?}: a large event");
    }
    if !are_installed() {
        return;
    }
    join_all(Client::READERS.map(resumes)).await;
}

#[tokio::test]
async fn cut_before_its_first_event_a_reader_has_what_was_published_meanwhile() {
    async fn resumes(client: Client) {
        let hub = Hub::new().unwrap();
        let serving = serve(&hub);
        let proxy = Proxy::before(serving.addr()).await;
        let mut reader = client.read(&proxy.url("/"));
        proxy.passes("\ndata: {}\n\n").await;
        proxy.cut(Cut::Close);
        publish(&hub, &["1", "2"]).await;
        assert_eq!(reader.data(2).await, ["1", "2"], "{client:?}");
    }
    if !are_installed() {
        return;
    }
    join_all(Client::READERS.map(resumes)).await;
}

#[tokio::test]
async fn after_a_drain_every_event_arrives_once() {
    async fn resumes(client: Client) {
        let hub = Hub::new().unwrap();
        let serving = serve(&hub);
        let proxy = Proxy::before(serving.addr()).await;
        let mut reader = client.read(&proxy.url("/"));
        is_read(&hub).await;
        publish(&hub, &["1", "2"]).await;
        drop(serving);
        publish(&hub, &["3"]).await;
        assert_eq!(reader.data(2).await, ["1", "2"], "{client:?}");

        let serving = serve(&hub);
        proxy.lead_to(serving.addr());
        publish(&hub, &["4"]).await;
        assert_eq!(reader.data(2).await, ["3", "4"], "{client:?}");
        publish(&hub, &["5"]).await;
        assert_eq!(reader.data(1).await, ["5"], "{client:?}");
    }
    if !are_installed() {
        return;
    }
    join_all(Client::READERS.map(resumes)).await;
}

/// A clean end is final to it, unless it is called again as the guide says.
#[tokio::test]
async fn by_itself_fetch_event_source_does_not_come_back_after_a_drain() {
    if !are_installed() {
        return;
    }
    let hub = Hub::new().unwrap();
    let serving = serve(&hub);
    let mut reader = Client::FetchEventSource.start(&[&serving.url("/"), "--defaults"]);
    is_read(&hub).await;
    publish(&hub, &["1"]).await;
    assert_eq!(reader.data(1).await, ["1"]);
    drop(serving);
    assert_eq!(reader.closed().await, None);
}
