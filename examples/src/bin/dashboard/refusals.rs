use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::{
    Error,
    body::{self, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{StatusCode, header::ORIGIN},
    middleware::Next,
    web,
};
use serde::Serialize;

/// The requests that were refused because of their origin. A browser hides the answer from the page that sent such a
/// request. So the server shows the refusals to the pages that may read them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refusals(Arc<Mutex<Counted>>);

/// The number of refusals, and the last one.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Counted {
    total: u64,
    last: Option<Refusal>,
}

#[derive(Debug, Clone, Serialize)]
struct Refusal {
    origin: String,
    request: String,
    status: u16,
    body: String,
}

impl Refusals {
    pub(crate) fn counted(&self) -> Counted {
        self.lock().clone()
    }

    fn add(&self, refusal: Refusal) {
        let mut counted = self.lock();
        counted.total += 1;
        counted.last = Some(refusal);
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Middleware around the middleware that refuses. It records the refusals, and changes nothing.
pub(crate) async fn note(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let asked = format!("{} {}", request.method(), request.path());
    let origin = request.headers().get(ORIGIN);
    let origin = origin.map_or_else(
        || "none".into(),
        |origin| String::from_utf8_lossy(origin.as_bytes()).into(),
    );
    let refusals = request.app_data::<web::Data<Refusals>>().cloned();

    let answer = next.call(request).await?.map_into_boxed_body();
    let (Some(refusals), StatusCode::FORBIDDEN) = (refusals, answer.status()) else {
        return Ok(answer);
    };
    let (request, answer) = answer.into_parts();
    let (head, text) = answer.into_parts();
    let text = body::to_bytes(text).await.unwrap_or_default();
    refusals.add(Refusal {
        origin,
        request: asked,
        status: head.status().as_u16(),
        body: String::from_utf8_lossy(&text).into_owned(),
    });
    Ok(ServiceResponse::new(
        request,
        head.set_body(text).map_into_boxed_body(),
    ))
}
