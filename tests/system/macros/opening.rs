//! When the head leaves: on entry to a loop or to another macro that emits, at the first `emit!`, or when
//! told. Each stream below can fail just before its opening, which is still an HTTP error, and is silent
//! just after it, so that nothing but the opening can send the head.

use std::{pin::pin, time::Duration};

use actix_web::{
    Error,
    error::ErrorNotFound,
    web::{self, Data, Query, ServiceConfig},
};
use futures_util::future::{join_all, select};
use serde::Deserialize;
use sse_actix::{Emitter, Event, sse_stream};
use sse_tests::{serve::serve, wire::Wire};
use tokio::sync::Notify;

use super::{get, silence};

#[derive(Deserialize)]
struct Fate {
    fail: bool,
}

async fn never<T>() -> T {
    std::future::pending().await
}

impl Fate {
    fn check(&self) -> Result<Option<&'static str>, Error> {
        match self.fail {
            true => Err(ErrorNotFound("too early")),
            false => Ok(Some("event")),
        }
    }
}

#[sse_stream]
async fn a_for_loop(fate: Query<Fate>) -> Result<(), Error> {
    for event in [fate.check()?].into_iter().flatten() {
        silence().await;
        emit!(event);
    }
    Ok(())
}

#[sse_stream]
async fn a_for_loop_over_a_temporary(fate: Query<Fate>) -> Result<(), Error> {
    for event in std::cell::RefCell::new([fate.check()?]).borrow().iter().flatten() {
        silence().await;
        emit!(*event);
    }
    Ok(())
}

#[sse_stream]
async fn a_while_loop(fate: Query<Fate>) -> Result<(), Error> {
    fate.check()?;
    while let Some(event) = never::<Option<Event>>().await {
        emit!(event);
    }
    Ok(())
}

#[sse_stream]
async fn a_labelled_loop(fate: Query<Fate>) -> Result<(), Error> {
    let event = fate.check()?;
    'events: loop {
        silence().await;
        let Some(event) = event else { break 'events };
        emit!(event);
    }
    Ok(())
}

#[sse_stream]
async fn a_match_arm(fate: Query<Fate>) -> Result<(), Error> {
    match fate.check() {
        Ok(_) => loop {
            silence().await;
            emit!("event");
        },
        Err(error) => return Err(error),
    }
}

#[sse_stream]
async fn an_if_branch(fate: Query<Fate>) -> Result<(), Error> {
    if fate.check()?.is_some() {
        while !fate.fail {
            silence().await;
            emit!("event");
        }
    }
    Ok(())
}

#[sse_stream]
async fn a_select(fate: Query<Fate>) -> Result<(), Error> {
    let event = fate.check()?;
    tokio::select! {
        () = silence() => emit!("event"),
        () = silence(), if event.is_some() => { emit!("other") }
    }
    Ok(())
}

#[sse_stream]
async fn a_join(fate: Query<Fate>) -> Result<(), Error> {
    let event = fate.check()?;
    let ((), ()) = tokio::join!(
        async {
            silence().await;
            emit!("event");
        },
        async { assert!(event.is_some()) }
    );
    Ok(())
}

#[sse_stream]
async fn a_macro_in_an_expression(fate: Query<Fate>) -> Result<(), Error> {
    fate.check()?;
    select(pin!(async { emit!(never::<Event>().await) }), pin!(silence())).await;
    Ok(())
}

#[sse_stream]
async fn a_macro_that_is_bound(fate: Query<Fate>) -> Result<(), Error> {
    fate.check()?;
    let event = pin!(async { emit!(never::<Event>().await) });
    event.await;
    Ok(())
}

#[sse_stream]
async fn a_nested_block(fate: Query<Fate>) -> Result<(), Error> {
    let events = async {
        loop {
            silence().await;
            emit!("event");
        }
    };
    fate.check()?;
    events.await
}

#[sse_stream]
async fn joined_closures(fate: Query<Fate>) -> Result<(), Error> {
    fate.check()?;
    join_all([1, 2].map(|_| async {
        loop {
            silence().await;
            emit!("event");
        }
    }))
    .await;
    Ok(())
}

#[sse_stream]
async fn told_to(fate: Query<Fate>) -> Result<(), Error> {
    fate.check()?;
    open!();
    silence().await;
    emit!("event");
    Ok(())
}

#[sse_stream]
async fn told_to_inside_a_loop(fate: Query<Fate>) -> Result<(), Error> {
    loop {
        // Where the automatic rule holds, this error would come after the head.
        let event = fate.check()?.unwrap_or("event");
        open!();
        silence().await;
        emit!(event);
    }
}

#[sse_stream]
async fn told_to_by_a_helper(fate: Query<Fate>) -> Result<(), Error> {
    macro_rules! begin {
        ($check:expr) => {
            $check?;
            open!();
        };
    }
    begin!(fate.check());
    silence().await;
    emit!("event");
    Ok(())
}

async fn send(emitter: Emitter<'_>, event: &str) {
    silence().await;
    emitter.emit(event).await;
}

#[sse_stream]
async fn a_loop_with_a_helper(fate: Query<Fate>) -> Result<(), Error> {
    fate.check()?;
    loop {
        send(emitter!(), "event").await;
    }
}

#[sse_stream]
async fn a_for_loop_with_a_helper(fate: Query<Fate>) -> Result<(), Error> {
    for event in [fate.check()?].into_iter().flatten() {
        send(emitter!(), event).await;
    }
    Ok(())
}

#[sse_stream]
async fn a_join_with_a_helper(fate: Query<Fate>) -> Result<(), Error> {
    fate.check()?;
    tokio::join!(send(emitter!(), "event"), silence());
    Ok(())
}

#[sse_stream]
async fn a_helper_that_opens(fate: Query<Fate>) -> Result<(), Error> {
    async fn begin(emitter: Emitter<'_>, fate: &Fate) -> Result<(), Error> {
        fate.check()?;
        emitter.open();
        silence().await;
        Ok(())
    }
    begin(emitter!(), &fate).await
}

#[sse_stream]
async fn told_to_with_a_time(fate: Query<Fate>) -> Result<(), Error> {
    fate.check()?;
    open!(Duration::from_secs(3));
    silence().await;
    Ok(())
}

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
    a_for_loop a_for_loop_over_a_temporary a_while_loop a_labelled_loop a_match_arm an_if_branch
    a_select a_join a_macro_in_an_expression a_macro_that_is_bound a_nested_block joined_closures
    told_to told_to_inside_a_loop told_to_by_a_helper
    a_loop_with_a_helper a_for_loop_with_a_helper a_join_with_a_helper a_helper_that_opens told_to_with_a_time
}

#[tokio::test]
async fn it_opens_before_it_waits_and_after_it_can_fail() {
    let serving = serve(routes);
    for path in PATHS {
        let (head, body) = get(&serving, &format!("{path}?fail=true")).await;
        assert_eq!(
            (head.status_line(), body.as_str()),
            ("HTTP/1.1 404 Not Found", "too early"),
            "{path}"
        );
        let mut wire = Wire::get(serving.addr(), &format!("{path}?fail=false")).await;
        assert_eq!(wire.head().await.status_line(), "HTTP/1.1 200 OK", "{path}");
        assert_eq!(wire.chunk().await.unwrap(), "retry: 3000\n", "{path}");
    }
}

#[tokio::test]
async fn the_argument_of_emit_can_still_fail() {
    macro_rules! tick {
        ($text:expr) => {
            emit!(Event::data($text).event("tick"))
        };
    }
    #[sse_stream]
    async fn argument(fate: Query<Fate>) -> Result<(), Error> {
        emit!(fate.check()?.unwrap_or_default());
        Ok(())
    }
    #[sse_stream]
    async fn helper(fate: Query<Fate>) -> Result<(), Error> {
        tick!(fate.check()?.unwrap_or_default());
        Ok(())
    }
    let serving = serve(|app| {
        app.route("/argument", web::get().to(argument))
            .route("/helper", web::get().to(helper));
    });
    for (path, body) in [
        ("/argument", "retry: 3000\ndata: event\n\n"),
        ("/helper", "retry: 3000\nevent: tick\ndata: event\n\n"),
    ] {
        let failed = get(&serving, &format!("{path}?fail=true")).await;
        assert_eq!(failed.0.status_line(), "HTTP/1.1 404 Not Found", "{path}");
        assert_eq!(
            get(&serving, &format!("{path}?fail=false")).await.1,
            body,
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_is_neither_keeps_the_head_back() {
    #[sse_stream]
    async fn waiting(now: Data<Notify>) -> Result<(), Error> {
        // A loop and a macro, but none that emits.
        for _ in 0..2 {
            tokio::select! { () = now.notified() => {} }
        }
        if now.notified().await == () {
            return Err(ErrorNotFound("late"));
        }
        emit!("never");
        Ok(())
    }
    let now = Data::new(Notify::new());
    let told = now.clone();
    let serving = serve(move |app| {
        app.app_data(told.clone())
            .route("/", web::get().to(waiting))
            .route("/other", web::get().to(actix_web::HttpResponse::Ok));
    });
    let mut wire = Wire::get(serving.addr(), "/").await;
    for _ in 0..3 {
        // One worker serves both: by the second answer it has polled the stream again.
        get(&serving, "/other").await;
        get(&serving, "/other").await;
        assert_eq!(wire.arrived(), "");
        now.notify_one();
    }
    assert_eq!(wire.head().await.status_line(), "HTTP/1.1 404 Not Found");
}

#[tokio::test]
async fn a_loop_without_a_turn_is_an_empty_stream() {
    #[sse_stream]
    async fn empty() {
        for event in [""; 0] {
            emit!(event);
        }
    }
    let serving = serve(|app| {
        app.route("/", web::get().to(empty));
    });
    let (head, body) = get(&serving, "/").await;
    assert_eq!(
        (head.status_line(), body.as_str()),
        ("HTTP/1.1 200 OK", "retry: 3000\n")
    );
}
