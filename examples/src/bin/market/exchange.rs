use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
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
        let now = now();
        let mut simulation = Simulation::new(fastrand::Rng::new(), now);
        for steps in (1..=STEPS_BEFORE).rev() {
            simulation.step(now.saturating_sub(milliseconds(STEP * steps)));
        }
        let simulation = Arc::new(Mutex::new(simulation));
        let traded = Arc::downgrade(&simulation);
        thread::spawn(move || {
            while let Some(simulation) = traded.upgrade() {
                let events = lock(&simulation).step(self::now());
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
