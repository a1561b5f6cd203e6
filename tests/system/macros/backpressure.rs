//! A stream runs as far ahead of its reader as its buffer reaches, and nothing is lost or doubled there.

use std::{cell::RefCell, future::ready, rc::Rc};

use actix_web::{Responder as _, body::MessageBody, rt::task::yield_now, test::TestRequest};
use futures_util::{
    StreamExt as _,
    future::{join_all, poll_fn},
    stream::FuturesUnordered,
};
use sse_actix::{Event, sse_stream, test::respond};

/// What a stream keeps for a reader that is behind.
const KEPT: usize = 16 * 1024;

/// An event of a kilobyte.
fn kilobyte(n: usize) -> Event {
    Event::data(format!("{n:01016}")) // with `data: ` and two line feeds
}

#[actix_web::test]
async fn it_runs_ahead_by_its_buffer_and_no_further() {
    #[sse_stream]
    async fn endless(sent: Rc<RefCell<usize>>) {
        for n in 0.. {
            emit!(kilobyte(n));
            *sent.borrow_mut() += 1;
        }
    }
    let sent = Rc::default();
    let stream = endless(Rc::clone(&sent)).await.unwrap();
    let request = TestRequest::get().to_http_request();
    let mut body = Box::pin(stream.respond_to(&request).into_body());
    assert_eq!(*sent.borrow(), KEPT / 1024, "before anybody reads");

    let mut received = 0;
    for _ in 0..100 {
        let chunk = poll_fn(|cx| body.as_mut().poll_next(cx)).await.unwrap().unwrap();
        received += chunk.len();
        assert!(
            chunk.len() <= KEPT + 1024 + "retry: 3000\n".len(),
            "{}",
            chunk.len()
        );
        let ahead = *sent.borrow() * 1024 - (received - "retry: 3000\n".len());
        assert!(ahead <= KEPT, "{ahead} bytes ahead");
    }
    assert!(received >= 100 * KEPT, "and it does run ahead: {received}");
}

#[actix_web::test]
async fn what_a_select_cancels_was_not_sent() {
    #[sse_stream]
    async fn impatient(sent: Rc<RefCell<Vec<usize>>>) {
        for n in 0..1_000 {
            tokio::select! {
                biased;
                () = async { emit!(kilobyte(n)) } => sent.borrow_mut().push(n),
                () = ready(()) => {}
            }
            if n % 50 == 0 {
                yield_now().await;
            }
        }
    }
    let sent = Rc::<RefCell<Vec<usize>>>::default();
    let stream = respond(impatient(Rc::clone(&sent)).await.unwrap(), TestRequest::get());
    let received = stream.collect().await;
    let received: Vec<usize> = received
        .iter()
        .map(|message| message.data.parse().unwrap())
        .collect();
    assert_eq!(received, *sent.borrow());
    assert!(
        (100..900).contains(&received.len()),
        "some were cancelled: {}",
        received.len()
    );
}

#[actix_web::test]
async fn many_at_once_all_arrive() {
    #[sse_stream]
    async fn joined() {
        join_all((0..200).map(|n| async move { emit!(kilobyte(n)) })).await;
    }
    #[sse_stream]
    async fn unordered() {
        let mut events: FuturesUnordered<_> = (0..200).map(|n| async move { emit!(kilobyte(n)) }).collect();
        while events.next().await.is_some() {}
    }
    #[sse_stream]
    async fn raced() {
        let even = async {
            for n in (0..200).step_by(2) {
                emit!(kilobyte(n));
            }
        };
        let odd = async {
            for n in (1..200).step_by(2) {
                emit!(kilobyte(n));
            }
        };
        tokio::join!(even, odd);
    }
    for stream in [joined().await, unordered().await, raced().await] {
        let received = respond(stream.unwrap(), TestRequest::get()).collect().await;
        let mut received: Vec<usize> = received
            .iter()
            .map(|message| message.data.parse().unwrap())
            .collect();
        received.sort_unstable();
        assert_eq!(received, (0..200).collect::<Vec<_>>());
    }
}

#[actix_web::test]
async fn one_event_may_be_larger_than_the_buffer() {
    #[sse_stream]
    async fn huge() {
        for n in 1..=3 {
            emit!("x".repeat(n * 1_000_000));
        }
    }
    let received = respond(huge().await.unwrap(), TestRequest::get()).collect().await;
    let lengths: Vec<_> = received.iter().map(|message| message.data.len()).collect();
    assert_eq!(lengths, [1_000_000, 2_000_000, 3_000_000]);
}
