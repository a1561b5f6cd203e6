//! What was revoked while nobody listened.

use std::{rc::Rc, sync::atomic::Ordering};

use redis::{Pipeline, Value};
use sse_actix_core::ClusterMessage;

use super::{LARGEST_PAGE, MessageId, NO_MESSAGE, Nodes, PAGE, Place, Revocations, SMALL, message, parse_id};
use crate::{
    connect::{Hearing, Session},
    fault::{Fault, checked},
    keys::Keys,
    value::{array, items, text},
};

impl Revocations {
    /// Reads what was revoked while nobody listened, to its end. To be called before any topic is read in this session. What of it is
    /// lost here the `others` know, if they are heard: each primary has all of it.
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
            let known = this.places().get(group).map(|place| place.at);
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
            this.places().entry(*group).or_insert_with(Place::new).at = at;
        }
        // The primary may have been made since the last revocation: then who has it is another one.
        let mut is_told = false;
        for other in others {
            is_told |= other.fence().await;
        }
        let is_lost = !is_first && !is_told && (is_lost || !is_kept);
        if is_lost {
            // Perhaps with newer ones, which others have not missed.
            nodes.mark(keys, session, "lost").await?;
            nodes.announce([ClusterMessage::RevokedUnknown]);
        } else if newest.iter().all(|(_, newest)| newest.is_none()) {
            // Something whose loss can be seen.
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
        while let Some((at, size)) = self.turns_page(group) {
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
                    && let Some(place) = self.places().get_mut(&group)
                {
                    // The next session asks for less.
                    place.page = (size / 2).max(1);
                }
            })?;
            if self.take_page(nodes, &session.hearing, group, items(page)?, size)? {
                break;
            }
        }
        Ok(())
    }

    /// After which message a page is to be read now, and how many it may have.
    pub(super) fn turns_page(&self, group: u16) -> Option<(MessageId, usize)> {
        let mut places = self.places();
        let place = places.get_mut(&group)?;
        place.missed = false;
        Some((place.at, place.page))
    }

    /// Takes a page that may have had so many messages. Returns whether nothing has come after it that is not known.
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
            if let Some(place) = self.places().get_mut(&group) {
                // Notices may have come further meanwhile.
                place.at = place.at.max(id);
            }
            nodes.announce(messages);
        }
        if !is_last
            && bytes < SMALL
            && let Some(place) = self.places().get_mut(&group)
        {
            place.page = (size * 2).min(LARGEST_PAGE);
        }
        Ok(is_last && self.places().get(&group).is_none_or(|place| !place.missed))
    }
}

impl Place {
    pub(super) fn new() -> Self {
        Self {
            at: NO_MESSAGE,
            missed: false,
            page: PAGE,
        }
    }
}

/// Of each group of the session the newest message, if there is one. What is on its way to another primary is left out: others have it.
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
    /// Appends a message that says of no tag that it was revoked, and reads on after it.
    async fn mark(&self, keys: &Keys, session: &Session, kind: &str) -> Result<(), Fault> {
        let (group, at) = self.tell(session, keys, kind, "").await?;
        let mut places = self.revocations.places();
        let place = places.entry(group).or_insert_with(Place::new);
        place.at = place.at.max(at);
        Ok(())
    }
}
