//! Three nodes on one Redis, behind one small proxy. A page can kill them. It counts the events, and shows that none is
//! lost or duplicated.
//!
//! `cargo run --bin nodes`, or `cargo run --bin nodes -- --redis redis://127.0.0.1:6379/`

mod control;
mod fleet;
mod ledger;
mod node;
mod proxy;
mod publisher;
mod redis;
mod redis_guard;
mod role;

use std::{error::Error, process};

use actix_web::{
    App, Responder, get,
    web::{self, Data},
};
use awc::Client;
use sse_actix::{CrossOrigin, Server, Shutdown};
use sse_actix_redis::RedisLog;
use sse_examples::{CommandLine, fail};

use self::{fleet::Fleet, ledger::Ledger, redis::Redis, role::Role};

fn main() {
    let done = match Role::of_this_process() {
        Role::Leader => lead(),
        Role::Node(settings) => node::serve(settings),
        Role::RedisGuard(settings) => redis_guard::run(&settings).map_err(Into::into),
    };
    if let Err(error) = done {
        fail(1, &error.to_string());
    }
}

/// The leader: starts all other processes, and serves the page, its buttons, and the proxy to the nodes.
#[actix_web::main]
async fn lead() -> Result<(), Box<dyn Error>> {
    let command_line = CommandLine::read_with_option("nodes", "--redis", "URL");
    let listener = command_line.listen();
    let redis = match command_line.option {
        None => Redis::start().await?,
        Some(url) => {
            // Nodes would wait for this Redis. If it was never there, its address is probably a typing error.
            RedisLog::connect(&url).await?;
            Redis::external(url)
        }
    };
    // Each run has its own topics, because this Redis may hold those of other runs.
    let run = format!("nodes-{}-{:08x}", process::id(), fastrand::u32(..));
    println!("http://{}", listener.local_addr()?);

    let redis = Data::new(redis);
    let fleet = Data::new(Fleet::start(redis.url(), &run)?);
    let ledger = Data::new(Ledger::new(run));
    for node in fleet.nodes() {
        actix_web::rt::spawn(publisher::publish(node.clone(), ledger.clone().into_inner()));
    }

    let shutdown = Shutdown::new();
    let shared = (redis.clone(), fleet.clone(), Data::new(shutdown.clone()));
    let server = Server::new(move || {
        // Requests from pages of other sites are refused.
        let control = web::scope("/control")
            .wrap(CrossOrigin::nobody())
            .configure(control::configure);
        let events = web::resource("/events")
            .wrap(CrossOrigin::nobody())
            .get(proxy::pass_on);
        App::new()
            .app_data(shared.0.clone())
            .app_data(shared.1.clone())
            .app_data(shared.2.clone())
            .app_data(ledger.clone())
            .app_data(Data::new(Client::default()))
            .service(page)
            .service(control)
            .service(events)
    });
    server.listen(listener)?.shut_down_by(&shutdown).run().await?;
    fleet.end();
    redis.end().await;
    Ok(())
}

#[get("/")]
async fn page() -> impl Responder {
    web::Html::new(include_str!("page.html"))
}
