use std::{rc::Rc, sync::Arc};

use tokio::time::timeout;

use super::{Follower, heartbeat, receive};
use crate::{
    connect::{Session, check_server},
    error::ConnectError,
    fault::Fault,
    nodes::Revocations,
};

/// Begins a session: connects to the current primary, subscribes, reads the revocations of the meantime, waits for its
/// own heartbeat, and follows the known topics again.
pub(super) async fn begin(this: &Follower) -> Result<Rc<Session>, ConnectError> {
    let settings = &this.shared.settings;
    let address = settings.address.as_str();
    let fault = |fault| ConnectError::of(address, fault);
    let mut publishing = this
        .connector
        .open(Some(settings.response_timeout), None)
        .await
        .map_err(fault)?;
    let state = check_server(&mut publishing, address).await?;
    let number = this.sessions.next();
    let receiver = receive::receiver(Arc::clone(&this.shared), number, this.nudges.clone());
    let mut subscribed = this.connector.open(None, Some(receiver)).await.map_err(fault)?;
    let nodes = &this.shared.nodes;
    let heartbeat = this.shared.keys.heartbeat(&nodes.name);
    let channels = [&heartbeat, &nodes.presence.channel, &nodes.revocations.channel];
    let subscribing = subscribed.subscribe(channels.as_slice());
    match timeout(settings.response_timeout, subscribing).await {
        Ok(result) => result.map_err(Fault::Redis).map_err(fault)?,
        Err(_) => return Err(fault(timed_out())),
    }
    let session = Session::new(number, publishing.clone(), subscribed, state.replication_id);
    heartbeat::first(this, &session).await.map_err(fault)?;
    // Before any topic, because a revoked stream must not receive later events.
    Revocations::begin(nodes, &mut publishing).await.map_err(fault)?;
    nodes.presence.begin();
    this.shared.receiving.begin(number);
    this.sessions.begin(&session);
    for topic in this.shared.topics.all() {
        this.follow(&topic);
    }
    this.shared.found();
    Ok(session)
}

fn timed_out() -> Fault {
    let error = std::io::Error::from(std::io::ErrorKind::TimedOut);
    Fault::Redis(error.into())
}
