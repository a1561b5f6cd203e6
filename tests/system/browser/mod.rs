//! What real browsers make of it. Skipped, with a message, where there is none; a failure with `CI=true`.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, which fail with the test that calls them"
)]

/// Makes each of these functions, which take an `Engine`, a test in Chromium and one in Firefox.
macro_rules! in_each_browser {
    ($($name:ident),+ $(,)?) => {
        $(
            mod $name {
                use sse_tests::browser::Engine;

                #[actix_web::test]
                async fn in_chromium() {
                    super::$name(Engine::Chromium).await;
                }

                #[actix_web::test]
                async fn in_firefox() {
                    super::$name(Engine::Firefox).await;
                }
            }
        )+
    };
}

mod chat;
mod cross_origin;
mod dashboard;
mod finite;
mod llm;
mod log;
mod market;
mod nodes;
mod opening;
mod quickstart;
mod reconnect;
mod service_worker;
mod shared;

/// A page of the origin that is tested, from which scripts can open streams.
async fn blank() -> actix_web::web::Html {
    actix_web::web::Html::new("<!doctype html><title>blank</title>")
}
