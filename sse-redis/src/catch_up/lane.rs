use std::{
    cell::{Cell, RefCell},
    collections::{HashSet, VecDeque},
    io::{self, ErrorKind},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use redis::{Pipeline, Value, aio::MultiplexedConnection};
use sse_actix_core::TopicName;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use super::scripts;
use crate::{
    connect::{Primaries, Primary, Session, read_replication},
    fault::Fault,
    topic::Topic,
};

/// The approximate number of bytes that a call requests: at first, at least, and at most.
const FIRST_BUDGET: usize = 64 * 1024;
const SMALLEST_BUDGET: usize = 4 * 1024;
const LARGEST_BUDGET: usize = 512 * 1024;

/// The longest time-out of a call that requests the least: one entry may be large, and the line slow.
const LONGEST: Duration = Duration::from_secs(120);

/// How long it waits before it connects again.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection for reading, and the topics that wait for it.
pub(super) struct Lane {
    primaries: Rc<Primaries>,
    primary: Rc<Primary>,
    /// The connection, with the number of its session.
    connection: RefCell<Option<(u64, MultiplexedConnection)>>,
    waiting: RefCell<VecDeque<Arc<Topic>>>,
    names: RefCell<HashSet<TopicName>>,
    changed: Notify,
    budget: Cell<usize>,
    timeout: Cell<Duration>,
    shortest: Duration,
}

impl Lane {
    pub(super) fn new(primaries: Rc<Primaries>, primary: Rc<Primary>, timeout: Duration) -> Self {
        Self {
            primaries,
            primary,
            connection: RefCell::new(None),
            waiting: RefCell::default(),
            names: RefCell::default(),
            changed: Notify::new(),
            budget: Cell::new(FIRST_BUDGET),
            timeout: Cell::new(timeout),
            shortest: timeout,
        }
    }

    /// Queues a topic with a job for this lane.
    pub(super) fn push(&self, topic: &Arc<Topic>) {
        if self.names.borrow_mut().insert(topic.name.clone()) {
            self.waiting.borrow_mut().push_back(Arc::clone(topic));
            self.changed.notify_one();
        }
    }

    /// Waits for topics, and returns those that have waited longest.
    pub(super) async fn next(&self, most: usize) -> Vec<Arc<Topic>> {
        loop {
            let next: Vec<_> = {
                let mut waiting = self.waiting.borrow_mut();
                let most = most.min(waiting.len());
                waiting.drain(..most).collect()
            };
            if !next.is_empty() {
                let mut names = self.names.borrow_mut();
                for topic in &next {
                    names.remove(&topic.name);
                }
                return next;
            }
            self.changed.notified().await;
        }
    }

    /// How many bytes a call should request.
    pub(super) fn budget(&self) -> usize {
        self.budget.get()
    }

    /// Makes several calls at once, as long as the session lasts. The answers come in order, each a value or an error
    /// of Redis.
    pub(super) async fn call(&self, calls: &mut Pipeline, session: &Session) -> Result<Vec<Value>, Fault> {
        tokio::select! {
            answers = self.ask(calls, session) => answers,
            () = session.ended() => {
                self.connection.replace(None);
                Err(of_io(ErrorKind::ConnectionAborted))
            }
        }
    }

    async fn ask(&self, calls: &mut Pipeline, session: &Session) -> Result<Vec<Value>, Fault> {
        let mut connection = self.connection(session).await?;
        let began = Instant::now();
        let limit = self.timeout.get();
        calls.ignore_errors();
        match timeout(limit, calls.query_async::<Vec<Value>>(&mut connection)).await {
            Ok(Ok(answers)) => {
                self.adapt(began.elapsed(), limit);
                Ok(self.ask_elsewhere(calls, answers).await)
            }
            Ok(Err(error)) => {
                let fault = Fault::Redis(error);
                if fault.is_of_connection() {
                    self.connection.replace(None);
                }
                Err(fault)
            }
            Err(_) => {
                // The late answer would still arrive on this connection, before all others.
                self.connection.replace(None);
                self.asks_for_less();
                Err(of_io(ErrorKind::TimedOut))
            }
        }
    }

    /// While a slot is moving, its old node answers `ASK` for keys that it does not have. The new node may have them, so
    /// these calls are repeated there. If that fails, the answer stays as it is.
    async fn ask_elsewhere(&self, calls: &Pipeline, mut answers: Vec<Value>) -> Vec<Value> {
        for (call, answer) in calls.cmd_iter().zip(&mut answers) {
            let node = match answer {
                Value::ServerError(error) if error.code() == "ASK" => error.details(),
                _ => None,
            };
            let Some(node) = node.and_then(|details| details.split(' ').nth(1)) else {
                continue;
            };
            let Ok(mut connection) = self.primaries.connect_to(node, self.shortest).await else {
                continue;
            };
            let mut asking = Pipeline::new();
            for script in scripts::all() {
                asking.load_script(script).ignore();
            }
            asking.cmd("ASKING").ignore();
            asking.add_command(call.clone()).ignore_errors();
            let there = asking.query_async::<Vec<Value>>(&mut connection).await;
            if let Some(there) = there.ok().and_then(|mut answers| answers.pop()) {
                *answer = there;
            }
        }
        answers
    }

    /// Waits before another attempt.
    pub(super) async fn pause(&self) {
        sleep(PAUSE.mul_f64(0.5 + fastrand::f64())).await;
    }

    /// Requests more if the line is fast. If it is slow, a time-out makes it request less.
    fn adapt(&self, took: Duration, limit: Duration) {
        let budget = self.budget.get();
        if took < limit / 16 {
            self.budget.set((budget * 4).min(LARGEST_BUDGET));
        }
        if took < limit / 4 {
            self.timeout.set((limit / 2).max(self.shortest));
        }
    }

    fn asks_for_less(&self) {
        let budget = self.budget.get();
        if budget > SMALLEST_BUDGET {
            self.budget.set((budget / 8).max(SMALLEST_BUDGET));
        } else {
            self.timeout.set((self.timeout.get() * 2).min(LONGEST));
        }
    }

    async fn connection(&self, session: &Session) -> Result<MultiplexedConnection, Fault> {
        let known = self.connection.borrow().clone();
        if let Some((of, known)) = known
            && of == session.number
        {
            return Ok(known);
        }
        let mut new = self.primary.connector.open(None, None).await?;
        let mut info = redis::cmd("INFO");
        info.arg("replication");
        let asked = timeout(self.primary.connector.connect_timeout, info.query_async(&mut new))
            .await
            .map_err(|_| of_io(ErrorKind::TimedOut))?;
        let primary = session.primary.borrow().clone();
        // The name may lead to another server by now, where other entries have the same ids.
        if let Some(state) = asked.ok().and_then(read_replication)
            && (!state.is_primary || !primary.is_empty() && state.replication_id != primary)
        {
            session.end(Fault::Moved);
            return Err(Fault::Moved);
        }
        self.connection.replace(Some((session.number, new.clone())));
        Ok(new)
    }
}

fn of_io(kind: ErrorKind) -> Fault {
    Fault::Redis(io::Error::from(kind).into())
}
