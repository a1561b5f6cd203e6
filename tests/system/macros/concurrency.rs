//! `emit!` wherever it can stand, in order.

use std::pin::pin;

use actix_web::{
    Error,
    rt::task::yield_now,
    web::{self, ServiceConfig},
};
use futures_util::{
    StreamExt as _,
    future::{join_all, select},
    stream::{self, FuturesUnordered},
};
use sse_actix::{Json, sse_stream};
use sse_tests::serve::serve;
use tokio::sync::mpsc;

use super::get;

#[sse_stream]
async fn in_select() {
    let (tx, mut rx) = mpsc::channel(2);
    let mut ticks = 0;
    let mut sends = pin!(async {
        for n in 1..=3 {
            tx.send(n).await.unwrap();
            yield_now().await;
        }
    });
    let mut sent = false;
    while ticks < 3 {
        tokio::select! {
            biased;
            Some(n @ 1..) = rx.recv() => { ticks += 1; emit!(Json(n)) }
            () = &mut sends, if !sent => sent = true,
        }
    }
}

#[sse_stream]
async fn in_join() {
    tokio::join!(
        async {
            emit!("1");
            yield_now().await;
            emit!("3");
        },
        async { emit!("2") },
    );
}

#[sse_stream]
async fn in_join_all() {
    join_all((1..=3).map(|n| async move { emit!(Json(n)) })).await;
}

#[sse_stream]
async fn in_futures_unordered() {
    let mut events: FuturesUnordered<_> = (1..=3)
        .map(|n| async move {
            for _ in 0..n {
                yield_now().await;
            }
            emit!(Json(n));
        })
        .collect();
    while let Some(()) = events.next().await {}
}

#[sse_stream]
async fn in_async_closures() {
    let twice = async |n: u8| {
        emit!(Json(n));
        emit!(Json(n + 1));
    };
    twice(1).await;
    stream::iter([3]).for_each(async |n| emit!(Json(n))).await;
}

#[sse_stream]
async fn in_select_of_futures() {
    select(pin!(async { emit!("1") }), pin!(std::future::pending::<()>())).await;
    emit!("2");
    emit!("3");
}

#[sse_stream]
async fn in_labelled_loops() {
    let mut n = 0;
    'outer: loop {
        while n < 10 {
            n += 1;
            if n == 2 {
                emit!(Json(n));
                continue 'outer;
            }
            emit!(Json(n));
            if n == 3 {
                break 'outer;
            }
        }
    }
}

#[sse_stream]
async fn in_let_else_and_chains() -> Result<(), Error> {
    let found = Some(2);
    let Some(1..) = found else {
        emit!("never");
        return Ok(());
    };
    if let Some(n) = found
        && {
            emit!("1");
            n == 2
        }
        && let Some(3) = Some(n + 1)
    {
        emit!(Json(n));
    }
    let None = found else {
        emit!("3");
        return Ok(());
    };
    emit!("never");
    Ok(())
}

#[sse_stream]
async fn in_match_guards() {
    match Some(1) {
        Some(n)
            if {
                emit!(Json(n));
                false
            } =>
        {
            emit!("never");
        }
        Some(_) => emit!("2"),
        None => emit!("never"),
    }
    emit!("3");
}

#[sse_stream]
async fn with_every_delimiter() {
    emit!["1"];
    emit! { "2" }
    let () = emit! {
        "3",
    };
}

#[sse_stream]
async fn within_itself() {
    emit!({
        emit!("1");
        emit!("2");
        "3"
    });
}

#[sse_stream]
async fn from_helper_macros() {
    macro_rules! twice {
        ($($value:expr),*) => {$( emit!($value); )*};
    }
    twice!("1", "2");
    outside!(3);
}

macro_rules! outside {
    ($value:literal) => {
        emit!(Json($value))
    };
}
use outside;

/// A route for each of these functions, by its name.
macro_rules! routes {
    ($($function:ident)*) => {
        const PATHS: &[&str] = &[$(concat!("/", stringify!($function))),*];

        fn routes(app: &mut ServiceConfig) {
            $(app.route(concat!("/", stringify!($function)), web::get().to($function));)*
        }
    };
}

routes! {
    in_select in_join in_join_all in_futures_unordered in_async_closures in_select_of_futures
    in_labelled_loops in_let_else_and_chains in_match_guards with_every_delimiter within_itself
    from_helper_macros
}

#[tokio::test]
async fn each_event_arrives_once_and_in_order() {
    let serving = serve(routes);
    for path in PATHS {
        let (_, body) = get(&serving, path).await;
        assert_eq!(body, "retry: 3000\ndata: 1\n\ndata: 2\n\ndata: 3\n\n", "{path}");
    }
}
