//! The modes: what is measured, and how.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use sse_bench::{Connection, Server, number};

use crate::{crowd::Crowd, load::Load, servers::Contender};

const WARM_UP: Duration = Duration::from_millis(700);
const MEASURED: Duration = Duration::from_secs(3);
const REPLAYED: u64 = 10_000;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    /// Moderate load: the number of readers, and the events per second.
    Fan(usize, u32),
    /// Full load: the number of readers, and how many events may be on their way at once.
    Saturated(usize, usize),
    /// The number of readers, and the size of a burst. A burst is published when every reader has the last one.
    Bursts(usize, usize),
    /// The number of readers. They get keep-alives only, one per second.
    Idle(usize),
    /// Events on HTTP/2: the number of connections, and the number of streams on each.
    CrowdFan(usize, usize),
    CrowdIdle(usize, usize),
    /// A reader reconnects, and gets a replay.
    Replay,
}

/// The modes, by the names that select them.
pub(crate) const MODES: [(&str, Mode, &str); 12] = [
    (
        "sat1k-w1",
        Mode::Saturated(1_000, 1),
        "1,000 readers, saturated, nothing merged",
    ),
    ("fan1k", Mode::Fan(1_000, 20), "1,000 readers, 20 events/s"),
    ("fan10k", Mode::Fan(10_000, 3), "10,000 readers, 3 events/s"),
    (
        "sat1k-w16",
        Mode::Saturated(1_000, 16),
        "1,000 readers, 16 events on their way, one after another",
    ),
    ("burst16", Mode::Bursts(1_000, 16), "1,000 readers, bursts of 16"),
    ("idle10k", Mode::Idle(10_000), "10,000 readers, keep-alives"),
    ("fan100", Mode::Fan(100, 100), "100 readers, 100 events/s"),
    ("fan19k", Mode::Fan(19_000, 1), "19,000 readers, 1 event/s"),
    ("idle19k", Mode::Idle(19_000), "19,000 readers, keep-alives"),
    (
        "crowd50k",
        Mode::CrowdFan(500, 100),
        "50,000 readers, HTTP/2, 100 on a connection",
    ),
    (
        "crowdidle50k",
        Mode::CrowdIdle(500, 100),
        "50,000 readers, HTTP/2, 100 on a connection, keep-alives",
    ),
    ("replay", Mode::Replay, "10,000 events replayed"),
];

/// The result of one server in one round. A figure that the mode does not measure is NaN.
pub(crate) struct Figures {
    /// Deliveries or keep-alives per second.
    pub(crate) rate: f64,
    /// Seconds of the server's processor per million of them.
    pub(crate) cpu: f64,
    /// Milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Events per read.
    pub(crate) merged: f64,
    /// Bytes per connection.
    pub(crate) resident: f64,
    /// Milliseconds from the request until all events have arrived.
    pub(crate) replay: f64,
}

const NOTHING: Figures = Figures {
    rate: f64::NAN,
    cpu: f64::NAN,
    p50: f64::NAN,
    p99: f64::NAN,
    merged: f64::NAN,
    resident: f64::NAN,
    replay: f64::NAN,
};

impl Mode {
    pub(crate) fn is_for(self, contender: Contender) -> bool {
        match self {
            Self::Replay => contender.replays(),
            // How far it goes, and what the kernel does there.
            Self::Fan(19_000, _) | Self::Idle(19_000) => {
                matches!(contender, Contender::Floor | Contender::Ours)
            }
            Self::CrowdFan(..) | Self::CrowdIdle(..) => contender == Contender::Ours,
            // Idle readers do not notice where the log is.
            Self::Idle(_) => contender != Contender::OursInFile,
            _ => true,
        }
    }

    pub(crate) fn run(self, contender: Contender) -> io::Result<Figures> {
        let keep_alive = match self {
            Self::Idle(_) => 1_000,
            Self::CrowdIdle(..) => 2_000,
            _ => 60_000,
        };
        let role = match self {
            Self::CrowdFan(..) | Self::CrowdIdle(..) => "ours over HTTP/2",
            _ => contender.role(),
        };
        let server = Server::start(&format!("{role}/{keep_alive}"))?;
        match self {
            Self::Fan(readers, a_second) => fan(&server, readers, a_second),
            Self::Saturated(readers, under_way) => deliver(&server, readers, |load| {
                let room = load.published - load.complete < under_way as u64;
                if room && load.unanswered == 0 {
                    load.publish(1)?;
                }
                load.turn(Duration::from_millis(100))
            }),
            Self::Bursts(readers, events) => deliver(&server, readers, |load| {
                if load.published == load.complete && load.unanswered == 0 {
                    load.publish(events)?;
                }
                load.turn(Duration::from_millis(100))
            }),
            Self::Idle(readers) => idle(&server, readers),
            Self::CrowdFan(connections, streams) => crowd_fan(&server, connections, streams),
            Self::CrowdIdle(connections, streams) => crowd_idle(&server, connections, streams),
            Self::Replay => replay(&server),
        }
    }
}

fn crowd_fan(server: &Server, connections: usize, streams: usize) -> io::Result<Figures> {
    let mut crowd = Crowd::connect(server.addr(), connections, streams)?;
    crowd.publish()?;
    crowd.latencies();
    let (cpu, began) = (server.cpu()?, Instant::now());
    while began.elapsed() < MEASURED {
        crowd.publish()?;
    }
    let (cpu, seconds) = (server.cpu()? - cpu, began.elapsed().as_secs_f64());
    let latencies = crowd.latencies();
    let at = |percent| {
        latencies
            .get(latencies.len() * percent / 100)
            .copied()
            .unwrap_or(f64::NAN)
    };
    let events = number(latencies.len() as u64);
    Ok(Figures {
        rate: events / seconds,
        cpu: cpu * 1e6 / events,
        p50: at(50),
        p99: at(99),
        ..NOTHING
    })
}

fn crowd_idle(server: &Server, connections: usize, streams: usize) -> io::Result<Figures> {
    let mut crowd = Crowd::connect(server.addr(), 2, streams)?;
    crowd.rest(WARM_UP)?;
    let before = server.resident()?;
    crowd.join(connections, streams)?;
    crowd.rest(3 * WARM_UP)?;
    let resident = (server.resident()? - before) / number((connections * streams) as u64);
    let (cpu, began) = (server.cpu()?, Instant::now());
    let beats = crowd.rest(2 * MEASURED)?;
    Ok(Figures {
        rate: beats / began.elapsed().as_secs_f64(),
        cpu: (server.cpu()? - cpu) * 1e6 / beats,
        resident,
        ..NOTHING
    })
}

fn fan(server: &Server, readers: usize, a_second: u32) -> io::Result<Figures> {
    let between = Duration::from_secs(1) / a_second;
    let mut next = Instant::now();
    let mut begun = false;
    deliver(server, readers, |load| {
        if !begun {
            (next, begun) = (Instant::now(), true);
        }
        let now = Instant::now();
        if now >= next {
            next += between;
            load.publish(1)?;
        }
        load.turn(next.saturating_duration_since(now))
    })
}

/// Runs a load for a while, and returns its figures.
fn deliver(
    server: &Server,
    readers: usize,
    mut step: impl FnMut(&mut Load) -> io::Result<()>,
) -> io::Result<Figures> {
    let mut load = Load::connect(server.addr(), readers)?;
    let mut run = |load: &mut Load, time: Duration| {
        let until = Instant::now() + time;
        while Instant::now() < until {
            step(load)?;
        }
        Ok::<_, io::Error>(())
    };
    run(&mut load, WARM_UP)?;
    load.tally = crate::load::Tally::default();
    let (cpu, began) = (server.cpu()?, Instant::now());
    run(&mut load, MEASURED)?;
    let seconds = began.elapsed().as_secs_f64();
    let rate = number(load.tally.events) / seconds;
    load.finish()?;
    let (cpu, tally) = (server.cpu()? - cpu, &mut load.tally);
    tally.latencies.sort_unstable();
    let at = |percent: usize| {
        let nanos = tally.latencies.get(tally.latencies.len() * percent / 100);
        nanos.map_or(f64::NAN, |nanos| number(*nanos) / 1e6)
    };
    Ok(Figures {
        rate,
        cpu: cpu * 1e6 / number(tally.events),
        p50: at(50),
        p99: at(99),
        merged: number(tally.events) / number(tally.reads),
        ..NOTHING
    })
}

fn idle(server: &Server, readers: usize) -> io::Result<Figures> {
    // They and their memory exist before the first figure is taken.
    let _earlier = Load::connect(server.addr(), 200)?;
    thread::sleep(WARM_UP);
    let before = server.resident()?;
    let mut load = Load::connect(server.addr(), readers)?;
    let settled = Instant::now() + 2 * WARM_UP;
    while Instant::now() < settled {
        load.turn(Duration::from_millis(100))?;
    }
    let resident = (server.resident()? - before) / number(readers as u64);
    load.tally = crate::load::Tally::default();
    let (cpu, began) = (server.cpu()?, Instant::now());
    while began.elapsed() < MEASURED {
        load.turn(Duration::from_millis(100))?;
    }
    let beats = number(load.tally.reads);
    Ok(Figures {
        rate: beats / began.elapsed().as_secs_f64(),
        cpu: (server.cpu()? - cpu) * 1e6 / beats,
        resident,
        ..NOTHING
    })
}

fn replay(server: &Server) -> io::Result<Figures> {
    const READERS: usize = 400;
    let mut first = None;
    {
        let mut load = Load::connect(server.addr(), 1)?;
        let mut watching = Connection::get(server.addr(), "/events", 4096)?;
        while load.published < REPLAYED {
            load.publish(16)?;
            load.finish()?;
            while load.unanswered > 0 {
                load.turn(Duration::from_millis(100))?;
            }
            let mut text = String::new();
            while first.is_none() {
                watching.read(|bytes| text.push_str(&String::from_utf8_lossy(bytes)))?;
                // A position event may come before the first event. An event's id stands before its data.
                first = text.find('@').and_then(|at| {
                    let mut lines = text.get(..at)?.lines().rev();
                    lines.find_map(|line| line.strip_prefix("id: ").map(str::to_owned))
                });
            }
        }
    }
    let first = first.unwrap_or_default();
    let missed = REPLAYED.next_multiple_of(16) - 1;
    // What readers cost that have nothing to catch up on, the second half of them measured.
    let idle = || {
        (0..READERS)
            .map(|_| Connection::get(server.addr(), "/events", 1024))
            .collect::<io::Result<Vec<_>>>()
    };
    let mut idlers = idle()?;
    thread::sleep(WARM_UP);
    let few = server.resident()?;
    idlers.extend(idle()?);
    thread::sleep(WARM_UP);
    let before = server.resident()?;
    let idle = before - few;
    let mut times = Vec::new();
    let mut held = Vec::new();
    for _ in 0..READERS {
        let began = Instant::now();
        let mut connection = Connection::back(server.addr(), "/events", &first, 256 * 1024)?;
        let mut events = 0;
        while events < missed {
            connection.read(|bytes| events += memchr::memchr_iter(b'@', bytes).count() as u64)?;
        }
        times.push(began.elapsed().as_secs_f64() * 1e3);
        assert_eq!(events, missed, "what a reader gets that comes back");
        held.push(connection);
    }
    thread::sleep(WARM_UP);
    let resident = (server.resident()? - before - idle) / number(READERS as u64);
    drop(idlers);
    Ok(Figures {
        replay: sse_bench::median(times),
        resident,
        ..NOTHING
    })
}
