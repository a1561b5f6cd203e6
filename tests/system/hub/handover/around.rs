//! Foreign code around the body of a stream that was handed over. It runs where the hub writes to all of its readers.

use std::{
    future::{Ready, poll_fn, ready},
    marker::PhantomPinned,
    mem,
    pin::Pin,
    ptr,
    task::{Context, Poll},
    thread,
    time::Duration,
};

use actix_web::{
    App, Error,
    body::{BodySize, BoxBody, MessageBody},
    dev::{Service as _, ServiceResponse},
    error::ErrorInternalServerError,
    web::{self, Bytes},
};
use futures_util::FutureExt as _;
use pin_project_lite::pin_project;
use sse_actix::{Event, Hub, Subscription, test::Serving};
use sse_tests::{patience::until, wire::Wire};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::super::{Reader, count, data, event};
use crate::log::Log;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trick {
    /// Gives each chunk later, woken by another thread.
    Late,
    /// Gives each twice.
    Twice,
    /// Keeps every other one.
    Swallow,
    /// Ends with the third event.
    End,
    /// Fails there.
    Fail,
    /// Panics there.
    Panic,
    /// Panics when it is dropped, after its end.
    PanicInDrop,
    /// Gives an empty chunk before each.
    Empty,
    /// Has the body polled by another task.
    Elsewhere,
    /// Publishes to another topic and ends another stream, while it is polled and when it is dropped.
    Meddle,
}

pin_project! {
    /// Moving it would be noticed.
    struct Tricky {
        body: BoxBody,
        trick: Trick,
        hub: Hub,
        chunks: usize,
        held: Option<Bytes>,
        elsewhere: Option<UnboundedReceiver<Bytes>>,
        at: usize,
        #[pin]
        pinned: PhantomPinned,
    }

    impl PinnedDrop for Tricky {
        fn drop(this: Pin<&mut Self>) {
            match this.trick {
                Trick::Meddle => meddle(&this.hub),
                Trick::PanicInDrop => panic!("as it likes"),
                _ => {}
            }
        }
    }
}

fn meddle(hub: &Hub) {
    let published = hub.raw("other");
    published
        .publish(Event::data("meddled"))
        .now_or_never()
        .unwrap()
        .unwrap();
    hub.revoke("victim");
    drop(hub.subscribe("n"));
}

impl MessageBody for Tricky {
    type Error = Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let at = ptr::from_ref(&*self).addr();
        let this = self.project();
        assert!(*this.at == 0 || *this.at == at, "it was moved");
        *this.at = at;
        if let Some(held) = this.held.take() {
            return Poll::Ready(Some(Ok(held)));
        }
        if *this.trick == Trick::Elsewhere {
            let elsewhere = this.elsewhere.get_or_insert_with(|| {
                let mut body = mem::replace(this.body, BoxBody::new(()));
                let (sender, receiver) = unbounded_channel();
                actix_web::rt::spawn(async move {
                    while let Some(Ok(chunk)) = poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await {
                        let _ = sender.send(chunk);
                    }
                });
                receiver
            });
            return elsewhere.poll_recv(cx).map(|chunk| chunk.map(Ok));
        }
        let polled = Pin::new(&mut *this.body).poll_next(cx);
        let Poll::Ready(Some(Ok(chunk))) = polled else {
            return polled.map_err(|error| ErrorInternalServerError(error.to_string()));
        };
        *this.chunks += 1;
        // The first is the opening.
        let third_event = *this.chunks == 4;
        match this.trick {
            Trick::Late => {
                *this.held = Some(chunk);
                let waker = cx.waker().clone();
                thread::spawn(move || {
                    thread::sleep(Duration::from_millis(5));
                    waker.wake();
                });
                return Poll::Pending;
            }
            Trick::Twice => *this.held = Some(chunk.clone()),
            Trick::Swallow if this.chunks.is_multiple_of(2) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Trick::End | Trick::PanicInDrop if third_event => return Poll::Ready(None),
            Trick::Empty => {
                *this.held = Some(chunk);
                return Poll::Ready(Some(Ok(Bytes::new())));
            }
            Trick::Fail if third_event => {
                return Poll::Ready(Some(Err(ErrorInternalServerError("as it likes"))));
            }
            Trick::Panic => assert!(!third_event, "as it likes"),
            Trick::Meddle => meddle(this.hub),
            _ => {}
        }
        Poll::Ready(Some(Ok(chunk)))
    }
}

/// `/` are streams as they are, `/tricky` are tricked, `/other` reads what the trick publishes.
fn serve(hub: &Hub, trick: Trick) -> Serving {
    let hub = hub.clone();
    Serving::start(move || {
        let own = hub.clone();
        let tricky = web::resource("/tricky")
            .wrap_fn(move |request, service| {
                let (response, hub) = (service.call(request), own.clone());
                async move {
                    let response: ServiceResponse<BoxBody> = response.await?;
                    Ok::<_, Error>(response.map_body(move |_, body| Tricky {
                        body,
                        trick,
                        hub,
                        chunks: 0,
                        held: None,
                        elsewhere: None,
                        at: 0,
                        pinned: PhantomPinned,
                    }))
                }
            })
            .to(subscription("n"));
        App::new()
            .app_data(web::Data::new(hub.clone()))
            .route("/", web::get().to(subscription("n")))
            .route("/other", web::get().to(subscription("other")))
            .route(
                "/victim",
                web::get().to(async |hub: web::Data<Hub>| hub.subscribe("n").tag("victim")),
            )
            .service(tricky)
    })
}

fn subscription(topic: &'static str) -> impl Fn(web::Data<Hub>) -> Ready<Subscription> + Copy + 'static {
    move |hub| ready(hub.subscribe(topic))
}

/// What a tricked stream gives, and how it ends, beside a hundred that notice nothing.
async fn tricked(trick: Trick) -> (Vec<String>, bool) {
    const EVENTS: u64 = 6;

    let hub = Hub::new().unwrap();
    let serving = serve(&hub, trick);
    let mut wire = Wire::get(serving.addr(), "/tricky").await;
    wire.head().await;
    let mut readers = Vec::new();
    for _ in 0..100 {
        readers.push(Reader::new(serving.addr(), "/").await);
    }
    until("all streams", async || hub.stats().streams == 101).await;
    let mut expected = Vec::new();
    for number in 1..=EVENTS {
        let ids = count(&hub, "n", number..=number).await;
        expected.push(event(&ids[0], number));
        for reader in &mut readers {
            assert_eq!(reader.next().await, expected[expected.len() - 1], "{trick:?}");
        }
    }
    drop(readers);
    serving.shutdown().fire();
    let (rest, end) = wire.rest().await;
    end.unwrap();
    let rest = String::from_utf8(rest.to_vec()).unwrap();
    let whole = rest.ends_with("\r\n0\r\n\r\n");
    let given = rest.lines().filter_map(|line| line.strip_prefix("data: "));
    (
        given.filter(|data| *data != "{}").map(str::to_owned).collect(),
        whole,
    )
}

#[tokio::test]
async fn it_may_give_a_chunk_late() {
    assert_eq!(tricked(Trick::Late).await, (strings("1 2 3 4 5 6"), true));
}

#[tokio::test]
async fn it_may_give_two() {
    assert_eq!(
        tricked(Trick::Twice).await,
        (strings("1 1 2 2 3 3 4 4 5 5 6 6"), true)
    );
}

#[tokio::test]
async fn it_may_keep_some() {
    assert_eq!(tricked(Trick::Swallow).await, (strings("2 4 6"), true));
}

#[tokio::test]
async fn it_may_end() {
    assert_eq!(tricked(Trick::End).await, (strings("1 2"), true));
}

#[tokio::test]
async fn it_may_panic_when_it_is_dropped() {
    assert_eq!(tricked(Trick::PanicInDrop).await.0, strings("1 2"));
}

#[tokio::test]
async fn it_may_give_nothing() {
    assert_eq!(tricked(Trick::Empty).await, (strings("1 2 3 4 5 6"), true));
}

#[tokio::test]
async fn it_may_have_its_body_polled_elsewhere() {
    assert_eq!(tricked(Trick::Elsewhere).await, (strings("1 2 3 4 5 6"), true));
}

#[tokio::test]
async fn it_may_fail() {
    assert_eq!(tricked(Trick::Fail).await, (strings("1 2"), false));
}

#[tokio::test]
async fn it_may_panic_and_ends_its_own_stream_alone() {
    let log = Log::start_everywhere();
    assert_eq!(tricked(Trick::Panic).await, (strings("1 2"), false));
    let panicked = log
        .take()
        .into_iter()
        .filter(|(_, fields)| fields.get("reason") == "panicked");
    assert_eq!(panicked.count(), 1);
}

#[tokio::test]
async fn it_may_publish_subscribe_and_end_others_while_it_is_polled_and_dropped() {
    let hub = Hub::new().unwrap();
    let serving = serve(&hub, Trick::Meddle);
    let mut tricky = Reader::new(serving.addr(), "/tricky").await;
    let mut victims = Vec::new();
    let mut others = Reader::new(serving.addr(), "/other").await;
    for number in 1..=3 {
        victims.push(Reader::new(serving.addr(), "/victim").await);
        count(&hub, "n", number..=number).await;
        assert_eq!(data(&[tricky.next().await]), [number.to_string()]);
        assert_eq!(data(&[others.next().await]), ["meddled"]);
    }
    for mut victim in victims {
        let rest = victim.rest().await;
        assert!(rest.ends_with("data: {\"reason\":\"ended\"}\n\n"), "{rest:?}");
    }
    // Dropped where it is, in its own task or in the worker's.
    drop(tricky);
    assert_eq!(data(&[others.next().await]), ["meddled"]);
    until("its end", async || hub.stats().streams == 1).await;
}

fn strings(words: &str) -> Vec<String> {
    words.split(' ').map(str::to_owned).collect()
}
