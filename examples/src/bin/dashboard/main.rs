//! A wall of live panels. The page is on one site, its streams are on another, with a log-in. A third site is refused.
//!
//! `cargo run --bin dashboard`

use std::{env, io};

use actix_web::App;
use sse_actix::{Server, Shutdown};
use sse_examples::CommandLine;

use self::{
    certificates::Certificate,
    pages::Sites,
    sessions::{Sessions, USER},
    streams::Streams,
};

mod certificates;
mod figures;
mod pages;
mod readers;
mod refusals;
mod sessions;
mod streams;

/// A browser treats these as three sites, like three domains.
const NAMES: [&str; 3] = ["wall.localhost", "figures.localhost", "elsewhere.localhost"];

#[actix_web::main]
async fn main() -> io::Result<()> {
    let command_line = CommandLine::read("dashboard", None);
    let sockets = [
        command_line.listen(),
        command_line.listen_next(),
        command_line.listen_next(),
    ];
    let kept_at = env::current_exe()?.with_file_name("dashboard-certificate.pem");
    let tls = Certificate::kept_or_new(&kept_at, &NAMES)?.server_config()?;
    let sites = Sites::at(NAMES, &sockets)?;
    let [wall_socket, streams_socket, elsewhere_socket] = sockets;

    // The three servers share one handle, so a signal ends all of them.
    let shutdown = Shutdown::new();
    let sessions = Sessions::new()?;
    println!("{}", sites.wall);
    println!("streams      {}", sites.streams);
    println!("elsewhere    {}", sites.elsewhere);
    println!("user         {USER}");
    println!("password     {}", sessions.password());
    println!("certificate  {}", kept_at.display());

    let streams = Streams::new(&sites, sessions, &shutdown)?;
    let streams = Server::new(move || App::new().configure(|app| streams.configure(app)))
        .listen_rustls_0_23(streams_socket, tls.clone())?
        .shut_down_by(&shutdown);
    let pages = sites.clone();
    let wall = Server::new(move || App::new().configure(|app| pages.configure_wall(app)))
        .listen_rustls_0_23(wall_socket, tls.clone())?
        .shut_down_by(&shutdown);
    let elsewhere = Server::new(move || App::new().configure(|app| sites.configure_elsewhere(app)))
        .listen_rustls_0_23(elsewhere_socket, tls)?
        .shut_down_by(&shutdown);
    tokio::try_join!(streams.run(), wall.run(), elsewhere.run())?;
    Ok(())
}
