//! `Server` and its settings, and actix's `HttpServer` with `for_streams`.

mod any_order;
mod for_streams;
mod half_closed;
mod http;
mod life;
mod openssl;
mod preface;
mod same_names;
mod sockets;
mod times;
mod tls;
mod unix;
