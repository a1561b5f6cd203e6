//! Everything at once, for long: a server in a process of its own, and clients that are honest, in a hurry, or hostile.
//! Honest clients get everything exactly once. The server's memory stops growing, and when all have left it is as it was:
//! streams, tags, readers, descriptors, and the heap, where timers and whatever else is forgotten would show.
//!
//! A minute and 30,000 streams, unless the environment says otherwise: `SOAK_SECONDS`, `SOAK_OPENS`, and `SOAK_SEED`, from
//! which everything random follows but the timing. With `SOAK_STRICT`, the honest clients' latency is checked, too.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what fails here fails the test"
)]

mod honest;
mod hostile;
mod hurried;
mod memory;
mod plan;
mod publisher;
mod site;
mod stream;
mod wish;

use std::sync::Arc;

use futures_util::future::join_all;
use rustix::process::Signal;
use sse_tests::patience::until;
use tokio::{spawn, time::sleep_until};

use self::{
    honest::{Latencies, Progress},
    memory::Memory,
    plan::{Plan, Run},
    site::{Left, Site},
};

/// How many clients there are of each kind.
const CLIENTS: u64 = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_bounded_and_nothing_is_left_behind() {
    let plan = Plan::of_environment();
    println!("{plan:?}");
    let (child, site) = Site::start().await;
    let site = Arc::new(site);
    // Threads, pools and caches get what they keep.
    let before = site.figures().await.left;
    let descriptors = site.descriptors();
    let warming_up = Arc::new(Run::new(plan.tenth()));
    everyone_but_the_honest(&site, &warming_up, async || {}).await;
    is_as_it_was(&site, &before, descriptors).await;
    let start = site.figures().await;

    let run = Arc::new(Run::new(plan));
    let latencies = Arc::new(Latencies::default());
    let progress = Arc::new(Progress::default());
    let honest: Vec<_> = (0..CLIENTS)
        .map(|nth| {
            let reader = honest::read_all(
                Arc::clone(&site),
                plan.rng(1, nth),
                nth,
                Arc::clone(&progress),
                Arc::clone(&latencies),
            );
            spawn(reader)
        })
        .collect();
    until("the honest ones to be there", async || {
        progress.connected() == CLIENTS
    })
    .await;

    let memory = spawn(Memory::watch(Arc::clone(&site), Arc::clone(&run)));
    let numbers = spawn(publisher::numbers(
        Arc::clone(&site),
        Arc::clone(&run),
        Arc::clone(&progress),
    ));
    let others = spawn(publisher::others(Arc::clone(&site), Arc::clone(&run)));
    everyone_but_the_honest(&site, &run, async || {
        // How long an event takes without hostile clients is what it is compared with.
        sleep_until(run.quiet_until()).await;
        latencies.hostile_clients_come();
    })
    .await;
    run.finish();
    let memory = memory.await.unwrap();
    let tags = others.await.unwrap();
    numbers.await.unwrap();
    for reader in join_all(honest).await {
        reader.expect("an honest client gets everything exactly once");
    }

    is_as_it_was(&site, &before, descriptors).await;
    for tag in tags {
        assert_eq!(site.revoke(&tag).await, 0, "a stream of {tag} is left");
    }
    let end = site.figures().await;
    println!("{end:#?}");
    run.report();
    memory.check(&start, &end, &run);
    latencies.check(plan.strict);
    for (what, times) in &end.happened {
        assert!(*times > 0, "nothing was {what}: the run tells nothing of it");
    }
    assert_eq!(
        end.followed,
        progress.published(),
        "what the program itself has followed"
    );
    child.signal(Signal::TERM);
    assert!(child.ended().await.success(), "it ends as it should");
}

/// All clients in a hurry come and go, and the hostile ones once `quiet` is over.
async fn everyone_but_the_honest(site: &Arc<Site>, run: &Arc<Run>, quiet: impl AsyncFnOnce()) {
    let rng = |kind, nth| run.plan.rng(kind, nth);
    let both = || (Arc::clone(site), Arc::clone(run));
    let mut clients = Vec::new();
    for nth in 0..CLIENTS {
        let (site, run) = both();
        clients.push(spawn(hurried::come_and_go(site, run, rng(2, nth))));
    }
    quiet().await;
    for nth in 0..CLIENTS {
        let (site, run) = both();
        clients.push(spawn(hostile::never_reads(site, run, rng(3, nth))));
        let (site, run) = both();
        clients.push(spawn(hostile::pipelines(site, run, rng(4, nth))));
        let (site, run) = both();
        clients.push(spawn(hostile::resets_mid_head(site, run, rng(5, nth))));
    }
    for client in join_all(clients).await {
        client.expect("a client got what it may get");
    }
}

/// Waits until everyone has left, and what they had is given back.
async fn is_as_it_was(site: &Site, before: &Left, descriptors: usize) {
    let mut seen = None;
    until("the server to be as it was", async || {
        let now = (site.figures().await.left, site.descriptors());
        let as_it_was = now.0 == *before && now.1 <= descriptors;
        if !as_it_was && seen.as_ref() != Some(&now) {
            println!("not yet as it was: {now:?}");
            seen = Some(now);
        }
        as_it_was
    })
    .await;
}
