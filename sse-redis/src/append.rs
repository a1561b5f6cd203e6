//! Publishing: all waiting events are sent in one call of a script.
//!
//! | word | means |
//! |---|---|
//! | call | one call of the script, for the topics of one slot |
//! | topic batch | the events of one topic in a call; they become one entry |
//! | part | the events of a topic batch that the script handles together, or one event with a key of either kind |
//! | outcome | the script's answer for one topic batch |

mod call;
mod outcome;
mod refusal;
mod sending;
mod topic_batch;

use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
    sync::{Arc, LazyLock},
    time::Duration,
};

use redis::Script;
use sse_actix_core::AppendError;
use tokio::{sync::mpsc, task::spawn_local, time::Instant};

use self::{
    call::Call,
    sending::{Sending, Sent, is_try_again},
};
use crate::{
    connect::{Primaries, Session},
    fault::{Fault, is_of_replica},
    shared::{Append, Shared},
};

/// The Lua script that appends events to topics, for programs in other languages that publish.
///
/// Its comments list its keys and arguments. `docs/other-languages.md` has such a program in Python. Use the script
/// only together with nodes that have the same version of this crate.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let file = std::env::temp_dir().join("append.lua");
/// std::fs::write(&file, sse_actix_redis::APPEND_SCRIPT)?;
/// assert!(std::fs::read_to_string(&file)?.contains("-- ARGV: "));
/// # Ok(()) }
/// ```
pub const APPEND_SCRIPT: &str = concat!(
    include_str!("entry/header.lua"),
    include_str!("append/append.lua")
);

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(APPEND_SCRIPT));

/// Passes each append to the queue of its group of topics. Each group has its own task, which sends the queue. Ends
/// with the last handle on the log.
pub(crate) async fn run(
    shared: Arc<Shared>,
    primaries: Rc<Primaries>,
    mut appends: mpsc::UnboundedReceiver<Append>,
) {
    let mut queues = HashMap::new();
    while let Some(append) = appends.recv().await {
        let group = shared.keys.group(&append.topic);
        let queue = queues.entry(group).or_insert_with(|| {
            let (queue, waiting) = mpsc::unbounded_channel();
            let sender = GroupSender {
                shared: Arc::clone(&shared),
                primaries: Rc::clone(&primaries),
                group,
            };
            spawn_local(sender.run(waiting));
            queue
        });
        // The receiving task ends with this one.
        let _ = queue.send(append);
    }
}

/// Sends the appends of one group of topics. The keys of the group are in one slot of a cluster.
struct GroupSender {
    shared: Arc<Shared>,
    primaries: Rc<Primaries>,
    group: u16,
}

impl GroupSender {
    /// Only one call is in progress at a time. Appends that arrive meanwhile are sent with the next call. So the order
    /// of a topic's events does not depend on which of two calls Redis received first.
    async fn run(self, mut appends: mpsc::UnboundedReceiver<Append>) {
        let mut waiting = VecDeque::new();
        while let Some(first) = appends.recv().await {
            let limit = self.shared.settings.publish_wait;
            waiting.push_back((first, Instant::now()));
            while !waiting.is_empty() {
                while let Ok(append) = appends.try_recv() {
                    waiting.push_back((append, Instant::now()));
                }
                let patience = waiting
                    .front()
                    .map_or(Duration::ZERO, |(_, since)| limit.saturating_sub(since.elapsed()));
                let Some(session) = self.primaries.session_of(self.group, patience).await else {
                    refuse(&self.shared, &mut waiting, limit);
                    continue;
                };
                let mut call = Call::default();
                while !call.is_full()
                    && let Some((append, _)) = waiting.pop_front()
                {
                    call.push(append);
                }
                if !call.is_empty() {
                    self.send(call, session).await;
                }
            }
        }
    }

    async fn send(&self, call: Call, session: Rc<Session>) {
        let mut sending = Sending::new(&self.shared, &self.primaries, self.group);
        let mut calls = VecDeque::from([(call, session)]);
        while let Some((call, session)) = calls.pop_front() {
            let Sent {
                answer,
                session,
                is_of_target,
            } = sending.send(&call, session).await;
            if call.has_several_topics() && answer.as_ref().is_err_and(is_try_again) {
                // Some of its topics have already moved to the other primary, and some have not.
                let parts = call.split().into_iter().rev();
                parts.for_each(|part| calls.push_front((part, Rc::clone(&session))));
                continue;
            }
            match &answer {
                Err(_) if is_of_target => self.primaries.request_owners(),
                Err(fault) => note(&session, fault),
                Ok(_) => {}
            }
            let node = self.primaries.of(self.group);
            let node = node.map_or(String::new(), |primary| primary.node.clone());
            if call.answer(&self.shared, &node, answer) {
                if !is_of_target {
                    session.end(Fault::Demoted);
                }
                self.primaries.request_owners();
            }
        }
    }
}

/// Ends the session if a fault shows that its connections cannot be used any more.
fn note(session: &Session, fault: &Fault) {
    match fault {
        Fault::Redis(error) if error.code().is_some_and(is_of_replica) => session.end(Fault::Demoted),
        Fault::Redis(error) if fault.is_of_connection() => {
            session.end(Fault::Redis(error.clone()));
        }
        _ => {}
    }
}

/// Refuses events that have waited too long for a connection.
fn refuse(shared: &Shared, waiting: &mut VecDeque<(Append, Instant)>, limit: Duration) {
    while waiting.front().is_some_and(|(_, since)| since.elapsed() >= limit)
        && let Some((append, _)) = waiting.pop_front()
    {
        drop(append.permit);
        let _ = append
            .reply
            .send(Err(AppendError::Refused(shared.unreachable_fault().into())));
    }
}

/// The error of each event of a failed call.
fn error_of(fault: &Fault) -> AppendError {
    let text = fault.to_string();
    if is_refusal(fault) {
        AppendError::Refused(text.into())
    } else {
        AppendError::OutcomeUnknown(text.into())
    }
}

/// Whether a failed call has done nothing.
pub(crate) fn is_refusal(fault: &Fault) -> bool {
    match fault {
        Fault::Redis(error) => error.code().is_some_and(comes_before),
        Fault::Refused(error) => comes_before(error.code()),
        _ => false,
    }
}

/// Whether Redis answers with this code before it begins a script. With any other code, a part of the script may have
/// run.
fn comes_before(code: &str) -> bool {
    matches!(
        code,
        "NOSCRIPT"
            | "NOPERM"
            | "NOAUTH"
            | "BUSY"
            | "LOADING"
            | "MASTERDOWN"
            | "READONLY"
            | "OOM"
            | "MISCONF"
            | "NOREPLICAS"
            | "CLUSTERDOWN"
            | "MOVED"
            | "ASK"
            | "TRYAGAIN"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_redis_says_before_a_script_begins_refuses_its_events() {
        for (code, is_refused) in [
            ("NOPERM", true),
            ("OOM", true),
            ("ERR", false),
            ("WRONGTYPE", false),
        ] {
            let fault = Fault::Redis(redis::make_extension_error(code.to_owned(), None));
            let refused = matches!(error_of(&fault), AppendError::Refused(_));
            assert_eq!(refused, is_refused, "{code}");
        }
    }
}
