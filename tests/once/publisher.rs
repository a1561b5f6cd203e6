//! A publisher whose every publish is cut at a random moment, and which repeats it with the same key.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use fastrand::Rng;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::answers::{Answer, Answers};

/// Where a publish is cut.
#[derive(Debug, Clone, Copy)]
enum Cut {
    /// After so many bytes of the request, or before the last one.
    InRequest(usize),
    /// So long after the request was sent.
    AfterRequest(Duration),
    /// After so many bytes of the answer.
    InAnswer(usize),
    /// The whole answer has come, but whoever wants to know it has not seen it.
    AnswerLost,
    /// The publisher is killed so long after it began, wherever it is then.
    Killed(Duration),
}

impl Cut {
    fn random(random: &mut Rng) -> Self {
        let moment = Duration::from_micros(random.u64(..1_500));
        match random.u8(..5) {
            0 => Self::InRequest(random.usize(..300)),
            1 => Self::AfterRequest(moment),
            2 => Self::InAnswer(random.usize(1..200)),
            3 => Self::AnswerLost,
            _ => Self::Killed(moment),
        }
    }
}

pub(crate) struct Publisher {
    pub(crate) addr: SocketAddr,
    pub(crate) random: Rng,
    pub(crate) answers: Arc<Answers>,
}

impl Publisher {
    /// Publishes with this key until it is acknowledged; one to three times it is cut before.
    pub(crate) async fn publish(&mut self, key: &str) {
        for nth in 0..self.random.usize(1..=3) {
            let cut = Cut::random(&mut self.random);
            // What is published first stands, so the attempts may differ.
            let order = format!("{key} {nth}");
            self.answers.count_cut();
            // Whether the server was there, or has answered, is nothing that this publisher knows.
            let _ = self.cut_short(key, &order, cut).await;
        }
        self.publish_uncut(key, "last").await;
    }

    /// Publishes with this key until it is acknowledged.
    pub(crate) async fn publish_uncut(&self, key: &str, order: &str) {
        while !self.is_acknowledged(key, order).await {
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn is_acknowledged(&self, key: &str, order: &str) -> bool {
        let attempt = async {
            let mut socket = TcpStream::connect(self.addr).await?;
            socket.write_all(&request(key, &format!("{key} {order}"))).await?;
            read_answer(&mut socket).await
        };
        // A server that is frozen, or cut off from its log, may answer never.
        let answer = timeout(Duration::from_secs(10), attempt).await;
        let Ok(Ok(Some(answer))) = answer else {
            return false;
        };
        self.answers.add(key, answer);
        true
    }

    async fn cut_short(&mut self, key: &str, order: &str, cut: Cut) -> io::Result<()> {
        let request = request(key, order);
        let mut socket = TcpStream::connect(self.addr).await?;
        if self.random.bool() {
            // Cut as a crash cuts it, and not as one who leaves.
            socket.set_zero_linger()?;
        }
        match cut {
            Cut::InRequest(bytes) => {
                let bytes = bytes.min(request.len() - 1);
                socket.write_all(&request[..bytes]).await?;
            }
            Cut::AfterRequest(moment) => {
                socket.write_all(&request).await?;
                sleep(moment).await;
            }
            Cut::InAnswer(bytes) => {
                socket.write_all(&request).await?;
                let mut answer = vec![0; bytes];
                let _ = timeout(Duration::from_secs(1), socket.read_exact(&mut answer)).await;
            }
            Cut::AnswerLost => {
                socket.write_all(&request).await?;
                if let Ok(Some(answer)) = read_answer(&mut socket).await {
                    self.answers.add(key, answer);
                }
            }
            Cut::Killed(moment) => {
                let life = tokio::spawn(async move {
                    socket.write_all(&request).await?;
                    read_answer(&mut socket).await
                });
                sleep(moment).await;
                life.abort();
                // If it was faster than its death, it was told something.
                if let Ok(Ok(Some(answer))) = life.await {
                    self.answers.add(key, answer);
                }
            }
        }
        Ok(())
    }
}

fn request(key: &str, order: &str) -> Vec<u8> {
    let head = format!(
        "POST /orders HTTP/1.1\r\nHost: test\r\nIdempotency-Key: {key}\r\nContent-Length: {}\r\n\
         Content-Type: text/plain\r\nConnection: close\r\n\r\n",
        order.len()
    );
    [head.as_bytes(), order.as_bytes()].concat()
}

/// What the server answers; `None` if it could not say.
async fn read_answer(socket: &mut TcpStream) -> io::Result<Option<Answer>> {
    let mut text = String::new();
    socket.read_to_string(&mut text).await?;
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return Ok(None);
    };
    if !head.starts_with("HTTP/1.1 200 ") {
        assert!(head.starts_with("HTTP/1.1 50"), "{head}");
        return Ok(None);
    }
    // A server that is killed may leave a part of it.
    Ok(serde_json::from_str(body).ok())
}
