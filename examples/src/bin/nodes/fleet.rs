//! The nodes, as the leader sees them: processes that it can start and kill.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_web::rt;
use awc::Client;
use serde::Serialize;
use tokio::{
    io::{BufReader, Lines},
    process::{Child, ChildStdout},
    time::sleep,
};

use crate::{
    node::Health,
    role::{self, NODE},
};

const NODES: usize = 3;
const WATCH_INTERVAL: Duration = Duration::from_millis(250);

pub(crate) struct Fleet {
    nodes: Vec<Arc<Node>>,
    turn: AtomicUsize,
}

pub(crate) struct Node {
    number: usize,
    prefix: String,
    redis: String,
    process: Mutex<Option<Process>>,
}

/// A process that was alive when the leader last checked.
struct Process {
    child: Child,
    pid: u32,
    /// The address, once the node serves.
    addr: Option<SocketAddr>,
    /// `None` if the node did not answer the last question.
    health: Option<Health>,
}

/// The state of a node, as the page shows it.
#[derive(Debug, Serialize)]
pub(crate) struct View {
    pub(crate) number: usize,
    /// `None` if the node is dead.
    pid: Option<u32>,
    serves: bool,
    /// `None` if the node does not answer, for example because the machine is too busy.
    health: Option<Health>,
}

impl Fleet {
    pub(crate) fn start(redis: &str, prefix: &str) -> io::Result<Self> {
        let node = |number| {
            let node = Arc::new(Node {
                number,
                prefix: prefix.to_owned(),
                redis: redis.to_owned(),
                process: Mutex::new(None),
            });
            node.start()?;
            rt::spawn(Arc::clone(&node).watch());
            Ok(node)
        };
        Ok(Self {
            nodes: (1..=NODES).map(node).collect::<io::Result<_>>()?,
            turn: AtomicUsize::new(0),
        })
    }

    pub(crate) fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    pub(crate) fn find(&self, number: usize) -> Option<&Arc<Node>> {
        self.nodes.iter().find(|node| node.number == number)
    }

    /// The addresses of the nodes that serve, beginning with the node whose turn it is.
    pub(crate) fn addrs(&self) -> Vec<SocketAddr> {
        let mut addrs: Vec<_> = self.nodes.iter().filter_map(|node| node.addr()).collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % addrs.len().max(1);
        addrs.rotate_left(turn);
        addrs
    }

    pub(crate) fn end(&self) {
        for node in &self.nodes {
            node.kill();
        }
    }
}

impl Node {
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// The node's address, if it serves.
    pub(crate) fn addr(&self) -> Option<SocketAddr> {
        self.process().as_ref().and_then(|process| process.addr)
    }

    pub(crate) fn view(&self) -> View {
        let process = self.process();
        let process = process.as_ref();
        View {
            number: self.number,
            pid: process.map(|process| process.pid),
            serves: process.is_some_and(|process| process.addr.is_some()),
            health: process.and_then(|process| process.health),
        }
    }

    /// Starts the node, if it is dead.
    pub(crate) fn start(self: &Arc<Self>) -> io::Result<()> {
        let mut process = self.process();
        if process.is_some() {
            return Ok(());
        }
        let number = self.number.to_string();
        let (child, said) = role::start(&[NODE, &number, &self.prefix, &self.redis])?;
        let pid = child.id().ok_or(io::ErrorKind::NotFound)?;
        *process = Some(Process {
            child,
            pid,
            addr: None,
            health: None,
        });
        rt::spawn(Arc::clone(self).note_address(pid, said));
        Ok(())
    }

    /// Kills the node with SIGKILL.
    pub(crate) fn kill(&self) {
        if let Some(mut process) = self.process().take() {
            // This fails only if the process is dead already. The runtime waits for a killed process, so no zombie is
            // left.
            let _ = process.child.start_kill();
        }
    }

    async fn note_address(self: Arc<Self>, pid: u32, mut said: Lines<BufReader<ChildStdout>>) {
        // `None` if the process has ended before it printed its address.
        let line = said.next_line().await.ok().flatten();
        if let Some(process) = &mut *self.process()
            && process.pid == pid
        {
            process.addr = line.and_then(|line| line.parse().ok());
        }
    }

    /// Watches the node's process and asks for its health, as long as the leader runs.
    async fn watch(self: Arc<Self>) {
        let client = Client::default();
        loop {
            sleep(WATCH_INTERVAL).await;
            let found = {
                let mut process = self.process();
                if process
                    .as_mut()
                    .is_some_and(|process| !matches!(process.child.try_wait(), Ok(None)))
                {
                    eprintln!("node {} has ended by itself", self.number);
                    *process = None;
                }
                process.as_ref().and_then(|process| process.addr)
            };
            let Some(addr) = found else { continue };
            let health = ask(&client, addr).await.ok();
            if let Some(process) = &mut *self.process()
                && process.addr == Some(addr)
            {
                process.health = health;
            }
        }
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask(client: &Client, addr: SocketAddr) -> Result<Health, Box<dyn std::error::Error>> {
    let mut answer = client.get(format!("http://{addr}/health")).send().await?;
    Ok(answer.json().await?)
}
