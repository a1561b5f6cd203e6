//! Where a hub is made: once, for all workers.

use std::{sync::mpsc, thread};

use actix_web::{App, HttpResponse, HttpServer, rt::System, web};
use sse_actix::{Hub, HubError, test::Serving};
use sse_tests::wire::Wire;

const HELP: &str = "a hub was made inside the application factory or a handler. There each worker gets its own hub, and events of one worker do not reach the others. Make the hub before `Server::new` and clone it in: `let hub = web::Data::new(Hub::new()?); Server::new(move || App::new().app_data(hub.clone()))`";

#[tokio::test]
async fn not_in_a_factory_nor_in_a_handler() {
    let (tell, told) = mpsc::channel();
    let serving = Serving::start(move || {
        tell.send(Hub::new().map(drop)).unwrap();
        let handler = async || match Hub::new() {
            Ok(_) => HttpResponse::Ok().finish(),
            Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
        };
        App::new().route("/", web::get().to(handler))
    });
    let error = told.recv().unwrap().unwrap_err();
    assert_eq!((&error, error.to_string().as_str()), (&HubError::OnWorker, HELP));
    let error = std::io::Error::from(error);
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (std::io::ErrorKind::InvalidInput, HELP)
    );

    let mut wire = Wire::get(serving.addr(), "/").await;
    assert_eq!(
        wire.head().await.status_line(),
        "HTTP/1.1 500 Internal Server Error"
    );
    assert_eq!(wire.exactly(HELP.len()).await, HELP);
}

/// `HttpServer` without anything of ours, in the runtimes in which it may run.
#[test]
fn nor_with_a_plain_server() {
    let serve = |tell: mpsc::Sender<Result<(), HubError>>| {
        let factory = move || {
            let _ = tell.send(Hub::new().map(drop));
            App::new()
        };
        HttpServer::new(factory)
            .workers(2)
            .disable_signals()
            .bind(("127.0.0.1", 0))
            .unwrap()
            .run()
    };
    for in_system in [true, false] {
        let (tell, told) = mpsc::channel();
        let (tell_before, told_before) = mpsc::channel();
        thread::spawn(move || {
            let run = async {
                // Here is the place, as in `main`.
                tell_before.send(Hub::new().map(drop)).unwrap();
                let server = serve(tell);
                let handle = server.handle();
                let stop = async {
                    for _ in 0..2 {
                        tokio::task::yield_now().await;
                    }
                    handle.stop(false).await;
                };
                let _ = futures_util::future::join(server, stop).await;
            };
            if in_system {
                System::new().block_on(run);
            } else {
                tokio::runtime::Builder::new_multi_thread()
                    .enable_all()
                    .build()
                    .unwrap()
                    .block_on(run);
            }
        });
        assert_eq!(told_before.recv().unwrap(), Ok(()), "in a system: {in_system}");
        for _ in 0..2 {
            let result = told.recv().unwrap();
            assert_eq!(result, Err(HubError::OnWorker), "in a system: {in_system}");
        }
    }
}

/// Two workers, each with readers, and publishers in a handler and in the program.
#[tokio::test]
async fn one_hub_reaches_the_readers_of_all_workers() {
    let hub = Hub::new().unwrap();
    let data = web::Data::new(hub.clone());
    let serving = Serving::with(
        move || {
            App::new()
                .app_data(data.clone())
                .route("/", web::get().to(async |hub: web::Data<Hub>| hub.subscribe("n")))
                .route(
                    "/publish",
                    web::get().to(async |hub: web::Data<Hub>| {
                        let id = hub.topic("n").publish(&"from a handler").await?;
                        Ok::<_, sse_actix::PublishError>(id.to_string())
                    }),
                )
        },
        |server| server.workers(2),
    );
    let mut readers = Vec::new();
    for _ in 0..8 {
        readers.push(super::Reader::new(serving.addr(), "/").await);
    }
    let first = hub.topic("n").publish(&"from the program").await.unwrap();
    Wire::get(serving.addr(), "/publish").await.head().await;
    for mut reader in readers {
        assert_eq!(reader.next().await, super::event(&first, "\"from the program\""));
        assert_eq!(super::data(&[reader.next().await]), ["\"from a handler\""]);
    }
}
