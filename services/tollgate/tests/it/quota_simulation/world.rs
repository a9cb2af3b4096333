//! One schedule: what happens when, and what must hold at the end.

use std::collections::{BTreeMap, BTreeSet};

use common::id::{GatewayId, IncarnationId, KeyId, RequestId, SubscriptionId, UsagePlanId};
use contracts::lease::{
    AppendBatch, Appended, Budget, LeaseAnswers, LeaseSettle, LeaseSettled, WatermarkReported,
};
use contracts::record::{Flags, Reason};
use gateway::admission::{Message, Published};
use gateway::spool::Disk;
use gateway::spool::memory::MemoryDisk;
use uuid::Uuid;

use super::authority::{Authority, Limits, QUOTAS, SPEND, kind_of};
use super::gateway::{Budgets, Fate, Gateway, Known, Outgoing, PRICE, WORKERS, moment};
use super::invariants::{Broken, Fault, Invariant};

/// Ten seconds before midnight, so that some schedules cross into the next period.
const START: i64 = 1_795_391_990_000_000;

#[derive(Clone)]
enum Answer {
    Registered,
    Granted(LeaseAnswers),
    Settled(LeaseSettle, LeaseSettled),
    Appended(AppendBatch, Appended),
    Reported(WatermarkReported),
}

#[derive(Clone)]
enum Parcel {
    Request(Outgoing),
    Answer(Answer),
}

struct Posted {
    gateway: usize,
    run: IncarnationId,
    parcel: Parcel,
}

pub(super) struct World {
    random: Random,
    fault: Fault,
    now: i64,
    metering: Authority,
    gateways: Vec<Gateway>,
    network: BTreeMap<(i64, u64), Posted>,
    posted: u64,
    reliable: bool,
    runs: u128,
    requests: u128,
    keys: Vec<KeyId>,
    budgets: Budgets,
    known: BTreeMap<RequestId, Known>,
    lost_power: BTreeSet<IncarnationId>,
}

impl World {
    pub(super) fn new(seed: u64, fault: Fault) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66);
        let limits = some_limits(&mut random);
        let subscription = SubscriptionId::from_uuid(Uuid::from_u128(78));
        let budgets = Budgets {
            plan: UsagePlanId::from_uuid(Uuid::from_u128(77)),
            quotas: &QUOTAS[..1 + random.below(2) as usize],
            subscription: random.chance(50).then_some(subscription),
        };
        let gateways = 1 + random.below(3);
        let keys = 1 + random.below(2);
        let mut world = Self {
            now: START - if random.chance(30) { 0 } else { 3_600_000_000 },
            fault,
            metering: Authority::new(fault, limits),
            gateways: Vec::new(),
            network: BTreeMap::new(),
            posted: 0,
            reliable: false,
            runs: 0,
            requests: 0,
            keys: (1..=keys).map(|key| KeyId::from_uuid(Uuid::from_u128(u128::from(key)))).collect(),
            budgets,
            known: BTreeMap::new(),
            lost_power: BTreeSet::new(),
            random,
        };
        for gateway in 0..gateways {
            world.gateways.push(Gateway {
                id: GatewayId::from_uuid(Uuid::from_u128(u128::from(gateway) + 1)),
                disk: MemoryDisk::default(),
                terms: budgets,
                charges_torn: fault == Fault::ChargesTorn,
                boot: 0,
                live: None,
            });
            world.start(gateway as usize);
        }
        world
    }

    /// Random events for a while.
    pub(super) fn live(&mut self) -> Result<(), Broken> {
        let power = self.random.chance(35);
        let forget = self.random.chance(10);
        let steps = 80 + self.random.below(160);
        for _ in 0..steps {
            let at = self.random.below(self.gateways.len() as u64) as usize;
            match self.random.below(100) {
                0..45 => self.call(at),
                45..65 => self.end_call(at),
                65..72 => self.retry(at),
                72..90 => self.advance_randomly()?,
                90..95 => self.kill_soon(at),
                95 if power => self.lose_power(at),
                95 => self.kill_soon(at),
                96 => self.network.clear(),
                97 if forget => self.forget(at),
                97 => self.advance(3_000_000)?,
                98 => self.change_limit(),
                _ => self.shut_down_and_start(at)?,
            }
            self.restart_dead();
            self.check_bound()?;
        }
        Ok(())
    }

    /// Everything comes back, the network is good, every call ends, every lease closes.
    pub(super) fn settle_everything(&mut self) -> Result<(), Broken> {
        self.reliable = true;
        for at in 0..self.gateways.len() {
            self.gateways[at].disk.kill_after(u64::MAX);
            self.restart_dead();
        }
        self.check_bound()?;
        self.close_leases()?;
        self.demand_everything()
    }

    fn end_calls(&mut self) {
        for gateway in &mut self.gateways {
            let Some(live) = gateway.live.as_mut() else { continue };
            while !live.pending.is_empty() {
                live.retry(0, true, &gateway.disk, &mut self.known);
            }
            while !live.calls.is_empty() {
                live.end(0, 7, &gateway.disk, &mut self.known);
            }
        }
    }

    fn close_leases(&mut self) -> Result<(), Broken> {
        self.end_calls();
        for gateway in &mut self.gateways {
            if let Some(live) = &mut gateway.live {
                live.desk.shut_down(moment(self.now));
            }
        }
        for _ in 0..400 {
            self.advance(50_000)?;
            let idle = |gateway: &mut Gateway| {
                gateway.live.as_mut().is_none_or(|live| {
                    let handed_over =
                        live.ledgers.iter().all(|ledger| ledger.close() && ledger.in_flight() == 0);
                    handed_over && live.desk.farewell().is_some() && live.keeper.is_idle()
                })
            };
            if self.gateways.iter_mut().all(idle) {
                return Ok(());
            }
        }
        let busy: Vec<_> =
            self.gateways.iter_mut().filter_map(|gateway| Some(gateway.live.as_mut()?.describe())).collect();
        Err(Invariant::EverythingComesToRest.broken(format!("gateways are busy: {busy:?}")))
    }

    /// Fresh runs use up what is left of the present period, to the last unit.
    fn demand_everything(&mut self) -> Result<(), Broken> {
        // Close to midnight the present period would end under the demand.
        if self.now > START - 1_800_000_000 {
            self.now = self.now.max(START + 60_000_000);
        }
        for at in 0..self.gateways.len() {
            self.gateways[at].live = None;
            self.start(at);
        }
        for round in 0..3_000 {
            for at in 0..self.gateways.len() {
                self.call(at);
                let disk = self.gateways[at].disk.clone();
                let Some(live) = self.gateways[at].live.as_mut() else { continue };
                for index in (0..live.pending.len()).rev() {
                    live.retry(index, round % 4 == 3, &disk, &mut self.known);
                }
                while !live.calls.is_empty() {
                    live.end(0, 7, &disk, &mut self.known);
                }
            }
            self.advance(50_000)?;
            let used_up = |budget: &Budget| {
                let start = Authority::span(kind_of(budget), self.now).start;
                let period = self.metering.periods.get(&(*budget, start));
                // What is left may be too little for one call.
                let least = if kind_of(budget) == SPEND { PRICE } else { 1 };
                period.is_some_and(|period| period.settled + least > period.limit)
            };
            if self.keys.iter().all(|key| self.budgets_of(*key).iter().any(used_up)) {
                return self.close_leases();
            }
        }
        let now = |budget: &Budget| Authority::span(kind_of(budget), self.now).start;
        let left: Vec<_> =
            self.metering.periods.iter().filter(|((budget, start), _)| now(budget) == *start).collect();
        Err(Invariant::EverythingComesToRest.broken(format!("demand did not use the quota up: {left:?}")))
    }

    /// What must hold once everything is closed.
    pub(super) fn judge(&mut self) -> Result<(), Broken> {
        self.check_bound()?;
        let trusted = self.lost_power.is_empty() && !self.metering.written_off;
        for (id, known) in &self.known {
            let stored = self.metering.records.get(id);
            if self.lost_power.contains(&known.run) {
                continue;
            }
            let Some(stored) = stored else {
                if known.fate == Fate::Unsure {
                    continue;
                }
                return Err(Invariant::NoCallLost.broken(format!("{id} ({known:?}) left no record")));
            };
            let expected = match known.fate {
                Fate::Ended(units, billed) => Some((units, billed)),
                Fate::Forwarded => Some((known.units, known.units)),
                Fate::Open => Some((0, 0)),
                Fate::Unsure => None,
            };
            let price = self.budgets.subscription.map_or(0, |_| PRICE);
            let charged = |period| stored.flags.contains(Flags::charged(period));
            let quotas = self.budgets.quotas.iter().filter(|period| charged(**period)).count();
            let all = quotas == self.budgets.quotas.len();
            let interrupted = stored.reason == Reason::Interrupted && stored.spend != stored.units * price;
            if quotas > 0 && !all
                || quotas == 0 && stored.spend > 0
                || interrupted && known.fate != Fate::Unsure
            {
                let what = format!("{id} ({known:?}) took from some of its budgets: {stored:?}");
                return Err(Invariant::AllOrNothing.broken(what));
            }
            if expected.is_some_and(|(units, billed)| (units, billed * price) != (stored.units, stored.spend))
            {
                let what = format!("{id} ({known:?}) has the record {stored:?}");
                return Err(Invariant::RecordsCountTruly.broken(what));
            }
        }
        for ((budget, start), period) in &self.metering.periods {
            if period.open() != 0 {
                let what = format!("period {start} of {budget:?} has open leases: {:?}", period.leases);
                return Err(Invariant::EverythingComesToRest.broken(what));
            }
            let highest = self.metering.highest[kind_of(budget)];
            if period.settled > highest {
                let what = format!("settled {} of {highest} of {budget:?}", period.settled);
                return Err(Invariant::QuotaIsHard.broken(what));
            }
        }
        let mut recorded: BTreeMap<(usize, i64), u64> = BTreeMap::new();
        for stored in self.metering.records.values() {
            for (kind, period) in QUOTAS.iter().enumerate() {
                if stored.flags.contains(Flags::charged(*period)) {
                    *recorded.entry((kind, Authority::span(kind, stored.at).start)).or_default() +=
                        stored.units;
                }
            }
            *recorded.entry((SPEND, Authority::span(SPEND, stored.at).start)).or_default() += stored.spend;
        }
        let mut settled: BTreeMap<(usize, i64), u64> = BTreeMap::new();
        for ((budget, start), period) in &self.metering.periods {
            *settled.entry((kind_of(budget), *start)).or_default() += period.settled;
        }
        recorded.retain(|_, units| *units > 0);
        settled.retain(|_, units| *units > 0);
        if trusted && recorded != settled {
            let what = format!("records say {recorded:?}, leases say {settled:?}");
            return Err(Invariant::RecordsAgreeWithLeases.broken(what));
        }
        for (start, units) in &recorded {
            let settled = settled.get(start).copied().unwrap_or(0);
            if *units > settled {
                let what = format!("records of period {start:?} say {units}, leases say {settled}");
                return Err(Invariant::RecordsAgreeWithLeases.broken(what));
            }
        }
        Ok(())
    }

    /// Accepted <= Q, at every moment.
    fn check_bound(&self) -> Result<(), Broken> {
        let mut accepted: BTreeMap<(Budget, i64), u64> = BTreeMap::new();
        for known in self.known.values() {
            let (units, billed) = match known.fate {
                Fate::Forwarded => (known.units, known.units),
                Fate::Ended(units, billed) => (units, billed),
                Fate::Open | Fate::Unsure => (0, 0),
            };
            for budget in self.budgets_of(known.key) {
                let kind = kind_of(&budget);
                let taken = if kind == SPEND { billed * PRICE } else { units };
                *accepted.entry((budget, Authority::span(kind, known.at).start)).or_default() += taken;
            }
        }
        let highest = |budget: &Budget| self.metering.highest[kind_of(budget)];
        let over = accepted.iter().find(|((budget, _), units)| **units > highest(budget));
        over.map_or(Ok(()), |(what, units)| {
            let what = format!("accepted {units} of {} for {what:?}", highest(&what.0));
            Err(Invariant::QuotaIsHard.broken(what))
        })
    }

    /// What calls of a key are charged to.
    fn budgets_of(&self, key: KeyId) -> Vec<Budget> {
        let plan = self.budgets.plan;
        let quotas = self.budgets.quotas.iter().map(|period| Budget::Quota { key, plan, period: *period });
        quotas.chain(self.budgets.subscription.map(|subscription| Budget::Spend { subscription })).collect()
    }

    fn start(&mut self, at: usize) {
        self.runs += 1;
        let millis = u64::try_from(self.now / 1000).unwrap();
        let tail: [u8; 10] = self.runs.to_be_bytes()[6..].try_into().unwrap();
        let run =
            IncarnationId::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid());
        let gateway = &mut self.gateways[at];
        gateway.disk = gateway.disk.restart();
        if !self.reliable && self.random.chance(15) {
            gateway.disk.kill_after(self.random.below(60));
        }
        let boot = if self.fault == Fault::PowerLossTrusted { 0 } else { gateway.boot };
        let started = gateway.start(run, self.now, boot);
        if started.is_none() {
            gateway.live = None;
        } else {
            gateway.disk.kill_after(u64::MAX);
        }
    }

    fn restart_dead(&mut self) {
        for at in 0..self.gateways.len() {
            while self.gateways[at].live.is_none() || self.gateways[at].disk.is_dead() {
                // What a dead process leaves in memory must not run its destructors into the simulation's books.
                self.gateways[at].live = None;
                self.start(at);
            }
        }
    }

    fn call(&mut self, at: usize) {
        self.requests += 1;
        let id = RequestId::from_uuid(Uuid::from_u128(self.requests));
        let key = self.keys[self.random.below(self.keys.len() as u64) as usize];
        let units = match self.random.below(100) {
            0..8 => 2,
            8..12 => 5,
            _ => 1,
        };
        let worker = self.random.below(WORKERS as u64) as usize;
        let gateway = &mut self.gateways[at];
        if let Some(live) = &mut gateway.live {
            live.call(worker, id, (key, units), self.now, &gateway.disk, &mut self.known);
        }
    }

    fn retry(&mut self, at: usize) {
        let give_up = self.random.chance(20);
        let gateway = &mut self.gateways[at];
        let Some(live) = &mut gateway.live else { return };
        if live.pending.is_empty() {
            return;
        }
        let index = self.random.below(live.pending.len() as u64) as usize;
        live.retry(index, give_up, &gateway.disk, &mut self.known);
    }

    fn end_call(&mut self, at: usize) {
        let how = self.random.below(8);
        let gateway = &mut self.gateways[at];
        let Some(live) = &mut gateway.live else { return };
        if live.calls.is_empty() {
            return;
        }
        let index = self.random.below(live.calls.len() as u64) as usize;
        live.end(index, how, &gateway.disk, &mut self.known);
    }

    fn kill_soon(&mut self, at: usize) {
        self.gateways[at].disk.kill_after(self.random.below(50));
    }

    fn lose_power(&mut self, at: usize) {
        let gateway = &mut self.gateways[at];
        gateway.disk.kill_after(0);
        gateway.live = None;
        // What earlier runs left on this disk loses it too.
        let runs = Disk::Memory(gateway.disk.clone()).directories().unwrap_or_default();
        self.lost_power.extend(runs.iter().filter_map(|run| run.parse::<IncarnationId>().ok()));
        gateway.boot += 1;
        let random = &mut self.random;
        gateway.disk = gateway.disk.lose_power(|| random.chance(50));
    }

    fn forget(&mut self, at: usize) {
        let id = self.gateways[at].id;
        self.metering.forget(id);
    }

    fn change_limit(&mut self) {
        let mut limits = self.metering.limits;
        for limit in &mut limits {
            // A cap that is not a multiple of the price could not be used up to the last unit.
            *limit = (*limit + PRICE * self.random.below(7)).saturating_sub(PRICE * 3).max(PRICE);
        }
        self.metering.set_limits(limits);
        let plan = Published::Plan(self.budgets.plan);
        let cap = self.budgets.subscription.map(Published::Subscription);
        for gateway in &mut self.gateways {
            let Some(live) = &mut gateway.live else { continue };
            for published in std::iter::once(plan).chain(cap) {
                live.desk.published(published, moment(self.now));
            }
        }
    }

    fn shut_down_and_start(&mut self, at: usize) -> Result<(), Broken> {
        if let Some(live) = &mut self.gateways[at].live {
            live.desk.shut_down(moment(self.now));
        }
        self.advance_randomly()?;
        let Some(mut live) = self.gateways[at].live.take() else { return Ok(()) };
        let disk = self.gateways[at].disk.clone();
        if self.random.chance(50) {
            let _ = live.run.end_clean();
            disk.kill_after(0);
            return Ok(());
        }
        // A process that ends in good order drops its calls.
        while !live.calls.is_empty() {
            live.end(0, 2, &disk, &mut self.known);
        }
        Ok(())
    }

    fn advance_randomly(&mut self) -> Result<(), Broken> {
        let by =
            if self.random.chance(80) { self.random.below(100_000) } else { self.random.below(1_500_000) };
        self.advance(by as i64)
    }

    /// Lets time pass, deliveries happen and everybody do what is due.
    fn advance(&mut self, by: i64) -> Result<(), Broken> {
        self.now += by;
        for gateway in &mut self.gateways {
            if let Some(live) = &mut gateway.live {
                live.clock_to(self.now);
            }
        }
        for _ in 0..4 {
            self.pump();
            if !self.deliver()? {
                break;
            }
        }
        Ok(())
    }

    fn pump(&mut self) {
        for at in 0..self.gateways.len() {
            let Some(live) = &mut self.gateways[at].live else { continue };
            let run = live.run.incarnation();
            let outgoing = live.pump(self.now);
            if self.gateways[at].disk.is_dead() {
                continue;
            }
            for message in outgoing {
                self.post(at, run, Parcel::Request(message));
            }
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "what is posted is given away, however many copies arrive"
    )]
    fn post(&mut self, gateway: usize, run: IncarnationId, parcel: Parcel) {
        let copies = match self.random.below(100) {
            _ if self.reliable => 1,
            0..10 => 0,
            10..20 => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let delay = match self.random.below(100) {
                _ if self.reliable => 0,
                0..60 => 0,
                60..95 => self.random.below(300_000) as i64,
                _ => self.random.below(8_000_000) as i64,
            };
            self.posted += 1;
            self.network
                .insert((self.now + delay, self.posted), Posted { gateway, run, parcel: parcel.clone() });
        }
    }

    /// Delivers what is due; answers whether there was anything.
    fn deliver(&mut self) -> Result<bool, Broken> {
        let mut any = false;
        while let Some(entry) = self.network.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let Posted { gateway, run, parcel } = entry.remove();
            any = true;
            match parcel {
                Parcel::Request(request) => {
                    let answer = self.answer(request)?;
                    self.post(gateway, run, Parcel::Answer(answer));
                }
                Parcel::Answer(answer) => self.receive(gateway, run, &answer),
            }
        }
        Ok(any)
    }

    fn answer(&mut self, request: Outgoing) -> Result<Answer, Broken> {
        Ok(match request {
            Outgoing::Desk(Message::Register(request)) => {
                self.metering.register(&request);
                Answer::Registered
            }
            Outgoing::Desk(Message::Grant(request)) => {
                Answer::Granted(self.metering.grant(&request, self.now))
            }
            Outgoing::Desk(Message::Settle(request)) => {
                let answer = self.metering.settle(&request)?;
                Answer::Settled(request, answer)
            }
            Outgoing::Append(request) => {
                let answer = self.metering.append(&request)?;
                Answer::Appended(request, answer)
            }
            Outgoing::Watermark(request) => Answer::Reported(self.metering.watermark(&request)),
        })
    }

    fn receive(&mut self, at: usize, run: IncarnationId, answer: &Answer) {
        let now = moment(self.now);
        let gateway = &mut self.gateways[at];
        let Some(live) = gateway.live.as_mut().filter(|live| live.run.incarnation() == run) else { return };
        match answer {
            Answer::Registered => live.desk.registered(),
            Answer::Granted(answers) => live.desk.granted(answers, now),
            Answer::Settled(sent, answer) => live.desk.settled(sent, answer, now),
            Answer::Appended(batch, answer) => {
                let _ = live.keeper.appended(batch, *answer);
            }
            Answer::Reported(answer) => live.desk.recalled(&answer.recalls, now),
        }
    }
}

/// Sometimes the one is tighter, sometimes the other.
fn some_limits(random: &mut Random) -> Limits {
    let day = random.below(40) + 1;
    [day, day + random.below(60), PRICE * (random.below(80) + 1)]
}

/// `SplitMix64`: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}
