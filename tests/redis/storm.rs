//! The storm of the hub, on this log.

use std::{thread, time::Duration};

use sse_actix::{Hub, TopicOptions};
use sse_tests::{
    patience::PATIENCE,
    redis::Redis,
    turmoil::{Mode, Plan, Source, TOPIC, run},
};

use super::builder;

const MODES: [Mode; 5] = [
    Mode::Log,
    Mode::Live,
    Mode::ShortLog,
    Mode::Latest,
    Mode::Transient,
];

async fn hub(redis: &Redis, mode: Mode, run: usize) -> Hub {
    let options = match mode {
        Mode::Log | Mode::Live => TopicOptions::log().max_events(100_000).max_bytes(64 << 20),
        Mode::ShortLog => TopicOptions::log().max_events(20),
        Mode::Latest => TopicOptions::latest(),
        Mode::Transient => TopicOptions::transient(),
    };
    let log = builder(redis).prefix(format!("run{run}"));
    let log = log.response_timeout(PATIENCE).connect().await.unwrap();
    Hub::builder().log(log).topic(TOPIC, options).build().unwrap()
}

fn seed() -> u64 {
    let seed = std::env::var("TURMOIL_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("TURMOIL_SEED={seed}");
    seed
}

async fn storm(runs: usize, readers: usize, events: usize) {
    let (redis, seed) = (Redis::start(), seed());
    for nth in 0..runs {
        let mode = MODES[nth % MODES.len()];
        let hub = hub(&redis, mode, nth).await;
        let plan = Plan {
            mode,
            workers: 1 + nth / MODES.len() % 2,
            readers,
            publishers: 8,
            events,
            seed: seed.wrapping_add(nth as u64),
        };
        let done = thread::spawn(move || run(&hub, Source::Hub(&hub), plan));
        while !done.is_finished() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        done.join().unwrap();
    }
}

#[actix_web::test]
async fn many_small_runs() {
    storm(80, 6, 12).await;
}

#[actix_web::test]
async fn a_thousand_readers() {
    storm(5, 1_000, 40).await;
}
