//! HTTP/2 as browsers speak it: over TLS.

use actix_web::{App, HttpRequest, web};
use futures_util::{StreamExt as _, stream};
use sse_actix::{Event, KeepAlive, Sse, test::Serving};
use sse_tests::{
    certified::{certified, connect},
    guard::Guards,
    http2::Http2,
};

#[tokio::test]
async fn streams_share_a_connection_and_end_with_it() {
    let (config, certificate) = certified(["localhost"]);
    let (guards, mut drops) = Guards::new();
    let serving = Serving::with(
        move || {
            let guards = guards.clone();
            // Holds its request, so that only the socket can tell that the connection is lost.
            let handler = move |request: HttpRequest| {
                let events = stream::iter([Event::data("one")]).chain(stream::pending());
                let events = guards
                    .held_by(events)
                    .inspect(move |_| assert_eq!(request.path(), "/"));
                async { Sse::new(events).keep_alive(KeepAlive::OFF) }
            };
            App::new().route("/", web::get().to(handler))
        },
        |server| server.bind_rustls_0_23(("127.0.0.1", 0), config).unwrap(),
    );

    let socket = connect(serving.addr(), certificate).await;
    let mut client = Http2::over(socket, &h2::client::Builder::new()).await;
    let mut answers = Vec::new();
    // More than the six that a browser opens on HTTP/1.1.
    for _ in 0..20 {
        let mut answer = client.get("/").await;
        assert_eq!(answer.frame().await.unwrap(), "retry: 3000\ndata: one\n\n");
        answers.push(answer);
    }
    assert_eq!(serving.shutdown().open_streams(), 20);

    drop(client);
    for _ in 0..20 {
        drops.next().await;
    }
}
