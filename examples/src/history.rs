use std::{
    collections::VecDeque,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::sync::watch;

/// How many samples are kept: two minutes. The pages draw as many, and a page may be away for so long without a hole in
/// its lines.
const KEPT: usize = 120;

/// The newest measurements. One thread measures once a second, for any number of streams.
#[derive(Debug, Clone)]
pub struct History<T>(watch::Receiver<VecDeque<(u64, T)>>);

impl<T: Clone + Send + Sync + 'static> History<T> {
    /// Begins to measure, until the last clone is dropped. `measure` gets the Unix time in milliseconds, and how many
    /// milliseconds have passed since the last measurement.
    pub fn of(mut measure: impl FnMut(u64, u64) -> T + Send + 'static) -> Self {
        let (sender, receiver) = watch::channel(VecDeque::with_capacity(KEPT));
        thread::spawn(move || {
            let mut last = now();
            while !sender.is_closed() {
                // Usage is a difference between two moments, so the first sample, too, comes after a second.
                thread::sleep(Duration::from_secs(1));
                // The time is the event's id, so it has to grow even if the clock was set back.
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

    /// The samples that are later than `seen`, each with its time, oldest first. Waits until there is one.
    pub async fn after(&self, seen: u64) -> Vec<(u64, T)> {
        // A time in the future was never sent as an id, so it says nothing about what the client has seen.
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
            // The thread that measures is gone. This happens only when the process ends.
            Err(_) => std::future::pending().await,
        }
    }
}

fn now() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}
