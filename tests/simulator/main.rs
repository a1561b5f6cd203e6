//! A deterministic simulator: the real hub, with several of its workers, on one thread, in virtual time. See `README.md`.
#![cfg(sse_sim)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails here fails the test"
)]

mod client;
mod executor;
mod log;
mod plan;
mod publisher;
mod run;
mod seen;
mod trace;
mod truth;

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use self::{run::run, trace::Trace};

/// The seed that is to be run, if there is one.
fn seed() -> Option<u64> {
    env::var("SIM_SEED").ok().map(|seed| seed.parse().unwrap())
}

/// Runs a seed, and says which it was if it fails. Returns the number of steps.
fn run_and_tell(seed: u64, trace: &mut Trace) -> u64 {
    catch_unwind(AssertUnwindSafe(|| run(seed, trace))).unwrap_or_else(|panic| {
        println!("SIM_SEED={seed} fails; SIM_TRACE=file writes its steps to a file");
        resume_unwind(panic)
    })
}

/// New seeds, for as many seconds as `SIM_SECONDS` says; or the one of `SIM_SEED`.
#[test]
fn fresh_seeds() {
    if let Some(seed) = seed() {
        let mut trace = match env::var_os("SIM_TRACE") {
            Some(path) => Trace::to_file(Path::new(&path)),
            None => Trace::new(),
        };
        let steps = run_and_tell(seed, &mut trace);
        println!("SIM_SEED={seed}: {steps} steps, trace {:016x}", trace.digest());
        return;
    }
    let limit = env::var("SIM_SECONDS").map_or(5, |seconds| seconds.parse().unwrap());
    let (began, limit) = (Instant::now(), Duration::from_secs(limit));
    let first = fastrand::u64(..);
    let (mut runs, mut steps) = (0, 0);
    while began.elapsed() < limit {
        steps += run_and_tell(first.wrapping_add(runs), &mut Trace::new());
        runs += 1;
    }
    let rate = steps as f64 / began.elapsed().as_secs_f64() * 60.0;
    println!("measured: {runs} seeds from {first} on, {steps} steps, {rate:.0} a minute");
}

/// In two processes, and after others in one.
#[test]
fn the_same_seed_gives_the_same_trace_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    for seed in [1, 2, 3].map(|_| fastrand::u64(..)) {
        println!("SIM_SEED={seed}");
        let traces = ["one", "other"].map(|name| {
            let path = folder.path().join(name);
            let mut process = Command::new(env::current_exe().unwrap());
            process
                .args(["--exact", "fresh_seeds"])
                .env("SIM_SEED", seed.to_string())
                .env("SIM_TRACE", &path);
            assert!(process.output().unwrap().status.success());
            fs::read_to_string(path).unwrap()
        });
        assert!(traces[0].lines().count() > 500, "{}", traces[0]);
        let differs = traces[0]
            .lines()
            .zip(traces[1].lines())
            .find(|(one, other)| one != other);
        assert!(traces[0] == traces[1], "{differs:?}");

        let mut here = Trace::new();
        run_and_tell(seed.wrapping_add(1), &mut Trace::new());
        run_and_tell(seed, &mut here);
        assert_eq!(here.digest(), trace::digest(&traces[0]));
    }
}
