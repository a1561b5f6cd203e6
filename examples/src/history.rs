use std::{
    collections::VecDeque,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::sync::watch;

/// Two minutes: what the pages draw, and for how long a page may be away without a hole in its lines.
const KEPT: usize = 120;

/// What was measured lately: once a second, by one thread, however many streams read it.
#[derive(Debug, Clone)]
pub struct History<T>(watch::Receiver<VecDeque<(u64, T)>>);

impl<T: Clone + Send + Sync + 'static> History<T> {
    /// Measures from now on, until the last clone is dropped. `measure` is given the time, which is Unix
    /// time in milliseconds, and how many milliseconds have passed since the last measurement.
    pub fn of(mut measure: impl FnMut(u64, u64) -> T + Send + 'static) -> Self {
        let (sender, receiver) = watch::channel(VecDeque::with_capacity(KEPT));
        thread::spawn(move || {
            let mut last = now();
            while !sender.is_closed() {
                // Usage is a difference between two moments, so the first sample takes its second too.
                thread::sleep(Duration::from_secs(1));
                // Later than the one before even if the clock was set back: it is the event's id.
                let at = now().max(last + 1);
                let sample = measure(at, at - last);
                last = at;
                sender.send_modify(|samples| {
                    samples.truncate(KEPT - 1);
                    samples.push_front((at, sample));
                });
            }
        });
        Self(receiver)
    }

    /// What was measured later than `seen`, with its time, oldest first, as soon as there is something.
    pub async fn after(&self, seen: u64) -> Vec<(u64, T)> {
        // A time to come was never given out, so it says nothing about what was seen.
        let seen = if seen > now() { 0 } else { seen };
        let mut samples = self.0.clone();
        let newer = samples.wait_for(|samples| samples.front().is_some_and(|(newest, _)| *newest > seen));
        match newer.await {
            Ok(samples) => {
                let newer = samples.iter().take_while(|(at, _)| *at > seen);
                let mut newer: Vec<_> = newer.cloned().collect();
                newer.reverse();
                newer
            }
            // The thread that measures is gone, which happens only with the process.
            Err(_) => std::future::pending().await,
        }
    }
}

fn now() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}
