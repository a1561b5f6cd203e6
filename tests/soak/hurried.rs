//! Clients that come with any wish, read a little or not, and leave in any way.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use fastrand::Rng;
use h2::client;
use http::Request;
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    plan::Run,
    site::{Server, Site, Socket},
    wish::{self, Wish},
};

pub(crate) async fn come_and_go(site: Arc<Site>, run: Arc<Run>, mut rng: Rng) {
    while run.next().await {
        let wish = Wish::random(&mut rng, &run);
        let server = match rng.u8(0..20) {
            0 => Server::OverTls,
            1..4 => Server::Actix,
            _ => Server::Direct,
        };
        // Some addresses come more often than their limits allow.
        let most = rng.u8(1..=100);
        let most = rng.u8(1..=most);
        let host = rng.u8(1..=most);
        let network = if rng.u8(0..4) == 0 { 9 } else { 3 };
        let from = [127, network, 0, host];
        // What the server does with it is its business. That it goes on is seen by the honest clients.
        let _ = match rng.u8(0..10) {
            0 => over_http2(&site, server, from, &wish, &mut rng).await,
            _ if server == Server::OverTls => over_tls(&site, from, &wish, &mut rng).await,
            _ => over_http1(&site, server, from, &wish, &mut rng).await,
        };
    }
}

async fn over_http1(
    site: &Site,
    server: Server,
    from: [u8; 4],
    wish: &Wish,
    rng: &mut Rng,
) -> io::Result<()> {
    let mut socket = site.connect_plainly(server, from, false).await?;
    socket.write_all(wish.to_http1().as_bytes()).await?;
    read_a_little(&mut socket, rng).await?;
    leave(socket, wish, rng).await
}

async fn over_tls(site: &Site, from: [u8; 4], wish: &Wish, rng: &mut Rng) -> io::Result<()> {
    let mut socket = site.connect(Server::OverTls, from, false).await?;
    socket.write_all(wish.to_http1().as_bytes()).await?;
    socket.flush().await?;
    read_a_little(&mut socket, rng).await
}

async fn over_http2(
    site: &Site,
    server: Server,
    from: [u8; 4],
    wish: &Wish,
    rng: &mut Rng,
) -> io::Result<()> {
    let socket = site.connect(server, from, true).await?;
    let mut settings = client::Builder::new();
    settings.initial_window_size(rng.u32(0..100_000));
    let shaken = settings.handshake::<_, Bytes>(socket).await;
    let (requests, connection) = shaken.map_err(io::Error::other)?;
    let driver = tokio::spawn(connection);
    let mut bodies = Vec::new();
    for _ in 0..rng.u8(1..4) {
        let mut request = Request::builder()
            .method(wish.method)
            .uri(format!("http://test{}", wish.path));
        for (name, value) in &wish.headers {
            request = request.header(*name, value);
        }
        let Ok(mut ready) = requests.clone().ready().await else {
            break;
        };
        let Ok((answer, _)) = ready.send_request(request.body(()).unwrap(), true) else {
            break;
        };
        if let Ok(Ok(answer)) = timeout(Duration::from_millis(rng.u64(0..500)), answer).await {
            bodies.push(answer.into_body());
        }
    }
    for body in &mut bodies {
        let _ = timeout(Duration::from_millis(rng.u64(0..200)), body.data()).await;
    }
    // Some end their streams, some their connection alone.
    if rng.bool() {
        drop(bodies);
        tokio::task::yield_now().await;
    }
    driver.abort();
    Ok(())
}

/// Nothing, or the head, or what comes within a while.
async fn read_a_little(socket: &mut (impl Socket + ?Sized), rng: &mut Rng) -> io::Result<()> {
    let longest = [0, 5, 100, 2_000][rng.usize(0..4)];
    let mut buffer = [0; 4_096];
    for _ in 0..rng.u8(0..10) {
        let patience = Duration::from_millis(rng.u64(0..=longest));
        match timeout(patience, socket.read(&mut buffer)).await {
            Ok(Ok(0)) => break,
            Ok(length) => wish::saw(&String::from_utf8_lossy(&buffer[..length?])),
            Err(_) => {}
        }
    }
    Ok(())
}

async fn leave(mut socket: TcpStream, wish: &Wish, rng: &mut Rng) -> io::Result<()> {
    match rng.u8(0..4) {
        0 => SockRef::from(&socket).set_linger(Some(Duration::ZERO)),
        // A client that sends no more may still read. That it has left is seen by the next keep-alive, which is not to be a day
        // away.
        1 if !wish.path.contains("keep_alive") => {
            socket.shutdown().await?;
            sleep(Duration::from_millis(rng.u64(0..50))).await;
            Ok(())
        }
        _ => Ok(()),
    }
}
