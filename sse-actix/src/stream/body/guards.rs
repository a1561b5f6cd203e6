//! What a stream is tied to.

use super::BodyTransport;
use crate::{
    lifecycle::{control::StreamControl, shutdown::Registration},
    server::OpenStreamGuard,
};

/// What a stream is tied to, and leaves when it ends.
pub(crate) struct StreamGuards {
    pub(crate) control: StreamControl,
    pub(crate) registration: Option<Registration>,
    #[expect(dead_code, reason = "held for its drop")]
    pub(crate) open_stream: Option<OpenStreamGuard>,
    pub(crate) transport: BodyTransport,
    /// Whether the stream is for clients other than `EventSource`: only keep-alives of ours are in it, and an end that
    /// is not its source's own is an abort.
    pub(crate) plain: bool,
}

impl StreamGuards {
    /// Leaves the `Shutdown`. `open_stream` is kept until the last bytes are sent, so that the server still counts
    /// this as a stream.
    pub(super) fn deregister(&mut self) {
        self.registration = None;
    }
}
