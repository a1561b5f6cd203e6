//! How Redis is reached: where it is, which servers answer there, and the connections of a session.
//!
//! | word | means |
//! |---|---|
//! | group | the topics whose keys are in one slot of a cluster; without a cluster, all topics |
//! | primary | a server that accepts writes, for some of the groups |
//! | session | the connections to one primary, as long as the node receives what is published there |
//! | hearing | what the node has learned from the subscribed connection of a session: heartbeats, the clock, a cut |
//! | fence | a `PING` on the subscribed connection; once it is answered, all earlier messages have been received |
//! | owners | which primary holds which group; the node asks the nodes of the cluster, at intervals and on request |

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
