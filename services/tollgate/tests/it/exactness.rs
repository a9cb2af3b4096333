//! Are quotas exact on real processes and stores, whatever dies and whatever clocks say?
//!
//! Each run is a seed: keys with quotas, throttles and weighted methods, called at once round 1, 2 or 4 gateways, while gateways and
//! metering are killed, Redis is restarted empty, PostgreSQL is restarted, and clocks step forward and back. Then everything comes
//! back and what is left is demanded. Accepted never exceeds a quota, demand reaches it to the unit, and records, sums and
//! leases agree. The seed decides what happens; the machine decides when, so a seed that failed may have to run several times.
//!
//! The ordinary suite makes one short run for each size of the fleet. `TOLLGATE_EXACTNESS_RUNS=N` makes N long ones instead (see
//! docs/RELIABILITY.md), from `TOLLGATE_EXACTNESS_SEED` on, if that is given.

mod mix;
mod world;

use mix::Mix;
use world::World;

/// Sizes of the fleet.
const FLEETS: [usize; 3] = [1, 2, 4];
/// What happens in a short run.
const DISTURBANCES: usize = 5;
/// What happens in a long run.
const MORE_DISTURBANCES: usize = 16;

#[expect(clippy::print_stdout, reason = "whoever runs it wants the seed and the figures")]
fn run(seed: u64, gateways: usize, disturbances: usize) {
    let mix = Mix::new(seed, gateways, disturbances);
    println!("seed {seed}, {gateways} gateways: {mix:?}");
    let world = World::new(&mix);
    world.live(&mix);
    world.demand_everything(&mix);
    let told = world.judge(&mix);
    println!("seed {seed}, {gateways} gateways: {told}");
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

fn short_run(gateways: usize) {
    if number("TOLLGATE_EXACTNESS_RUNS").is_none() {
        run(number("TOLLGATE_EXACTNESS_SEED").unwrap_or_else(rand::random), gateways, DISTURBANCES);
    }
}

#[test]
fn quotas_are_exact_with_one_gateway() {
    short_run(FLEETS[0]);
}

#[test]
fn quotas_are_exact_with_two_gateways() {
    short_run(FLEETS[1]);
}

#[test]
fn quotas_are_exact_with_four_gateways() {
    short_run(FLEETS[2]);
}

#[test]
fn quotas_are_exact_in_every_one_of_many_long_runs() {
    let runs = number("TOLLGATE_EXACTNESS_RUNS").unwrap_or(0);
    let first = number("TOLLGATE_EXACTNESS_SEED").unwrap_or_else(rand::random);
    for seed in (0..runs).map(|run| first.wrapping_add(run)) {
        run(seed, FLEETS[(seed % FLEETS.len() as u64) as usize], MORE_DISTURBANCES);
    }
}
