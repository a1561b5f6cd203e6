//! `#[sse_stream(events = ..)]`, and enums in streams without it.

use actix_web::{
    App, Error, get, post,
    test::{TestRequest, init_service},
    web,
};
use serde::{Deserialize, Serialize};
use sse_actix::{Emitter, SseEvents, sse_stream, test};

use crate::market::{Market, every_kind, price};

async fn close(emitter: Emitter<'_, Market>) {
    emitter.emit(Market::Nothing {}).await;
}

#[get("/market")]
#[sse_stream(events = Market, finite)]
async fn market(symbol: web::Query<Symbol>) -> Result<(), Error> {
    if symbol.symbol.is_empty() {
        return Err(actix_web::error::ErrorBadRequest("which symbol?"));
    }
    for n in 0..2_u32 {
        emit!(price(&symbol.symbol, n.into()));
    }
    close(emitter!()).await;
    Ok(())
}

#[derive(Deserialize)]
struct Symbol {
    symbol: String,
}

#[get("/any")]
#[sse_stream]
async fn any() -> () {
    for (event, ..) in every_kind() {
        emit!(event);
    }
    emit!("text");
}

/// For clients other than browsers.
#[derive(Debug, PartialEq, Serialize, Deserialize, SseEvents)]
#[sse(plain)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Token {
        #[sse(id)]
        n: u32,
        text: String,
    },
    Error(String),
}

#[post("/answer")]
#[sse_stream(events = Answer)]
async fn answer() -> () {
    emit!(Answer::Token {
        n: 1,
        text: "Hi".to_owned(),
    });
    emit!(Answer::Error("the model is gone".to_owned()));
}

#[get("/answer")]
#[sse_stream(events = Answer)]
async fn answer_for_browsers() -> () {
    emit!(Answer::Token {
        n: 1,
        text: "Hi".to_owned(),
    });
    emit!(Answer::Error("never sent".to_owned()));
}

macro_rules! app {
    () => {
        init_service(
            App::new()
                .service(market)
                .service(any)
                .service(answer)
                .service(answer_for_browsers),
        )
        .await
    };
}

#[actix_web::test]
async fn a_typed_stream_sends_the_enum_s_events() {
    let app = app!();
    let request = TestRequest::get().uri("/market?symbol=ACME").to_request();
    assert_eq!(
        actix_web::test::call_and_read_body(&app, request).await,
        "retry: 3000\n\
         event: price\ndata: {\"symbol\":\"ACME\",\"price\":0.0}\n\n\
         event: price\ndata: {\"symbol\":\"ACME\",\"price\":1.0}\n\n\
         event: nothing\ndata: {}\n\n\
         event: sse-end\nid: sse-end\ndata: {\"reason\":\"finished\"}\n\n",
    );
    let refused = test::call(&app, TestRequest::get().uri("/market?symbol=")).await;
    assert_eq!(refused.status(), 400);
}

#[actix_web::test]
async fn a_test_reads_what_was_sent() {
    let app = app!();
    let events = test::call(&app, TestRequest::get().uri("/market?symbol=ACME"))
        .await
        .events::<Market>();
    assert_eq!(
        events.collect().await,
        [price("ACME", 0.0), price("ACME", 1.0), Market::Nothing {}]
    );
}

#[actix_web::test]
async fn an_enum_can_be_emitted_beside_anything_else() {
    let app = app!();
    let mut stream = test::call(&app, TestRequest::get().uri("/any")).await;
    for (event, name, data) in every_kind() {
        let message = stream.next().await.unwrap();
        assert_eq!((&*message.event, &*message.data), (name, data));
        assert_eq!(Market::from_message(&message).unwrap(), event);
    }
    assert_eq!(stream.next().await.unwrap().data, "text");
}

#[actix_web::test]
async fn a_plain_enum_may_send_error_where_no_browser_reads() {
    let app = app!();
    let mut events = test::call(&app, TestRequest::post().uri("/answer"))
        .await
        .events::<Answer>();
    assert!(matches!(events.next().await, Some(Answer::Token { n: 1, .. })));
    assert_eq!(
        events.next().await,
        Some(Answer::Error("the model is gone".to_owned()))
    );
    assert_eq!(events.next().await, None);

    let refused = test::call(&app, TestRequest::get().uri("/answer")).await;
    assert_eq!(refused.status(), 500);
}
