use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use sse_actix::Topic;

use crate::{
    events::{Market, State},
    simulation::Simulation,
};

const STEP: Duration = Duration::from_millis(250);
/// How many steps the market makes before it opens, so that the first page has a chart.
const STEPS_BEFORE: u32 = 4 * 60 * 4;

/// The place where shares are traded. Dropping it ends the trade.
pub(crate) struct Exchange(Arc<Mutex<Simulation>>);

impl Exchange {
    /// Starts a thread that trades and publishes the events.
    pub(crate) fn open(topic: Topic<Market>) -> Self {
        let (opened, opened_at) = (Instant::now(), now());
        let mut simulation = Simulation::new(fastrand::Rng::new(), opened_at);
        for steps in (1..=STEPS_BEFORE).rev() {
            simulation.step(opened_at.saturating_sub(milliseconds(STEP * steps)));
        }
        let simulation = Arc::new(Mutex::new(simulation));
        let traded = Arc::downgrade(&simulation);
        thread::spawn(move || {
            while let Some(simulation) = traded.upgrade() {
                // Not the machine's clock, which may be set back: times must not decrease.
                let events = lock(&simulation).step(opened_at + milliseconds(opened.elapsed()));
                drop(simulation);
                for event in events {
                    if let Err(error) = topic.publish_blocking(&event) {
                        eprintln!("not published: {error}");
                    }
                }
                thread::sleep(STEP);
            }
        });
        Self(simulation)
    }

    /// The state of the market. It contains every event that was published so far.
    pub(crate) fn state(&self) -> State {
        lock(&self.0).state()
    }
}

fn lock(simulation: &Mutex<Simulation>) -> MutexGuard<'_, Simulation> {
    simulation.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now() -> u64 {
    milliseconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
