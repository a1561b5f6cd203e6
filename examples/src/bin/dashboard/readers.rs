use std::{
    collections::HashMap,
    future::{Ready, ready},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use actix_web::{Error, FromRequest, HttpRequest, dev::Payload, error::ErrorInternalServerError, web::Data};

/// The number of streams on each connection. The client's address and port identify a connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Readers(Arc<Mutex<HashMap<SocketAddr, usize>>>);

/// One open stream, until it is dropped.
#[derive(Debug)]
pub(crate) struct Reader {
    readers: Readers,
    client: SocketAddr,
}

impl Readers {
    pub(crate) fn enter(&self, client: SocketAddr) -> Reader {
        *self.streams().entry(client).or_default() += 1;
        Reader {
            readers: self.clone(),
            client,
        }
    }

    /// How many streams are open, and over how many connections.
    pub(crate) fn count(&self) -> (usize, usize) {
        let streams = self.streams();
        (streams.values().sum(), streams.len())
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<SocketAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sender of the request counts as a reader as long as the stream lives.
impl FromRequest for Reader {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let readers = request.app_data::<Data<Readers>>().zip(request.peer_addr());
        ready(
            readers
                .map(|(readers, client)| readers.enter(client))
                .ok_or_else(|| ErrorInternalServerError("the counter of readers is missing")),
        )
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut streams = self.readers.streams();
        if let Some(count) = streams.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                streams.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_and_the_connections_that_carry_them() {
        let readers = Readers::default();
        let clients = [1, 1, 2].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let [first, second, third] = clients.map(|client| readers.enter(client));
        assert_eq!(readers.count(), (3, 2));
        drop(second);
        assert_eq!(readers.count(), (2, 2));
        drop(third);
        assert_eq!(readers.count(), (1, 1));
        drop(first);
        assert_eq!(readers.count(), (0, 0));
    }
}
