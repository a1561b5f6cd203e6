use std::{
    future::poll_fn,
    io::Read as _,
    net::{TcpListener, TcpStream as Peer},
};

use futures_util::task::noop_waker;

use super::*;

#[derive(Default)]
struct Taker(RefCell<Option<Rc<Wire>>>);

impl Wired for Taker {
    fn wire(&self, wire: Rc<Wire>) {
        *self.0.borrow_mut() = Some(wire);
    }
}

fn connect() -> (Io, Peer) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let peer = Peer::connect(listener.local_addr().unwrap()).unwrap();
    let (socket, _) = listener.accept().unwrap();
    socket.set_nonblocking(true).unwrap();
    (Io::new(TcpStream::from_std(socket).unwrap()), peer)
}

/// Writes `written` after a body has given `chunk`, to a task that is told by `task`.
async fn wired(io: &mut Io, task: Option<Waker>, chunk: &'static [u8], written: &[u8]) -> Option<Rc<Wire>> {
    let taker = Rc::new(Taker::default());
    poll_fn(|cx| {
        let task = task.as_ref().unwrap_or(cx.waker());
        Offer::make(
            &Context::from_waker(task),
            &Bytes::from_static(chunk),
            Rc::clone(&taker) as _,
        );
        Pin::new(&mut *io).poll_write(cx, written)
    })
    .await
    .unwrap();
    taker.0.take()
}

fn read(peer: &mut Peer, bytes: usize) -> Vec<u8> {
    let mut read = vec![0; bytes];
    peer.read_exact(&mut read).unwrap();
    read
}

#[actix_web::test]
async fn a_wire_is_for_a_body_whose_chunk_is_written_by_its_own_task() {
    let (mut io, _peer) = connect();
    for written in [
        &b"a\r\n0123456789\r\n"[..],
        b"0123456789",
        b"A\r\n0123456780\r\n",
        b"",
    ] {
        let wire = wired(&mut io, None, b"0123456789", written).await;
        assert!(wire.is_none(), "{written:?}");
    }
    let written = b"HTTP/1.1 200 OK\r\n\r\nA\r\n0123456789\r\n";
    let other = Some(noop_waker());
    assert!(wired(&mut io, other, b"0123456789", written).await.is_none());
    let first = wired(&mut io, None, b"0123456789", written).await.unwrap();
    // The next response on the connection has the same.
    let second = wired(&mut io, None, b"0123456789", written).await.unwrap();
    assert!(Rc::ptr_eq(&first, &second));
}

#[actix_web::test]
async fn it_is_clear_while_the_dispatcher_has_nothing_to_write() {
    let (mut io, mut peer) = connect();
    let wire = wired(&mut io, None, b"1", b"1\r\n1\r\n").await.unwrap();
    assert!(!wire.is_clear());
    poll_fn(|cx| Pin::new(&mut io).poll_flush(cx)).await.unwrap();
    assert!(wire.is_clear());
    assert_eq!(wire.send(b"0123456789ABCDEF"), Sent::Whole);
    assert!(wire.is_clear());
    wire.hold();
    assert!(!wire.is_clear());
    poll_fn(|cx| Pin::new(&mut io).poll_write(cx, b"2\r\n22\r\n"))
        .await
        .unwrap();
    assert!(!wire.is_clear());
    assert_eq!(
        read(&mut peer, 35),
        b"1\r\n1\r\n10\r\n0123456789ABCDEF\r\n2\r\n22\r\n"
    );
}

#[actix_web::test]
async fn what_the_socket_did_not_take_comes_before_anything_else() {
    let (mut io, mut peer) = connect();
    let wire = wired(&mut io, None, b"1", b"1\r\n1\r\n").await.unwrap();
    poll_fn(|cx| Pin::new(&mut io).poll_flush(cx)).await.unwrap();
    // More than any socket takes.
    let much = vec![b'x'; 64 << 20];
    assert_eq!(wire.send(&much), Sent::Partly);
    assert!(!wire.is_clear());
    poll_fn(|cx| {
        let pending = Pin::new(&mut io).poll_write(cx, b"0\r\n\r\n").is_pending();
        assert!(pending && wire.poll_rest(cx).is_pending());
        Poll::Ready(())
    })
    .await;

    let len = 6 + 9 + much.len() + 2;
    let reading = std::thread::spawn(move || (read(&mut peer, len), read(&mut peer, 5)));
    poll_fn(|cx| Pin::new(&mut io).poll_write(cx, b"0\r\n\r\n"))
        .await
        .unwrap();
    assert!(!wire.is_clear());
    poll_fn(|cx| Pin::new(&mut io).poll_flush(cx)).await.unwrap();
    assert!(wire.is_clear());
    let (chunks, end) = reading.join().unwrap();
    assert!(chunks.starts_with(b"1\r\n1\r\n4000000\r\nxx") && chunks.ends_with(b"xx\r\n"));
    assert_eq!(end, b"0\r\n\r\n");
}
