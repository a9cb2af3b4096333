//! What a seed stands for: keys and their limits, and what happens in which order.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
/// How far clocks step, in microseconds: less than a throttle notices, and across days.
const STEPS: [i64; 8] =
    [-25 * HOUR, -HOUR, -90 * SECOND, -2 * SECOND, 3 * SECOND, 100 * SECOND, 2 * HOUR, 26 * HOUR];

/// A method of the API that is called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Method {
    /// Its path.
    pub(super) path: &'static str,
    /// Quota units of a call.
    pub(super) units: u64,
}

/// The methods; a call of the first is one unit.
pub(super) const METHODS: [Method; 3] = [
    Method { path: "/light", units: 1 },
    Method { path: "/heavy", units: 5 },
    Method { path: "/heavier", units: 17 },
];

/// One run.
#[derive(Debug)]
pub(super) struct Mix {
    /// Gateway processes.
    pub(super) gateways: usize,
    /// Keys, each in a usage plan of its own.
    pub(super) keys: Vec<KeyMix>,
    /// What happens, one after the other.
    pub(super) events: Vec<Event>,
    /// Decides which method a call goes to.
    pub(super) seed: u64,
}

/// A key and who calls with it.
#[derive(Debug)]
pub(super) struct KeyMix {
    /// Units by period, `DAY` or `MONTH`: a call counts against each, or is refused.
    pub(super) quotas: BTreeMap<&'static str, u64>,
    /// Rate and burst.
    pub(super) throttle: Option<(u32, u32)>,
    /// Threads that call at once.
    pub(super) callers: usize,
}

/// Something happens after some calls.
#[derive(Debug)]
pub(super) struct Event {
    /// Answers that clients get first, if they come within a second.
    pub(super) after_calls: usize,
    /// What happens.
    pub(super) disturbance: Disturbance,
}

/// What happens to a process, by its name.
#[derive(Debug)]
pub(super) enum Disturbance {
    /// It is killed and started again; Redis keeps nothing.
    Killed(String),
    /// Its clock is wrong by so many microseconds from now on.
    ClockSet(String, i64),
}

impl Mix {
    pub(super) fn new(seed: u64, gateways: usize, events: usize) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let keys = (0..random.random_range(2..=3)).map(|_| KeyMix::new(&mut random)).collect();
        let events = (0..events).map(|_| Event::new(&mut random, gateways)).collect();
        Self { gateways, keys, events, seed }
    }
}

impl KeyMix {
    fn new(random: &mut StdRng) -> Self {
        let throttled = random.random_bool(0.4);
        let throttle = (random.random_range(50..300), random.random_range(10..100));
        // From one unit to more than all callers use up.
        let mut quota = || 2_f64.powf(random.random_range(0.0..11.5)) as u64;
        let (day, month) = (("DAY", quota()), ("MONTH", quota()));
        let quotas: &[_] = match random.random_range(0..3) {
            0 => &[day],
            1 => &[month],
            _ => &[day, month],
        };
        Self {
            quotas: quotas.iter().copied().collect(),
            throttle: throttled.then_some(throttle),
            callers: random.random_range(1..=2),
        }
    }

    /// Its usage plan on the stage `live` of an API.
    pub(super) fn plan(&self, api: &str) -> Value {
        let quota = |(period, limit): (&&str, &u64)| json!({ "limit": limit, "period": period });
        let cost = |method: &Method| json!({ "path": format!("{}/GET", method.path), "units": method.units });
        let mut plan = json!({
            "name": "exact",
            "quotas": self.quotas.iter().map(quota).collect::<Vec<_>>(),
            "stages": [{ "apiId": api, "stage": "live", "costs": METHODS.iter().map(cost).collect::<Vec<_>>() }],
        });
        if let Some((rate, burst)) = self.throttle {
            plan["throttle"] = json!({ "rateLimit": rate, "burstLimit": burst });
        }
        plan
    }
}

impl Event {
    fn new(random: &mut StdRng, gateways: usize) -> Self {
        let gateway = format!("gateway-{}", random.random_range(1..=gateways));
        let disturbance = match random.random_range(0..100) {
            0..40 => Disturbance::Killed(gateway),
            40..55 => Disturbance::Killed("metering".into()),
            55..65 => Disturbance::Killed("redis".into()),
            65..75 => Disturbance::Killed("postgres".into()),
            other => {
                let process = if other < 93 { gateway } else { "metering".into() };
                Disturbance::ClockSet(process, *STEPS.choose(random).unwrap())
            }
        };
        Self { after_calls: random.random_range(0..300), disturbance }
    }
}
