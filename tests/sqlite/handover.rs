//! A new process takes over from an old one, under a socket that somebody else holds: no client is refused, and no event
//! is lost or repeated.

use std::{
    collections::HashMap,
    env,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use rustix::process::Signal;
use sse_tests::{child::Child, patience::until};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::sleep,
};

use super::{kill::DURABLE, server::request};

/// What happens during a hand-over.
#[derive(Default)]
struct Traffic {
    is_over: AtomicBool,
    acknowledged: Mutex<Vec<String>>,
    repeated: AtomicUsize,
    last_answer: Mutex<Option<Instant>>,
    longest_pause: Mutex<Duration>,
}

impl Traffic {
    fn answered(&self, data: String) {
        self.acknowledged.lock().unwrap().push(data);
        let now = Instant::now();
        if let Some(before) = self.last_answer.lock().unwrap().replace(now) {
            let mut longest = self.longest_pause.lock().unwrap();
            *longest = longest.max(now - before);
        }
    }

    /// Publishes one event after the other, each until it is acknowledged.
    async fn publish(self: Arc<Self>, addr: SocketAddr, publisher: usize) {
        for number in 0.. {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            let data = format!("{publisher}-{number}");
            loop {
                match request(addr, "POST /publish", &data).await {
                    Some((200, _)) => break,
                    Some((status, answer)) => panic!("{status}: {answer}"),
                    // Accepted by a process that was about to go, which did not read it.
                    None => _ = self.repeated.fetch_add(1, Ordering::SeqCst),
                }
            }
            self.answered(data);
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A client that comes back, as a browser does, and all data that it has received.
#[derive(Default)]
struct Client {
    id: String,
    received: Vec<String>,
    connections: usize,
}

impl Client {
    async fn read(client: Arc<Mutex<Self>>, addr: SocketAddr) {
        loop {
            let socket = TcpStream::connect(addr).await.expect("nobody is refused");
            let mut socket = BufReader::new(socket);
            let id = client.lock().unwrap().id.clone();
            let request = format!("GET /events HTTP/1.1\r\nHost: test\r\nLast-Event-ID: {id}\r\n\r\n");
            let _ = socket.write_all(request.as_bytes()).await;
            client.lock().unwrap().connections += 1;
            let (mut line, mut pending) = (String::new(), String::new());
            while socket.read_line(&mut line).await.is_ok_and(|length| length > 0) {
                let mut client = client.lock().unwrap();
                if let Some(id) = line.strip_prefix("id: ") {
                    pending = id.trim_end().to_owned();
                } else if let Some(data) = line.strip_prefix("data: ") {
                    let data = data.trim_end();
                    assert!(!data.contains("missed"), "a gap: {data}");
                    if data != "{}" {
                        client.received.push(data.to_owned());
                    }
                } else if line.trim_end().is_empty() && !pending.is_empty() {
                    client.id = std::mem::take(&mut pending);
                }
                line.clear();
            }
        }
    }
}

/// Hands over while clients read and publishers publish, with or without a slow request under way.
async fn hand_over(slow_millis: Option<u64>) {
    let clients: usize = env::var("SSE_SQLITE_CLIENTS").map_or(200, |clients| clients.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db").to_string_lossy().into_owned();
    let socket = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let addr = socket.local_addr().unwrap();
    let arguments = ["serve", &path, "inherit"];
    let old = Child::start_with_socket(DURABLE, &arguments, &socket).await;

    let readers: Vec<_> = (0..clients).map(|_| Arc::<Mutex<Client>>::default()).collect();
    let reading: Vec<_> = readers
        .iter()
        .map(|client| tokio::spawn(Client::read(Arc::clone(client), addr)))
        .collect();
    let traffic = Arc::new(Traffic::default());
    let publishing: Vec<_> = (0..8)
        .map(|publisher| tokio::spawn(Arc::clone(&traffic).publish(addr, publisher)))
        .collect();
    let acknowledged = || traffic.acknowledged.lock().unwrap().len();
    until("some events", async || acknowledged() > 100).await;
    let have_begun = || {
        readers
            .iter()
            .all(|client| !client.lock().unwrap().received.is_empty())
    };
    until("all clients", async || have_begun()).await;
    let slow = slow_millis.map(|millis| {
        tokio::spawn(async move { request(addr, &format!("POST /slow/{millis}"), "slow").await })
    });

    // The new process is there before the old one is told to go, and waits for its file.
    let (socket, arguments) = (socket.try_clone().unwrap(), arguments.map(str::to_owned));
    let new = tokio::spawn(async move {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        Child::start_with_socket(DURABLE, &arguments, &socket).await
    });
    let enough = acknowledged() + 20;
    until("more events", async || acknowledged() >= enough).await;
    *traffic.longest_pause.lock().unwrap() = Duration::ZERO;
    old.signal(Signal::TERM);
    assert!(old.ended().await.success());
    let new = new.await.unwrap();
    let enough = acknowledged() + 100;
    until("events of the new process", async || acknowledged() >= enough).await;
    traffic.is_over.store(true, Ordering::SeqCst);
    for publisher in publishing {
        publisher.await.unwrap();
    }
    let mut expected = traffic.acknowledged.lock().unwrap().clone();
    if let Some(slow) = slow {
        let answer = slow.await.unwrap();
        assert_eq!(answer.expect("it is finished").0, 200);
        expected.push("slow".to_owned());
    }
    let all_have = |received: usize| {
        readers
            .iter()
            .all(|client| client.lock().unwrap().received.len() >= received)
    };
    until("everything everywhere", async || all_have(expected.len())).await;
    for client in &readers {
        let client = client.lock().unwrap();
        let mut times = HashMap::new();
        for data in &client.received {
            *times.entry(data).or_insert(0) += 1;
        }
        assert!(
            expected.iter().all(|data| times.get(data) == Some(&1)),
            "{times:?}"
        );
        assert_eq!(client.received.len(), expected.len());
        assert!(client.connections >= 2);
    }
    assert!(reading.iter().all(|reader| !reader.is_finished()));
    println!(
        "measured: {clients} clients, {} events, slow request: {slow_millis:?} ms: none lost or repeated, {} requests sent again, \
         longest time without an answer {:?}",
        expected.len(),
        traffic.repeated.load(Ordering::SeqCst),
        traffic.longest_pause.lock().unwrap(),
    );
    drop(new);
    join_all(reading.into_iter().map(|reader| async move { reader.abort() })).await;
}

#[tokio::test]
async fn a_new_process_takes_over() {
    hand_over(None).await;
}

#[tokio::test]
async fn a_new_process_waits_for_a_slow_request() {
    hand_over(Some(5_000)).await;
}
