use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde::Deserialize;
use serde_json::{Value, json};
use sse_actix::{Event, Frame};
use sse_examples::History;
use sysinfo::{
    Cpu, Disk, Disks, NetworkData, Networks, Pid, Process, ProcessRefreshKind, ProcessesToUpdate, System,
    get_current_pid,
};

use crate::{readers::Readers, refusals::Refusals};

/// A panel of the wall. Each panel has its own stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Panel {
    Cpu,
    Cores,
    Memory,
    Network,
    Disk,
    Storage,
    Load,
    Processes,
    Server,
    Refused,
}

impl Panel {
    /// All panels, each with the name of its events.
    const ALL: [(Self, &'static str); 10] = [
        (Self::Cpu, "cpu"),
        (Self::Cores, "cores"),
        (Self::Memory, "memory"),
        (Self::Network, "network"),
        (Self::Disk, "disk"),
        (Self::Storage, "storage"),
        (Self::Load, "load"),
        (Self::Processes, "processes"),
        (Self::Server, "server"),
        (Self::Refused, "refused"),
    ];
}

/// One measurement: an event for each panel, encoded once for all its readers. The event's id is the time of the
/// measurement, in Unix milliseconds.
pub(crate) type Figures = Arc<HashMap<Panel, Frame>>;

/// Begins to measure this machine and this server, once a second.
pub(crate) fn measure(readers: Readers, refusals: Refusals) -> History<Figures> {
    let mut meter = Meter {
        system: System::new(),
        networks: Networks::new_with_refreshed_list(),
        disks: Disks::new_with_refreshed_list(),
        own: get_current_pid().ok(),
        readers,
        refusals,
    };
    meter.refresh();
    History::of(move |at, since| {
        meter.refresh();
        let events = Panel::ALL.map(|(panel, name)| {
            let figures = meter.figures(panel, since);
            let event = Event::data(figures.to_string()).event(name).id(at);
            (panel, Frame::from(event))
        });
        Arc::new(HashMap::from(events))
    })
}

/// The facts about this machine that do not change.
pub(crate) fn machine() -> Value {
    json!({
        "name": System::host_name(),
        "system": System::long_os_version(),
        "booted": System::boot_time(),
    })
}

/// Most figures are differences between one measurement and the next.
struct Meter {
    system: System,
    networks: Networks,
    disks: Disks,
    own: Option<Pid>,
    readers: Readers,
    refusals: Refusals,
}

impl Meter {
    fn refresh(&mut self) {
        self.system.refresh_cpu_all();
        self.system.refresh_memory();
        let wanted = ProcessRefreshKind::nothing()
            .with_cpu()
            .with_memory()
            .without_tasks();
        let system = &mut self.system;
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, wanted);
        self.networks.refresh(true);
        self.disks.refresh(true);
    }

    /// Shares are in percent, sizes in bytes, rates in bytes a second.
    fn figures(&self, panel: Panel, since: u64) -> Value {
        let system = &self.system;
        let rate = |bytes: u64| bytes * 1000 / since;
        match panel {
            Panel::Cpu => json!({
                "percent": system.global_cpu_usage(),
                "model": system.cpus().first().map(Cpu::brand),
            }),
            Panel::Cores => {
                let percents = system.cpus().iter().map(Cpu::cpu_usage);
                json!(percents.collect::<Vec<_>>())
            }
            Panel::Memory => json!({
                "used": system.used_memory(),
                "total": system.total_memory(),
                "swap": { "used": system.used_swap(), "total": system.total_swap() },
            }),
            Panel::Network => {
                let networks = || self.networks.values();
                json!({
                    "in": rate(networks().map(NetworkData::received).sum()),
                    "out": rate(networks().map(NetworkData::transmitted).sum()),
                })
            }
            Panel::Disk => {
                let usages = || self.each_disk().into_values().map(Disk::usage);
                json!({
                    "read": rate(usages().map(|usage| usage.read_bytes).sum()),
                    "written": rate(usages().map(|usage| usage.written_bytes).sum()),
                })
            }
            Panel::Storage => self.each_disk().into_values().map(storage).collect(),
            Panel::Load => {
                let load = System::load_average();
                json!({ "one": load.one, "five": load.five, "fifteen": load.fifteen, "cores": system.cpus().len() })
            }
            Panel::Processes => {
                let mut processes: Vec<_> = system.processes().values().collect();
                processes.sort_unstable_by(|a, b| b.cpu_usage().total_cmp(&a.cpu_usage()));
                let busiest = processes.iter().take(6);
                json!({ "count": processes.len(), "busiest": busiest.map(|process| self::process(process)).collect::<Value>() })
            }
            Panel::Server => {
                let (streams, connections) = self.readers.count();
                let own = self.own.and_then(|own| system.process(own));
                json!({ "streams": streams, "connections": connections, "process": own.map(process) })
            }
            Panel::Refused => json!(self.refusals.counted()),
        }
    }

    /// The disks. A device that is mounted several times counts once.
    fn each_disk(&self) -> BTreeMap<String, &Disk> {
        let disks = self.disks.iter().filter(|disk| disk.total_space() > 0);
        let named = disks.map(|disk| (disk.name().to_string_lossy().into_owned(), disk));
        // The first mount of a device gives the name, so the later mounts are inserted first.
        named.collect::<Vec<_>>().into_iter().rev().collect()
    }
}

fn storage(disk: &Disk) -> Value {
    json!({
        "at": disk.mount_point().to_string_lossy(),
        "used": disk.total_space() - disk.available_space(),
        "total": disk.total_space(),
    })
}

fn process(process: &Process) -> Value {
    json!({
        "name": process.name().to_string_lossy(),
        "percent": process.cpu_usage(),
        "memory": process.memory(),
    })
}
