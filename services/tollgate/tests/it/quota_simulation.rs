//! Are quotas hard, and does every call leave exactly one record, whatever dies, is lost, repeated or late?
//!
//! Each schedule is a seed: gateways (the real spool, ledger and desk, on a disk in memory) and an authority (the real rules)
//! exchange messages over a bad network while gateways are killed at any store, lose power, restart, are forgotten, and
//! metering restarts. Then everything comes back, all calls end, all leases close, and the sums must agree.
//! A schedule that fails prints its seed; `QUOTA_SEED=n` runs that one alone.

mod authority;
mod gateway;
mod world;

use world::{Fault, World};

const SCHEDULES: u64 = 10_000;

fn run(seed: u64, fault: Fault) -> Result<(), String> {
    let mut world = World::new(seed, fault);
    world.live()?;
    world.settle_everything()?;
    world.judge()
}

fn sweep(seeds: std::ops::Range<u64>, fault: Fault) -> Result<(), String> {
    for seed in seeds {
        run(seed, fault).map_err(|error| format!("seed {seed}: {error}"))?;
    }
    Ok(())
}

#[test]
fn accepted_never_exceeds_the_quota_and_every_call_has_one_record() {
    if let Ok(seed) = std::env::var("QUOTA_SEED") {
        let seed = seed.parse().unwrap();
        return sweep(seed..seed + 1, Fault::None).unwrap();
    }
    let half = SCHEDULES / 2;
    let outcome = std::thread::scope(|scope| {
        let other = scope.spawn(move || sweep(half..SCHEDULES, Fault::None));
        sweep(0..half, Fault::None).and_then(|()| other.join().unwrap())
    });
    outcome.unwrap();
}

#[test]
fn the_simulation_finds_leases_that_are_closed_by_time() {
    assert!(sweep(0..500, Fault::LeasesCloseByTime).is_err());
}

#[test]
fn the_simulation_finds_lease_state_that_is_trusted_after_a_loss_of_power() {
    assert!(sweep(0..500, Fault::PowerLossTrusted).is_err());
}

#[test]
fn the_simulation_finds_batches_that_are_taken_twice() {
    assert!(sweep(0..500, Fault::RepeatsTaken).is_err());
}
