//! 1,000 clients that come back after a restart, each for 3,000 events.

use std::{io, path::Path};

use rusqlite::Connection;
use sse_actix::Hub;
use sse_actix_sqlite::SqliteLog;
use sse_bench::{Connection as Http, Samples, Server};
use tokio::runtime;

use crate::{
    Result, clients,
    server::{self, name, options},
};

const CLIENTS: usize = 1_000;
const TOPICS: [u32; 2] = [1, 100];

pub(crate) fn run(rounds: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    println!("\n| topics | memory, ms | SQLite, ms | ratio |");
    println!("|--:|--:|--:|--:|");
    for topics in TOPICS {
        let path = folder.path().join(format!("{topics}.db"));
        let log = SqliteLog::open(&path)?;
        let hub = Hub::builder().log(log.clone()).topics(options()).build()?;
        actix_web::rt::System::new().block_on(server::fill(&hub, topics))?;
        log.close();
        let ids = ids(&path, topics)?;
        let samples = Samples::interleave(2, rounds, |contender| match contender {
            0 => in_memory(topics),
            _ => in_file(&path, &ids),
        })?;
        let ratio = samples.compared(1, 0, |millis| *millis, |file, memory| file / memory);
        let median = |contender| samples.median(contender, |millis| *millis);
        println!("| {topics} | {:.0} | {:.0} | {ratio:.2} |", median(0), median(1));
    }
    Ok(())
}

fn in_memory(topics: u32) -> Result<f64> {
    let server = Server::start(&format!("memory/{topics}"))?;
    let ids = (0..topics).map(|topic| id(&server, topic));
    let ids = ids.collect::<io::Result<Vec<_>>>()?;
    come_back(&server, &ids)
}

/// The id of a topic's first event.
fn id(server: &Server, topic: u32) -> io::Result<String> {
    use std::io::{Read as _, Write as _};
    let mut socket = std::net::TcpStream::connect(server.addr())?;
    let request = format!("GET /first/{topic} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes())?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    let id = answer.split("\r\n\r\n").nth(1);
    id.map(str::to_owned).ok_or_else(|| io::Error::other(answer))
}

/// The ids of the topics' first events. Only while the file is closed: another program that opens it after a crash takes its
/// write-ahead log away.
fn ids(path: &Path, topics: u32) -> Result<Vec<String>> {
    let file = Connection::open(path)?;
    let id = |topic| {
        let sql = "SELECT epoch || '-1' FROM topics WHERE name = ?1";
        Ok(file.query_row(sql, [name(topic)?.as_str()], |row| row.get(0))?)
    };
    (0..topics).map(id).collect()
}

/// A server that has just started, with nothing in memory.
fn in_file(path: &Path, ids: &[String]) -> Result<f64> {
    let server = Server::start(&format!("file/{}", path.display()))?;
    come_back(&server, ids)
}

fn come_back(server: &Server, ids: &[String]) -> Result<f64> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    // A first connection, so that the server has begun.
    drop(Http::get(server.addr(), "/events/999", 1024)?);
    Ok(runtime.block_on(clients::come_back(server.addr(), CLIENTS, ids))?)
}
