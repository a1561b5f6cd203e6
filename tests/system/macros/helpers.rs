//! Helper functions that emit, through the emitter that they are given.

use std::{pin::pin, time::Duration};

use actix_web::{Error, error::ErrorGone, test::TestRequest, web};
use futures_util::future::{join_all, select};
use sse_actix::{Emitter, Event, Json, sse_stream, test::respond};
use sse_tests::serve::serve;

use super::{get, silence};

async fn progress(emitter: Emitter<'_>, percent: u8) -> Result<(), Error> {
    emitter.emit(Event::json(&percent)?.event("progress")).await;
    Ok(())
}

/// An emitter may be part of something.
struct Log<'a> {
    emitter: Emitter<'a>,
    lines: u8,
}

impl Log<'_> {
    async fn line(&mut self, text: &str) {
        self.lines += 1;
        self.emitter.emit(format!("{}: {text}", self.lines)).await;
    }
}

#[sse_stream]
async fn every_way() -> Result<(), Error> {
    macro_rules! step {
        ($percent:expr) => {
            progress(emitter!(), $percent).await?
        };
    }
    progress(emitter!(), 1).await?;
    let emitter = emitter!();
    let (two, three) = tokio::join!(progress(emitter, 2), progress(emitter!(), 3));
    two.and(three)?;
    join_all([4, 5].map(|percent| progress(emitter!(), percent))).await;
    step!(6);
    let mut log = Log {
        emitter: emitter![],
        lines: 0,
    };
    log.line("a").await;
    log.line("b").await;
    emitter!().emit(Json(7)).await;
    emit!("end");
    Ok(())
}

#[actix_web::test]
async fn they_emit_in_their_turn() {
    let messages = respond(every_way().await.unwrap(), TestRequest::get())
        .collect()
        .await;
    let data: Vec<_> = messages.iter().map(|message| &*message.data).collect();
    assert_eq!(data, ["1", "2", "3", "4", "5", "6", "1: a", "2: b", "7", "end"]);
    assert_eq!(messages.first().map(|message| &*message.event), Some("progress"));
}

#[tokio::test]
async fn what_a_helper_cannot_send_is_the_streams_failure() {
    #[sse_stream]
    async fn failing() -> Result<(), Error> {
        progress(emitter!(), 1).await?;
        let unserialisable = std::collections::BTreeMap::from([((1, 2), 3)]);
        emitter!().emit(Json(unserialisable)).await;
        progress(emitter!(), 2).await
    }
    let serving = serve(|app| {
        app.route("/", web::get().to(failing));
    });
    let (_, body) = get(&serving, "/").await;
    assert_eq!(
        body,
        "retry: 3000\nevent: progress\ndata: 1\n\nevent: sse-end\nid: sse-end\ndata: {\"reason\":\"failed\"}\n\n"
    );
}

#[tokio::test]
async fn a_reconnection_time_is_computed_at_run_time() {
    #[sse_stream(retry = "1m")]
    async fn by_the_macro(millis: web::Path<u64>) {
        open!(Duration::from_millis(*millis));
        emit!("x");
    }
    #[sse_stream(retry = "off")]
    async fn by_a_helper(millis: web::Path<u64>) {
        fn choose(emitter: Emitter<'_>, millis: u64) {
            emitter.open_with(Duration::from_millis(millis));
        }
        choose(emitter!(), *millis);
        emit!("x");
    }
    #[sse_stream]
    async fn by_a_helper_macro(millis: web::Path<u64>) {
        macro_rules! begin {
            ($millis:expr) => {
                open!(Duration::from_millis($millis))
            };
        }
        begin!(*millis);
        emit!("x");
    }
    let serving = serve(|app| {
        app.route("/macro/{millis}", web::get().to(by_the_macro))
            .route("/helper/{millis}", web::get().to(by_a_helper))
            .route("/helper-macro/{millis}", web::get().to(by_a_helper_macro));
    });
    for path in ["/macro", "/helper", "/helper-macro"] {
        for (asked, told) in [(250, 250), (0, 100)] {
            let (_, body) = get(&serving, &format!("{path}/{asked}")).await;
            assert_eq!(body, format!("retry: {told}\ndata: x\n\n"), "{path}");
        }
    }
}

#[tokio::test]
async fn it_can_still_fail_with_a_status_before_it_emits() {
    async fn page(emitter: Emitter<'_>, pages: u8) -> Result<(), Error> {
        if pages == 0 {
            return Err(ErrorGone("no page is left"));
        }
        emitter.emit("a page").await;
        Ok(())
    }
    #[sse_stream]
    async fn closed() -> Result<(), Error> {
        page(emitter!(), 0).await
    }
    let serving = serve(|app| {
        app.route("/", web::get().to(closed));
    });
    let (head, body) = get(&serving, "/").await;
    assert_eq!(
        (head.status_line(), body.as_str()),
        ("HTTP/1.1 410 Gone", "no page is left")
    );
}

#[sse_stream]
async fn one_of_two() {
    let quiet = pin!(silence());
    select(pin!(progress(emitter!(), 1)), quiet).await;
}

#[actix_web::test]
async fn a_helper_can_be_raced() {
    let mut stream = respond(one_of_two().await.unwrap(), TestRequest::get());
    assert_eq!(stream.next().await.unwrap().data, "1");
}

/// The names are known in a function under the attribute, whatever was imported.
mod imported {
    #![deny(warnings)]
    use sse_actix::*;

    macro_rules! tick {
        ($text:expr) => {
            emit!(Event::data($text).event("tick"))
        };
    }

    mod by_name {
        use sse_actix::{Emitter, sse_stream};
        #[allow(unused_imports, reason = "what somebody may write who does not know better")]
        use sse_actix::{emit, emitter, open};

        async fn helper(emitter: Emitter<'_>) {
            emitter.emit("by name").await;
        }

        #[sse_stream]
        pub(super) async fn stream() {
            macro_rules! helped {
                () => {
                    helper(emitter!()).await
                };
            }
            open!();
            emit!("own");
            helped!();
        }
    }

    #[sse_stream]
    async fn stream() {
        tick!("by a helper macro");
        emit!("own");
    }

    #[actix_web::test]
    async fn they_keep_their_meaning() {
        use actix_web::test::TestRequest;
        for (stream, expected) in [
            (stream().await.unwrap(), ["by a helper macro", "own"]),
            (by_name::stream().await.unwrap(), ["own", "by name"]),
        ] {
            let messages = test::respond(stream, TestRequest::get()).collect().await;
            let data: Vec<_> = messages.iter().map(|message| &*message.data).collect();
            assert_eq!(data, expected);
        }
    }
}
