//! What clients do when there is nothing more to come, or nothing at all.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use actix_web::{Error, HttpRequest, HttpResponse, Responder, http::StatusCode, web};
use futures_util::future::join_all;
use sse_actix::{Event, sse_stream, test::Serving};
use sse_tests::{patience::until, serve::serve};

use super::{are_installed, client::Client};

/// What a server may answer instead of a stream.
const STATUSES: [StatusCode; 3] = [
    StatusCode::NO_CONTENT,
    StatusCode::UNAUTHORIZED,
    StatusCode::SERVICE_UNAVAILABLE,
];

/// How often the server was asked.
#[derive(Clone, Default)]
struct Asked(Arc<AtomicUsize>);

impl Asked {
    fn note(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst)
    }

    fn times(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[sse_stream(finite)]
async fn one() -> Result<(), Error> {
    emit!(Event::data("one").id(1));
    Ok(())
}

#[sse_stream]
async fn nothing() -> Result<(), Error> {
    if false {
        emit!("something");
    }
    Ok(())
}

/// This status at first, or always, and else a stream of one event.
async fn answer(request: HttpRequest, status: StatusCode, always: bool) -> HttpResponse {
    let asked = request.app_data::<Asked>().unwrap().note();
    if asked > 0 && !always {
        return one(request.clone())
            .await
            .respond_to(&request)
            .map_into_boxed_body();
    }
    if status == StatusCode::NO_CONTENT {
        return nothing().await.respond_to(&request).map_into_boxed_body();
    }
    HttpResponse::build(status).body("a reason\n\n")
}

fn serve_status(status: StatusCode, always: bool) -> (Serving, Asked) {
    let asked = Asked::default();
    let data = asked.clone();
    let serving = serve(move |app| {
        app.app_data(data.clone());
        app.route("/", web::get().to(move |request| answer(request, status, always)));
    });
    (serving, asked)
}

/// Those whose loop ends at `sse-end` are not heard of again; the others are answered 204.
#[tokio::test]
async fn a_finite_stream_is_not_read_twice() {
    async fn ends(client: Client) {
        let asked = Asked::default();
        let data = asked.clone();
        let serving = serve(move |app| {
            let data = data.clone();
            let handler = move |request: HttpRequest| {
                data.note();
                one(request)
            };
            app.route("/", web::get().to(handler));
        });
        let mut reader = client.read(&serving.url("/"));
        assert_eq!(reader.event().await.data, "one", "{client:?}");
        let end = reader.event().await;
        assert_eq!(
            (end.name.as_str(), end.data.as_str()),
            ("sse-end", "{\"reason\":\"finished\"}")
        );
        reader.closed().await;
        let comes_back = client.is_event_source() || client == Client::Reqwest;
        assert_eq!(asked.times(), if comes_back { 2 } else { 1 }, "{client:?}");
    }
    if !are_installed() {
        return;
    }
    join_all(Client::READERS.map(ends)).await;
}

#[tokio::test]
async fn nothing_to_read_ends_every_client() {
    async fn ends(client: Client) {
        let (serving, asked) = serve_status(StatusCode::NO_CONTENT, true);
        client.read(&serving.url("/")).closed().await;
        assert_eq!(asked.times(), 1, "{client:?}");
    }
    if !are_installed() {
        return;
    }
    join_all(Client::READERS.map(ends)).await;
}

/// What is no stream is an error to it, and after an error it asks again.
#[tokio::test]
async fn by_itself_fetch_event_source_asks_again_whatever_it_is_answered() {
    async fn asks_again(status: StatusCode) {
        let (serving, asked) = serve_status(status, true);
        let _reader = Client::FetchEventSource.read_once(&serving.url("/"));
        until("it to ask for the third time", async || asked.times() == 3).await;
    }
    if !are_installed() {
        return;
    }
    join_all(STATUSES.map(asks_again)).await;
}

#[tokio::test]
async fn by_themselves_httpx_sse_and_curl_end_whatever_they_are_answered() {
    async fn ends(client: Client, status: StatusCode) {
        let (serving, asked) = serve_status(status, true);
        let why = client.read_once(&serving.url("/")).closed().await;
        assert_eq!(asked.times(), 1, "{client:?}: {status}");
        match client {
            Client::Curl if status == StatusCode::NO_CONTENT => assert_eq!(why, None),
            Client::Curl => assert_eq!(why.as_deref(), Some("curl: 22"), "{status}"),
            _ => assert!(why.unwrap().contains("Content-Type"), "{status}"),
        }
    }
    if !are_installed() {
        return;
    }
    let clients = [Client::HttpxSse, Client::Curl].into_iter();
    join_all(clients.flat_map(|client| STATUSES.map(|status| ends(client, status)))).await;
}

#[tokio::test]
async fn who_is_not_allowed_is_told_so_and_does_not_ask_again() {
    async fn is_refused(client: Client) {
        let (serving, asked) = serve_status(StatusCode::UNAUTHORIZED, true);
        let why = client.read(&serving.url("/")).closed().await;
        assert_eq!(asked.times(), 1, "{client:?}");
        // An `EventSource` is not told the status.
        let told = why.is_some_and(|why| why.contains("401"));
        assert_eq!(told, !client.is_event_source(), "{client:?}");
    }
    if !are_installed() {
        return;
    }
    join_all(Client::READERS.map(is_refused)).await;
}

/// An `EventSource` gives up, and so does reqwest-eventsource; the loops that the guide shows come back.
#[tokio::test]
async fn who_is_answered_503_is_gone_or_comes_back() {
    async fn comes_back(client: Client) {
        let (serving, asked) = serve_status(StatusCode::SERVICE_UNAVAILABLE, false);
        let mut reader = client.read(&serving.url("/"));
        if client.is_event_source() || client == Client::Reqwest {
            reader.closed().await;
            assert_eq!(asked.times(), 1, "{client:?}");
        } else {
            assert_eq!(reader.event().await.data, "one", "{client:?}");
            assert_eq!(asked.times(), 2, "{client:?}");
        }
    }
    if !are_installed() {
        return;
    }
    join_all(Client::READERS.map(comes_back)).await;
}
