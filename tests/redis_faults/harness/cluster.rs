//! A cluster: three primaries, each with a replica.

use std::time::Duration;

use redis::{Cmd, FromRedisValue, cmd};
use sse_tests::{
    patience::until,
    redis::{Redis, free_port},
};

const PRIMARIES: usize = 3;
const SLOTS: usize = 16_384;

pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Redis>,
}

impl Cluster {
    /// Starts six nodes, and waits until all of them agree.
    pub(crate) async fn start() -> Self {
        let node = |_| {
            let bus = free_port().to_string();
            let mut settings = vec!["--save", "", "--cluster-enabled", "yes", "--cluster-port", &bus];
            settings.extend([
                "--cluster-node-timeout",
                "1000",
                "--repl-diskless-sync-delay",
                "0",
            ]);
            settings.extend([
                "--cluster-replica-validity-factor",
                "0",
                "--enable-debug-command",
                "yes",
            ]);
            Redis::with(&settings)
        };
        let cluster = Self {
            nodes: (0..2 * PRIMARIES).map(node).collect(),
        };
        let [first, others @ ..] = cluster.nodes.as_slice() else {
            unreachable!()
        };
        for (n, node) in cluster.nodes.iter().enumerate() {
            ask::<()>(node, "CLUSTER SET-CONFIG-EPOCH", &[(n + 1).to_string()]);
        }
        for (n, node) in cluster.nodes[..PRIMARIES].iter().enumerate() {
            let from = n * SLOTS / PRIMARIES;
            let to = (n + 1) * SLOTS / PRIMARIES - 1;
            ask::<()>(node, "CLUSTER ADDSLOTSRANGE", &[from.to_string(), to.to_string()]);
        }
        for node in others {
            let bus = ask::<Vec<String>>(node, "CONFIG GET", &["cluster-port".to_owned()]);
            let at = ["127.0.0.1".to_owned(), node.port().to_string(), bus[1].clone()];
            ask::<()>(first, "CLUSTER MEET", &at);
        }
        for node in &cluster.nodes {
            until("the nodes to know each other", async || {
                info(node, "cluster_known_nodes") == "6" && info(node, "cluster_state") == "ok"
            })
            .await;
        }
        for (n, replica) in cluster.nodes[PRIMARIES..].iter().enumerate() {
            let primary = cluster.id(n);
            until("the replica to follow", async || {
                try_ask::<()>(replica, "CLUSTER REPLICATE", std::slice::from_ref(&primary)).is_ok()
            })
            .await;
        }
        for replica in &cluster.nodes[PRIMARIES..] {
            until("the replica to have copied", async || {
                replica.info("replication", "master_link_status") == "up"
            })
            .await;
        }
        until("everybody to know the replicas", async || {
            let all = ask::<String>(&cluster.nodes[0], "CLUSTER NODES", &[]);
            all.matches(" slave ").count() == PRIMARIES
        })
        .await;
        cluster
    }

    /// Its address, by the node with this number, after one that is dead.
    pub(crate) fn url(&self, node: usize) -> String {
        let (dead, alive) = (free_port(), self.nodes[node].port());
        format!("redis+cluster://127.0.0.1:{dead},127.0.0.1:{alive}")
    }

    /// Lets a user in at all nodes.
    pub(crate) fn let_in(&self, user: &str, password: &str, rights: &str) {
        for node in &self.nodes {
            let mut call = cmd("ACL");
            call.arg("SETUSER")
                .arg(user)
                .arg("on")
                .arg(format!(">{password}"));
            for right in rights.split_whitespace() {
                call.arg(right);
            }
            node.ask::<()>(&call);
        }
    }

    pub(crate) fn id(&self, node: usize) -> String {
        ask(&self.nodes[node], "CLUSTER MYID", &[])
    }

    /// The number of the primary that holds a key.
    pub(crate) fn owner(&self, key: &str) -> usize {
        let mut there = (0..self.nodes.len()).filter(|n| {
            let call = cmd("EXISTS").arg(key).clone();
            self.nodes[*n].runs() && self.nodes[*n].try_ask::<i64>(&call).is_ok()
        });
        there.next().unwrap()
    }

    /// The stream of a topic, and its slot.
    pub(crate) fn stream_of(&self, topic: &str) -> (String, u16) {
        let keys = self.nodes.iter().filter(|node| node.runs()).flat_map(|node| {
            let call = cmd("KEYS").arg(format!("sse:topic:*:{topic}")).clone();
            node.ask::<Vec<String>>(&call)
        });
        let key = keys.last().unwrap_or_else(|| panic!("{topic} has no stream"));
        let slot = ask(&self.nodes[0], "CLUSTER KEYSLOT", std::slice::from_ref(&key));
        (key, slot)
    }

    /// Moves a slot to another primary, one key after the other, as an operator would.
    pub(crate) async fn reshard(&self, slot: u16, from: usize, to: usize) {
        self.begin_reshard(slot, from, to).await;
        tokio::time::sleep(Duration::from_millis(30)).await;
        for node in [to, from] {
            let words = [slot.to_string(), "NODE".to_owned(), self.id(to)];
            ask::<()>(&self.nodes[node], "CLUSTER SETSLOT", &words);
        }
    }

    /// Moves the keys of a slot, and leaves it at that: the slot is still its source's, which answers `ASK`.
    pub(crate) async fn begin_reshard(&self, slot: u16, from: usize, to: usize) {
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        let slot = slot.to_string();
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let set = "CLUSTER SETSLOT";
        let (source_id, target_id) = (self.id(from), self.id(to));
        ask::<()>(target, set, &words(&[&slot, "IMPORTING", &source_id]));
        ask::<()>(source, set, &words(&[&slot, "MIGRATING", &target_id]));
        loop {
            tokio::time::sleep(Duration::from_millis(30)).await;
            let keys: Vec<String> = ask(source, "CLUSTER GETKEYSINSLOT", &words(&[&slot, "1"]));
            let Some(key) = keys.first() else { break };
            let port = target.port().to_string();
            ask::<()>(source, "MIGRATE", &words(&["127.0.0.1", &port, key, "0", "5000"]));
        }
    }

    /// Waits until a node has been made a primary.
    pub(crate) async fn promoted(&self, node: usize) {
        until("the replica to be made a primary", async || {
            self.nodes[node].info("replication", "role") == "master"
        })
        .await;
    }
}

fn call(words: &str, arguments: &[String]) -> Cmd {
    let mut call = Cmd::new();
    for word in words.split(' ') {
        call.arg(word);
    }
    call.arg(arguments);
    call
}

fn ask<T: FromRedisValue>(node: &Redis, words: &str, arguments: &[String]) -> T {
    try_ask(node, words, arguments).unwrap_or_else(|error| panic!("{words} {arguments:?}: {error}"))
}

fn try_ask<T: FromRedisValue>(node: &Redis, words: &str, arguments: &[String]) -> redis::RedisResult<T> {
    node.try_ask(&call(words, arguments))
}

fn info(node: &Redis, field: &str) -> String {
    let info: String = ask(node, "CLUSTER INFO", &[]);
    let mut lines = info.lines().filter_map(|line| line.split_once(':'));
    let value = lines.find_map(|(name, value)| (name == field).then(|| value.trim().to_owned()));
    value.unwrap_or_default()
}
