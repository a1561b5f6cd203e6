//! A reader that is cut at random, and comes back.

use std::{io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use fastrand::Rng;
use sse_actix::{Decoded, Decoder};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::sleep,
};

/// An event: its id and its data.
pub(crate) type Received = (String, String);

/// Reads from the first event on until one has this data.
pub(crate) async fn read(addr: SocketAddr, mut random: Rng, last: &str) -> Vec<Received> {
    let mut received = Vec::new();
    let mut position = String::new();
    loop {
        let stay = random.usize(1..60);
        let _ = connection(addr, &mut position, &mut received, stay, last).await;
        if received.last().is_some_and(|(_, data): &Received| data == last) {
            return received;
        }
        // The server may be away.
        sleep(Duration::from_millis(random.u64(..5))).await;
    }
}

/// One connection, which is cut after so many events.
async fn connection(
    addr: SocketAddr,
    position: &mut String,
    received: &mut Vec<Received>,
    mut stay: usize,
    last: &str,
) -> io::Result<()> {
    let mut socket = TcpStream::connect(addr).await?;
    let id = match position.as_str() {
        "" => String::new(),
        id => format!("Last-Event-ID: {id}\r\n"),
    };
    // HTTP/1.0 knows no chunks.
    let request = format!("GET /orders HTTP/1.0\r\nHost: test\r\n{id}\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut decoder = Decoder::new();
    let mut head = Some(Vec::new());
    loop {
        let mut bytes = vec![0; 16 * 1024];
        let length = socket.read(&mut bytes).await?;
        if length == 0 {
            return Ok(());
        }
        bytes.truncate(length);
        if let Some(mut begun) = head.take() {
            begun.extend_from_slice(&bytes);
            let end = begun.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            let Some(end) = end else {
                head = Some(begun);
                continue;
            };
            assert!(
                begun.starts_with(b"HTTP/1.0 200 "),
                "{}",
                String::from_utf8_lossy(&begun)
            );
            bytes = begun.split_off(end + 4);
        }
        decoder.feed(Bytes::from(bytes));
        for decoded in decoder.by_ref() {
            let Ok(Decoded::Message(message)) = decoded else {
                continue;
            };
            *position = message.last_event_id.to_string();
            match &*message.event {
                "message" => received.push((position.clone(), message.data.to_string())),
                "sse-position" => continue,
                other => panic!("a {other} event: {}", &*message.data),
            }
            stay -= 1;
            if stay == 0 || &*message.data == last {
                return Ok(());
            }
        }
    }
}
