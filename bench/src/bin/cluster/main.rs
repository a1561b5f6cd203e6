//! Nodes on one Redis, compared with the log in memory: latency, events per second, and the number of calls to Redis.
//! `cargo run --release -p sse-bench --bin cluster [rounds]`
//!
//! Nodes and Redis are separate processes on the first processor, and new ones in each round. Publishers and readers
//! are on one thread on the second processor. Every reader has to get every event of each publisher once and in
//! order. This needs `redis-server`.

mod crowd;
mod node;
mod redis;

use std::{error::Error, io, time::Duration};

use crowd::{Crowd, Outcome};
use redis::Redis;
use sse_bench::{Samples, Server, leave_the_servers_alone, number, role, rounds};

const WARM_UP: Duration = Duration::from_millis(500);
const MEASURED: Duration = Duration::from_secs(3);

/// The number of readers at each node.
const READERS: usize = 10;
const PUBLISHERS: usize = 8;

/// How many clients reconnect at once, and how many events the log has for each of them.
const RETURNING: usize = 1_000;
const KEPT: u64 = 3_000;

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(role) = role() {
        return Ok(node::serve(&role)?);
    }
    let rounds = rounds(3)?;
    leave_the_servers_alone();
    one_by_one(rounds)?;
    as_fast_as_it_goes(rounds)?;
    coming_back(rounds)?;
    Ok(())
}

/// Where the log is, and whether a publisher and its reader are at the same node.
#[derive(Debug, Clone, Copy)]
enum Place {
    Memory,
    SameNode,
    OtherNode,
}

fn one_by_one(rounds: usize) -> io::Result<()> {
    let places = [
        ("in memory", Place::Memory),
        ("Redis, the same node", Place::SameNode),
        ("Redis, another node", Place::OtherNode),
    ];
    let samples = Samples::interleave(places.len(), rounds, |nth| {
        let place = places.get(nth).map_or(Place::Memory, |(_, place)| *place);
        let redis = Redis::start()?;
        let nodes = match place {
            Place::Memory => vec![node::in_memory()?],
            Place::SameNode => vec![node::on(&redis)?],
            Place::OtherNode => vec![node::on(&redis)?, node::on(&redis)?],
        };
        let at = addrs(&nodes);
        let mut crowd = Crowd::connect(at.get(at.len() - 1..).unwrap_or_default())?;
        // One event on its way at a time.
        crowd.run(
            at.get(..1).unwrap_or_default(),
            WARM_UP,
            Some(Duration::from_millis(2)),
        )?;
        let mut outcome = crowd.run(
            at.get(..1).unwrap_or_default(),
            MEASURED,
            Some(Duration::from_millis(2)),
        )?;
        outcome.latencies.sort_unstable();
        Ok::<_, io::Error>(outcome)
    })?;
    println!("\nFrom publishing to receiving, one reader, an event every 2 ms; {rounds} rounds, medians\n");
    println!("| | p50 ms | p99 ms |\n|---|--:|--:|");
    for (nth, (name, _)) in places.iter().enumerate() {
        let at = |percent: usize| {
            samples.median(nth, |outcome| {
                let nanos = outcome.latencies.get(outcome.latencies.len() * percent / 100);
                nanos.map_or(f64::NAN, |nanos| number(*nanos) / 1e6)
            })
        };
        println!("| {name} | {:.3} | {:.3} |", at(50), at(99));
    }
    Ok(())
}

/// The result of one number of nodes in one round.
struct Figures {
    published: f64,
    delivered: f64,
    /// Seconds of the processor per million published events: of all nodes, and of Redis.
    nodes: f64,
    redis: f64,
    /// Calls to Redis per event: to append it, and to receive it.
    appends: f64,
    reads: f64,
}

fn as_fast_as_it_goes(rounds: usize) -> io::Result<()> {
    let sizes = [0, 1, 2, 3];
    let samples = Samples::interleave(sizes.len(), rounds, |nth| {
        let redis = Redis::start()?;
        let nodes = match sizes.get(nth) {
            None | Some(0) => vec![node::in_memory()?],
            Some(nodes) => (0..*nodes).map(|_| node::on(&redis)).collect::<io::Result<_>>()?,
        };
        let at = addrs(&nodes);
        let mut crowd = Crowd::connect(&at.repeat(READERS))?;
        let publish_at = at.repeat(PUBLISHERS);
        crowd.run(&publish_at, WARM_UP, None)?;
        let cpu = || nodes.iter().map(Server::cpu).sum::<io::Result<f64>>();
        let before = (
            cpu()?,
            redis.cpu()?,
            redis.calls("evalsha")?,
            redis.calls("xread")?,
        );
        let Outcome {
            published,
            delivered,
            seconds,
            ..
        } = crowd.run(&publish_at, MEASURED, None)?;
        let events = number(published);
        Ok::<_, io::Error>(Figures {
            published: events / seconds,
            delivered: number(delivered) / seconds,
            nodes: (cpu()? - before.0) * 1e6 / events,
            redis: (redis.cpu()? - before.1) * 1e6 / events,
            appends: number(redis.calls("evalsha")? - before.2) / events,
            reads: number(redis.calls("xread")? - before.3) / events,
        })
    })?;
    println!(
        "\nAs fast as it goes: {PUBLISHERS} publishers that wait for their answers and {READERS} readers at each node; {rounds} rounds, medians\n"
    );
    println!(
        "| | published a second | delivered a second | CPU s of the nodes a million published | of Redis | appends an event | reads an event |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for (nth, nodes) in sizes.iter().enumerate() {
        let name = match nodes {
            0 => "in memory".to_owned(),
            1 => "1 node".to_owned(),
            more => format!("{more} nodes"),
        };
        let median = |figure: fn(&Figures) -> f64| samples.median(nth, figure);
        println!(
            "| {name} | {:.0} | {:.0} | {:.0} | {:.0} | {:.2} | {:.2} |",
            median(|figures| figures.published),
            median(|figures| figures.delivered),
            median(|figures| figures.nodes),
            median(|figures| figures.redis),
            median(|figures| figures.appends),
            median(|figures| figures.reads),
        );
    }
    Ok(())
}

fn coming_back(rounds: usize) -> io::Result<()> {
    let samples = Samples::interleave(1, rounds, |_| {
        let redis = Redis::start()?;
        let first = node::on(&redis)?;
        let id = crowd::publish_all(first.addr(), KEPT)?;
        // A node that was not there then, so that it knows nothing.
        let node = node::on(&redis)?;
        let asked = || {
            ["evalsha", "xrevrange", "xrange"]
                .iter()
                .map(|call| redis.calls(call))
                .sum::<io::Result<u64>>()
        };
        let before = asked()?;
        let seconds = crowd::come_back(node.addr(), RETURNING, &id, KEPT)?;
        Ok::<_, io::Error>((seconds * 1e3, number(asked()? - before)))
    })?;
    println!(
        "\n{RETURNING} clients come back at once to a node that knows nothing, each for {} events; {rounds} rounds, medians\n",
        KEPT - 1
    );
    println!("| until all have everything, ms | calls of Redis | a client |\n|--:|--:|--:|");
    let calls = samples.median(0, |(_, calls)| *calls);
    println!(
        "| {:.0} | {calls:.0} | {:.3} |",
        samples.median(0, |(millis, _)| *millis),
        calls / number(RETURNING as u64)
    );
    Ok(())
}

fn addrs(nodes: &[Server]) -> Vec<std::net::SocketAddr> {
    nodes.iter().map(Server::addr).collect()
}
