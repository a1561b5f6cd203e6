//! Two nodes behind nginx and `HAProxy`, as `docs/proxies` configures them.

use std::{
    net::SocketAddr,
    str,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use actix_web::rt;
use h2::client::Builder;
use rustix::process::Signal;
use sse_tests::{
    certified::connect,
    child::Child,
    http2::Http2,
    patience::{PATIENCE, until, within},
    proxy::{Kind, Proxy},
    redis::Redis,
    wire::{Wire, report},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};

use crate::hub::{Reader, event, last_event_id, without_positions};

const NODE: &str = env!("CARGO_BIN_EXE_node");
const KEEP_ALIVE: &str = ":\n";

/// Two nodes on one Redis, and what is before them.
struct Site {
    kind: Kind,
    url: String,
    nodes: [Option<Child>; 2],
    addrs: [SocketAddr; 2],
    proxy: Proxy,
    #[expect(dead_code, reason = "held for its drop")]
    redis: Redis,
}

impl Site {
    async fn start(kind: Kind) -> Self {
        Self::with(kind, &[]).await
    }

    /// With these replacements in the documented configuration.
    async fn with(kind: Kind, edits: &[(&str, &str)]) -> Self {
        println!("{kind:?}");
        let redis = Redis::start();
        let url = redis.url();
        let nodes = [node(&url, 0).await, node(&url, 0).await];
        let addrs = [nodes[0].addr(), nodes[1].addr()];
        Self {
            kind,
            url,
            nodes: nodes.map(Some),
            addrs,
            proxy: kind.with(addrs, edits),
            redis,
        }
    }

    fn addr(&self) -> SocketAddr {
        self.proxy.addr()
    }

    async fn kill(&mut self, node: usize) {
        self.end(node, Signal::KILL).await;
    }

    async fn end(&mut self, node: usize, signal: Signal) {
        let node = self.nodes[node].take().unwrap();
        node.signal(signal);
        node.ended().await;
    }

    async fn restart(&mut self, which: usize) {
        self.nodes[which] = Some(node(&self.url, self.addrs[which].port()).await);
    }

    async fn reader(&self) -> Reader {
        Reader::new(self.addr(), "/events").await
    }

    /// Publishes through the proxy; the id.
    async fn publish(&self, data: &str) -> String {
        let answer = post(self.addr(), "/publish", data).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    /// How many streams a node has.
    async fn streams(&self, node: usize) -> usize {
        let answer = get(self.addrs[node], "/streams").await;
        answer.body.parse().unwrap()
    }

    /// Waits until the nodes together have so many streams; how many each has.
    async fn have(&self, streams: usize) -> [usize; 2] {
        let mut each = [0; 2];
        until("the streams to be there, and no others", async || {
            each = [self.streams(0).await, self.streams(1).await];
            each.iter().sum::<usize>() == streams
        })
        .await;
        each
    }

    /// Waits until the proxy asks this node, which has just begun.
    async fn asks(&self, node: usize) {
        let mut readers = Vec::new();
        until("the node to be asked again", async || {
            readers.push(self.reader().await);
            self.streams(node).await > 0
        })
        .await;
    }
}

async fn node(url: &str, port: u16) -> Child {
    let patience = PATIENCE.as_millis().to_string();
    Child::start(NODE, &[url, &port.to_string(), &patience]).await
}

/// An answer with an end.
struct Answer {
    status: u16,
    /// In lower case.
    head: String,
    body: String,
}

async fn get(addr: SocketAddr, path: &str) -> Answer {
    ask(addr, format!("GET {path} HTTP/1.1\r\n"), "").await
}

async fn post(addr: SocketAddr, path: &str, data: &str) -> Answer {
    let length = data.len();
    let first = format!("POST {path} HTTP/1.1\r\nContent-Length: {length}\r\n");
    ask(addr, first, data).await
}

async fn ask(addr: SocketAddr, first: String, data: &str) -> Answer {
    let mut wire = Wire::connect(addr).await;
    wire.send(format!("{first}Host: test\r\nConnection: close\r\n\r\n{data}"))
        .await;
    let (answer, _) = wire.rest().await;
    let answer = str::from_utf8(&answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    }
}

/// The next event; in between comes what keeps alive.
async fn next(reader: &mut Reader) -> String {
    loop {
        let next = reader.next().await;
        if next != KEEP_ALIVE {
            return next;
        }
    }
}

#[actix_web::test]
async fn events_come_one_by_one_as_they_are_published() {
    for kind in Kind::ALL {
        let site = Site::start(kind).await;
        // It has what comes first before there is any event.
        let mut reader = site.reader().await;
        let mut shortest = Duration::MAX;
        for n in 1..=20 {
            let id = site.publish(&n.to_string()).await;
            let published = Instant::now();
            assert_eq!(next(&mut reader).await, event(id, n));
            shortest = shortest.min(published.elapsed());
        }
        report("the fastest event", shortest);
        // Held back, each takes 200 ms; on a machine that is busy, some.
        assert!(shortest < Duration::from_millis(100), "events are held back");
    }
}

/// The time-outs are made short enough to be waited for; and everything is compressed that can be.
#[actix_web::test]
async fn keep_alives_hold_a_stream_open_and_nothing_compresses_it() {
    for kind in Kind::ALL {
        let edits: &[_] = match kind {
            Kind::Nginx => &[
                ("proxy_read_timeout 60s", "proxy_read_timeout 3s"),
                (
                    "gzip_types text/plain",
                    "gzip_min_length 0; gzip_types * text/plain",
                ),
            ],
            Kind::HaProxy => &[
                ("timeout client 60s", "timeout client 3s"),
                ("timeout server 60s", "timeout server 3s"),
                (
                    "option forwardfor\n",
                    "option forwardfor\n compression algo gzip\n compression type text/event-stream text/plain\n",
                ),
            ],
        };
        let site = Site::with(kind, edits).await;
        let accepts = b"Accept-Encoding: gzip, br\r\n";
        let mut wire = Wire::get_with(site.addr(), "/events", accepts).await;
        let head = wire.head().await;
        assert_eq!(head.values("content-encoding"), ["identity"]);
        assert_eq!(head.values("cache-control"), ["no-store, no-transform"]);
        let mut reader = Reader::with(site.addr(), "/events", accepts).await;
        // Twice a second.
        for _ in 0..10 {
            assert_eq!(reader.next().await, KEEP_ALIVE);
        }
        let id = site.publish("x").await;
        assert_eq!(next(&mut reader).await, event(id, "x"));
    }
}

#[actix_web::test]
async fn a_client_that_leaves_is_gone_from_its_node() {
    for kind in Kind::ALL {
        let site = Site::start(kind).await;
        let readers = [site.reader().await, site.reader().await];
        assert_eq!(site.have(2).await, [1, 1], "they are spread");
        drop(readers);
        site.have(0).await;
    }
}

/// The node alone can give it up, and know what it has received; a proxy that reads ahead hides it.
#[actix_web::test]
async fn a_client_that_does_not_read_is_seen_by_its_node() {
    const EVENTS: usize = 240;
    // What the buffers of all sockets on the way can hold is far less than the rest.
    const UNREAD: usize = 40;
    for kind in Kind::ALL {
        let site = Site::start(kind).await;
        let unread = Wire::get(site.addr(), "/events").await;
        let which = usize::from(site.have(1).await[1] == 1);
        let large = "x".repeat(200_000);
        for _ in 0..EVENTS {
            assert_eq!(post(site.addrs[which], "/publish", &large).await.status, 200);
        }
        // Of so many streams it is the one that is behind, was given up, or was closed by the kernel.
        let is_seen = async |streams: usize| {
            let slow = get(site.addrs[which], "/slow").await.body;
            let (lag, given_up) = slow.split_once(' ').unwrap();
            let open = site.streams(0).await + site.streams(1).await;
            lag.parse::<usize>().unwrap() >= UNREAD || given_up != "0" || open < streams
        };
        until("it to be seen", async || is_seen(1).await).await;
        // As long as it takes another to read everything, the proxy had for reading ahead.
        let mut reader = site.reader().await;
        for _ in 0..EVENTS {
            assert!(next(&mut reader).await.len() > large.len());
        }
        assert!(is_seen(2).await, "somebody has read it");
        drop(unread);
    }
}

#[actix_web::test]
async fn ids_and_cookies_pass() {
    for kind in Kind::ALL {
        let site = Site::start(kind).await;
        let (first, second) = (site.publish("1").await, site.publish("2").await);
        let headers = [&last_event_id(first.as_bytes())[..], b"Cookie: session=7\r\n"].concat();
        let mut reader = Reader::with(site.addr(), "/events", &headers).await;
        assert_eq!(next(&mut reader).await, event(second, 2));
        until("the cookie's owner to be there", async || {
            get(site.addr(), "/present").await.body == "session=7"
        })
        .await;
    }
}

#[actix_web::test]
async fn a_client_whose_node_dies_goes_on_at_the_other_where_it_was() {
    for kind in Kind::ALL {
        let mut site = Site::start(kind).await;
        let mut reader = site.reader().await;
        let mut last = site.publish("0").await;
        assert_eq!(next(&mut reader).await, event(&last, 0));
        for round in 1..=4 {
            let serving = usize::from(site.have(1).await[1] == 1);
            site.kill(serving).await;
            within("the stream to end", reader.cut()).await;
            // Nobody reads; and whatever node this is sent to first, one takes it.
            let meanwhile = site.publish("meanwhile").await;
            reader = Reader::back(site.addr(), "/events", &last).await;
            assert_eq!(next(&mut reader).await, event(&meanwhile, "meanwhile"));
            last = site.publish(&round.to_string()).await;
            assert_eq!(next(&mut reader).await, event(&last, round));
            site.restart(serving).await;
            if kind == Kind::HaProxy {
                // It asks a node that was gone once it has seen that it is back.
                site.asks(serving).await;
            }
        }
    }
}

#[derive(Default)]
struct Clients {
    stop: AtomicBool,
    answered: AtomicUsize,
    cut: AtomicUsize,
}

impl Clients {
    /// Opens streams, again and again, as those do who come back.
    async fn hammer(self: Arc<Self>, addr: SocketAddr) {
        while !self.stop.load(Ordering::SeqCst) {
            let mut socket = TcpStream::connect(addr).await.unwrap();
            let request = b"GET /events HTTP/1.1\r\nHost: test\r\n\r\n";
            socket.write_all(request).await.unwrap();
            let mut answer = [0; 1_000];
            let received = within("an answer", socket.read(&mut answer)).await;
            let answer = String::from_utf8_lossy(&answer[..received.unwrap_or(0)]).to_ascii_lowercase();
            if answer.is_empty() {
                self.cut.fetch_add(1, Ordering::SeqCst);
                continue;
            }
            assert!(answer.starts_with("http/1.1 200 ok\r\n"), "{answer}");
            // One that shuts down may answer as well, with a `retry` and the end.
            let by_node = answer.contains("content-encoding: identity");
            assert!(by_node, "by the proxy: {answer}");
            self.answered.fetch_add(1, Ordering::SeqCst);
        }
    }

    async fn more(&self) {
        let enough = self.answered.load(Ordering::SeqCst) + 50;
        until("more answers", async || {
            self.answered.load(Ordering::SeqCst) >= enough
        })
        .await;
    }
}

#[actix_web::test]
async fn while_one_node_lives_nobody_is_refused() {
    for kind in Kind::ALL {
        let mut site = Site::start(kind).await;
        let clients = Arc::new(Clients::default());
        let hammers: Vec<_> = (0..4)
            .map(|_| rt::spawn(Arc::clone(&clients).hammer(site.addr())))
            .collect();
        let (killed, deployed) = (Signal::KILL, Signal::TERM);
        for (victim, signal) in [
            (0, killed),
            (1, killed),
            (0, deployed),
            (1, deployed),
            (0, killed),
        ] {
            clients.more().await;
            site.end(victim, signal).await;
            clients.more().await;
            site.restart(victim).await;
            if kind == Kind::HaProxy {
                site.asks(victim).await;
            }
        }
        clients.stop.store(true, Ordering::SeqCst);
        for hammer in hammers {
            hammer.await.unwrap();
        }
        let (answered, cut) = (&clients.answered, &clients.cut);
        println!("measured: 5 deaths, {answered:?} answered, {cut:?} cut, none refused");
        assert_eq!(
            cut.load(Ordering::SeqCst),
            0,
            "a request without an answer goes to the other"
        );
    }
}

#[actix_web::test]
async fn while_no_node_lives_clients_are_told_to_come_back() {
    for kind in Kind::ALL {
        let mut site = Site::start(kind).await;
        let last = site.publish("1").await;
        site.kill(0).await;
        site.kill(1).await;
        for _ in 0..10 {
            let answer = get(site.addr(), "/events").await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert!(
                answer.head.contains("\r\ncontent-type: text/event-stream"),
                "{}",
                answer.head
            );
            assert!(
                answer.head.contains("\r\ncache-control: no-store"),
                "{}",
                answer.head
            );
            let millis = answer.body.strip_prefix("retry: ");
            let millis = millis.and_then(|rest| rest.strip_suffix('\n')).unwrap();
            assert!(
                (2_000..=5_000).contains(&millis.parse::<u32>().unwrap()),
                "{millis}"
            );
        }
        // Others are not told that all is well.
        for answer in [
            get(site.addr(), "/streams").await,
            post(site.addr(), "/publish", "2").await,
            post(site.addr(), "/events", "2").await,
        ] {
            assert!((502..=504).contains(&answer.status), "{}", answer.head);
        }
        site.restart(0).await;
        if site.kind == Kind::HaProxy {
            until("the node to be asked again", async || {
                get(site.addr(), "/streams").await.status == 200
            })
            .await;
        }
        // Redis has kept it.
        let mut reader = site.reader().await;
        assert_eq!(next(&mut reader).await, event(&last, 1));
    }
}

/// What answers every request in this way, and how many there were.
async fn fake(answer: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    rt::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let count = Arc::clone(&count);
            rt::spawn(async move {
                // A check of whether it is there sends nothing.
                if let Ok(1..) = socket.read(&mut [0; 4_096]).await {
                    count.fetch_add(1, Ordering::SeqCst);
                    let _ = socket.write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    (addr, requests)
}

/// What a node would be told by each request, in lower case.
async fn told() -> (SocketAddr, UnboundedReceiver<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (send, told) = unbounded_channel();
    rt::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let send = send.clone();
            rt::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    // A check of whether it is there sends nothing.
                    let Ok(1..) = socket.read_buf(&mut head).await else {
                        return;
                    };
                }
                let _ = socket
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    .await;
                let _ = send.send(String::from_utf8(head).unwrap().to_ascii_lowercase());
            });
        }
    });
    (addr, told)
}

/// What counts is what the proxy itself says of a client's address, in the one header that it sets.
#[actix_web::test]
async fn what_a_client_says_of_its_address_is_removed_or_stands_before_what_the_proxy_says() {
    for kind in Kind::ALL {
        let (node, mut told) = told().await;
        let proxy = kind.before([node, node]);
        let forged = "Forwarded: for=198.51.100.1\r\nX-Forwarded-For: 198.51.100.2\r\n";
        let first = format!("GET /events HTTP/1.1\r\n{forged}");
        ask(proxy.addr(), first, "").await;
        let told = within("the request", async {
            loop {
                // There may be checks of health before it.
                let head = told.recv().await.unwrap();
                if head.starts_with("get /events ") {
                    return head;
                }
            }
        });
        let head = told.await;
        let values = |name: &str| {
            let fields = head.lines().filter_map(|line| line.split_once(": "));
            let of_it = fields.filter(|(found, _)| *found == name).map(|(_, value)| value);
            of_it.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(values("forwarded"), "", "{kind:?}: {head}");
        let addresses = values("x-forwarded-for");
        assert!(addresses.ends_with("127.0.0.1"), "{kind:?}: {head}");
    }
}

const UNABLE: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nno\n";
const NOTHING: &str = "";

#[actix_web::test]
async fn a_node_that_cannot_answer_is_passed_over() {
    for kind in Kind::ALL {
        for answer in [UNABLE, NOTHING] {
            println!("{kind:?}, {answer:?}");
            let redis = Redis::start();
            let (fake, requests) = fake(answer).await;
            let node = node(&redis.url(), 0).await;
            let proxy = kind.before([fake, node.addr()]);
            let mut readers = Vec::new();
            until("it to be asked in vain", async || {
                readers.push(Reader::new(proxy.addr(), "/events").await);
                requests.load(Ordering::SeqCst) >= 2
            })
            .await;
        }
    }
}

#[actix_web::test]
async fn where_no_node_can_answer_clients_are_told_to_come_back_and_nothing_is_posted_twice() {
    for kind in Kind::ALL {
        for answer in [UNABLE, NOTHING] {
            println!("{kind:?}, {answer:?}");
            let (one, two) = (fake(answer).await, fake(answer).await);
            let proxy = kind.before([one.0, two.0]);
            let requests = || one.1.load(Ordering::SeqCst) + two.1.load(Ordering::SeqCst);
            for (n, path) in ["/publish", "/events"].into_iter().enumerate() {
                let answer = post(proxy.addr(), path, "x").await;
                assert!((502..=504).contains(&answer.status), "{}", answer.head);
                assert_eq!(requests(), n + 1, "what was sent may have been done");
            }
            let answer = get(proxy.addr(), "/events").await;
            assert_eq!((answer.status, answer.body.get(..7)), (200, Some("retry: ")));
            assert!(requests() >= 4, "both were asked");
        }
    }
}

#[actix_web::test]
async fn browsers_have_many_streams_on_one_connection() {
    for kind in Kind::ALL {
        let site = Site::start(kind).await;
        let socket = connect(site.proxy.tls_addr(), site.proxy.certificate()).await;
        // Keep-alives may lie unread.
        let mut client = Http2::over(socket, Builder::new().data_frame_budget(usize::MAX)).await;
        let mut answers = Vec::new();
        for _ in 0..50 {
            let mut answer = client.get("/events").await;
            let mut opening = String::new();
            while !opening.ends_with("data: {}\n\n") {
                opening += str::from_utf8(&answer.frame().await.unwrap()).unwrap();
            }
            assert_eq!(without_positions(&opening), "retry: 3000\n");
            answers.push(answer);
        }
        assert_eq!(site.have(50).await, [25, 25]);
        let id = site.publish("x").await;
        for answer in &mut answers {
            let mut received = String::new();
            while !received.ends_with("data: x\n\n") {
                received += str::from_utf8(&answer.frame().await.unwrap()).unwrap();
            }
            assert_eq!(received.replace(KEEP_ALIVE, ""), event(&id, "x"));
        }
        drop(client);
        site.have(0).await;
    }
}
