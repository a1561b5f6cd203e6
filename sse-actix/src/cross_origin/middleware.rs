//! The path of a request through [`CrossOrigin`]: it is checked and handled, and its answer's headers are corrected.
//!
//! ```text
//! check ─refused─▶ 403
//!   ├─allowed─▶ actix-cors ─▶ StripCorsHeaders ─▶ the service inside
//!   └─own──────────────────▶ StripCorsHeaders ─▶ the service inside        then: Vary
//! ```

use std::rc::Rc;

use actix_cors::{Cors, CorsMiddleware};
use actix_web::{
    Error, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::{
        Method,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};
use futures_core::future::LocalBoxFuture;

use super::{CrossOrigin, Readers, check::Verdict, refusal};

impl<S, B> Transform<S, ServiceRequest> for CrossOrigin
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<EitherBody<B>>>;
    type Error = Error;
    type Transform = CrossOriginService<S>;
    type InitError = ();
    type Future = LocalBoxFuture<'static, Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let inside = Rc::new(StripCorsHeaders(service));
        let with_cors = self.cors_middleware().new_transform(Rc::clone(&inside));
        let cross_origin = self.clone();
        Box::pin(async move {
            Ok(CrossOriginService {
                cross_origin,
                with_cors: with_cors.await?,
                inside,
            })
        })
    }
}

impl CrossOrigin {
    /// The middleware of actix-cors. It gets only requests that were allowed. So it need not check their origin again,
    /// and names this origin in its answers.
    fn cors_middleware(&self) -> Cors {
        let cors = Cors::default()
            .allow_any_origin()
            .allowed_methods(self.methods.clone())
            .allowed_headers(self.headers.clone())
            .expose_headers(self.exposed.clone())
            .max_age(usize::try_from(self.max_age.as_secs()).ok())
            // actix-cors would keep only the first of several `Vary` headers.
            .disable_vary_header();
        match self.readers {
            Readers::Anyone => cors.send_wildcard(),
            _ => cors.supports_credentials(),
        }
    }
}

/// [`CrossOrigin`] around a service. See [`CrossOrigin`]'s example.
#[allow(
    missing_debug_implementations,
    reason = "actix-cors's has none for every service"
)]
pub struct CrossOriginService<S> {
    cross_origin: CrossOrigin,
    with_cors: CorsMiddleware<Rc<StripCorsHeaders<S>>>,
    inside: Rc<StripCorsHeaders<S>>,
}

impl<S, B> Service<ServiceRequest> for CrossOriginService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<EitherBody<B>>>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(inside);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let vary = Vary::on(&request);
        match self.cross_origin.check(request.head()) {
            Verdict::Allowed => {
                let response = self.with_cors.call(request);
                Box::pin(async move {
                    vary.add_to_outcome(response.await)
                        .map(ServiceResponse::map_into_left_body)
                })
            }
            Verdict::Own => {
                let response = self.inside.call(request);
                Box::pin(async move {
                    vary.add_to_outcome(response.await)
                        .map(|response| response.map_into_left_body().map_into_left_body())
                })
            }
            Verdict::Refused(reason) => {
                refusal::log(&self.cross_origin, reason, request.head());
                let response = refusal::respond(reason, request.head());
                let response = request.into_response(response).map_into_right_body();
                Box::pin(async move { vary.add_to_outcome(Ok(response)) })
            }
        }
    }
}

/// The headers on which the answer depends.
#[derive(Clone, Copy)]
struct Vary(&'static [HeaderName]);

impl Vary {
    fn on(request: &ServiceRequest) -> Self {
        Self(if request.method() == Method::OPTIONS {
            &[
                header::ORIGIN,
                header::ACCESS_CONTROL_REQUEST_METHOD,
                header::ACCESS_CONTROL_REQUEST_HEADERS,
            ]
        } else {
            &[header::ORIGIN]
        })
    }

    fn add_to_outcome<B>(
        self,
        outcome: Result<ServiceResponse<B>, Error>,
    ) -> Result<ServiceResponse<B>, Error> {
        changed(outcome, move |headers| self.add(headers))
    }

    /// Adds the names that are missing, and keeps the others. Several `Vary` headers are the same as one.
    fn add(self, headers: &mut HeaderMap) {
        for name in self.0 {
            let is_there = headers
                .get_all(header::VARY)
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(','))
                .any(|known| known.trim() == "*" || known.trim().eq_ignore_ascii_case(name.as_str()));
            if !is_there {
                headers.append(header::VARY, HeaderValue::from_static(spelled(name)));
            }
        }
    }
}

/// The usual spelling of a header's name.
fn spelled(name: &HeaderName) -> &'static str {
    match *name {
        header::ACCESS_CONTROL_REQUEST_METHOD => "Access-Control-Request-Method",
        header::ACCESS_CONTROL_REQUEST_HEADERS => "Access-Control-Request-Headers",
        _ => "Origin",
    }
}

/// Removes the CORS headers of handlers and inner layers: a second header, even with the same value, makes a browser
/// refuse the answer.
#[derive(Debug)]
pub(super) struct StripCorsHeaders<S>(S);

const CORS_HEADERS: [HeaderName; 6] = [
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
];

impl<S, B> Service<ServiceRequest> for StripCorsHeaders<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let response = self.0.call(request);
        Box::pin(async move {
            changed(response.await, |headers| {
                for name in &CORS_HEADERS {
                    headers.remove(name);
                }
            })
        })
    }
}

/// Changes the headers of an answer, even if it is still an error that becomes an answer later.
fn changed<B>(
    outcome: Result<ServiceResponse<B>, Error>,
    change: impl Fn(&mut HeaderMap) + 'static,
) -> Result<ServiceResponse<B>, Error> {
    match outcome {
        Ok(mut response) => {
            change(response.headers_mut());
            Ok(response)
        }
        Err(mut error) => {
            error.add_response_mapper(move |mut response: HttpResponse| {
                change(response.headers_mut());
                response
            });
            Err(error)
        }
    }
}
