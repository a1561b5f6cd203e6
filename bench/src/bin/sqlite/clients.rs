//! Clients that come back, each with the id of a topic's first event, and check that they get the others once and in order.

use std::{io, net::SocketAddr, time::Duration};

use futures_util::future::try_join_all;
use memchr::memchr;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::server::MISSED;

const DIGITS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(60);

/// Lets clients come back, each to one of the topics in turn. Returns how long it takes until all have everything, in
/// milliseconds.
pub(crate) async fn come_back(addr: SocketAddr, clients: usize, ids: &[String]) -> io::Result<f64> {
    let began = Instant::now();
    let all = (0..clients).map(|client| read(addr, client % ids.len(), ids));
    timeout(PATIENCE, try_join_all(all))
        .await
        .map_err(io::Error::other)??;
    Ok(began.elapsed().as_secs_f64() * 1e3)
}

async fn read(addr: SocketAddr, topic: usize, ids: &[String]) -> io::Result<()> {
    let id = ids.get(topic).map_or("", String::as_str);
    let mut socket = TcpStream::connect(addr).await?;
    let request = format!("GET /events/{topic} HTTP/1.1\r\nhost: bench\r\nlast-event-id: {id}\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let (mut buffer, mut rest, mut received) = (vec![0; 64 * 1024], Vec::new(), 0);
    while received < MISSED {
        let read = socket.read(&mut buffer).await?;
        if read == 0 {
            return Err(io::Error::other("a client is sent away"));
        }
        rest.extend_from_slice(buffer.get(..read).unwrap_or_default());
        let mut from = 0;
        while let Some(at) = memchr(b'@', rest.get(from..).unwrap_or_default()) {
            let Some(digits) = rest.get(from + at + 1..from + at + 1 + DIGITS) else {
                break;
            };
            let number: usize = String::from_utf8_lossy(digits)
                .parse()
                .map_err(io::Error::other)?;
            if number != received + 1 {
                return Err(io::Error::other(format!("event {number} after event {received}")));
            }
            received = number;
            from += at + 1 + DIGITS;
        }
        // At most the beginning of an event is left.
        let begin = memchr(b'@', rest.get(from..).unwrap_or_default()).map_or(rest.len(), |at| from + at);
        rest.drain(..begin);
    }
    Ok(())
}
