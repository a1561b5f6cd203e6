//! The memory of the server's process.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::{
    CLIENTS,
    plan::Run,
    site::{Figures, Site},
};

/// What was resident, each half second.
pub(crate) struct Memory(Vec<u64>);

impl Memory {
    pub(crate) async fn watch(site: Arc<Site>, run: Arc<Run>) -> Self {
        let mut resident = Vec::new();
        let mut next_line = Duration::ZERO;
        while !run.is_finished() {
            let now = site.resident();
            let descriptors = site.descriptors();
            resident.push(now);
            run.server_has(descriptors);
            let elapsed = run.began.elapsed();
            if elapsed >= next_line {
                next_line = elapsed + Duration::from_secs(10);
                println!(
                    "{:4.0} s: {} KiB resident, {descriptors} descriptors, {} connections so far",
                    elapsed.as_secs_f64(),
                    now / 1024,
                    run.opened()
                );
            }
            sleep(Duration::from_millis(500)).await;
        }
        Self(resident)
    }

    /// It has stopped growing, and what is allocated is what the topics keep.
    pub(crate) fn check(&self, start: &Figures, end: &Figures, run: &Run) {
        let is_short = run.plan.duration < Duration::from_secs(600);
        let third = self.0.len() / 3;
        let highest = |seconds: &[u64]| seconds.iter().copied().max().unwrap() / 1024;
        let (second, last) = (highest(&self.0[third..2 * third]), highest(&self.0[2 * third..]));
        println!("resident at most: {second} KiB in the second third, {last} KiB in the last");
        // In a short run, what clients that do not read and clients that pipeline may have of buffers is more than 5 %.
        let room = if is_short { 2 * CLIENTS * 64 } else { 0 };
        assert!(last <= second + second / 20 + room, "it grows: {:?}", self.0);

        // A topic has a name, a log and figures.
        let of_topics = |figures: &Figures| figures.kept + figures.topics * 2_048;
        let explained = of_topics(end).saturating_sub(of_topics(start));
        let more = end.heap.saturating_sub(start.heap);
        let leaked = more.saturating_sub(explained);
        println!("{more} bytes more on the heap, {explained} of them by topics");
        // What topics' events were decoded to, tables that have grown, and buffers that threads keep do not depend on how long it
        // runs, so a short run cannot tell them from what is left of connections.
        let room = if is_short { 4 * 1024 * 1024 } else { 0 };
        let each = leaked.saturating_sub(room) as u64 / run.opened();
        assert!(
            each < 20,
            "{leaked} bytes more than explained, {each} for each connection"
        );
    }
}
