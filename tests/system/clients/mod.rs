//! Clients that others wrote, each a process that tells what it is given.
//!
//! Their scripts are in `tests/clients`, and `tests/clients/install.sh` installs what these need.

mod client;
mod ends;
mod guide;
mod kinds;
mod page;
mod post;
mod proxy;
mod restart;
mod resume;

use std::env;

use client::Client;

/// Whether all clients are installed. If not, says so; with `CI=true` that is a failure.
fn are_installed() -> bool {
    let missing = Client::ALL.into_iter().find(|client| !client.is_installed());
    if let Some(client) = missing {
        assert!(
            env::var("CI").as_deref() != Ok("true"),
            "{client:?} is not installed, and with CI=true nothing is skipped"
        );
        eprintln!("skipped: {client:?} is not installed; tests/clients/install.sh installs it");
    }
    missing.is_none()
}
