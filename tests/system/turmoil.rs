//! Exactly once and in order, whatever readers and publishers do: see [`sse_tests::turmoil`].

use std::time::{Duration, Instant};

use actix_web::{App, get, web};
use sse_actix::{Hub, Subscription, TopicOptions, test::Serving};
use sse_tests::{
    patience::PATIENCE,
    turmoil::{Mode, Plan, Source, TOPIC, everything, run},
};

const MODES: [Mode; 5] = [
    Mode::Log,
    Mode::Live,
    Mode::ShortLog,
    Mode::Latest,
    Mode::Transient,
];

fn hub(mode: Mode) -> Hub {
    let options = match mode {
        Mode::Log | Mode::Live => TopicOptions::log().max_events(100_000).max_bytes(64 << 20),
        Mode::ShortLog => TopicOptions::log().max_events(20),
        Mode::Latest => TopicOptions::latest(),
        Mode::Transient => TopicOptions::transient(),
    };
    Hub::builder().topic(TOPIC, options).build().unwrap()
}

/// Another seed each time, said, so that a failure can be had again; or `TURMOIL_SEED`.
pub(crate) fn seed() -> u64 {
    let seed = std::env::var("TURMOIL_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("TURMOIL_SEED={seed}");
    seed
}

#[test]
fn thousands_of_small_runs_in_the_process() {
    let (seed, began) = (seed(), Instant::now());
    let mut runs = 0;
    // A slow machine does fewer.
    while runs < 4_000 && (runs < 400 || began.elapsed() < Duration::from_secs(25)) {
        let mode = MODES[runs % MODES.len()];
        let hub = hub(mode);
        run(
            &hub,
            Source::Hub(&hub),
            Plan {
                mode,
                workers: 1 + runs / MODES.len() % 2,
                readers: 6,
                publishers: 8,
                events: 12,
                seed: seed.wrapping_add(runs as u64),
            },
        );
        runs += 1;
    }
    println!("{runs} runs in {:?}", began.elapsed());
}

#[test]
fn a_thousand_readers_in_the_process() {
    let seed = seed();
    for mode in MODES {
        let hub = hub(mode);
        let plan = Plan {
            mode,
            workers: 2,
            readers: 1_000,
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
        let hub = hub(mode);
        let data = web::Data::new(hub.clone());
        let serving = Serving::with(
            move || {
                App::new()
                    .app_data(data.clone())
                    .service(subscribe)
                    .service(subscribe_live)
            },
            |server| {
                server
                    .client_request_timeout(PATIENCE)
                    .bind(("127.0.0.1", 0))
                    .unwrap()
            },
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
