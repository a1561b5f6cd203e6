//! Publishers and readers of one server, and the check of what became of each event.

use std::{collections::HashMap, env, net::SocketAddr, sync::Arc};

use fastrand::Rng;
use futures_util::future::join_all;
use sse_tests::patience::within;

use crate::{
    answers::Answers,
    publisher::Publisher,
    reader::{self, Received},
};

const PUBLISHERS: usize = 8;
const READERS: u64 = 3;
const LAST: &str = "\"end of all\"";

/// What publishers were told, and what readers have seen.
pub(crate) struct Outcome {
    answers: Arc<Answers>,
    records: Vec<Vec<Received>>,
}

fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(name: &str, default: impl FnOnce() -> T) -> T {
    env::var(name).map_or_else(|_| default(), |number| number.parse().unwrap())
}

/// Publishes until there were enough cuts, while `meanwhile` does something to the server.
pub(crate) async fn run(addr: SocketAddr, meanwhile: impl AsyncFnOnce()) -> Outcome {
    let seed = number("ONCE_SEED", || fastrand::u64(..));
    let cuts = number("ONCE_CUTS", || 500);
    println!("ONCE_SEED={seed} ONCE_CUTS={cuts}");
    let answers = Arc::new(Answers::default());
    let publishers = (0..PUBLISHERS).map(|nth| {
        let mut publisher = Publisher {
            addr,
            random: Rng::with_seed(seed.wrapping_add(nth as u64)),
            answers: Arc::clone(&answers),
        };
        tokio::spawn(async move {
            for event in 0.. {
                if publisher.answers.cuts() >= cuts {
                    return;
                }
                publisher.publish(&format!("{nth}/{event}")).await;
            }
        })
    });
    let readers = (0..READERS).map(|nth| {
        let random = Rng::with_seed(!seed.wrapping_add(nth));
        tokio::spawn(reader::read(addr, random, LAST))
    });
    let (readers, publishers): (Vec<_>, Vec<_>) = (readers.collect(), publishers.collect());
    let publishing = async {
        for publisher in join_all(publishers).await {
            publisher.expect("a publisher publishes");
        }
    };
    let meanwhile = meanwhile();
    futures_util::future::join(publishing, meanwhile).await;
    let publisher = Publisher {
        addr,
        random: Rng::with_seed(seed),
        answers: Arc::clone(&answers),
    };
    publisher.publish_uncut("end", "of all").await;
    let records = within("readers to have read everything", join_all(readers)).await;
    let records = records.into_iter().map(|record| record.expect("a reader reads"));
    Outcome {
        answers,
        records: records.collect(),
    }
}

impl Outcome {
    /// Each event is there once, all answers for one key have one id, and readers see it once.
    pub(crate) fn check(&self) {
        let ids = self.answers.ids();
        for record in &self.records {
            assert_eq!(record, &self.records[0], "all readers see the same, in one order");
        }
        let mut seen = HashMap::new();
        for (id, data) in &self.records[0] {
            let order: String = serde_json::from_str(data).unwrap();
            let (key, _) = order.split_once(' ').unwrap();
            let before = seen.insert(key.to_owned(), id.clone());
            assert_eq!(before, None, "{key} is there twice");
        }
        assert_eq!(seen, ids, "what was acknowledged is there, under its id");
        let (answers, repetitions) = self.answers.count();
        println!(
            "{} events, {} cuts, {answers} answers, {repetitions} of them of repetitions",
            seen.len(),
            self.answers.cuts()
        );
        assert!(
            repetitions > 0 && repetitions < answers,
            "some were cut before they were published, and some after"
        );
    }
}
