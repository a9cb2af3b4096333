//! The bound of [`crate::admission::Share`], tried out: real shares, a store that is a function, any schedule of exchanges.

use contracts::metering::Throttle;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::admission::{Bucket, BucketName, Due, Rate, Report, Sharing};

const START: i64 = 1_700_000_000_000_000;
const SECOND: i64 = 1_000_000;

/// What `full_at.lua` does: how far the bucket is from being full after a report. The new state is `now` and that.
pub(super) fn charged(full_at: Option<i64>, now: i64, report: &Report) -> i64 {
    let ahead = full_at.map_or(report.believed, |full_at| full_at - now);
    (ahead.max(0) + report.cost).min(report.most).max(0)
}

#[derive(Debug, Clone)]
struct Setup {
    gateways: usize,
    throttle: Throttle,
    /// Microseconds between two exchanges of a gateway.
    every: i64,
    /// Longest way to the store or back.
    way: i64,
    seconds: i64,
    seed: u64,
    demand: Demand,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Demand {
    /// More than the rate everywhere.
    Everywhere,
    /// More than the rate at one gateway.
    AtOne,
    /// Bursts, pauses and moves at random.
    AtRandom,
}

struct Gateway {
    sharing: Sharing,
    due: UnboundedReceiver<Due>,
    bucket: Bucket,
    /// Its clock, against the true one.
    offset: i64,
    exchange: Exchange,
    wants: bool,
}

enum Exchange {
    /// Nothing is on its way; the next may begin then.
    At(i64),
    Asking {
        due: Due,
        report: Report,
        arrives: i64,
        back: i64,
    },
    Answered {
        due: Due,
        ahead: i64,
        arrives: i64,
    },
}

/// Calls let through, by time, and how far an unlimited bucket was from full at most.
struct Outcome {
    passed: usize,
    most_ahead_ns: i128,
}

fn simulate(setup: &Setup) -> Outcome {
    let mut random = StdRng::seed_from_u64(setup.seed);
    let rate = Rate::new(&setup.throttle);
    let interval_ns = (1e9 / setup.throttle.rate_limit) as i128;
    let mut gateways: Vec<_> = (0..setup.gateways).map(|_| gateway(setup, &mut random)).collect();
    let (mut stored, store_offset) = (None, random.random_range(-SECOND..SECOND));
    let (mut seen_ns, mut outcome) = (0_i128, Outcome { passed: 0, most_ahead_ns: 0 });
    // Finer than the calls that may pass and than the exchanges.
    let step = (SECOND / (setup.throttle.rate_limit as i64 * 4).max(100)).clamp(50, 5_000);
    let mut now = START;
    while now < START + setup.seconds * SECOND {
        now += random.random_range(1..=step);
        for (index, gateway) in gateways.iter_mut().enumerate() {
            exchange(setup, gateway, &mut stored, store_offset, now, &mut random);
            let wants = match setup.demand {
                Demand::Everywhere => true,
                Demand::AtOne => index == 0,
                Demand::AtRandom => {
                    gateway.wants ^= random.random_range(0..200) == 0;
                    gateway.wants
                }
            };
            while wants && gateway.bucket.take(rate, now + gateway.offset).is_ok() {
                outcome.passed += 1;
                seen_ns = seen_ns.max(i128::from(now) * 1000) + interval_ns;
                outcome.most_ahead_ns = outcome.most_ahead_ns.max(seen_ns - i128::from(now) * 1000);
                if setup.demand == Demand::AtRandom && random.random_range(0..3) == 0 {
                    break;
                }
            }
        }
    }
    outcome
}

fn gateway(setup: &Setup, random: &mut StdRng) -> Gateway {
    let (sharing, due) = Sharing::new();
    sharing.set_gateways(setup.gateways as u32);
    let stage = || BucketName::Stage { api: "abcdefghij".parse().unwrap(), stage: "live".into() };
    Gateway {
        bucket: sharing.bucket(stage),
        sharing,
        due,
        offset: random.random_range(-SECOND..SECOND),
        exchange: Exchange::At(START + random.random_range(0..setup.every)),
        wants: true,
    }
}

/// Moves a gateway's exchange on: asking, at the store, answered.
fn exchange(
    setup: &Setup,
    gateway: &mut Gateway,
    stored: &mut Option<i64>,
    store_offset: i64,
    now: i64,
    random: &mut StdRng,
) {
    if let Exchange::At(at) = gateway.exchange
        && now >= at
        && let Ok(due) = gateway.due.try_recv()
    {
        let report = due.share.report(due.rate, now + gateway.offset, false);
        let (there, back) = (random.random_range(0..=setup.way), random.random_range(0..=setup.way));
        gateway.exchange = Exchange::Asking { due, report, arrives: now + there, back };
    }
    if let Exchange::Asking { due, report, arrives, back } = &gateway.exchange
        && now >= *arrives
    {
        let ahead = charged(*stored, now + store_offset, report);
        *stored = Some(now + store_offset + ahead);
        gateway.exchange = Exchange::Answered { due: due.clone(), ahead, arrives: now + back };
    }
    if let Exchange::Answered { due, ahead, arrives } = &gateway.exchange
        && now >= *arrives
    {
        due.share.reported(due.rate, *ahead, now + gateway.offset);
        gateway.exchange = Exchange::At(now + setup.every);
    }
    assert_eq!(gateway.sharing.gateways() as usize, setup.gateways);
}

/// `D + d + (G - 1) * (D/G + T)`, and the microseconds by which times are rounded.
fn bound_ns(setup: &Setup) -> i128 {
    let interval = 1e9 / setup.throttle.rate_limit;
    let depth = interval * f64::from(setup.throttle.burst_limit);
    let gateways = setup.gateways as f64;
    // A step of the simulation may pass between each of an exchange's moments.
    let report = (setup.every + 2 * setup.way + 4 * 5_000) as f64 * 1e3;
    (depth + report + (gateways - 1.0) * (depth / gateways + interval) + 1e3 * gateways) as i128
}

fn setups() -> impl Strategy<Value = Setup> {
    let demand = prop_oneof![Just(Demand::Everywhere), Just(Demand::AtOne), Just(Demand::AtRandom)];
    let throttle = (1.0_f64..2_000.0, 1_u32..400)
        .prop_map(|(rate_limit, burst_limit)| Throttle { rate_limit, burst_limit });
    (1_usize..6, throttle, 10_000_i64..200_000, 0_i64..50_000, any::<u64>(), demand).prop_map(
        |(gateways, throttle, every, way, seed, demand)| Setup {
            gateways,
            throttle,
            every,
            way,
            seconds: 5,
            seed,
            demand,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_window_lets_more_through_than_the_bound_whatever_the_exchanges(setup in setups()) {
        let outcome = simulate(&setup);
        let bound = bound_ns(&setup);
        prop_assert!(outcome.most_ahead_ns <= bound, "{} of {bound} ns", outcome.most_ahead_ns);
    }
}

fn steady(demand: Demand, gateways: usize) -> f64 {
    let throttle = Throttle { rate_limit: 200.0, burst_limit: 100 };
    let setup = Setup { gateways, throttle, every: 100_000, way: 500, seconds: 20, seed: 7, demand };
    simulate(&setup).passed as f64 / (20.0 * throttle.rate_limit + f64::from(throttle.burst_limit))
}

#[test]
fn a_fleet_passes_the_rate_wherever_the_calls_arrive() {
    for gateways in [1, 2, 4] {
        for demand in [Demand::Everywhere, Demand::AtOne] {
            let part = steady(demand, gateways);
            assert!((0.97..1.02).contains(&part), "{gateways} gateways, {demand:?}: {part}");
        }
    }
}

#[test]
fn a_bucket_of_one_token_passes_calls_on_every_gateway() {
    let throttle = Throttle { rate_limit: 10.0, burst_limit: 1 };
    for demand in [Demand::Everywhere, Demand::AtOne] {
        let setup = Setup { gateways: 5, throttle, every: 100_000, way: 500, seconds: 20, seed: 3, demand };
        let passed = simulate(&setup).passed;
        assert!((180..=210).contains(&passed), "{demand:?}: {passed}");
    }
}

#[test]
fn without_any_exchange_the_shares_alone_hold() {
    let throttle = Throttle { rate_limit: 50.0, burst_limit: 20 };
    let setup = Setup {
        gateways: 4,
        throttle,
        every: i64::MAX / 4,
        way: 0,
        seconds: 10,
        seed: 11,
        demand: Demand::Everywhere,
    };
    let passed = simulate(&setup).passed;
    assert!((500..=500 + 20 + 3).contains(&passed), "{passed}");
}
