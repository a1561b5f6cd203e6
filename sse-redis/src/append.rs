//! Publishing: all waiting events are sent in one call of a script.

mod batch;
mod group;
mod outcome;
mod refusal;

use std::{
    collections::VecDeque,
    rc::Rc,
    sync::{Arc, LazyLock},
    time::Duration,
};

use redis::{Script, Value};
use sse_actix_core::AppendError;
use tokio::{sync::mpsc, time::Instant};

use self::batch::Call;
use crate::{
    connect::Sessions,
    fault::{Fault, is_of_replica},
    shared::{Append, Shared},
};

/// The Lua script that appends events to topics, for programs in other languages that publish.
///
/// Its comments list its keys and arguments. `docs/other-languages.md` has such a program in Python. The script belongs to nodes with the same
/// version of this crate.
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

/// Appends events in the order in which they come. Ends with the last handle on the log.
///
/// Only one call is in progress at a time, and events that come meanwhile are sent with the next call. So the order of
/// a topic's events does not depend on which of two calls Redis received first.
pub(crate) async fn run(
    shared: Arc<Shared>,
    sessions: Rc<Sessions>,
    mut appends: mpsc::UnboundedReceiver<Append>,
) {
    let mut waiting = VecDeque::new();
    while let Some(first) = appends.recv().await {
        let limit = shared.settings.publish_wait;
        waiting.push_back((first, Instant::now()));
        while !waiting.is_empty() {
            while let Ok(append) = appends.try_recv() {
                waiting.push_back((append, Instant::now()));
            }
            let patience = waiting
                .front()
                .map_or(Duration::ZERO, |(_, since)| limit.saturating_sub(since.elapsed()));
            let Some(session) = sessions.wait_for(patience).await else {
                refuse(&shared, &mut waiting, limit);
                continue;
            };
            let mut call = Call::default();
            while !call.is_full()
                && let Some((append, _)) = waiting.pop_front()
            {
                call.push(append);
            }
            if call.is_empty() {
                continue;
            }
            let primary = session.primary.borrow().clone();
            let mut connection = session.publishing.clone();
            let invocation = call.invocation(&SCRIPT, &shared.keys, &shared.settings, &primary);
            let answer: Result<Value, Fault> = invocation
                .invoke_async(&mut connection)
                .await
                .map_err(Fault::Redis);
            drop(invocation);
            if let Err(fault) = &answer {
                note(&session, fault);
            }
            if call.answer(&shared, answer) {
                session.end(Fault::Demoted);
            }
        }
    }
}

/// Ends the session if the fault means that its connections are lost.
fn note(session: &crate::connect::Session, fault: &Fault) {
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
        drop(append.place);
        let _ = append
            .reply
            .send(Err(AppendError::Refused(shared.absent().into())));
    }
}

/// The error of each event of a failed call.
fn error_of(fault: &Fault) -> AppendError {
    let text = fault.to_string();
    let is_refused = match fault {
        Fault::Redis(error) => error.code().is_some_and(comes_before),
        Fault::Refused(error) => comes_before(error.code()),
        _ => false,
    };
    if is_refused {
        AppendError::Refused(text.into())
    } else {
        AppendError::OutcomeUnknown(text.into())
    }
}

/// True if Redis answers with this code before it begins a script. With any other code, the script may have done a part
/// of its work.
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
