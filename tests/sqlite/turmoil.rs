//! The hub's storm of readers and publishers, with its topics in a file: see [`sse_tests::turmoil`].

use std::time::{Duration, Instant};

use actix_web::{App, get, web};
use sse_actix::{Hub, Subscription, TopicOptions, test::Serving};
use sse_actix_sqlite::{SqliteLog, Synchronous};
use sse_tests::turmoil::{Mode, Plan, Source, TOPIC, everything, run};
use tempfile::TempDir;

const MODES: [Mode; 5] = [
    Mode::Log,
    Mode::Live,
    Mode::ShortLog,
    Mode::Latest,
    Mode::Transient,
];

/// A hub on a file of its own. Memory holds a few events, so that readers need the file, too.
fn hub(mode: Mode, topic_memory: usize) -> (Hub, TempDir) {
    let options = match mode {
        Mode::Log | Mode::Live => TopicOptions::log().max_events(100_000).max_bytes(64 << 20),
        Mode::ShortLog => TopicOptions::log().max_events(20),
        Mode::Latest => TopicOptions::latest(),
        Mode::Transient => TopicOptions::transient(),
    };
    let folder = tempfile::tempdir().unwrap();
    // What readers see does not depend on when it is on disk.
    let log = SqliteLog::builder(folder.path().join("events.db"))
        .synchronous(Synchronous::Off)
        .reserve_bytes(0)
        .topic_memory(topic_memory)
        .open()
        .unwrap();
    let hub = Hub::builder().log(log).topic(TOPIC, options).build().unwrap();
    (hub, folder)
}

fn seed() -> u64 {
    let seed = std::env::var("TURMOIL_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("TURMOIL_SEED={seed}");
    seed
}

#[test]
fn hundreds_of_small_runs_in_the_process() {
    let (seed, began) = (seed(), Instant::now());
    let mut runs = 0;
    // A slow machine does fewer.
    while runs < 400 && (runs < 40 || began.elapsed() < Duration::from_secs(10)) {
        let mode = MODES[runs % MODES.len()];
        let (hub, _folder) = hub(mode, [1_000, 1 << 20][runs / 10 % 2]);
        let plan = Plan {
            mode,
            workers: 1 + runs / MODES.len() % 2,
            readers: 6,
            publishers: 8,
            events: 12,
            seed: seed.wrapping_add(runs as u64),
        };
        run(&hub, Source::Hub(&hub), plan);
        runs += 1;
    }
    println!("{runs} runs in {:?}", began.elapsed());
}

#[test]
fn fifty_readers_in_the_process() {
    let seed = seed();
    for mode in MODES {
        let (hub, _folder) = hub(mode, 10_000);
        let plan = Plan {
            mode,
            workers: 2,
            readers: 50,
            publishers: 8,
            events: 40,
            seed,
        };
        run(&hub, Source::Hub(&hub), plan);
    }
}

#[get("/")]
async fn subscribe(hub: web::Data<Hub>) -> Subscription {
    everything(&hub)
}

#[get("/live")]
async fn subscribe_live(hub: web::Data<Hub>) -> Subscription {
    hub.subscribe(TOPIC)
}

#[actix_web::test]
async fn readers_through_sockets() {
    let seed = seed();
    for mode in MODES {
        let (hub, _folder) = hub(mode, 10_000);
        let data = web::Data::new(hub.clone());
        let serving = Serving::with(
            move || {
                App::new()
                    .app_data(data.clone())
                    .service(subscribe)
                    .service(subscribe_live)
            },
            |server| server.bind(("127.0.0.1", 0)).unwrap(),
        );
        let plan = Plan {
            mode,
            workers: 1,
            readers: 100,
            publishers: 8,
            events: 60,
            seed,
        };
        let addr = serving.addr();
        let done = std::thread::spawn(move || run(&hub, Source::Server(addr), plan));
        while !done.is_finished() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        done.join().unwrap();
    }
}
