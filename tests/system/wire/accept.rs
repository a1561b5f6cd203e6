//! One path, two answers.

use actix_web::{HttpResponse, web};
use futures_util::stream;
use sse_actix::{PrefersEventStream, Sse};
use sse_tests::{serve::serve, wire::Wire};

#[tokio::test]
async fn one_path_serves_a_stream_to_those_who_ask_for_it() {
    let serving = serve(|app| {
        let prefers = PrefersEventStream::over("application/json");
        let path = web::resource("/")
            .route(
                web::get()
                    .guard(prefers)
                    .to(async || Sse::new(stream::iter(["1"]))),
            )
            .route(web::get().to(async || HttpResponse::Ok().json([1])));
        app.service(path);
    });
    for (accept, content_type) in [
        ("", "application/json"),
        ("Accept: */*\r\n", "application/json"),
        ("Accept: text/event-stream\r\n", "text/event-stream"),
        ("Accept: application/json\r\n", "application/json"),
        (
            "Accept: text/event-stream, application/json\r\n",
            "application/json",
        ),
        (
            "Accept: text/event-stream, application/json;q=0.9\r\n",
            "text/event-stream",
        ),
        ("Accept: text/event-stream;q=0.5, */*\r\n", "application/json"),
        ("Accept: text/event-stream;q=0\r\n", "application/json"),
        ("Accept: nonsense\r\n", "application/json"),
    ] {
        let head = Wire::get_with(serving.addr(), "/", accept.as_bytes())
            .await
            .head()
            .await;
        assert_eq!(head.values("content-type"), [content_type], "{accept}");
    }
}
