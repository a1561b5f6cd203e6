//! The contenders. Each sends the body of a `POST /publish` to every reader of `/events`.

use std::{
    env, fs, io,
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt as _,
    path::Path,
    process::Command,
    sync::Mutex,
    time::Duration,
};

use actix_web::{App, HttpResponse, HttpServer, get, post, web};
use actix_web_lab::sse as lab;
use axum::response::sse;
use futures_core::Stream;
use sse_actix::{Event, Hub, KeepAlive, PublishError, Subscription, TopicOptions};
use sse_actix_sqlite::SqliteLog;
use sse_bench::announce;
use tokio::{
    runtime,
    sync::{broadcast, mpsc},
};

use crate::floor;

/// The paths of nginx and of its module on Debian.
const NGINX: &str = "/usr/sbin/nginx";
const NCHAN: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// How many events a contender keeps, if it keeps events: more than are replayed.
const KEPT: usize = 20_000;

const BACKLOG: u32 = 4_096;

/// The capacity of a channel that drops events when it is full: more than are ever on their way.
const CHANNEL: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    Floor,
    Ours,
    /// The same, with the log in a file.
    OursInFile,
    Axum,
    Lab,
    Nchan,
}

impl Contender {
    pub(crate) const ALL: [Self; 6] = [
        Self::Floor,
        Self::Ours,
        Self::OursInFile,
        Self::Axum,
        Self::Lab,
        Self::Nchan,
    ];

    /// The name that its process gets as an argument.
    pub(crate) fn role(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Ours => "ours",
            Self::OursInFile => "sqlite",
            Self::Axum => "axum",
            Self::Lab => "lab",
            Self::Nchan => "nchan",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor: epoll, one `write` a delivery",
            Self::Ours => "`Subscription`",
            Self::OursInFile => "`Subscription`, SQLite",
            Self::Axum => "axum, tokio's `broadcast`",
            Self::Lab => "actix-web-lab, a channel a client",
            Self::Nchan => "nginx, nchan",
        }
    }

    /// Whether it can run on this machine.
    pub(crate) fn is_here(self) -> bool {
        self != Self::Nchan || Path::new(NGINX).exists() && Path::new(NCHAN).exists()
    }

    /// Whether a client that reconnects gets the events that it has missed.
    pub(crate) fn replays(self) -> bool {
        matches!(self, Self::Ours | Self::Nchan)
    }
}

/// Runs the contender with this name, with a keep-alive after this time of silence.
pub(crate) fn serve(role: &str, keep_alive: Duration) -> io::Result<()> {
    match role {
        "floor" => floor::serve(keep_alive),
        "ours" => ours(keep_alive, false, false),
        "sqlite" => ours(keep_alive, false, true),
        "ours over HTTP/2" => ours(keep_alive, true, false),
        "axum" => axum(keep_alive),
        "lab" => lab(keep_alive),
        "nchan" => nchan(keep_alive),
        _ => Err(io::Error::other(format!("no server is called `{role}`"))),
    }
}

fn ours(keep_alive: Duration, http2: bool, in_file: bool) -> io::Result<()> {
    #[get("/events")]
    async fn events(hub: web::Data<Hub>, keep_alive: web::Data<Duration>) -> Subscription {
        hub.subscribe("bench")
            .keep_alive(KeepAlive::comment(**keep_alive))
    }
    #[post("/publish")]
    async fn publish(hub: web::Data<Hub>, body: String) -> Result<HttpResponse, PublishError> {
        hub.raw("bench").publish(Event::data(body)).await?;
        Ok(HttpResponse::NoContent().finish())
    }
    let topic = TopicOptions::log().max_events(KEPT).max_bytes(64 << 20);
    let hub = Hub::builder().topic("bench", topic);
    let folder = tempfile::tempdir()?;
    let hub = if in_file {
        let log = SqliteLog::open(folder.path().join("events.db")).map_err(io::Error::other)?;
        hub.log(log)
    } else {
        hub
    };
    #[cfg(feature = "metrics")]
    let hub = {
        let prometheus = metrics_exporter_prometheus::PrometheusBuilder::new();
        prometheus.install_recorder().map_err(io::Error::other)?;
        hub.metrics_topics("bench")
    };
    let hub = web::Data::new(hub.build()?);
    let keep_alive = web::Data::new(keep_alive);
    let app = move || {
        let app = App::new().app_data(hub.clone()).app_data(keep_alive.clone());
        app.service(events).service(publish)
    };
    let server = sse_actix::Server::new(app).workers(1);
    let addr = (Ipv4Addr::LOCALHOST, 0);
    let server = if http2 {
        server.bind_auto_h2c(addr)?
    } else {
        server.bind(addr)?
    };
    server.addrs().into_iter().for_each(announce);
    actix_web::rt::System::new().block_on(server.run())
}

fn axum(keep_alive: Duration) -> io::Result<()> {
    fn events(
        mut events: broadcast::Receiver<String>,
    ) -> impl Stream<Item = Result<sse::Event, broadcast::error::RecvError>> {
        async_stream::stream! {
            loop {
                // One that has lost events ends, and is seen to.
                yield events.recv().await.map(|data| sse::Event::default().data(data));
            }
        }
    }
    let (sender, _) = broadcast::channel(CHANNEL);
    let subscribing = sender.clone();
    let app = axum::Router::new()
        .route(
            "/events",
            axum::routing::get(move || {
                let events = events(subscribing.subscribe());
                let keep_alive = sse::KeepAlive::new().interval(keep_alive);
                async { sse::Sse::new(events).keep_alive(keep_alive) }
            }),
        )
        .route(
            "/publish",
            axum::routing::post(move |body: String| {
                let _ = sender.send(body);
                async { axum::http::StatusCode::NO_CONTENT }
            }),
        );
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        announce(listener.local_addr()?);
        axum::serve(listener, app).await
    })
}

fn lab(keep_alive: Duration) -> io::Result<()> {
    #[derive(Default)]
    struct Clients(Mutex<Vec<mpsc::Sender<lab::Event>>>);

    #[get("/events")]
    async fn events(
        clients: web::Data<Clients>,
        keep_alive: web::Data<Duration>,
    ) -> impl actix_web::Responder {
        let (sender, events) = mpsc::channel(CHANNEL);
        if let Ok(mut clients) = clients.0.lock() {
            clients.push(sender);
        }
        lab::Sse::from_infallible_receiver(events).with_keep_alive(**keep_alive)
    }
    #[post("/publish")]
    async fn publish(clients: web::Data<Clients>, body: String) -> HttpResponse {
        let clients = clients
            .0
            .lock()
            .map(|clients| clients.clone())
            .unwrap_or_default();
        let sending = clients
            .iter()
            .map(|client| client.send(lab::Data::new(body.as_str()).into()));
        for sent in futures_util::future::join_all(sending).await {
            if sent.is_err() {
                return HttpResponse::InternalServerError().finish();
            }
        }
        HttpResponse::NoContent().finish()
    }
    let clients = web::Data::new(Clients::default());
    let keep_alive = web::Data::new(keep_alive);
    let app = move || {
        let app = App::new().app_data(clients.clone()).app_data(keep_alive.clone());
        app.service(events).service(publish)
    };
    let server = HttpServer::new(app)
        .workers(1)
        .backlog(BACKLOG)
        .tcp_nodelay(true)
        .bind((Ipv4Addr::LOCALHOST, 0))?;
    server.addrs().into_iter().for_each(announce);
    actix_web::rt::System::new().block_on(server.run())
}

/// Replaces this process by nginx.
fn nchan(keep_alive: Duration) -> io::Result<()> {
    let addr = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let dir = env::temp_dir().join("sse-bench-nchan");
    fs::create_dir_all(&dir)?;
    let (dir_name, seconds) = (dir.display(), keep_alive.as_secs().max(1));
    let settings = format!(
        "load_module {NCHAN};
daemon off;
master_process off;
pid {dir_name}/nginx.pid;
error_log {dir_name}/error.log warn;
worker_rlimit_nofile 20000;
events {{ worker_connections 19000; use epoll; }}
http {{
    access_log off;
    tcp_nodelay on;
    keepalive_requests 100000000;
    keepalive_timeout 1h;
    client_body_temp_path {dir_name}/body;
    proxy_temp_path {dir_name}/proxy;
    fastcgi_temp_path {dir_name}/fcgi;
    uwsgi_temp_path {dir_name}/uwsgi;
    scgi_temp_path {dir_name}/scgi;
    nchan_shared_memory_size 256M;
    server {{
        listen {addr} backlog={BACKLOG};
        location = /events {{
            nchan_subscriber eventsource;
            nchan_channel_id bench;
            nchan_subscriber_first_message newest;
            nchan_eventsource_ping_interval {seconds};
            nchan_eventsource_ping_event \"\";
            nchan_eventsource_ping_data \"\";
            nchan_eventsource_ping_comment ping;
        }}
        location = /publish {{
            nchan_publisher;
            nchan_channel_id bench;
            nchan_message_buffer_length {KEPT};
            nchan_message_timeout 1h;
        }}
    }}
}}
"
    );
    let file = dir.join("nginx.conf");
    fs::write(&file, settings)?;
    announce(addr);
    Err(Command::new(NGINX)
        .arg("-p")
        .arg(&dir)
        .arg("-c")
        .arg(&file)
        .exec())
}
