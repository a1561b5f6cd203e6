//! Two Redis, three nodes, a line for each, and what happens to them.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};

use fastrand::Rng;
use sse_actix::Hub;
use sse_actix_redis::RedisLog;
use sse_tests::{patience::until, redis::Redis};
use tokio::time::sleep;

use super::{BEGIN, options};
use crate::harness::{
    keys::{append, stream_of},
    node::Node,
    pair::{Pair, follow, follows, in_step, promote},
    proxy::Proxy,
};

const NODES: usize = 3;
const FAIL_OVER: &str = "fail-over";

pub(super) struct World {
    pub(super) is_over: Cell<bool>,
    pair: Pair,
    /// Whether the one that was the replica is the primary at present.
    is_exchanged: Cell<bool>,
    lines: [Proxy; NODES],
    nodes: RefCell<Vec<Rc<Node>>>,
    counts: RefCell<BTreeMap<&'static str, usize>>,
}

impl World {
    pub(super) async fn start() -> Self {
        let pair = Pair::start().await;
        let lines: [Proxy; NODES] = std::array::from_fn(|_| Proxy::to(&pair.primary));
        let mut nodes = Vec::new();
        for line in &lines {
            nodes.push(Rc::new(Node::with(&line.url(), |log| log, options).await));
        }
        nodes[0].publish("small", BEGIN).await;
        Self {
            is_over: Cell::new(false),
            pair,
            is_exchanged: Cell::new(false),
            lines,
            nodes: RefCell::new(nodes),
            counts: RefCell::default(),
        }
    }

    pub(super) fn node(&self, at: usize) -> Rc<Node> {
        let nodes = self.nodes.borrow();
        Rc::clone(&nodes[at % NODES])
    }

    fn primary(&self) -> &Redis {
        if self.is_exchanged.get() {
            &self.pair.replica
        } else {
            &self.pair.primary
        }
    }

    fn replica(&self) -> &Redis {
        if self.is_exchanged.get() {
            &self.pair.primary
        } else {
            &self.pair.replica
        }
    }

    /// Of the primary that is right.
    pub(super) fn url(&self) -> String {
        self.primary().url()
    }

    pub(super) fn counts(&self) -> BTreeMap<&'static str, usize> {
        self.counts.borrow().clone()
    }

    /// Whether the primary has been another one.
    pub(super) fn may_lose(&self) -> bool {
        self.counts.borrow().contains_key(FAIL_OVER)
    }

    /// Something happens, and is over when this is. Primaries are exchanged only if they may be.
    pub(super) async fn fault(&self, rng: &mut Rng, may_fail_over: bool) {
        let line = &self.lines[rng.usize(..NODES)];
        let millis = |rng: &mut Rng, range| Duration::from_millis(rng.u64(range));
        let is_due = may_fail_over && !self.may_lose();
        let what = if is_due {
            18
        } else {
            rng.usize(..if may_fail_over { 20 } else { 18 })
        };
        let name = match what {
            0..4 => {
                line.cut();
                "cut"
            }
            4..6 => {
                line.freeze();
                sleep(millis(rng, 500..3_500)).await;
                line.thaw();
                "frozen line"
            }
            6..8 => {
                line.refuse();
                line.cut();
                sleep(millis(rng, 200..2_000)).await;
                self.lead(line);
                "cut off"
            }
            8..10 => {
                line.rate(200_000);
                sleep(millis(rng, 500..2_000)).await;
                line.rate(0);
                "slow line"
            }
            10..12 => {
                line.round_trip(Duration::from_millis(20));
                sleep(millis(rng, 200..1_000)).await;
                line.round_trip(Duration::ZERO);
                "long line"
            }
            12 => {
                self.primary().freeze();
                sleep(millis(rng, 200..2_500)).await;
                self.primary().thaw();
                "frozen Redis"
            }
            13..15 => {
                self.foreign();
                "foreign entry"
            }
            15 => {
                let node = self.node(rng.usize(..));
                for tag in 0..2_000 {
                    node.hub.revoke(&format!("tag{tag}"));
                }
                "revocations"
            }
            16..18 => {
                self.replace(rng.usize(..NODES)).await;
                "another node"
            }
            _ => {
                // Before it is: what is lost is told at once.
                self.count(FAIL_OVER);
                return self.fail_over(rng).await;
            }
        };
        self.count(name);
    }

    fn count(&self, name: &'static str) {
        *self.counts.borrow_mut().entry(name).or_default() += 1;
    }

    /// Lets everything be as it should.
    pub(super) async fn heal(&self) {
        for line in &self.lines {
            line.thaw();
            line.rate(0);
            line.round_trip(Duration::ZERO);
            self.lead(line);
        }
        let is_ready = |node: usize| self.node(node).hub.is_ready();
        until("all nodes to be ready", async || (0..NODES).all(is_ready)).await;
    }

    fn lead(&self, line: &Proxy) {
        line.lead_to(self.primary());
    }

    /// Another program writes to a topic.
    fn foreign(&self) {
        let stream = stream_of(self.primary(), "small");
        append(
            self.primary(),
            &stream,
            &vec![(b"hello".to_vec(), b"world".to_vec())],
        );
    }

    /// A node ends, and another takes its place.
    async fn replace(&self, at: usize) {
        let log = RedisLog::builder(&self.lines[at].url()).response_timeout(Duration::from_secs(1));
        // Its line may be at a Redis that is none for it just now.
        if let Ok(log) = log.connect().await {
            let hub = options(Hub::builder().log(log)).build().unwrap();
            self.nodes.borrow_mut()[at] = Rc::new(Node::of(hub));
        }
    }

    /// The replica becomes the primary. The lines lead to it, one after the other; what is connected stays. The old one
    /// is writable for a while, and what it takes then is lost.
    async fn fail_over(&self, rng: &mut Rng) {
        in_step(self.primary(), self.replica()).await;
        promote(self.replica());
        self.is_exchanged.set(!self.is_exchanged.get());
        for line in &self.lines {
            self.lead(line);
            sleep(Duration::from_millis(rng.u64(..50))).await;
            if rng.bool() {
                line.cut();
            }
        }
        if rng.bool() {
            sleep(Duration::from_millis(rng.u64(..4_000))).await;
        }
        follow(self.replica(), self.primary());
        until("the old primary to follow", async || follows(self.replica())).await;
    }
}
