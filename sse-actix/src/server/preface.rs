//! Finds the protocol of a client when HTTP/1.1 and HTTP/2 share a port without TLS.

#[cfg(feature = "http2")]
pub(super) use self::peek::protocol_of;

/// The first bytes of a client of HTTP/2 ([RFC 9113, 3.4](https://www.rfc-editor.org/rfc/rfc9113#section-3.4)). No
/// request of HTTP/1.1 begins with them.
pub(super) const HTTP2_PREFACE: [u8; 12] = *b"PRI * HTTP/2";

#[cfg(feature = "http2")]
mod peek {
    use std::{io, time::Duration};

    use actix_http::Protocol;
    use actix_web::rt::net::TcpStream;
    use tokio::{
        io::Interest,
        time::{sleep, timeout},
    };

    use super::HTTP2_PREFACE;

    /// The pause before the next look at a client that has sent only a part of the preface.
    const PAUSE: Duration = Duration::from_millis(5);

    /// The protocol of a client, from its first bytes. `patience` is the time that the client has to send them; zero
    /// means no limit, as in actix.
    ///
    /// # Errors
    ///
    /// If the client is silent for too long, or its connection is lost.
    pub(in crate::server) async fn protocol_of(tcp: &TcpStream, patience: Duration) -> io::Result<Protocol> {
        if patience.is_zero() {
            return peek(tcp).await;
        }
        let peeked = timeout(patience, peek(tcp)).await;
        peeked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn peek(tcp: &TcpStream) -> io::Result<Protocol> {
        let mut first = [0; HTTP2_PREFACE.len()];
        loop {
            let peeked = tcp.peek(&mut first).await?;
            let begun = first.get(..peeked).unwrap_or_default();
            if begun == HTTP2_PREFACE {
                return Ok(Protocol::Http2);
            }
            if begun.is_empty() || !HTTP2_PREFACE.starts_with(begun) {
                return Ok(Protocol::Http1);
            }
            // The client sends no more, so it does not speak HTTP/2.
            if tcp.ready(Interest::READABLE).await?.is_read_closed() {
                return Ok(Protocol::Http1);
            }
            // Peeked bytes stay unread, so the socket is readable again at once.
            sleep(PAUSE).await;
        }
    }
}
