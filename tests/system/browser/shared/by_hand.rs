//! A stream whose bytes a test writes by hand.

use std::{collections::VecDeque, future::pending, sync::Mutex};

use actix_web::{HttpRequest, HttpResponse, get, http::StatusCode, web};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// What a request has brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) last_id: Option<String>,
    pub(super) authorization: Option<String>,
    pub(super) accept: Option<String>,
}

/// What is asked, and how it is answered.
#[derive(Default)]
pub(super) struct ByHand {
    asked: Mutex<Vec<Asked>>,
    streams: Mutex<Vec<UnboundedSender<Bytes>>>,
    /// Statuses to answer instead of a stream; 0 is no answer.
    answers: Mutex<VecDeque<u16>>,
    /// What each stream begins with.
    beginning: Mutex<&'static str>,
    /// The value of `Sse-Keep-Alive`.
    keep_alive: Mutex<Option<&'static str>>,
}

impl ByHand {
    /// Sends this on the newest stream.
    pub(super) fn send(&self, text: &str) {
        let streams = self.streams.lock().unwrap();
        // Its client may have left.
        let _ = streams
            .last()
            .unwrap()
            .send(Bytes::copy_from_slice(text.as_bytes()));
    }

    /// Ends the streams that there are.
    pub(super) fn end(&self) {
        let (ended, _) = unbounded_channel();
        for stream in self.streams.lock().unwrap().iter_mut() {
            *stream = ended.clone();
        }
    }

    pub(super) fn answer_first(&self, statuses: &[u16]) {
        self.answers.lock().unwrap().extend(statuses);
    }

    /// The next request gets no answer.
    pub(super) fn leave_next_unanswered(&self) {
        self.answer_first(&[0]);
    }

    /// Each stream begins with this.
    pub(super) fn begin_with(&self, text: &'static str) {
        *self.beginning.lock().unwrap() = text;
    }

    pub(super) fn announce_keep_alive(&self, milliseconds: &'static str) {
        *self.keep_alive.lock().unwrap() = Some(milliseconds);
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn last_ids(&self) -> Vec<Option<String>> {
        self.asked().into_iter().map(|asked| asked.last_id).collect()
    }

    pub(super) fn authorizations(&self) -> Vec<Option<String>> {
        self.asked()
            .into_iter()
            .map(|asked| asked.authorization)
            .collect()
    }

    /// How many were opened.
    pub(super) fn streams(&self) -> usize {
        self.streams.lock().unwrap().len()
    }
}

#[get("/by-hand")]
pub(super) async fn by_hand(request: HttpRequest, feed: web::Data<ByHand>) -> HttpResponse {
    let header = |name| {
        let value = request.headers().get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    feed.asked.lock().unwrap().push(Asked {
        last_id: header("last-event-id"),
        authorization: header("authorization"),
        accept: header("accept"),
    });
    let answer = feed.answers.lock().unwrap().pop_front();
    if let Some(status) = answer {
        if status == 0 {
            return pending().await;
        }
        return HttpResponse::build(StatusCode::from_u16(status).unwrap()).finish();
    }
    let (sender, receiver) = unbounded_channel();
    // Firefox waits for the first byte.
    let beginning = *feed.beginning.lock().unwrap();
    let first = format!("retry: 100\n{beginning}");
    sender.send(Bytes::from(first)).unwrap();
    feed.streams.lock().unwrap().push(sender);
    let mut response = HttpResponse::Ok();
    response.content_type("text/event-stream");
    if let Some(milliseconds) = *feed.keep_alive.lock().unwrap() {
        response.insert_header(("Sse-Keep-Alive", milliseconds));
    }
    response.streaming(stream::unfold(receiver, async |mut receiver| {
        let bytes = receiver.recv().await?;
        Some((Ok::<_, actix_web::Error>(bytes), receiver))
    }))
}
