//! Clients that close their own direction behind the request, as `nc` does.

use std::time::Duration;

use actix_web::{App, HttpResponse, web};
use sse_actix::{Hub, KeepAlive, Server, Sse, test::Serving};
use sse_tests::{guard::Guards, patience::until, wire::Wire};
use tokio::sync::broadcast;

use crate::hub::{count, event, opening, until_reads};

/// Answers `/answer` when told, and serves a hub's stream that is handed over, and one that is not.
fn serve(hub: &Hub, guards: &Guards, allow: Option<bool>) -> (Serving, broadcast::Sender<()>) {
    let (answer, _) = broadcast::channel(1);
    let (hub, guards, told) = (web::Data::new(hub.clone()), guards.clone(), answer.clone());
    let serving = Serving::with(
        move || {
            let (told, guards) = (told.clone(), guards.clone());
            let slow = move || {
                let (mut told, guard) = (told.subscribe(), guards.guard());
                async move {
                    told.recv().await.unwrap();
                    drop(guard);
                    HttpResponse::Ok().finish()
                }
            };
            let subscribed = async |hub: web::Data<Hub>| hub.subscribe("n").keep_alive(KeepAlive::OFF);
            let wrapped = async |hub: web::Data<Hub>| Sse::new(hub.subscribe("n")).keep_alive(KeepAlive::OFF);
            App::new()
                .app_data(hub.clone())
                .route("/answer", web::get().to(slow))
                .route("/handed-over", web::get().to(subscribed))
                .route("/wrapped", web::get().to(wrapped))
        },
        move |server: Server<_>| match allow {
            None => server,
            Some(allow) => server.h1_allow_half_closed(allow),
        },
    );
    (serving, answer)
}

#[tokio::test]
async fn by_default_they_have_left() {
    for allow in [None, Some(false)] {
        let (hub, (guards, mut drops)) = (Hub::new().unwrap(), Guards::new());
        let (serving, _answer) = serve(&hub, &guards, allow);
        let mut wire = Wire::get(serving.addr(), "/answer").await;
        until("the handler to wait", async || guards.held() == 1).await;
        wire.half_close().await;
        drops.next().await;
        assert_eq!(wire.rest().await.0, "");

        for path in ["/handed-over", "/wrapped"] {
            let mut wire = Wire::get(serving.addr(), path).await;
            wire.head().await;
            until_reads(&hub, "n").await;
            wire.half_close().await;
            until("the stream to end", async || hub.stats().streams == 0).await;
        }
    }
}

#[tokio::test]
async fn where_it_is_allowed_they_are_answered() {
    let (hub, (guards, _drops)) = (Hub::new().unwrap(), Guards::new());
    let (serving, answer) = serve(&hub, &guards, Some(true));
    let mut wire = Wire::get(serving.addr(), "/answer").await;
    wire.half_close().await;
    until("the handler to wait", async || guards.held() == 1).await;
    answer.send(()).unwrap();
    assert_eq!(wire.head().await.status_line(), "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn where_it_is_allowed_streams_go_on_until_a_write_fails() {
    for (path, handed_over) in [("/handed-over", 1), ("/wrapped", 0)] {
        let hub = Hub::new().unwrap();
        let (serving, _answer) = serve(&hub, &Guards::new().0, Some(true));
        let mut wire = Wire::get(serving.addr(), path).await;
        wire.head().await;
        opening(&mut wire).await;
        until_reads(&hub, "n").await;
        until("a hand-over", async || hub.stats().handed_over == handed_over).await;
        wire.half_close().await;
        for number in 1..=3 {
            let ids = count(&hub, "n", [number]).await;
            assert_eq!(wire.chunk().await.unwrap(), event(&ids[0], number));
        }
        assert_eq!(hub.stats().streams, 1);

        // Nothing tells that it has left but a write that fails: the first is answered by a reset.
        drop(wire);
        let mut number = 3;
        until("a write to fail", async || {
            number += 1;
            count(&hub, "n", [number]).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
            hub.stats().streams == 0
        })
        .await;
    }
}

/// A reset is no half-close.
#[tokio::test]
async fn a_reset_ends_a_stream_all_the_same() {
    for path in ["/handed-over", "/wrapped"] {
        let hub = Hub::new().unwrap();
        let (serving, _answer) = serve(&hub, &Guards::new().0, Some(true));
        let mut wire = Wire::get(serving.addr(), path).await;
        wire.head().await;
        opening(&mut wire).await;
        until_reads(&hub, "n").await;
        wire.reset();
        until("the stream to end", async || hub.stats().streams == 0).await;
    }
}
