//! The attribute brings no warning into code that has none: clippy checks this module.
#![deny(warnings, clippy::pedantic, missing_docs, unreachable_pub)]

use std::sync::Mutex;

use actix_web::{
    Error, get,
    rt::task::yield_now,
    web::{Data, Path},
};
use sse_actix::{Event, Json, sse_stream, test::respond};

/// Public, and without a `Result` of its own to document.
#[sse_stream(keep_alive = "15s", retry = "3s", event = "tick", finite, resume, compress, headers = [("x-a", "b")])]
pub(crate) async fn options() {
    emit!("x")
}

/// As many arguments as clippy takes; the hidden one is not counted.
#[sse_stream(finite)]
async fn seven(_a: u8, _b: u8, _c: u8, _d: u8, _e: u8, _f: u8, _g: u8) {
    emit!("x");
}

#[get("/endless")]
#[sse_stream]
async fn endless(_unused: Data<u8>, _: Data<u8>, mut n: Path<u8>) -> Result<(), Error> {
    const STEP: u8 = 1;
    loop {
        use std::fmt::Write as _;
        let mut text = String::new();
        let _ = write!(text, "{n}");
        *n += STEP;
        emit!(text);
        yield_now().await;
    }
}

#[sse_stream]
async fn many_ways(log: Data<Mutex<Vec<u8>>>, (from, to): (u8, u8)) -> Result<(), Error> {
    for n in from..to {
        emit!(Json(n));
    }
    let logged = log.lock().map_or_else(|_| Vec::new(), |log| log.clone());
    for n in logged {
        match n {
            0 => emit!("zero"),
            1 => {
                emit!(Event::data("one").id(1));
            }
            _ => tokio::select! {
                biased;
                () = yield_now() => emit!("many"),
                () = async { emit!("first"); } => {}
            },
        }
    }
    tokio::join!(async { emit!("a") }, async { emit!("b") });
    let twice = async |n: u8| {
        emit!(Json(n));
        emit!(Json(n));
    };
    twice(1).await;
    emit! { "end" }
    Ok(())
}

#[sse_stream]
async fn returning(n: u8) -> Result<(), Error> {
    if n > 1 {
        emit!("early");
        return Ok(());
    }
    emit!("late");
    Err(actix_web::error::ErrorGone("gone"))
}

#[actix_web::test]
async fn they_run() {
    let _ = (options, seven, endless);
    let request = actix_web::test::TestRequest::get;
    let log = Data::new(Mutex::new(vec![0, 1, 2]));
    let stream = many_ways(log, (0, 2)).await.unwrap();
    assert_eq!(respond(stream, request()).collect().await.len(), 10);
    let stream = returning(2).await.unwrap();
    assert_eq!(respond(stream, request()).collect().await.len(), 1);
}
