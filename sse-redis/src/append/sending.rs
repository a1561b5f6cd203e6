use std::{rc::Rc, sync::Arc, time::Duration};

use redis::{Pipeline, Value, aio::MultiplexedConnection};
use tokio::time::{Instant, sleep};

use super::{SCRIPT, call::Call};
use crate::{
    connect::{Primaries, Session},
    entry::LOOK,
    fault::{Fault, checked},
    shared::Shared,
};

/// How long it waits before it asks again where the keys are.
const PAUSE: Duration = Duration::from_millis(20);

/// Sends a call to the server that has the call's keys. If a server does not have them, it says so before it begins the
/// script. So sending the call again repeats nothing.
pub(super) struct Sending<'a> {
    shared: &'a Arc<Shared>,
    primaries: &'a Primaries,
    group: u16,
    /// Until this time, it searches for the server that has the keys.
    until: Instant,
}

/// What has become of a call.
pub(super) struct Sent {
    pub(super) answer: Result<Value, Fault>,
    /// The session that it was sent in the last time.
    pub(super) session: Rc<Session>,
    /// True if the answer comes from the node to which the slot is moving (`ASK`). It says nothing about the session.
    pub(super) is_of_target: bool,
}

/// Whether an error says that a server has some of a call's keys, and another one has the others.
pub(super) fn is_try_again(fault: &Fault) -> bool {
    matches!(fault, Fault::Redis(error) if error.code() == Some("TRYAGAIN"))
        || matches!(fault, Fault::Refused(error) if error.code() == "TRYAGAIN")
}

impl<'a> Sending<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>, primaries: &'a Primaries, group: u16) -> Self {
        Self {
            shared,
            primaries,
            group,
            until: Instant::now() + shared.settings.response_timeout,
        }
    }

    /// Sends it to the node that has the keys.
    pub(super) async fn send(&mut self, call: &Call, mut session: Rc<Session>) -> Sent {
        let mut is_of_target = false;
        let answer = loop {
            let answer = self.invoke(call, &session).await;
            let fault = match answer {
                Err(fault) if fault.is_of_slot() && Instant::now() < self.until => fault,
                answer => break answer,
            };
            if is_try_again(&fault) && call.has_several_topics() {
                break Err(fault);
            }
            if let Fault::Redis(error) = &fault
                && let Some((node, _)) = error.redirect_node()
                && error.code() == Some("ASK")
            {
                match self.ask(node, call, &session).await {
                    Err(fault)
                        if fault.is_of_slot() && !(is_try_again(&fault) && call.has_several_topics()) =>
                    {
                        sleep(PAUSE).await;
                    }
                    answer => {
                        is_of_target = true;
                        break answer;
                    }
                }
            } else if is_try_again(&fault) {
                sleep(PAUSE).await;
            } else {
                // The primary that has the keys may not be known to this node yet.
                sleep(PAUSE / 4).await;
                self.primaries.refresh_owners(self.until).await;
                let left = self.until.saturating_duration_since(Instant::now());
                if let Some(other) = self.primaries.session_of(self.group, left).await {
                    session = other;
                }
            }
        };
        Sent {
            answer,
            session,
            is_of_target,
        }
    }

    async fn invoke(&self, call: &Call, session: &Session) -> Result<Value, Fault> {
        let primary = session.primary.borrow().clone();
        let mut connection = session.publishing.clone();
        let invocation = call.invocation(&SCRIPT, &self.shared.keys, &self.shared.settings, &primary);
        let answer = invocation.invoke_async(&mut connection).await;
        answer.map_err(Fault::Redis)
    }

    /// Sends a call to the node to which the slot is moving. No node listens there yet. So the nodes that follow the
    /// topics are told, through the source, to look at them.
    async fn ask(&self, node: &str, call: &Call, session: &Session) -> Result<Value, Fault> {
        let timeout = self.shared.settings.response_timeout;
        let connection = self.primaries.connect_to(node, timeout).await;
        // Nothing was sent.
        let mut connection = connection.map_err(|_| Fault::Incomplete)?;
        let invocation = call.invocation(&SCRIPT, &self.shared.keys, &self.shared.settings, "");
        let mut calls = Pipeline::new();
        calls.load_script(&SCRIPT).ignore();
        calls.cmd("ASKING").ignore();
        calls.invoke_script(&invocation).ignore_errors();
        drop(invocation);
        let answers: Vec<Value> = calls.query_async(&mut connection).await?;
        let answer = checked(answers.into_iter().next_back().unwrap_or_default())?;
        let mut connection: MultiplexedConnection = session.publishing.clone();
        let mut calls = Pipeline::new();
        for topic in call.topics() {
            calls
                .cmd("SPUBLISH")
                .arg(self.shared.keys.stream(topic))
                .arg(LOOK);
        }
        // If this fails, the nodes find the entry at their next regular comparison.
        let _ = calls.ignore_errors().query_async::<Value>(&mut connection).await;
        Ok(answer)
    }
}
