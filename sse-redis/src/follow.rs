//! Following: one session after the other, in which this node receives what is published.

mod begin;
mod heartbeat;
mod probe;
mod receive;
mod subscribe;

use std::{rc::Rc, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    catch_up::CatchUp,
    connect::{Connector, Session, Sessions},
    error::ConnectError,
    fault::Fault,
    shared::{Nudges, Shared},
    topic::Topic,
};

/// The wait after a failure: doubled each time, up to the longest, with random jitter that only shortens it.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// Keeps this node connected and subscribed.
pub(crate) struct Follower {
    shared: Arc<Shared>,
    sessions: Rc<Sessions>,
    catch_up: Rc<CatchUp>,
    connector: Connector,
    nudges: Nudges,
    subscriptions: subscribe::Queue,
}

impl Follower {
    pub(crate) fn new(
        shared: Arc<Shared>,
        sessions: Rc<Sessions>,
        catch_up: Rc<CatchUp>,
        connector: Connector,
        nudges: Nudges,
    ) -> Rc<Self> {
        Rc::new(Self {
            shared,
            sessions,
            catch_up,
            connector,
            nudges,
            subscriptions: subscribe::Queue::default(),
        })
    }

    /// Follows a topic, unless it is already followed.
    pub(crate) fn follow(&self, topic: &Arc<Topic>) {
        if let Some(session) = self.sessions.get()
            && topic.begins_following(session.number)
        {
            self.subscriptions.push(topic);
        }
    }

    /// Stops following topics.
    pub(crate) fn forget(&self, topics: Vec<Arc<Topic>>) {
        self.subscriptions.forget(topics);
    }

    /// The first session, or the reason why there is none.
    pub(crate) async fn begin(&self) -> Result<Rc<Session>, ConnectError> {
        begin::begin(self).await
    }

    /// Follows, beginning with this session. Does not end.
    pub(crate) async fn run(self: Rc<Self>, first: Rc<Session>) {
        let mut next = Some(first);
        let mut pause = SHORTEST;
        loop {
            let session = match next.take() {
                Some(session) => session,
                None => match begin::begin(&self).await {
                    Ok(session) => session,
                    Err(error) => {
                        self.note(&error);
                        sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
                        pause = (pause * 2).min(LONGEST);
                        continue;
                    }
                },
            };
            let began = Instant::now();
            let fault = tokio::select! {
                fault = session.over() => fault,
                fault = heartbeat::run(&self, &session) => fault,
                fault = probe::run(&self, &session) => fault,
                fault = subscribe::run(&self, &session) => fault,
            };
            if began.elapsed() >= LONGEST {
                pause = SHORTEST;
            }
            session.end(Fault::Unexpected);
            self.sessions.clear();
            self.shared.lost(&fault);
            sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            pause = (pause * 2).min(LONGEST);
        }
    }

    fn note(&self, error: &ConnectError) {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        if let Some(times) = self.shared.faults.count("session") {
            tracing::warn!(target: "sse_actix", %error, cause, times, "Redis cannot be followed yet");
        }
    }
}
