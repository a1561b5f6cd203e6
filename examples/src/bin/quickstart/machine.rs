use std::{
    collections::VecDeque,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Serialize;
use sysinfo::{Networks, System};
use tokio::sync::watch;

/// Two minutes: what the page draws, and for how long a page may be away without a hole in its lines.
const KEPT: usize = 120;

/// This machine's figures, measured once a second by one thread, however many pages are open.
#[derive(Debug, Clone)]
pub(crate) struct Machine(watch::Receiver<VecDeque<Sample>>);

/// What was measured at one moment, which is Unix time in milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) at: u64,
    pub(crate) cpu: Cpu,
    pub(crate) memory: Memory,
    pub(crate) network: Network,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Cpu {
    at: u64,
    percent: f32,
}

/// In bytes.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Memory {
    at: u64,
    used: u64,
    total: u64,
}

/// In bytes a second, over all interfaces.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Network {
    at: u64,
    received: u64,
    sent: u64,
}

impl Machine {
    /// Measures from now on, until the last clone is dropped.
    pub(crate) fn watch() -> Self {
        let (sender, receiver) = watch::channel(VecDeque::with_capacity(KEPT));
        thread::spawn(move || {
            let mut meter = Meter::new();
            while !sender.is_closed() {
                // Usage is a difference between two moments, so the first sample takes its second too.
                thread::sleep(Duration::from_secs(1));
                let sample = meter.measure();
                sender.send_modify(|samples| {
                    samples.truncate(KEPT - 1);
                    samples.push_front(sample);
                });
            }
        });
        Self(receiver)
    }

    /// The samples later than `seen`, oldest first, as soon as there is one.
    pub(crate) async fn after(&self, seen: u64) -> Vec<Sample> {
        // A time to come was never given out, so it says nothing about what was seen.
        let seen = if seen > now() { 0 } else { seen };
        let mut samples = self.0.clone();
        let newer = samples.wait_for(|samples| samples.front().is_some_and(|newest| newest.at > seen));
        match newer.await {
            Ok(samples) => {
                let newer = samples.iter().take_while(|sample| sample.at > seen);
                let mut newer: Vec<_> = newer.cloned().collect();
                newer.reverse();
                newer
            }
            // The thread that measures is gone, which happens only with the process.
            Err(_) => std::future::pending().await,
        }
    }

    /// Two lines about the machine.
    pub(crate) fn greeting() -> String {
        let host = System::host_name().unwrap_or_default();
        let system = System::long_os_version().unwrap_or_default();
        let (minutes, load) = (System::uptime() / 60, System::load_average());
        let (hours, minutes) = (minutes / 60, minutes % 60);
        format!(
            "{host}, {system}\nup {hours} h {minutes} min, load {:.2}",
            load.one
        )
    }
}

/// What has to be remembered from one measurement to the next.
struct Meter {
    system: System,
    networks: Networks,
    last: u64,
}

impl Meter {
    fn new() -> Self {
        let mut system = System::new();
        system.refresh_cpu_usage();
        let networks = Networks::new_with_refreshed_list();
        Self {
            system,
            networks,
            last: now(),
        }
    }

    fn measure(&mut self) -> Sample {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        self.networks.refresh(true);
        // Later than the one before even if the clock was set back: it is the event's id.
        let at = now().max(self.last + 1);
        let since = at - self.last;
        self.last = at;
        let (received, sent) = self.networks.values().fold((0, 0), |(received, sent), network| {
            (received + network.received(), sent + network.transmitted())
        });
        Sample {
            at,
            cpu: Cpu {
                at,
                percent: self.system.global_cpu_usage(),
            },
            memory: Memory {
                at,
                used: self.system.used_memory(),
                total: self.system.total_memory(),
            },
            network: Network {
                at,
                received: received * 1000 / since,
                sent: sent * 1000 / since,
            },
        }
    }
}

fn now() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}
