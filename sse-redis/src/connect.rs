//! How Redis is reached: where it is, which servers answer there, and the connections of a session.

mod address;
mod connector;
mod hearing;
mod primaries;
mod primary;
mod server;
mod session;
mod slots;

pub(crate) use self::{
    address::Address,
    connector::{Connector, Credentials, Receiver, Tls},
    hearing::{Clock, Hearing},
    primaries::{Owners, Primaries},
    primary::Primary,
    server::{ServerState, check_server, read_replication},
    session::Session,
};
