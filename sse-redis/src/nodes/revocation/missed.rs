//! The revocations that happened while this node did not listen.

use std::{rc::Rc, sync::atomic::Ordering};

use redis::{Pipeline, Value};
use sse_actix_core::ClusterMessage;

use super::{
    LARGEST_PAGE, MessageId, NO_MESSAGE, Nodes, PAGE, ReadUpTo, Revocations, SMALL, message, parse_id,
};
use crate::{
    connect::{Hearing, Session},
    fault::{Fault, checked},
    keys::Keys,
    value::{array, items, text},
};

impl Revocations {
    /// Reads all revocations that happened while this node did not listen. Call it before any topic is read in this
    /// session. If this primary has lost some of them, the `others` still have them, because each primary has all
    /// revocations. This helps only if this node hears the others.
    pub(crate) async fn begin(
        nodes: &Nodes,
        keys: &Keys,
        session: &Session,
        others: &[Rc<Session>],
    ) -> Result<(), Fault> {
        let this = &nodes.revocations;
        let is_first = !this.has_begun.load(Ordering::Relaxed);
        let newest = newest(keys, session).await?;
        let (mut is_lost, mut is_kept) = (false, false);
        for (group, newest) in &newest {
            let known = this.read_up_to().get(group).map(|read| read.at);
            let at = match known {
                Some(NO_MESSAGE) => NO_MESSAGE,
                Some(at) if exists(keys, session, *group, at).await? => {
                    is_kept = true;
                    at
                }
                Some(_) => {
                    is_lost = true;
                    NO_MESSAGE
                }
                None if is_first => newest.unwrap_or(NO_MESSAGE),
                None => NO_MESSAGE,
            };
            this.read_up_to().entry(*group).or_insert_with(ReadUpTo::new).at = at;
        }
        // This primary may be newer than the last revocation. Then another primary has that revocation.
        let mut is_told = false;
        for other in others {
            is_told |= other.fence().await;
        }
        let is_lost = !is_first && !is_told && (is_lost || !is_kept);
        if is_lost {
            // This primary has lost revocations that this node knew, and perhaps newer ones that only other nodes have
            // received. So all streams with a tag have to authenticate again, on each node that reads this message.
            nodes.mark(keys, session, "lost").await?;
            nodes.announce([ClusterMessage::RevokedUnknown]);
        } else if newest.iter().all(|(_, newest)| newest.is_none()) {
            // A message whose loss can be noticed later.
            nodes.mark(keys, session, "begin").await?;
        }
        for (group, newest) in newest {
            if newest.is_some() {
                this.read_to_end(nodes, keys, session, group).await?;
            }
        }
        Ok(())
    }

    async fn read_to_end(
        &self,
        nodes: &Nodes,
        keys: &Keys,
        session: &Session,
        group: u16,
    ) -> Result<(), Fault> {
        let mut connection = session.publishing.clone();
        while let Some((at, size)) = self.next_page(group) {
            let mut call = redis::cmd("XRANGE");
            call.arg(keys.revoked(group))
                .arg(format!("({}-{}", at.0, at.1))
                .arg("+");
            let page = call
                .arg("COUNT")
                .arg(size)
                .query_async::<Value>(&mut connection)
                .await;
            let page = page.inspect_err(|error| {
                if error.is_timeout()
                    && let Some(read) = self.read_up_to().get_mut(&group)
                {
                    // The next session asks for less.
                    read.page = (size / 2).max(1);
                }
            })?;
            if self.take_page(nodes, &session.hearing, group, items(page)?, size)? {
                break;
            }
        }
        Ok(())
    }

    /// The message after which the next page begins, and the most messages that the page may have.
    pub(super) fn next_page(&self, group: u16) -> Option<(MessageId, usize)> {
        let mut read_up_to = self.read_up_to();
        let read = read_up_to.get_mut(&group)?;
        read.missed = false;
        Some((read.at, read.page))
    }

    /// Takes a page that could have had up to `size` messages. Returns true if this node knows all messages after the
    /// page.
    pub(super) fn take_page(
        &self,
        nodes: &Nodes,
        hearing: &Hearing,
        group: u16,
        page: Vec<Value>,
        size: usize,
    ) -> Result<bool, Fault> {
        let is_last = page.len() < size;
        let mut bytes = 0;
        for entry in page {
            let [id, fields] = array(entry)?;
            let Some(id) = parse_id(&text(id)?) else { continue };
            let message = array::<6>(fields).ok().and_then(|[_, node, _, kind, _, what]| {
                Some((text(node).ok()?, text(kind).ok()?, text(what).ok()?))
            });
            bytes += message.as_ref().map_or(0, |(_, _, what)| what.len());
            let messages = match message {
                Some((node, kind, what)) if node != nodes.name => message::parse(id, &kind, &what, hearing),
                _ => Vec::new(),
            };
            if let Some(read) = self.read_up_to().get_mut(&group) {
                // Notices may have come further meanwhile.
                read.at = read.at.max(id);
            }
            nodes.announce(messages);
        }
        if !is_last
            && bytes < SMALL
            && let Some(place) = self.read_up_to().get_mut(&group)
        {
            place.page = (size * 2).min(LARGEST_PAGE);
        }
        Ok(is_last && self.read_up_to().get(&group).is_none_or(|place| !place.missed))
    }
}

impl ReadUpTo {
    pub(super) fn new() -> Self {
        Self {
            at: NO_MESSAGE,
            missed: false,
            page: PAGE,
        }
    }
}

/// For each group of the session, the newest message, if there is one. A group that is moving to another primary is
/// left out, because others have its messages.
async fn newest(keys: &Keys, session: &Session) -> Result<Vec<(u16, Option<MessageId>)>, Fault> {
    let mut calls = Pipeline::new();
    for group in &session.groups {
        let call = calls.cmd("XREVRANGE").arg(keys.revoked(*group));
        call.arg("+").arg("-").arg("COUNT").arg(1);
    }
    calls.ignore_errors();
    let mut connection = session.publishing.clone();
    let answers: Vec<Value> = calls.query_async(&mut connection).await?;
    let mut newest = Vec::with_capacity(answers.len());
    for (group, answer) in session.groups.iter().zip(answers) {
        let entries = match checked(answer) {
            Err(fault) if fault.is_of_slot() => continue,
            answer => items(answer?)?,
        };
        let id = match entries.into_iter().next_back() {
            None => None,
            Some(entry) => {
                let [id, _] = array(entry)?;
                parse_id(&text(id)?)
            }
        };
        newest.push((*group, id));
    }
    Ok(newest)
}

async fn exists(keys: &Keys, session: &Session, group: u16, id: MessageId) -> Result<bool, Fault> {
    let id = format!("{}-{}", id.0, id.1);
    let mut call = redis::cmd("XRANGE");
    call.arg(keys.revoked(group)).arg(&id).arg(&id);
    let mut connection = session.publishing.clone();
    let found: Value = call.query_async(&mut connection).await?;
    Ok(!items(found)?.is_empty())
}

impl Nodes {
    /// Appends a message that revokes no tag, and continues reading after it.
    async fn mark(&self, keys: &Keys, session: &Session, kind: &str) -> Result<(), Fault> {
        let (group, at) = self.send(session, keys, kind, "").await?;
        let mut read_up_to = self.revocations.read_up_to();
        let read = read_up_to.entry(group).or_insert_with(ReadUpTo::new);
        read.at = read.at.max(at);
        Ok(())
    }
}
