//! Connects to Redis: its address, the check of the server, and the connections of a session.

mod address;
mod connector;
mod server;
mod session;

pub(crate) use self::{
    address::Address,
    connector::{Connector, Credentials, Receiver, Tls},
    server::{ServerState, check_server, read_replication},
    session::{Session, Sessions},
};
