//! What is set on sockets and workers.

use std::{
    any::Any,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use actix_web::{App, HttpRequest, HttpResponse, dev::Extensions, rt::net::TcpStream, web};
use sse_actix::test::Serving;
use sse_tests::{patience::until, wire::Wire};

struct NoDelay(bool);

fn note(io: &dyn Any, data: &mut Extensions) {
    let tcp = io.downcast_ref::<TcpStream>().unwrap();
    data.insert(NoDelay(tcp.nodelay().unwrap()));
}

async fn noted(request: HttpRequest) -> HttpResponse {
    let NoDelay(nodelay) = request.conn_data().unwrap();
    HttpResponse::Ok().body(nodelay.to_string())
}

#[tokio::test]
async fn what_is_written_leaves_at_once_unless_told() {
    for (setting, expected) in [(None, "true"), (Some(true), "true"), (Some(false), "false")] {
        let serving = Serving::with(
            || App::new().route("/", web::get().to(noted)),
            move |server| {
                let server = server.on_connect(note);
                match setting {
                    None => server,
                    Some(enabled) => server.tcp_nodelay(enabled),
                }
            },
        );
        let mut wire = Wire::get(serving.addr(), "/").await;
        wire.head().await;
        assert_eq!(wire.exactly(expected.len()).await, expected, "{setting:?}");
    }
}

#[tokio::test]
async fn as_many_threads_as_a_worker_may_block() {
    for threads in [1, 2] {
        let running = Arc::new(AtomicUsize::new(0));
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        let blocked = Arc::clone(&running);
        let serving = Serving::with(
            move || {
                let (running, released) = (Arc::clone(&blocked), Arc::clone(&released));
                let block = move || {
                    let (running, released) = (Arc::clone(&running), Arc::clone(&released));
                    async move {
                        let done = web::block(move || {
                            running.fetch_add(1, Ordering::SeqCst);
                            // One at a time gets what releases it.
                            while released.lock().unwrap().try_recv().is_err() {
                                thread::yield_now();
                            }
                        });
                        done.await.unwrap();
                        HttpResponse::Ok().finish()
                    }
                };
                App::new()
                    .route("/", web::get().to(HttpResponse::Ok))
                    .route("/block", web::get().to(block))
            },
            move |server| server.worker_max_blocking_threads(threads),
        );
        let mut blocked = Vec::new();
        for _ in 0..3 {
            blocked.push(Wire::get(serving.addr(), "/block").await);
        }
        until("as many as may", async || {
            running.load(Ordering::SeqCst) == threads
        })
        .await;
        // The worker has served these after all of those.
        for _ in 0..50 {
            Wire::get(serving.addr(), "/").await.head().await;
        }
        assert_eq!(running.load(Ordering::SeqCst), threads);
        for _ in 0..3 {
            release.send(()).unwrap();
        }
        for mut wire in blocked {
            assert_eq!(wire.head().await.status_line(), "HTTP/1.1 200 OK");
        }
    }
}
