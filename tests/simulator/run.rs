//! One run: steps in an order that the seed says, then a time in which nothing fails, and the end.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use fastrand::Rng;
use sse_actix::{Hub, Shutdown, simulation};
use tokio::{
    runtime::Builder,
    task::{coop::unconstrained, yield_now},
    time::{Instant, advance},
};

use crate::{
    client::{Client, Polled},
    executor::{Executor, Who},
    log::{Crash, SimLog, Traits},
    plan::{Plan, name},
    publisher::{Events, Outcome, publish},
    trace::Trace,
};

/// Runs a seed. Returns the number of steps. Panics if somebody has not got what they should.
pub(crate) fn run(seed: u64, trace: &mut Trace) -> u64 {
    fastrand::seed(seed);
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(unconstrained(async {
        let mut run = Run::new(seed, trace);
        for _ in 0..2 {
            run.disturb().await;
            run.calm_down().await;
        }
        run.end().await
    }))
}

struct Run<'a> {
    rng: Rng,
    plan: Plan,
    hub: Option<Hub>,
    log: SimLog,
    shutdown: Shutdown,
    executor: Executor,
    clients: BTreeMap<usize, Client>,
    next_client: usize,
    events: Events,
    publishers: Vec<usize>,
    trace: &'a mut Trace,
    began: Instant,
    steps: u64,
}

impl<'a> Run<'a> {
    fn new(seed: u64, trace: &'a mut Trace) -> Self {
        let mut rng = Rng::with_seed(seed);
        let plan = Plan::new(&mut rng);
        trace.note(format_args!("{seed} {plan:?}"));
        let log = SimLog::new(
            rng.u64(..),
            Traits {
                immediate: plan.immediate,
                failures: plan.failures,
                is_dense: plan.is_dense,
            },
        );
        simulation::set_wall(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000));
        let hub = plan.hub().log(log.clone()).build().unwrap();
        let mut run = Self {
            rng,
            plan,
            hub: Some(hub),
            log,
            shutdown: Shutdown::new(),
            executor: Executor::default(),
            clients: BTreeMap::new(),
            next_client: 0,
            events: Events(Rc::new(RefCell::new(Vec::new()))),
            publishers: Vec::new(),
            trace,
            began: Instant::now(),
            steps: 0,
        };
        for _ in 0..run.plan.clients {
            run.add_client();
        }
        run
    }

    fn hub(&self) -> &Hub {
        self.hub.as_ref().expect("the run is not over")
    }

    fn note(&mut self, step: std::fmt::Arguments<'_>) {
        let at = self.began.elapsed().as_millis();
        self.trace.note(format_args!("{at} {step}"));
    }

    fn add_client(&mut self) {
        let client = Client::new(&self.plan, &mut self.rng);
        self.clients.insert(self.next_client, client);
        self.next_client += 1;
    }

    /// Somebody among the clients.
    fn any_client(&mut self) -> usize {
        let chosen = self.rng.usize(..self.clients.len());
        *self.clients.keys().nth(chosen).unwrap()
    }

    async fn disturb(&mut self) {
        for _ in 0..self.plan.steps {
            match self.rng.u8(..) {
                0..90 => self.poll_somebody().await,
                90..150 => self.log_step(),
                150..185 => self.publish(),
                185..215 => self.connect_somebody(),
                215..225 => self.cut_somebody(),
                225..232 => self.let_wait(),
                232..236 => self.poll_for_nothing(),
                236..238 => self.kill_publisher(),
                238 => self.revoke(),
                239 => self.wake_for_nothing(),
                240 => self.set_clock(),
                _ => self.pass_time(1_000).await,
            }
            if self.rng.u16(..) < self.plan.crashes {
                self.crash();
            }
            if self.rng.u8(..4) == 0 {
                // Tasks that have yielded are woken.
                yield_now().await;
            }
        }
    }

    async fn poll_somebody(&mut self) {
        self.executor.adopt();
        let Some(who) = self.executor.choose(&mut self.rng) else {
            return yield_now().await;
        };
        self.poll(who);
    }

    fn poll(&mut self, who: Who) {
        match who {
            Who::Task(task) => {
                let ended = self.executor.poll(task);
                if ended {
                    self.publishers.retain(|publisher| *publisher != task);
                }
                self.note(format_args!("task {task}: {ended}"));
            }
            Who::Client(key) => {
                let waker = self.executor.waker(who);
                let Some(client) = self.clients.get_mut(&key) else {
                    return;
                };
                if client.reads_at > Instant::now() {
                    // It is looked at again when it reads.
                    return;
                }
                self.steps += 1;
                let before = client.delivered;
                let polled = client
                    .poll(&waker, &self.log, &self.shutdown)
                    .unwrap_or_else(|fault| {
                        panic!("client {key}: {fault}");
                    });
                self.steps += client.delivered - before;
                match polled {
                    Polled::Nothing => {}
                    Polled::Chunk(..) => waker.wake_by_ref(),
                    Polled::Ended => {
                        client.back_at = Instant::now() + Duration::from_millis(self.rng.u64(..2_000))
                    }
                }
                self.note(format_args!("client {key}: {polled:?}"));
            }
        }
    }

    fn log_step(&mut self) {
        if self.log.has_work() {
            let before = self.log.appended();
            let done = self.log.step();
            self.steps += self.log.appended() - before;
            self.note(format_args!("log: {done}"));
        }
    }

    fn publish(&mut self) {
        let topic = self.rng.usize(..self.plan.topics.len());
        let kind = self.plan.topics[topic];
        let (key, is_repeated) = (self.rng.u8(..4), self.rng.u8(..4) == 0);
        let publishing = publish(
            self.hub().clone(),
            self.events.clone(),
            (topic, kind),
            key,
            is_repeated,
        );
        let task = self.executor.spawn(self.plan.threads, Box::pin(publishing));
        self.publishers.push(task);
        self.note(format_args!("publish {task} to {topic}"));
    }

    fn connect_somebody(&mut self) {
        let key = self.any_client();
        let now = Instant::now();
        let client = &self.clients[&key];
        if client.is_final {
            self.clients.remove(&key);
            self.add_client();
        } else if !client.is_connected() && client.back_at <= now {
            self.connect(key);
        }
    }

    fn connect(&mut self, key: usize) {
        let hub = self.hub().clone();
        if let Some(client) = self.clients.get_mut(&key) {
            if self.rng.u8(..8) == 0 {
                client.change_topics(&self.plan, &mut self.rng);
            }
            client.connect(&hub, &self.shutdown, &self.log);
        }
        self.executor.waker(Who::Client(key)).wake();
        self.note(format_args!("client {key} connects"));
    }

    fn cut_somebody(&mut self) {
        let key = self.any_client();
        let back_after = Duration::from_millis(self.rng.u64(..3_000));
        let client = self.clients.get_mut(&key).unwrap();
        if client.is_connected() {
            client.cut(back_after);
            self.steps += 1;
            self.note(format_args!("client {key} is cut"));
        }
    }

    /// Somebody does not read for a while.
    fn let_wait(&mut self) {
        let key = self.any_client();
        let most = if self.rng.u8(..8) == 0 { 60_000 } else { 300 };
        let pause = Duration::from_millis(self.rng.u64(..most));
        let client = self.clients.get_mut(&key).unwrap();
        client.reads_at = Instant::now() + pause;
        self.note(format_args!("client {key} waits for {pause:?}"));
    }

    fn poll_for_nothing(&mut self) {
        let key = self.any_client();
        self.poll(Who::Client(key));
    }

    fn kill_publisher(&mut self) {
        if !self.publishers.is_empty() {
            let chosen = self.rng.usize(..self.publishers.len());
            let task = self.publishers.swap_remove(chosen);
            self.executor.kill(task);
            self.steps += 1;
            self.note(format_args!("publisher {task} is killed"));
        }
    }

    fn revoke(&mut self) {
        let tag = format!("user:{}", self.rng.u8(..3));
        let revoked = self.hub().revoke(&tag);
        for client in self.clients.values_mut() {
            client.is_revoked |= client.is_connected() && client.tag.as_deref() == Some(&tag);
        }
        self.note(format_args!("{revoked} of {tag} are revoked"));
    }

    fn wake_for_nothing(&mut self) {
        let topic = self.rng.usize(..self.plan.topics.len());
        self.log.wake(&name(topic));
        self.note(format_args!("{topic} is woken for nothing"));
    }

    /// The wall clock is set, by ten minutes at most.
    fn set_clock(&mut self) {
        let now = simulation::wall();
        let by = Duration::from_secs(self.rng.u64(..600));
        let is_back = self.rng.bool();
        simulation::set_wall(if is_back { now - by } else { now + by });
        self.note(format_args!("the clock is set, back: {is_back}, by {by:?}"));
    }

    fn crash(&mut self) {
        let crashes = [Crash::Restart, Crash::Rename, Crash::Loss, Crash::Reset];
        let crash = crashes[self.rng.usize(..4)];
        self.log.crash(crash);
        self.steps += 1;
        self.note(format_args!("log: {crash:?}"));
    }

    async fn pass_time(&mut self, most: u64) {
        let time = Duration::from_millis(self.rng.u64(..most));
        self.note(format_args!("{time:?} pass"));
        advance(time).await;
        self.wake_readers();
    }

    /// Those who read again look.
    fn wake_readers(&mut self) {
        let now = Instant::now();
        let keys: Vec<_> = self.clients.keys().copied().collect();
        for key in keys {
            let client = self.clients.get_mut(&key).unwrap();
            if client.reads_at <= now && client.reads_at > self.began {
                client.reads_at = self.began;
                self.executor.waker(Who::Client(key)).wake();
            }
        }
    }

    /// Until nobody has anything to do, at this moment.
    async fn settle(&mut self) {
        let mut idle = 0;
        let mut turns = 0_u32;
        while idle < 3 {
            turns += 1;
            assert!(turns < 2_000_000, "it never comes to rest");
            self.executor.adopt();
            match self.executor.choose(&mut self.rng) {
                Some(who) => {
                    idle = 0;
                    self.poll(who);
                }
                None if self.log.has_work() => {
                    idle = 0;
                    self.log_step();
                }
                None => idle += 1,
            }
            if idle > 0 || self.rng.u8(..4) == 0 {
                yield_now().await;
            }
        }
    }

    /// Nothing fails any more, everybody reads, and time passes: everybody gets everything.
    async fn calm_down(&mut self) {
        // The last reads may fail, and nothing is published that would make good for it.
        self.settle().await;
        self.log.fail(0);
        self.note(format_args!("calm"));
        for client in self.clients.values_mut() {
            client.reads_at = self.began + Duration::from_millis(1);
        }
        for _ in 0..100 {
            self.wake_readers();
            let now = Instant::now();
            let keys: Vec<_> = self.clients.keys().copied().collect();
            for key in keys {
                let client = &self.clients[&key];
                if !client.is_final && !client.is_connected() && client.back_at <= now {
                    self.connect(key);
                }
            }
            self.settle().await;
            advance(Duration::from_millis(100)).await;
        }
        self.settle().await;
        self.check_all("when all was calm");
        self.check_events();
        self.log.fail(self.plan.failures);
    }

    fn check_all(&self, when: &str) {
        for (key, client) in &self.clients {
            if client.is_final || !client.is_connected() {
                continue;
            }
            for view in &client.views {
                let checked = self
                    .log
                    .truth(&name(view.topic), |truth| view.has_all(truth, u64::MAX));
                if let Err(fault) = checked {
                    panic!("client {key}, {when}: {fault}: {view:?}");
                }
            }
        }
    }

    /// Each event is there as often as its publisher was told.
    fn check_events(&self) {
        for event in self.events.0.borrow().iter() {
            let there = self
                .log
                .truth(&name(event.topic), |truth| truth.count(event.number));
            let is_right = match event.outcome {
                Outcome::Acknowledged(_) => there == 1 || event.is_repeated && there > 1,
                Outcome::Refused => there == 0,
                Outcome::Unknown | Outcome::Waiting => there <= 1 || event.is_repeated,
            };
            assert!(is_right, "{event:?} is there {there} times");
        }
    }

    /// Silence, then a shutdown or the leaving of all, and nothing is left.
    async fn end(&mut self) -> u64 {
        self.log.fail(0);
        self.keep_alive().await;
        if self.rng.bool() {
            self.drain().await;
        }
        let keys: Vec<_> = self.clients.keys().copied().collect();
        for key in keys {
            let mut client = self.clients.remove(&key).unwrap();
            client.cut(Duration::ZERO);
        }
        self.settle().await;
        let mut stats = self.hub().stats();
        stats.topics.sort_by(|one, other| one.name.cmp(&other.name));
        let readers: usize = stats.topics.iter().map(|topic| topic.subscribers).sum();
        assert_eq!((stats.streams, readers), (0, 0), "{stats:?}");
        self.note(format_args!("{stats:?}"));
        self.hub = None;
        self.settle().await;
        assert_eq!(self.executor.tasks(), 0, "a task goes on without a hub");
        self.executor = Executor::default();
        assert_eq!(self.log.holders(), 0, "the log is not freed");
        self.steps
    }

    /// Whoever is sent nothing is kept alive.
    async fn keep_alive(&mut self) {
        let open = |client: &Client| client.is_connected() && !client.is_final;
        let waiting: Vec<_> = self
            .clients
            .iter()
            .filter(|(_, client)| open(client))
            .map(|(key, _)| *key)
            .collect();
        let began = Instant::now();
        for _ in 0..40 {
            advance(Duration::from_secs(1)).await;
            self.settle().await;
        }
        for key in waiting {
            let client = &self.clients[&key];
            assert!(
                client.heard_at > began + Duration::from_secs(20) || !open(client),
                "client {key} is not kept alive"
            );
        }
    }

    /// A shutdown delivers what was published before it, and nothing that is published after it for ever.
    async fn drain(&mut self) {
        for _ in 0..self.rng.u8(..8) {
            self.publish();
        }
        self.settle().await;
        for _ in 0..self.rng.u8(..8) {
            self.publish();
        }
        for _ in 0..self.rng.u8(..40) {
            self.poll_somebody().await;
            self.log_step();
        }
        let heads: Vec<_> = (0..self.plan.topics.len())
            .map(|topic| {
                self.log.truth(&name(topic), |truth| {
                    truth.lives.last().map_or(0, crate::truth::Life::head)
                })
            })
            .collect();
        self.shutdown.fire();
        self.note(format_args!("shutdown after {heads:?}"));
        let reading: Vec<_> = self
            .clients
            .iter()
            .filter(|(_, client)| client.is_connected())
            .map(|(key, _)| *key)
            .collect();
        let mut turns = 0;
        while self.clients.values().any(Client::is_connected) {
            turns += 1;
            assert!(turns < 20_000, "a stream does not end");
            if turns % 4 == 0 {
                self.publish();
            }
            self.poll_somebody().await;
            // It answers in time.
            for _ in 0..4 {
                self.log_step();
            }
            if turns % 50 == 0 {
                advance(Duration::from_millis(100)).await;
            }
        }
        for key in reading {
            let client = &self.clients[&key];
            for view in client.views.iter().filter(|_| !client.is_final) {
                let head = heads[view.topic];
                let checked = self
                    .log
                    .truth(&name(view.topic), |truth| view.has_all(truth, head));
                assert!(
                    checked.is_ok(),
                    "client {key}, after the shutdown: {checked:?}: {view:?}"
                );
            }
        }
        self.settle().await;
    }
}
