use std::{rc::Rc, sync::Arc};

use redis::Value;
use tokio::time::timeout;

use super::{Follower, heartbeat, receive, subscribe::Channels};
use crate::{
    connect::{Hearing, Session, check_server},
    error::ConnectError,
    fault::Fault,
    nodes::Revocations,
};

/// Begins a session: connects to the current primary, subscribes, reads the revocations that it has missed, waits for
/// its own heartbeat, and follows the known topics again.
pub(super) async fn begin(this: &Follower) -> Result<Rc<Session>, ConnectError> {
    let settings = &this.shared.settings;
    let primary = &this.primary;
    let address = primary.node.as_str();
    let fault = |fault| ConnectError::of(address, fault);
    let publishing = primary.connector.open(Some(settings.response_timeout), None);
    let mut publishing = publishing.await.map_err(fault)?;
    let state = check_server(&mut publishing, address, this.shared.keys.is_cluster()).await?;
    let number = primary.next_session_number();
    let hearing = Arc::new(Hearing::new());
    let receiver = receive::receiver(
        Arc::clone(&this.shared),
        number,
        Arc::clone(&hearing),
        this.nudges.clone(),
    );
    let subscribed = primary
        .connector
        .open(None, Some(receiver))
        .await
        .map_err(fault)?;
    let session = Session::new(
        number,
        publishing,
        subscribed,
        state.replication_id,
        primary.groups(),
        hearing,
    );
    let subscribing = subscribe(this, &session);
    match timeout(settings.response_timeout, subscribing).await {
        Ok(result) => result.map_err(fault)?,
        Err(_) => return Err(fault(timed_out())),
    }
    heartbeat::first(this, &session).await.map_err(fault)?;
    let others = this.primaries.other_sessions(address);
    // This comes before any topic, because a revoked stream must not get events that were published after the
    // revocation.
    Revocations::begin(&this.shared.nodes, &this.shared.keys, &session, &others)
        .await
        .map_err(fault)?;
    primary.begin(&session);
    for topic in this.shared.topics.all() {
        this.follow(&topic);
    }
    this.shared.found(address);
    Ok(session)
}

/// Subscribes to the heartbeat, and to revocations.
async fn subscribe(this: &Follower, session: &Session) -> Result<(), Fault> {
    let keys = &this.shared.keys;
    let heartbeat = keys.heartbeat(&this.shared.nodes.name);
    let mut connection = session.subscribed.clone();
    redis::cmd("SUBSCRIBE")
        .arg(heartbeat)
        .query_async::<Value>(&mut connection)
        .await?;
    let channels: Vec<String> = session.groups.iter().map(|group| keys.revoked(*group)).collect();
    let channels: Vec<&str> = channels.iter().map(String::as_str).collect();
    for answer in Channels::of(this).subscribe(session, &channels).await? {
        answer?;
    }
    Ok(())
}

fn timed_out() -> Fault {
    let error = std::io::Error::from(std::io::ErrorKind::TimedOut);
    Fault::Redis(error.into())
}
