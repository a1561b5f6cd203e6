//! Clients that want to cost the server as much as they can.

use std::{io, sync::Arc, time::Duration};

use fastrand::Rng;
use socket2::SockRef;
use tokio::{
    io::AsyncWriteExt as _,
    time::{sleep, timeout},
};

use crate::{
    plan::Run,
    site::{Server, Site},
    wish::Wish,
};

fn some_server(rng: &mut Rng) -> Server {
    if rng.u8(0..5) == 0 {
        Server::Actix
    } else {
        Server::Direct
    }
}

fn from(rng: &mut Rng) -> [u8; 4] {
    [127, 2, rng.u8(..), rng.u8(1..255)]
}

/// Each asks for what is much, and reads nothing of it.
pub(crate) async fn never_reads(site: Arc<Site>, run: Arc<Run>, mut rng: Rng) {
    while run.next().await {
        let client: io::Result<()> = async {
            let mut socket = site
                .connect_plainly(some_server(&mut rng), from(&mut rng), true)
                .await?;
            let wish = match rng.u8(0..3) {
                0 => {
                    "GET /stream?topics=large%20numbers&options=history%3D100 HTTP/1.1\r\nHost: test\r\n\r\n"
                        .to_owned()
                }
                1 => "GET /sent?events=1000&size=20000&pause=0 HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(),
                _ => Wish::random(&mut rng, &run).to_http1(),
            };
            socket.write_all(wish.as_bytes()).await?;
            // Some stay for longer than the server's patience.
            sleep(Duration::from_millis(rng.u64(0..12_000))).await;
            Ok(())
        }
        .await;
        drop(client);
    }
}

/// Each sends requests behind a stream, as many as are taken.
pub(crate) async fn pipelines(site: Arc<Site>, run: Arc<Run>, mut rng: Rng) {
    while run.next().await {
        let client: io::Result<()> = async {
            let mut socket = site
                .connect_plainly(some_server(&mut rng), from(&mut rng), false)
                .await?;
            let begin = "GET /stream?topics=log:1%20latest:1 HTTP/1.1\r\nHost: test\r\n\r\n";
            socket.write_all(begin.as_bytes()).await?;
            let many = Wish::random(&mut rng, &run).to_http1().repeat(20);
            for _ in 0..rng.u8(0..100) {
                let sent = timeout(Duration::from_millis(50), socket.write_all(many.as_bytes())).await;
                if sent.is_ok_and(|sent| sent.is_err()) {
                    break;
                }
                sleep(Duration::from_millis(rng.u64(0..50))).await;
            }
            Ok(())
        }
        .await;
        drop(client);
    }
}

/// Each sends a part of a head and resets the connection.
pub(crate) async fn resets_mid_head(site: Arc<Site>, run: Arc<Run>, mut rng: Rng) {
    while run.next().await {
        let client: io::Result<()> = async {
            let mut socket = site
                .connect_plainly(some_server(&mut rng), from(&mut rng), false)
                .await?;
            let wish = Wish::random(&mut rng, &run).to_http1();
            socket
                .write_all(&wish.as_bytes()[..rng.usize(..wish.len())])
                .await?;
            sleep(Duration::from_millis(rng.u64(0..5))).await;
            SockRef::from(&socket).set_linger(Some(Duration::ZERO))
        }
        .await;
        drop(client);
    }
}
