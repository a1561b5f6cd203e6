//! A stream whose client takes nothing more for a while, or for good: it ends all the same, and leaves nothing behind.

use std::{
    fs,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    App,
    body::{BodySize, MessageBody},
    dev::Service as _,
    web::{self, Bytes},
};
use socket2::SockRef;
use sse_actix::{Ending, Event, Hub, HubBuilder, KeepAlive, Server, TopicOptions, test::Serving};
use sse_tests::patience::{until, within};
use tokio::{io::AsyncReadExt as _, net::TcpStream};

use super::{Reader, ask, event, without_positions};

/// Far more than the sockets of both sides hold.
const SIZE: usize = 3_000_000;

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A body that revokes its own stream right before a large event, behind the chunk with its id.
struct Revoking<B> {
    body: B,
    hub: Option<Hub>,
}

impl<B: MessageBody + Unpin> MessageBody for Revoking<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, B::Error>>> {
        Pin::new(&mut self.body).poll_next(cx).map_ok(|chunk| {
            if chunk.starts_with(b"id: ")
                && let Some(hub) = &self.hub
            {
                assert_eq!(hub.revoke("ann"), 1);
            }
            chunk
        })
    }
}

/// A stream that was handed over, and an event of which its client has taken the beginning alone.
struct Blocked {
    hub: Hub,
    serving: Serving,
    socket: TcpStream,
    received: Vec<u8>,
    /// The event, as it has to arrive.
    large: String,
    /// How many descriptors there are without the server's end of the connection.
    descriptors: usize,
}

impl Blocked {
    async fn with(set: impl FnOnce(HubBuilder) -> HubBuilder) -> Self {
        Self::revoking(set, false).await
    }

    /// With `revokes`, its stream is revoked between two chunks of the event.
    async fn revoking(set: impl FnOnce(HubBuilder) -> HubBuilder, revokes: bool) -> Self {
        let options = TopicOptions::log().max_bytes(16 * 1024 * 1024);
        let builder = Hub::builder().topics(options);
        let hub = set(builder).build().unwrap();
        let shared = web::Data::new(hub.clone());
        let app = move || {
            let tagged = move |hub: web::Data<Hub>| async move {
                let mut of_it = hub.subscribe("n");
                if revokes {
                    // An event of several topics has its id in a chunk of its own.
                    of_it = of_it.and(hub.subscribe("m")).unwrap();
                }
                of_it.tag("ann").keep_alive(KeepAlive::OFF)
            };
            let hub = revokes.then(|| Hub::clone(&shared));
            App::new()
                .app_data(shared.clone())
                .wrap_fn(move |request, service| {
                    let (response, hub) = (service.call(request), hub.clone());
                    async move {
                        let response = response.await?;
                        Ok(response.map_body(|_, body| Revoking { body, hub }))
                    }
                })
                .route("/", web::get().to(tagged))
        };
        // The kernel gives up nobody in the time that this takes.
        let serving = Serving::with(app, |server: Server<_>| {
            let server = server.send_buffer(256 * 1024);
            server.user_timeout(Duration::from_secs(600))
        });
        // All that a server opens with its first connection is there.
        drop(Reader::new(serving.addr(), "/").await);
        until("its end", async || hub.stats().streams == 0).await;
        let before = descriptors();
        let (mut socket, mut received) = (ask(serving.addr()).await, Vec::new());
        until("a hand-over", async || hub.stats().handed_over == 1).await;
        until("its position", async || {
            let mut some = [0; 1024];
            let length = within("bytes", socket.read(&mut some)).await.unwrap();
            received.extend_from_slice(&some[..length]);
            received.ends_with(b"data: {}\n\n\r\n")
        })
        .await;
        let text = "x".repeat(SIZE);
        let id = hub.raw("n").publish(Event::data(text.clone())).await.unwrap();
        // The beginning has come, and so the rest waits.
        let mut first = [0; 8];
        within("the beginning", socket.read_exact(&mut first))
            .await
            .unwrap();
        received.extend_from_slice(&first);
        Self {
            hub,
            serving,
            socket,
            received,
            large: event(&id, text),
            descriptors: before + 1,
        }
    }

    /// Reads on. What stands behind the event, up to the regular end of the stream.
    async fn read_on(&mut self) -> String {
        // As much at once as clients usually take: a shutdown waits for who takes 16 KiB in half a second.
        let socket = SockRef::from(&self.socket);
        socket.set_recv_buffer_size(1024 * 1024).unwrap();
        within("the end", self.socket.read_to_end(&mut self.received))
            .await
            .unwrap();
        let received = String::from_utf8(std::mem::take(&mut self.received)).unwrap();
        let (_, mut chunks) = received.split_once("\r\n\r\n").unwrap();
        let mut body = String::new();
        while let Some((size, rest)) = chunks.split_once("\r\n") {
            let size = usize::from_str_radix(size, 16).unwrap();
            let (chunk, rest) = rest.split_at(size);
            body += chunk;
            chunks = rest.strip_prefix("\r\n").unwrap();
            if size == 0 {
                break;
            }
        }
        assert_eq!(chunks, "");
        assert!(received.ends_with("\r\n0\r\n\r\n"), "it was cut");
        let body = without_positions(&body);
        let mut events = body.strip_prefix("retry: 3000\n").unwrap();
        if !self.large.starts_with("id: ") {
            // An id of several topics.
            events = events.split_once('\n').unwrap().1;
        }
        let rest = events.strip_prefix(&*self.large).expect("the event is whole");
        rest.to_owned()
    }

    /// Nothing of it is there any more, but for its client's socket.
    async fn is_gone(&self) {
        until("nothing to be left", async || {
            let stats = self.hub.stats();
            let readers = stats.topic("n").map_or(0, |topic| topic.subscribers);
            (stats.streams, stats.handed_over, readers) == (0, 0, 0)
                && self.serving.shutdown().open_streams() == 0
                && descriptors() <= self.descriptors
        })
        .await;
    }
}

#[tokio::test]
async fn a_revocation_comes_behind_the_event_that_was_begun() {
    let mut blocked = Blocked::with(|hub| hub).await;
    assert_eq!(blocked.hub.revoke("ann"), 1);
    blocked.hub.raw("n").publish(Event::data("secret")).await.unwrap();
    let rest = blocked.read_on().await;
    assert!(rest.starts_with("event: sse-end\n"), "{rest}");
    assert!(!rest.contains("secret"), "{rest}");
    blocked.is_gone().await;
}

#[tokio::test]
async fn an_end_from_outside_comes_behind_what_was_published_before() {
    for ending in [Ending::Reconnect, Ending::Final] {
        let mut blocked = Blocked::with(|hub| hub).await;
        let id = blocked.hub.raw("n").publish(Event::data("next")).await.unwrap();
        assert_eq!(blocked.serving.shutdown().end_tagged("ann", ending), 1);
        let rest = blocked.read_on().await;
        let rest = rest
            .strip_prefix(&*event(&id, "next"))
            .unwrap_or_else(|| panic!("{rest}"));
        let expected = if ending == Ending::Final {
            "event: sse-end\n"
        } else {
            "retry: "
        };
        assert!(rest.starts_with(expected), "{rest}");
        blocked.is_gone().await;
    }
}

#[tokio::test]
async fn a_shutdown_delivers_what_was_begun() {
    let mut blocked = Blocked::with(|hub| hub).await;
    blocked.serving.shutdown().fire();
    assert!(blocked.read_on().await.starts_with("retry: "));
    blocked.is_gone().await;
}

/// What it does not take is dropped in time, and its connection with it, whatever has ended the stream.
#[tokio::test]
async fn who_never_reads_on_leaves_nothing_behind() {
    let stall = |hub: HubBuilder| hub.stall_timeout(Duration::from_secs(1));
    let blocked = Blocked::with(stall).await;
    blocked.is_gone().await;
    assert_eq!(blocked.hub.stats().evictions.stalled, 1);

    let blocked = Blocked::with(stall).await;
    blocked.hub.revoke("ann");
    blocked.is_gone().await;

    let blocked = Blocked::with(stall).await;
    blocked.serving.shutdown().end_tagged("ann", Ending::Final);
    blocked.is_gone().await;

    // Long enough for it to be begun and blocked.
    let blocked = Blocked::with(|hub| stall(hub).max_age(Duration::from_secs(5))).await;
    blocked.is_gone().await;
}

/// Its stream has ended when the rest of the event begins: nothing of the hub knows it any more.
#[tokio::test]
async fn who_is_revoked_within_an_event_and_never_reads_on_leaves_nothing_behind() {
    let stall = |hub: HubBuilder| hub.stall_timeout(Duration::from_secs(1));
    let blocked = Blocked::revoking(stall, true).await;
    until("the end of its stream", async || blocked.hub.stats().streams == 0).await;
    blocked.is_gone().await;
}

#[tokio::test]
async fn who_is_revoked_within_an_event_and_reads_on_gets_it_whole() {
    let mut blocked = Blocked::revoking(|hub| hub, true).await;
    until("the end of its stream", async || blocked.hub.stats().streams == 0).await;
    let (_, body) = blocked.large.split_once('\n').unwrap();
    blocked.large = body.to_owned();
    let rest = blocked.read_on().await;
    assert!(rest.starts_with("event: sse-end\n"), "{rest}");
    blocked.is_gone().await;
}
