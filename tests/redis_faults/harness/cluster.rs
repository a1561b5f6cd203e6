//! A Cluster of three primaries, with a replica each.

use std::process::{Command, Stdio};

use redis::cmd;
use sse_tests::{
    patience::until,
    redis::{Redis, free_port},
};

pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Redis>,
}

const NODES: usize = 6;

impl Cluster {
    /// Starts six nodes, and waits until all slots are served and have a replica.
    pub(crate) async fn start() -> Self {
        let nodes = (0..NODES).map(|_| {
            Redis::with(&[
                "--save",
                "",
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &free_port().to_string(),
                "--cluster-node-timeout",
                "1500",
                "--cluster-replica-validity-factor",
                "0",
                "--repl-diskless-sync-delay",
                "0",
            ])
        });
        let cluster = Self {
            nodes: nodes.collect(),
        };
        let mut create = vec!["create".to_owned()];
        create.extend(cluster.nodes.iter().map(address));
        create.extend(["--cluster-replicas", "1"].map(str::to_owned));
        tool(&create);
        until("the Cluster to be up", async || {
            cluster.nodes.iter().all(|node| {
                let is_up = cluster_info(node).contains("cluster_state:ok");
                is_up && (is_primary(node) || node.info("replication", "master_link_status") == "up")
            }) && cluster.primaries().len() == NODES / 2
        })
        .await;
        cluster
    }

    /// Its address: two of its nodes.
    pub(crate) fn url(&self) -> String {
        let [one, two] = [&self.nodes[0], &self.nodes[NODES - 1]].map(address);
        format!("redis+cluster://{one},{two}")
    }

    /// Which nodes are primaries at present.
    pub(crate) fn primaries(&self) -> Vec<usize> {
        let nodes = self.nodes.iter().enumerate();
        let primaries = nodes.filter(|(_, node)| node.runs() && is_primary(node));
        primaries.map(|(at, _)| at).collect()
    }

    /// Moves so many slots from one primary to another, while they are used.
    pub(crate) fn reshard(&self, from: usize, to: usize, slots: usize) {
        let id = |at: usize| self.nodes[at].ask::<String>(cmd("CLUSTER").arg("MYID"));
        let mut call = vec!["reshard".to_owned(), address(&self.nodes[from])];
        for (option, value) in [
            ("--cluster-from", id(from)),
            ("--cluster-to", id(to)),
            ("--cluster-slots", slots.to_string()),
        ] {
            call.extend([option.to_owned(), value]);
        }
        tool(&call);
    }
}

/// Runs the tool that comes with Redis.
fn tool(arguments: &[String]) {
    let mut command = Command::new("redis-cli");
    command.arg("--cluster").args(arguments).arg("--cluster-yes");
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    assert!(status.unwrap().success(), "redis-cli --cluster {arguments:?}");
}

fn address(node: &Redis) -> String {
    format!("127.0.0.1:{}", node.port())
}

fn cluster_info(node: &Redis) -> String {
    node.ask(cmd("CLUSTER").arg("INFO"))
}

fn is_primary(node: &Redis) -> bool {
    node.info("replication", "role") == "master"
}
