use serde::Serialize;
use sse_examples::History;
use sysinfo::{Networks, System};

/// This machine's figures.
#[derive(Debug, Clone)]
pub(crate) struct Machine(History<Sample>);

/// One measurement. Its time is Unix time in milliseconds.
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
        let mut meter = Meter::new();
        Self(History::of(move |at, since| meter.measure(at, since)))
    }

    /// The samples later than `seen`, oldest first, as soon as there is one.
    pub(crate) async fn after(&self, seen: u64) -> Vec<Sample> {
        let samples = self.0.after(seen).await;
        samples.into_iter().map(|(_, sample)| sample).collect()
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

/// The values that are needed from one measurement to the next.
struct Meter {
    system: System,
    networks: Networks,
}

impl Meter {
    fn new() -> Self {
        let mut system = System::new();
        system.refresh_cpu_usage();
        let networks = Networks::new_with_refreshed_list();
        Self { system, networks }
    }

    fn measure(&mut self, at: u64, since: u64) -> Sample {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        self.networks.refresh(true);
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
