//! More than there may be: told to come later, never with an error status.

use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

use actix_web::{
    Error, HttpRequest,
    http::header::{self, HeaderName},
    web,
};
use futures_util::StreamExt as _;
use sse_actix::{Hub, HubBuilder, sse_stream};
use sse_tests::{http2::Http2, patience::until, wire::Wire};

use super::{Reader, serve_hub, serve_topic};

fn hub(limit: impl FnOnce(HubBuilder) -> HubBuilder) -> Hub {
    limit(Hub::builder()).build().unwrap()
}

/// After how long, in milliseconds, who asks here is told to come back.
async fn turned_away(addr: SocketAddr, path: &str, headers: &str) -> u64 {
    let mut wire = Wire::get_with(addr, path, headers.as_bytes()).await;
    let head = wire.head().await;
    assert_eq!(head.status_line(), "HTTP/1.1 200 OK");
    assert_eq!(head.values("content-type"), ["text/event-stream"]);
    assert_eq!(head.values("connection"), ["close"]);
    let (body, ended) = wire.rest().await;
    ended.unwrap();
    let body = str::from_utf8(&body).unwrap();
    let millis = body
        .strip_prefix("retry: ")
        .and_then(|rest| rest.strip_suffix('\n'));
    millis
        .and_then(|millis| millis.parse().ok())
        .unwrap_or_else(|| panic!("{body:?}"))
}

#[tokio::test]
async fn as_many_streams_as_the_hub_may_have() {
    let hub = hub(|hub| hub.max_streams(2));
    let serving = serve_topic(&hub, "n");
    let first = Reader::new(serving.addr(), "/").await;
    let second = Reader::new(serving.addr(), "/").await;
    let mut retries = Vec::new();
    for _ in 0..8 {
        let retry = turned_away(serving.addr(), "/", "").await;
        assert!((30_000..=60_000).contains(&retry), "{retry}");
        retries.push(retry);
    }
    retries.sort_unstable();
    retries.dedup();
    assert!(retries.len() > 4, "not all at once: {retries:?}");
    let mut answer = Http2::connect(serving.addr()).await.get("/").await;
    assert_eq!(answer.status(), 200);
    let body = answer.body().await;
    assert!(body.starts_with("retry: ") && body.ends_with('\n'), "{body:?}");
    assert_eq!((hub.stats().streams, hub.stats().turned_away.streams), (2, 9));
    // The end of one is another's place.
    drop(first);
    until("a place", async || hub.stats().streams == 1).await;
    let third = Reader::new(serving.addr(), "/").await;
    turned_away(serving.addr(), "/", "").await;
    drop((second, third));
    until("both to be gone", async || hub.stats().streams == 0).await;
    let _both = (
        Reader::new(serving.addr(), "/").await,
        Reader::new(serving.addr(), "/").await,
    );
}

#[tokio::test]
async fn as_many_streams_as_a_tag_may_have() {
    let hub = hub(|hub| {
        let retry = Duration::from_secs(7)..=Duration::from_secs(7);
        hub.max_streams_per_tag(1).overload_retry(retry)
    });
    let serving = serve_hub(&hub, |app| {
        app.route(
            "/{a}/{b}",
            web::get().to(
                async |request: HttpRequest, hub: web::Data<Hub>, tags: web::Path<(String, String)>| {
                    hub.admit(&request, tags.0.as_str());
                    hub.subscribe("n").tag(tags.1.as_str())
                },
            ),
        );
    });
    let ann = Reader::new(serving.addr(), "/ann/x").await;
    for path in ["/ann/y", "/y/x", "/ann/x"] {
        assert_eq!(turned_away(serving.addr(), path, "").await, 7_000);
    }
    // Who was turned away for one tag holds none of the others, and is nowhere present.
    let bob = Reader::new(serving.addr(), "/bob/y").await;
    assert_eq!(hub.presence("n").tags().len(), 4);
    drop(ann);
    until("a place", async || hub.stats().streams == 1).await;
    let _ann = Reader::new(serving.addr(), "/ann/x").await;
    assert_eq!(turned_away(serving.addr(), "/bob/z", "").await, 7_000);
    assert_eq!(hub.stats().turned_away.per_tag, 4);
    assert_eq!(hub.stats().streams, 2);
    drop(bob);
}

#[tokio::test]
async fn as_many_streams_as_an_address_may_have() {
    let hub = hub(|hub| hub.max_streams_per_address(1));
    let serving = serve_topic(&hub, "n");
    let _one = Reader::new(serving.addr(), "/").await;
    // Whatever their headers say: no proxy is trusted.
    for header in [
        "",
        "X-Forwarded-For: 192.0.2.1\r\n",
        "Forwarded: for=192.0.2.1\r\n",
    ] {
        turned_away(serving.addr(), "/", header).await;
    }
    let told = hub.stats().turned_away;
    assert_eq!(
        (told.streams, told.per_tag, told.per_address, told.per_minute),
        (0, 0, 3, 0)
    );
}

#[tokio::test]
async fn behind_a_proxy_that_is_trusted_addresses_are_those_of_clients() {
    let hub = hub(|hub| hub.max_streams_per_address(1).trusted_proxy("127.0.0.0/8"));
    let serving = serve_topic(&hub, "n");
    let new = async |headers: &str| Reader::with(serving.addr(), "/", headers.as_bytes()).await;
    let mut readers = Vec::new();
    for header in [
        "X-Forwarded-For: 192.0.2.1\r\n",
        "X-Forwarded-For: 192.0.2.2, 127.0.0.7\r\n",
        "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.3:4711\r\n",
        // Another header than the proxy's is the client's own.
        "Forwarded: for=192.0.2.1;proto=https\r\nX-Forwarded-For: 192.0.2.4\r\n",
        "X-Forwarded-For: 2001:db8:0:1::1\r\n",
        "X-Forwarded-For: [2001:db8:0:2::1]:80\r\n",
        "",
    ] {
        readers.push(new(header).await);
    }
    for header in [
        // What a client writes itself comes before what the proxy appends.
        "X-Forwarded-For: 198.51.100.1, 192.0.2.1\r\n",
        "Forwarded: for=198.51.100.1\r\nX-Forwarded-For: 192.0.2.2\r\n",
        "Forwarded: for=198.51.100.1\r\n",
        // A whole network of IPv6 is one.
        "X-Forwarded-For: 2001:db8:0:1:ffff::2\r\n",
        "X-Forwarded-For: 2001:db8:0:2::\r\n",
        "X-Forwarded-For: ::ffff:192.0.2.3\r\n",
        // No address: the proxy's own.
        "X-Forwarded-For: unknown\r\n",
        "X-Forwarded-For: 192.0.2.77, \r\n",
    ] {
        turned_away(serving.addr(), "/", header).await;
    }
    assert_eq!(hub.stats().turned_away.per_address, 8);
    readers.remove(0);
    until("a place", async || hub.stats().streams == 6).await;
    new("X-Forwarded-For: 192.0.2.1\r\n").await;
}

#[tokio::test]
async fn the_operator_names_the_header_that_his_proxy_sets() {
    for (name, mine, others) in [
        (
            header::FORWARDED,
            "Forwarded: for=192.0.2.1;proto=https\r\n",
            "X-Forwarded-For: 198.51.100.1\r\nForwarded: For=\"192.0.2.1\"\r\n",
        ),
        (
            HeaderName::from_static("cf-connecting-ip"),
            "CF-Connecting-IP: 192.0.2.1\r\n",
            "X-Forwarded-For: 198.51.100.1\r\nForwarded: for=198.51.100.2\r\nCF-Connecting-IP: 192.0.2.1\r\n",
        ),
    ] {
        let limits = |hub: HubBuilder| hub.max_streams_per_address(1).trusted_proxy("127.0.0.1");
        let hub = hub(|hub| limits(hub).client_address_header(name));
        let serving = serve_topic(&hub, "n");
        let reader = Reader::with(serving.addr(), "/", mine.as_bytes()).await;
        turned_away(serving.addr(), "/", others).await;
        drop(reader);
    }
}

#[tokio::test]
async fn as_many_connects_as_an_address_may_make_in_a_minute() {
    let hub = hub(|hub| {
        hub.max_connects_per_minute(NonZeroU32::new(3).unwrap())
            .trusted_proxy("127.0.0.1")
    });
    let serving = serve_topic(&hub, "n");
    for _ in 0..3 {
        // Leaving does not help.
        drop(Reader::new(serving.addr(), "/").await);
    }
    for _ in 0..2 {
        turned_away(serving.addr(), "/", "").await;
    }
    let other = b"X-Forwarded-For: 192.0.2.1\r\n";
    let _other = Reader::with(serving.addr(), "/", other).await;
    assert_eq!(hub.stats().turned_away.per_minute, 2);
}

/// Where the subscription is only a part of the answer.
#[tokio::test]
async fn a_stream_that_subscribes_beyond_a_limit_is_sent_away_too() {
    #[sse_stream]
    async fn stream(request: HttpRequest, hub: web::Data<Hub>) -> Result<(), Error> {
        emit!("hello");
        let mut events = hub.subscribe("n").on(&request);
        while let Some(frame) = events.next().await {
            emit!(frame?);
        }
        Ok(())
    }
    let hub = hub(|hub| hub.max_streams(1));
    let serving = serve_hub(&hub, |app| _ = app.route("/", web::get().to(stream)));
    let mut first = Reader::new(serving.addr(), "/").await;
    assert_eq!(first.next().await, "data: hello\n\n");
    until("the first to read", async || hub.stats().streams == 1).await;
    let mut second = Reader::new(serving.addr(), "/").await;
    let rest = second.rest().await;
    let retry = rest.strip_prefix("data: hello\n\nretry: ").unwrap();
    let millis: u32 = retry.trim_end().parse().unwrap();
    assert!((30_000..=60_000).contains(&millis), "{rest:?}");
}
