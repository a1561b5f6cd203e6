//! The server behind the gateway.

use std::fmt;

use actix_web::{
    Error, HttpResponse,
    error::{ErrorBadGateway, InternalError},
    http::header,
};
use awc::{Client, ClientResponse};
use serde_json::Value;

use crate::gateway::error;

/// How many bytes of an error of upstream are passed on.
const LONGEST_ERROR: usize = 64 * 1024;

/// A client for a server that speaks OpenAI's protocol.
pub(crate) struct Upstream {
    client: Client,
    completions: String,
    key: Option<String>,
}

impl Upstream {
    /// A client for the server at this URL, which ends in `/v1` or something similar. It sends the key, if there is
    /// one.
    pub(crate) fn new(base: &str, key: Option<String>) -> Self {
        Self {
            client: Client::builder()
                .connector(sse_actix::upstream_connector())
                .disable_timeout()
                .finish(),
            completions: format!("{}/chat/completions", base.trim_end_matches('/')),
            key,
        }
    }

    /// Begins a completion. If upstream does not answer with a stream, the error carries its answer.
    pub(crate) async fn ask(&self, asked: &Value) -> Result<ClientResponse, Error> {
        let mut request = self
            .client
            .post(&self.completions)
            .insert_header((header::ACCEPT, "text/event-stream"));
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let mut response = request.send_json(asked).await.map_err(|failure| {
            let answer = HttpResponse::BadGateway().json(error("upstream cannot be reached"));
            InternalError::from_response(failure.to_string(), answer)
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let body = response
            .body()
            .limit(LONGEST_ERROR)
            .await
            .map_err(ErrorBadGateway)?;
        let answer = HttpResponse::build(response.status())
            .content_type("application/json")
            .body(body);
        Err(InternalError::from_response("upstream has answered with an error", answer).into())
    }
}

/// Does not show the key.
impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("completions", &self.completions)
            .finish_non_exhaustive()
    }
}
