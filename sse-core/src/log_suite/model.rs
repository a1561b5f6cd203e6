//! Random steps, compared with a simple model of what a log has to do.

use std::{env, num::NonZeroUsize, time::SystemTime};

use fastrand::Rng;

use super::{
    LogFactory,
    tested_topic::{ALL, TestedTopic, data, idempotency_key, record},
};
use crate::{Appended, Keep, Limit, OnceWindow, Position, Record, Resume, Retention, Start};

/// Appends with and without keys, time that passes, and reads from everywhere, in random order. The log must answer as
/// the model does. The seed is printed; set it as `LOG_SUITE_SEED` to repeat a run.
pub async fn any_steps_are_answered_as_the_model_says<F: LogFactory>(factory: &F) {
    let seed = env::var("LOG_SUITE_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("LOG_SUITE_SEED={seed}");
    let mut random = Rng::with_seed(seed);
    for _ in 0..F::MODEL_RUNS {
        let tested = TestedTopic::new(factory, random_retention::<F>(&mut random)).await;
        run(&tested, &mut random).await;
    }
}

/// Bounds from which the model knows exactly which events are kept. There is no bound in bytes, because each log
/// decides how many bytes an event takes.
fn random_retention<F: LogFactory>(random: &mut Rng) -> Retention {
    let keep = if random.bool() {
        Keep::Every
    } else {
        Keep::LatestPerKey
    };
    let mut retention = Retention::new().keep(keep);
    if F::IS_EXACT {
        let window = OnceWindow::new()
            .max_keys(random.usize(1..8))
            .max_age(F::TICK * random.u32(2..20));
        retention = retention.once_within(window).max_age(F::TICK * random.u32(2..30));
        retention = retention.max_events(if random.bool() { random.usize(1..8) } else { 1_000 });
    }
    retention
}

async fn run<F: LogFactory>(tested: &TestedTopic<'_, F>, random: &mut Rng) {
    let mut model = Model::new(tested.read(Start::Head).await.end);
    for nth in 0..random.usize(1..40) {
        match random.u8(..10) {
            0..6 => {
                let mut record = record(&nth.to_string()).key(random.u8(..4).to_string());
                if F::REMEMBERS_KEYS && random.bool() {
                    record = record.once(idempotency_key(&random.u8(..12).to_string()));
                }
                let expected = model.repeated_position(&record, &tested.retention, tested.factory.now());
                let appended = tested
                    .try_append(record.clone())
                    .await
                    .expect("it is appended, or was");
                assert_eq!(appended.repeated, expected.is_some(), "{record:?}");
                match expected {
                    Some(first) => assert_eq!(appended.position, first),
                    None => model.appended(&record, &tested.retention, appended, tested.factory.now()),
                }
            }
            6 | 7 if F::IS_EXACT => tested.factory.pass(F::TICK * random.u32(..6)).await,
            _ => check_reads(tested, &mut model, random).await,
        }
    }
    check_reads(tested, &mut model, random).await;
}

async fn check_reads<F: LogFactory>(tested: &TestedTopic<'_, F>, model: &mut Model, random: &mut Rng) {
    model.trim(&tested.retention, tested.factory.now());
    let limit = Limit {
        events: NonZeroUsize::new(random.usize(1..5)).unwrap(),
        bytes: usize::MAX,
    };
    let mut starts = vec![
        Start::Head,
        Start::Oldest,
        Start::Unknown,
        Start::Last(random.usize(..6)),
    ];
    starts.extend(model.positions.iter().copied().map(Start::After));
    for start in starts {
        let (resume, due) = model.read(start);
        for limit in [ALL, limit] {
            let batch = tested.read_up_to(start, limit).await;
            let is_expected = match (batch.resume, resume) {
                // Where sequences have holes, a log may not know the number.
                (Resume::Gap { missed: None }, Resume::Gap { .. }) => true,
                (is, expected) => is == expected,
            };
            assert!(is_expected, "{start:?}: {:?}, not {resume:?}", batch.resume);
            let returned = due.len().min(limit.events.get());
            assert_eq!(data(&batch), due[..returned], "{start:?}");
            assert_eq!(batch.more, returned < due.len(), "{start:?}");
        }
    }
}

/// The model of a topic.
struct Model {
    kept: Vec<Kept>,
    /// All positions so far, including the position before the first event.
    positions: Vec<Position>,
    /// The newest sequence that retention has deleted.
    last_deleted: u64,
    has_replaced: bool,
    keys: Vec<(String, Position, SystemTime)>,
}

#[derive(Clone)]
struct Kept {
    sequence: u64,
    key: Option<String>,
    data: String,
    at: SystemTime,
}

impl Model {
    fn new(begin: Position) -> Self {
        Self {
            kept: Vec::new(),
            positions: vec![begin],
            last_deleted: begin.sequence,
            has_replaced: false,
            keys: Vec::new(),
        }
    }

    /// The position of the first record with the same key, if the key is remembered.
    fn repeated_position(
        &mut self,
        record: &Record,
        retention: &Retention,
        now: SystemTime,
    ) -> Option<Position> {
        let window = retention.once_window();
        self.keys
            .retain(|(_, _, at)| now.duration_since(*at).unwrap_or_default() <= window.age());
        let key = record.idempotency_key()?;
        let known = self.keys.iter().find(|(known, ..)| known == key.as_str());
        known.map(|(_, position, _)| *position)
    }

    fn appended(&mut self, record: &Record, retention: &Retention, appended: Appended, now: SystemTime) {
        let position = appended.position;
        if let Some(key) = record.idempotency_key() {
            self.keys.push((key.as_str().to_owned(), position, now));
            let excess = self.keys.len().saturating_sub(retention.once_window().keys());
            self.keys.drain(..excess);
        }
        let before = self.kept.len();
        let key = record.key_str().map(ToOwned::to_owned);
        if retention.keeps() == Keep::LatestPerKey {
            self.kept.retain(|kept| kept.key != key);
        }
        self.has_replaced |= self.kept.len() < before;
        self.kept.push(Kept {
            sequence: position.sequence,
            key,
            data: super::tested_topic::data_of(record),
            at: now,
        });
        self.positions.push(position);
        self.trim(retention, now);
    }

    fn trim(&mut self, retention: &Retention, now: SystemTime) {
        let is_too_old = |kept: &Kept| now.duration_since(kept.at).unwrap_or_default() > retention.age();
        while self.kept.len() > retention.events() || self.kept.first().is_some_and(is_too_old) {
            self.last_deleted = self.kept.remove(0).sequence;
        }
    }

    fn read(&self, start: Start) -> (Resume, Vec<String>) {
        let head = self.positions.last().map_or(0, |head| head.sequence);
        let (resume, after) = match start {
            Start::Head => (Resume::Live, head),
            Start::Oldest => (Resume::Live, self.last_deleted),
            Start::Unknown => (Resume::Unknown, self.last_deleted),
            Start::Last(events) => {
                let before = self.kept.len().checked_sub(events + 1);
                let before = before.map(|before| self.kept[before].sequence);
                (Resume::Live, before.unwrap_or(self.last_deleted))
            }
            Start::After(position) if position.sequence < self.last_deleted => {
                let is_gone = |gone: &&Position| {
                    gone.sequence > position.sequence && gone.sequence <= self.last_deleted
                };
                let missed = self.positions.iter().filter(is_gone).count() as u64;
                let missed = (!self.has_replaced).then_some(missed);
                (Resume::Gap { missed }, self.last_deleted)
            }
            Start::After(position) => (Resume::Complete, position.sequence),
        };
        let due = self.kept.iter().filter(|kept| kept.sequence > after);
        (resume, due.map(|kept| kept.data.clone()).collect())
    }
}
