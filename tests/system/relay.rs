//! Another server's stream, sent on: in process byte for byte, and through sockets at both sides.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use actix_web::{
    App, Error, Responder as _,
    body::{BoxBody, MessageBody as _},
    error::ErrorBadGateway,
    http::Method,
    post,
    test::TestRequest,
    web,
};
use bytes::Bytes;
use futures_util::{FutureExt as _, Stream, StreamExt as _, stream};
use sse_actix::{
    DecodeError, Event, Frame, Message, Relay, RelayError, Relayed, Sse, StreamItem, Unusable, sse_stream,
    test::{Serving, TestStream, connect},
    upstream_connector,
};
use sse_tests::{
    guard::Guards,
    patience::{until, within},
    serve::serve,
    wire::{Wire, report},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket},
};

type Chunk = Result<Bytes, &'static str>;

const RESET: &str = "the connection was reset";

/// An upstream of these chunks.
fn upstream(chunks: impl IntoIterator<Item = Chunk>) -> impl Stream<Item = Chunk> {
    stream::iter(chunks.into_iter().collect::<Vec<_>>())
}

/// One that sends this, and ends.
fn sends(bytes: &str) -> impl Stream<Item = Chunk> + use<> {
    upstream([Ok(Bytes::copy_from_slice(bytes.as_bytes()))])
}

/// What a relay sends, and the error it ends with.
async fn sent(
    mut relay: impl Stream<Item = Result<Relayed, RelayError>> + Unpin,
) -> (String, Option<String>) {
    let mut bytes = Vec::new();
    while let Some(item) = relay.next().await {
        match item {
            Ok(item) => bytes.extend_from_slice(&Frame::new(item).unwrap()),
            Err(error) => {
                assert!(relay.next().await.is_none(), "an error is the last item");
                return (String::from_utf8(bytes).unwrap(), Some(error.to_string()));
            }
        }
    }
    assert!(relay.next().await.is_none());
    (String::from_utf8(bytes).unwrap(), None)
}

/// What a reader gets in answer to this method, and whether it was cut.
async fn read(method: Method, items: impl Stream<Item: StreamItem> + 'static) -> (String, bool) {
    let request = TestRequest::with_uri("/").method(method).to_http_request();
    let mut body: BoxBody = Sse::new(items).respond_to(&request).into_body();
    let mut bytes = Vec::new();
    loop {
        match poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await {
            Some(Ok(chunk)) => bytes.extend_from_slice(&chunk),
            Some(Err(_)) => return (String::from_utf8(bytes).unwrap(), true),
            None => return (String::from_utf8(bytes).unwrap(), false),
        }
    }
}

const UNFINISHED: &str = "upstream ended in the middle of an event, or before its last event";

#[tokio::test]
async fn events_ids_and_comments_are_sent_on_however_they_arrive() {
    let bytes = "\u{FEFF}: hello\nretry: 9\nid: 1\ndata: a\n\n:\n\ndata: b\r\ndata:  c\r\revent: tick\ndata\nid: 1\n\n\
        id: checkpoint\n\ndata: d\n\nid\ndata: e\n\ndata: f\n\nid: 2\nevent: error\ndata: {\"x\": \"é\"}\n\n: bye\n";
    let expected = ": hello\nid: 1\ndata: a\n\n:\ndata: b\ndata:  c\n\nevent: tick\ndata:\n\n\
        id: checkpoint\ndata: d\n\nid: \ndata: e\n\ndata: f\n\nevent: error\nid: 2\ndata: {\"x\": \"é\"}\n\n: bye\n";
    for at in 0..=bytes.len() {
        let (start, end) = bytes.as_bytes().split_at(at);
        let chunks = [start, &[], end].map(|chunk| Ok(Bytes::copy_from_slice(chunk)));
        assert_eq!(
            sent(Relay::new(upstream(chunks))).await,
            (expected.to_owned(), None),
            "{at}"
        );
    }
    let each = bytes.bytes().map(|byte| Ok(Bytes::copy_from_slice(&[byte])));
    assert_eq!(sent(Relay::new(upstream(each))).await.0, expected);
    assert_eq!(
        read(Method::POST, Relay::new(sends(bytes))).await,
        (expected.to_owned(), false)
    );
}

#[tokio::test]
async fn a_client_sees_the_ids_of_upstream() {
    let bytes =
        "data: a\n\nid: 1\ndata: b\n\ndata: c\n\nid: 2\n\ndata: d\n\nid\n\ndata: e\n\nid: 3\ndata: f\n\n";
    let decode = |bytes: &str| {
        let mut decoder = sse_actix::Decoder::new();
        decoder.feed(bytes.to_owned());
        decoder.map(Result::unwrap).collect::<Vec<_>>()
    };
    let (relayed, _) = sent(Relay::new(sends(bytes))).await;
    assert_eq!(decode(&relayed), decode(bytes));
}

#[tokio::test]
async fn comments_and_retry_as_asked_for() {
    let bytes = ": c\nretry: 2000\nretry: 1\ndata: a\n\n";
    for (relay, expected) in [
        (Relay::new(sends(bytes)), ": c\ndata: a\n\n"),
        (Relay::new(sends(bytes)).comments(false), "data: a\n\n"),
        (
            Relay::new(sends(bytes)).comments(false).retry(true),
            "retry: 2000\nretry: 100\ndata: a\n\n",
        ),
    ] {
        assert_eq!(sent(relay).await, (expected.to_owned(), None));
    }
}

#[tokio::test]
async fn an_upstream_that_breaks_off_or_stops_midway_is_no_end() {
    const WHOLE: &str = "id: 7\ndata: a\n\n";
    let cut = |rest: &'static str| {
        upstream([
            Ok(Bytes::from_static(WHOLE.as_bytes())),
            Ok(Bytes::from_static(rest.as_bytes())),
        ])
    };
    let reset = || upstream([Ok(Bytes::from_static(b"id: 7\ndata: a\n\ndata: b\n")), Err(RESET)]);
    let broke_off = Some(format!("the connection to upstream failed: {RESET}"));
    assert_eq!(sent(Relay::new(reset())).await, (WHOLE.to_owned(), broke_off));
    for (rest, unfinished) in [
        ("", false),
        (": c\n", false),
        ("retry: 100\n", false),
        ("data: b\n", true),
        ("data: b", true),
        ("d", true),
        (": c", true),
        ("id: 8\n", true),
        ("event: x\n", true),
    ] {
        let (bytes, error) = sent(Relay::new(cut(rest)).comments(false)).await;
        assert_eq!(
            (bytes.as_str(), error.as_deref()),
            (WHOLE, unfinished.then_some(UNFINISHED)),
            "{rest:?}"
        );
        assert_eq!(
            read(Method::POST, Relay::new(cut(rest)).comments(false)).await,
            (WHOLE.to_owned(), unfinished),
            "{rest:?}"
        );
    }

    // A stream for browsers ends as at any failure.
    let failed = "event: sse-end\nid: sse-end\ndata: {\"reason\":\"failed\"}\n\n";
    let expected = (format!("retry: 3000\n{WHOLE}{failed}"), false);
    assert_eq!(read(Method::GET, Relay::new(reset())).await, expected);
    assert_eq!(read(Method::GET, Relay::new(cut("data: b"))).await, expected);
    assert_eq!(
        read(Method::POST, Relay::new(reset())).await,
        (WHOLE.to_owned(), true)
    );
}

#[tokio::test]
async fn an_answer_with_a_last_event_is_whole_with_it_alone() {
    let relay = |bytes| Relay::new(sends(bytes)).ends_with(|message| message.data == "[DONE]");
    let whole = "data: a\n\ndata: [DONE]\n\n";
    // What comes after it does not count.
    for bytes in [whole, "data: a\n\ndata: [DONE]\n\ndata: b\n\ndata: c"] {
        assert_eq!(sent(relay(bytes)).await, (whole.to_owned(), None));
    }
    for bytes in ["data: a\n\n", "data: a\n\ndata: [DONE]\n"] {
        assert_eq!(
            sent(relay(bytes)).await,
            ("data: a\n\n".to_owned(), Some(UNFINISHED.to_owned()))
        );
    }
    // Upstream need not end by itself.
    let (guards, mut drops) = Guards::new();
    let endless = guards.held_by(sends(whole).chain(stream::pending()));
    assert_eq!(
        sent(Relay::new(endless).ends_with(|message| message.data == "[DONE]"))
            .await
            .0,
        whole
    );
    drops.next().await;
}

#[tokio::test]
async fn an_endless_event_or_comment_is_an_error_and_drops_upstream() {
    for (line, error) in [
        (
            "data: and so on\n",
            "upstream has sent an event of more than 1000 bytes",
        ),
        (
            "data: and no line break",
            "upstream has sent an event of more than 1000 bytes",
        ),
        (
            ": and so on",
            "upstream has sent a comment of more than 1000 bytes",
        ),
    ] {
        let (guards, mut drops) = Guards::new();
        let given = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&given);
        let first = if line.starts_with(':') { ":" } else { "data: " };
        let endless = stream::iter([first]).chain(stream::repeat(line.strip_prefix(':').unwrap_or(line)));
        let endless = endless.map(move |line| {
            counted.fetch_add(line.len(), Ordering::SeqCst);
            Ok::<_, Infallible>(Bytes::from_static(line.as_bytes()))
        });
        let mut relay = Relay::new(guards.held_by(endless)).max_event_size(1_000);
        let refused = within("an error", relay.next()).await.unwrap().unwrap_err();
        assert_eq!(refused.to_string(), error, "{line:?}");
        assert!(matches!(
            refused,
            RelayError::TooLarge(DecodeError::EventTooLarge { .. } | DecodeError::CommentTooLarge { .. })
        ));
        drops.next().await;
        assert!(given.load(Ordering::SeqCst) < 1_100, "{given:?}");
        assert!(relay.next().await.is_none());
    }
}

#[tokio::test]
async fn what_browsers_cannot_use_fails_or_is_dropped_or_renamed() {
    const BYTES: &str = "id: 1\ndata: a\n\nevent: error\nid: 2\ndata: b\n\nevent: tick\nid: a b \ndata: c\n\ndata: d\n\n\
        event: open\0\ndata: e\n\nid: 5\ndata: f\n\n";
    let relay = || Relay::new(sends(BYTES));
    let failed = "event: sse-end\nid: sse-end\ndata: {\"reason\":\"failed\"}\n\n";
    let a = "id: 1\ndata: a\n\n";
    // By default a plain stream sends them, and one for browsers fails.
    assert_eq!(read(Method::POST, relay()).await, (BYTES.to_owned(), false));
    assert_eq!(
        read(Method::GET, relay()).await.0,
        format!("retry: 3000\n{a}{failed}")
    );
    let (bytes, error) = sent(relay().for_browsers(Unusable::Fail)).await;
    let refused = "upstream has sent an event that browsers cannot use: event name is `open` or `error`";
    assert_eq!(bytes, a);
    assert!(error.as_ref().unwrap().starts_with(refused), "{error:?}");

    // The events `c` and `d` have an id that browsers would not bring back.
    let dropped = format!("{a}id: 5\ndata: f\n\n");
    assert_eq!(
        sent(relay().for_browsers(Unusable::Drop)).await,
        (dropped.clone(), None)
    );
    let renamed = format!(
        "{a}event: upstream-error\nid: 2\ndata: b\n\nevent: tick\ndata: c\n\ndata: d\n\n\
         event: upstream-open\ndata: e\n\nid: 5\ndata: f\n\n"
    );
    assert_eq!(
        sent(relay().for_browsers(Unusable::Rename)).await,
        (renamed.clone(), None)
    );
    for (unusable, expected) in [(Unusable::Drop, dropped), (Unusable::Rename, renamed)] {
        let read = read(Method::GET, relay().for_browsers(unusable)).await;
        assert_eq!(read, (format!("retry: 3000\n{expected}"), false));
    }

    // Or they are mapped.
    let mapped = relay().map_messages(|mut message| {
        message.event = match &*message.event {
            "message" => "message".into(),
            name => format!("their-{}", name.trim_matches('\0')).into(),
        };
        message.last_event_id = message.last_event_id.trim().into();
        message
    });
    let (bytes, cut) = read(Method::GET, mapped).await;
    assert!(
        bytes.contains("event: their-error\nid: 2\n") && bytes.contains("id: a b\n") && !cut,
        "{bytes}"
    );
}

#[tokio::test]
async fn events_are_dropped_changed_and_added_by_the_user() {
    let bytes = "id: 1\ndata: a\n\nid: 2\ndata: b\n\n: c\ndata: d\n\nid: 3\ndata: e\n\n";
    let map = |message: Message| match &*message.data {
        "b" => vec![],
        "d" => vec![Event::data("before").id("own").into(), Relayed::from(message)],
        _ => vec![message.into()],
    };
    // The id of what was dropped goes with the next event of upstream, so that it is not asked for again.
    let expected = "id: 1\ndata: a\n\n: c\nid: own\ndata: before\n\nid: 2\ndata: d\n\nid: 3\ndata: e\n\n";
    assert_eq!(
        sent(Relay::new(sends(bytes)).map_messages(map)).await,
        (expected.to_owned(), None)
    );

    let option = Relay::new(sends(bytes)).map_messages(|message| (message.data != "b").then_some(message));
    assert_eq!(
        sent(option).await.0,
        "id: 1\ndata: a\n\n: c\nid: 2\ndata: d\n\nid: 3\ndata: e\n\n"
    );
    let array = Relay::new(sends("data: a\n\n")).map_messages(|message| [message.clone(), message]);
    assert_eq!(sent(array).await.0, "data: a\n\ndata: a\n\n");
    let (bytes, error) = sent(
        Relay::new(sends("data: 1\n\ndata: x\n\ndata: 2\n\n")).map_messages(|message| {
            let number: u64 = message.data.parse()?;
            Ok::<_, std::num::ParseIntError>([Event::data((number * 2).to_string())])
        }),
    )
    .await;
    assert_eq!(bytes, "data: 2\n\n");
    assert_eq!(
        error.unwrap(),
        "an event of upstream could not be mapped: invalid digit found in string"
    );

    // The usual combinators do as well. An item may hold several events.
    let quiet = Relay::new(sends(
        "data: a\n\n: c\ndata: b\n\ndata: c\n\nevent: d\ndata: d\n\n",
    ));
    let upper = quiet.flat_map(|item| {
        stream::iter(match item {
            Ok(Relayed::Events(events)) => events
                .into_messages()
                .map(|message| Ok(Event::data(message.data.to_uppercase())))
                .collect(),
            Ok(_) => vec![],
            Err(error) => vec![Err(error)],
        })
    });
    assert_eq!(
        read(Method::POST, upper).await,
        ("data: A\n\ndata: B\n\ndata: C\n\ndata: D\n\n".to_owned(), false)
    );
}

#[tokio::test]
async fn an_upstream_of_the_same_library_is_understood() {
    let position = "event: sse-position\nid: p\ndata: {}\n\n";
    let gap = "event: sse-gap\nid: g\ndata: {\"missed\":3}\n\n";
    let end = |reason: &str| format!("event: sse-end\nid: sse-end\ndata: {{\"reason\":\"{reason}\"}}\n\n");
    let relay = |bytes: String| Relay::new(sends(&bytes));

    let bytes = format!("{position}data: a\n\n{}", end("finished"));
    assert_eq!(
        sent(relay(bytes.clone())).await,
        ("id: p\ndata: a\n\n".to_owned(), None)
    );
    let for_browsers = relay(bytes).for_browsers(Unusable::Fail);
    let (read, _) = read(Method::GET, for_browsers).await;
    assert_eq!(read, format!("retry: 3000\n{position}data: a\n\n"));

    let bytes = format!("data: a\n\n{gap}data: b\n\n");
    let (before, error) = sent(relay(bytes.clone())).await;
    assert_eq!(before, "data: a\n\n");
    assert_eq!(error.unwrap(), "upstream has lost events: {\"missed\":3}");
    assert_eq!(
        sent(relay(bytes.clone()).for_browsers(Unusable::Drop)).await,
        (bytes, None)
    );

    for reason in ["failed", "ended"] {
        let (before, error) = sent(relay(format!("data: a\n\n{}", end(reason)))).await;
        assert_eq!(before, "data: a\n\n");
        assert_eq!(
            error.unwrap(),
            format!("upstream has ended its stream: {{\"reason\":\"{reason}\"}}")
        );
    }
}

#[tokio::test]
async fn an_upstream_that_brings_nothing_lets_others_run() {
    let comments = || stream::repeat(Ok::<_, Infallible>(Bytes::from_static(b": c\n")));
    assert!(
        Relay::new(comments())
            .comments(false)
            .next()
            .now_or_never()
            .is_none()
    );
    let events = stream::repeat(Ok::<_, Infallible>(Bytes::from_static(b"data: a\n\n")));
    let mut dropped = Relay::new(events).map_messages(|_| None::<Event>);
    assert!(dropped.next().now_or_never().is_none());
}

/// An event of a kilobyte.
fn kilobyte() -> Bytes {
    Bytes::from(format!("data: {}\n\n", "x".repeat(992)))
}

#[tokio::test]
async fn a_reader_that_stops_stops_upstream_within_64_kib() {
    const SEND_BUFFER: usize = 8 * 1024;
    let given = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&given);
    let serving = Serving::with(
        move || {
            let counted = Arc::clone(&counted);
            let flood = move || {
                let counted = Arc::clone(&counted);
                let bytes = stream::repeat_with(kilobyte).inspect(move |chunk| {
                    counted.fetch_add(chunk.len(), Ordering::SeqCst);
                });
                async { Sse::new(Relay::new(bytes.map(Ok::<_, Infallible>))) }
            };
            App::new().route("/", web::post().to(flood)).route(
                "/beside",
                web::post().to(async || {
                    Sse::new(Relay::new(stream::repeat_with(kilobyte).map(Ok::<_, Infallible>)))
                }),
            )
        },
        |server| server.send_buffer(SEND_BUFFER),
    );
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    let mut never_reads = within("a connection", socket.connect(serving.addr()))
        .await
        .unwrap();
    never_reads
        .write_all(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    until("the stream to begin", async || given.load(Ordering::SeqCst) > 0).await;

    // The worker has had every chance to read more, since meanwhile it serves another reader with much.
    let mut reads = Wire::connect(serving.addr()).await;
    reads
        .send("POST /beside HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n")
        .await;
    reads.head().await;
    reads.exactly(5_000_000).await;
    let held = given.load(Ordering::SeqCst);
    // Linux takes twice what it is asked for, and says so of the other side.
    let receive_buffer = socket2::SockRef::from(&never_reads).recv_buffer_size().unwrap();
    let kernel = 2 * SEND_BUFFER + receive_buffer;
    println!("{held} bytes given, of which the kernel may hold {kernel}");
    assert!(
        held <= kernel + 64 * 1024,
        "{held} bytes, {kernel} of them in the kernel"
    );

    // When it reads again, upstream goes on.
    let mut bytes = vec![0; 64 * 1024];
    while given.load(Ordering::SeqCst) < held + 1_000_000 {
        let read = within("bytes", never_reads.read(&mut bytes)).await.unwrap();
        assert!(read > 0);
    }
}

/// Asks the server at this address, and sends its stream on.
async fn ask(client: &awc::Client, url: &str) -> Result<Relay<awc::ClientResponse>, Error> {
    let upstream = client
        .post(url)
        .send()
        .await
        .map_err(|error| ErrorBadGateway(error.to_string()))?;
    Ok(Relay::new(upstream))
}

#[post("/macro")]
#[sse_stream]
async fn by_macro(url: web::Data<String>, client: web::Data<awc::Client>) -> Result<(), Error> {
    let mut relay = ask(&client, &url).await?;
    while let Some(item) = relay.next().await {
        emit!(item?);
    }
    Ok(())
}

async fn by_sse(
    url: web::Data<String>,
    client: web::Data<awc::Client>,
) -> Result<Sse<impl Stream<Item = Result<Relayed, RelayError>>>, Error> {
    Ok(Sse::new(ask(&client, &url).await?))
}

/// A server that relays the stream at this address: `/macro` and `/sse` to POST, `/browser` to GET.
fn gateway(url: String) -> Serving {
    serve(move |app| {
        let client = awc::Client::builder()
            .connector(upstream_connector())
            .disable_timeout()
            .finish();
        app.app_data(web::Data::new(url.clone()))
            .app_data(web::Data::new(client))
            .service(by_macro)
            .route("/sse", web::post().to(by_sse))
            .route("/browser", web::get().to(by_sse));
    })
}

async fn post(addr: std::net::SocketAddr, path: &str) -> Wire {
    let mut wire = Wire::connect(addr).await;
    wire.send(format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n"
    ))
    .await;
    assert_eq!(wire.head().await.status_line(), "HTTP/1.1 200 OK");
    wire
}

/// What came before a body ended, and whether it ended with its last chunk.
fn dechunked(rest: &[u8]) -> (String, bool) {
    let (mut rest, mut body) = (rest, Vec::new());
    while let Some(at) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..at]).unwrap(), 16).unwrap();
        if size == 0 {
            return (String::from_utf8(body).unwrap(), true);
        }
        body.extend_from_slice(&rest[at + 2..at + 2 + size]);
        rest = &rest[at + 4 + size..];
    }
    (String::from_utf8(body).unwrap(), false)
}

#[actix_web::test]
async fn through_sockets_a_cut_upstream_cuts_and_a_whole_one_does_not() {
    let upstream = serve(|app| {
        let fails = || async {
            let items = [Ok(Event::data("half").id(1)), Err(ErrorBadGateway("gone"))];
            Sse::new(stream::iter(items))
        };
        app.route("/fails", web::post().to(fails)).route(
            "/whole",
            web::post().to(async || Sse::new(stream::iter([Event::data("whole").id(1)]))),
        );
    });
    for (path, expected, whole) in [
        ("/fails", "id: 1\ndata: half\n\n", false),
        ("/whole", "id: 1\ndata: whole\n\n", true),
    ] {
        let gateway = gateway(upstream.url(path));
        for by in ["/macro", "/sse"] {
            let mut wire = post(gateway.addr(), by).await;
            let rest = if whole {
                Bytes::from(wire.body().await)
            } else {
                wire.rest().await.0
            };
            let read = if whole {
                (String::from_utf8(rest.to_vec()).unwrap(), true)
            } else {
                dechunked(&rest)
            };
            assert_eq!(read, (expected.to_owned(), whole), "{path} {by}");
        }
        let mut browser: TestStream = connect(&gateway.url("/browser"), "").await;
        assert_eq!(browser.next().await.unwrap().last_event_id, "1");
        let end = browser.next().await;
        assert_eq!(
            end.map(|end| end.event.to_string()).as_deref(),
            (!whole).then_some("sse-end")
        );
    }
}

/// An upstream that is killed: its socket is closed or reset in the middle of a chunk.
#[tokio::test]
async fn an_upstream_that_is_killed_cuts() {
    for resets in [false, true] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let upstream = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            assert!(socket.read(&mut request).await.unwrap() > 0);
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
            socket.write_all(head.as_bytes()).await.unwrap();
            socket.write_all(b"f\r\ndata: half\n\nda\r\n").await.unwrap();
            socket
        });
        let gateway = gateway(url);
        let mut wire = post(gateway.addr(), "/sse").await;
        assert_eq!(wire.chunk().await.unwrap(), "data: half\n\n");
        let socket = upstream.await.unwrap();
        if resets {
            socket.set_zero_linger().unwrap();
        }
        drop(socket);
        assert_eq!(wire.rest().await.0, "", "no last chunk");
    }
}

#[tokio::test]
async fn a_reader_that_leaves_drops_upstream() {
    let (guards, mut drops) = Guards::new();
    let held = guards.clone();
    let upstream = serve(move |app| {
        let held = held.clone();
        let talks_once = move || {
            let events = stream::iter([Event::data("a")]).chain(stream::pending());
            let events = held.held_by(events);
            async { Sse::new(events) }
        };
        app.route("/", web::post().to(talks_once));
    });
    let gateway = gateway(upstream.url("/"));
    for by in ["/macro", "/sse"] {
        let mut took = Vec::new();
        for _ in 0..10 {
            let mut wire = post(gateway.addr(), by).await;
            assert_eq!(wire.chunk().await.unwrap(), "data: a\n\n");
            assert_eq!(guards.held(), 1);
            let start = Instant::now();
            drop(wire);
            drops.next().await;
            took.push(start.elapsed());
        }
        took.sort_unstable();
        report(
            &format!("upstream dropped after its reader has left, {by}, longest"),
            took[9],
        );
    }
    assert_eq!(guards.held(), 0);
}
