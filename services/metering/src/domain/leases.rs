//! The authority on budgets: who may spend how many units of one quota or spend cap in one period.
//!
//! The rule that makes a quota hard: `settled + sum of the ceilings of open leases` never grows beyond the limit in force,
//! and a gateway never spends above a lease's ceiling. So what is accepted stays at or below the limit, whatever is lost,
//! repeated, late or dead. A lease ends only by its gateway's statement, or by being written off as fully spent; never by
//! time, because a gateway that is merely slow may still spend it.
//!
//! Pure: the caller loads a [`QuotaPeriod`] under a lock, lets one function change it, and stores what changed. Before
//! [`QuotaPeriod::grant`] the caller makes sure, under a lock, that the asking run has not ended.

use common::id::{IncarnationId, LeaseId};
use contracts::lease::{GatewayRegister, LeaseOutcome, LeaseStatement, LeaseWant, MAX_LEASE};

use super::periods::Span;

/// One lease takes at most this part of what is free, so that chunks shrink as the limit comes near.
const SHARE: u64 = 4;
/// How soon a gateway may ask again while recalled leases can bring units back.
const RETRY_RECALLED_US: u64 = 100_000;
/// How soon it may ask again when only calls in flight could give units back.
const RETRY_SPENT_US: u64 = 1_000_000;

/// One budget in one period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaPeriod {
    /// The period.
    pub span: Span,
    /// Units that the usage plan or the cap allows. Change it with [`QuotaPeriod::set_limit`].
    pub limit: u64,
    /// Units allowed in its place, where one usage plan took another's place within the period.
    pub blended: Option<u64>,
    /// Units given on top of it, for this period alone.
    pub extension: u64,
    /// Units of leases that are over.
    pub settled: u64,
    /// Open leases, and closed ones until their run has ended: a late repeat of a wish must not open a closed lease again.
    pub leases: Vec<Lease>,
}

/// Units handed to one run of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Chosen by the gateway.
    pub id: LeaseId,
    /// Who may spend it.
    pub incarnation: IncarnationId,
    /// Units given.
    pub granted: u64,
    /// Units that may be spent of it; falls when the gateway gives the rest back before its last call has ended.
    pub ceiling: u64,
    /// Units it was last said to have spent; final once closed.
    pub spent: u64,
    /// Metering wants it back.
    pub recalled: bool,
    /// It is over and counted in `settled`.
    pub closed: bool,
}

/// What a statement did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement {
    /// The lease's numbers changed, or it closed.
    Taken,
    /// The lease is over, or of no one here: nothing changed.
    Ignored,
    /// The lease closed with more units than its ceiling. It counts as stated, because the calls were served; the gateway's
    /// lease state was damaged and somebody should look.
    Overspent {
        /// Units above the ceiling.
        by: u64,
    },
}

impl QuotaPeriod {
    /// A period of which nothing is used.
    pub const fn new(span: Span, limit: u64) -> Self {
        Self { span, limit, blended: None, extension: 0, settled: 0, leases: Vec::new() }
    }

    /// Units that may be used in the period.
    pub fn in_force(&self) -> u64 {
        self.blended.unwrap_or(self.limit).saturating_add(self.extension)
    }

    /// Units that open leases may still use.
    pub fn open(&self) -> u64 {
        self.leases
            .iter()
            .filter(|lease| !lease.closed)
            .map(|lease| lease.ceiling)
            .fold(0, u64::saturating_add)
    }

    /// Units that can be granted now.
    pub fn free(&self) -> u64 {
        self.in_force().saturating_sub(self.settled.saturating_add(self.open()))
    }

    /// Answers a wish. The same wish again gets the same lease.
    pub fn grant(&mut self, incarnation: IncarnationId, want: &LeaseWant) -> LeaseOutcome {
        if let Some(known) = self.leases.iter().find(|lease| lease.id == want.lease) {
            if known.closed || known.incarnation != incarnation {
                // A late repeat: whoever sent it has moved on to another id.
                return self.scarce(0);
            }
            return self.granted(known.granted);
        }
        let free = self.free();
        let need = want.need.max(1);
        if need > MAX_LEASE {
            // Waiting brings it no nearer: no lease can hold what a single call of this kind takes.
            return self.exhausted();
        }
        if free >= need {
            let units = chunk(free, need, want.hint);
            self.leases.push(Lease {
                id: want.lease,
                incarnation,
                granted: units,
                ceiling: units,
                spent: 0,
                recalled: false,
                closed: false,
            });
            return self.granted(units);
        }
        if !self.leases.iter().any(|lease| !lease.closed) {
            return self.exhausted();
        }
        let unspent = self.recall(&want.holds);
        self.scarce(if unspent { RETRY_RECALLED_US } else { RETRY_SPENT_US })
    }

    /// Takes what a gateway says about a lease.
    pub fn state(&mut self, statement: &LeaseStatement) -> Statement {
        let found = self.leases.iter_mut().find(|lease| lease.id == statement.lease && !lease.closed);
        let Some(lease) = found else { return Statement::Ignored };
        if !statement.closed {
            lease.ceiling = lease.ceiling.min(statement.ceiling);
            lease.spent = statement.spent.min(lease.ceiling);
            return Statement::Taken;
        }
        let by = statement.spent.saturating_sub(lease.ceiling);
        lease.spent = statement.spent;
        lease.ceiling = statement.spent;
        lease.closed = true;
        self.settled = self.settled.saturating_add(statement.spent);
        if by > 0 { Statement::Overspent { by } } else { Statement::Taken }
    }

    /// Ends a run that has stated every lease it ever spent from: of its other leases nothing was spent.
    pub fn end_stated(&mut self, incarnation: IncarnationId) {
        for lease in self.leases.iter_mut().filter(|lease| lease.incarnation == incarnation && !lease.closed)
        {
            lease.spent = 0;
            lease.ceiling = 0;
            lease.closed = true;
        }
    }

    /// Ends a run whose lease state is lost: its open leases count as fully spent. Answers the units written off.
    pub fn write_off(&mut self, incarnation: IncarnationId) -> u64 {
        let mut units = 0_u64;
        for lease in self.leases.iter_mut().filter(|lease| lease.incarnation == incarnation && !lease.closed)
        {
            lease.spent = lease.ceiling;
            lease.closed = true;
            units = units.saturating_add(lease.ceiling);
        }
        self.settled = self.settled.saturating_add(units);
        units
    }

    /// Puts another limit in force, in place of a blended one too; extensions stay on top. Units already leased stay valid;
    /// below them, open leases are called back.
    pub fn set_limit(&mut self, limit: u64) {
        if self.limit == limit {
            return;
        }
        self.limit = limit;
        self.blended = None;
        self.recall_excess();
    }

    /// Gives more units until the period ends.
    pub fn extend(&mut self, units: u64) {
        self.extension = self.extension.saturating_add(units);
    }

    /// Takes the place of `old`, the same period in another usage plan: what was used there, is leased out or was given on
    /// top counts here from now on. Leases that are out are called back, since calls spend from the new plan's.
    ///
    /// With `blend_at`, the limit of this period becomes the old plan's for the time before and the new plan's for the rest,
    /// each in proportion, rounded down.
    pub fn take_over(&mut self, old: &mut Self, blend_at: Option<i64>) {
        self.blended = blend_at.map(|at| {
            let change = i128::from(self.limit) - i128::from(old.limit);
            let changed = prorated(change, old.span, at);
            let before = i128::from(old.blended.unwrap_or(old.limit));
            u64::try_from((before + changed).max(0)).unwrap_or(u64::MAX)
        });
        self.settled = self.settled.saturating_add(std::mem::take(&mut old.settled));
        self.extension = self.extension.saturating_add(std::mem::take(&mut old.extension));
        self.leases.append(&mut old.leases);
        self.recall(&[]);
    }

    /// Leases of a run that metering wants back.
    pub fn recalls(&self, incarnation: IncarnationId) -> impl Iterator<Item = LeaseId> + '_ {
        let wanted =
            move |lease: &&Lease| lease.recalled && !lease.closed && lease.incarnation == incarnation;
        self.leases.iter().filter(wanted).map(|lease| lease.id)
    }

    fn recall_excess(&mut self) {
        if self.settled.saturating_add(self.open()) > self.in_force() {
            self.recall(&[]);
        }
    }

    /// Calls every open lease back but `spared`; answers whether one of them may have units left.
    fn recall(&mut self, spared: &[LeaseId]) -> bool {
        let mut unspent = false;
        for lease in self.leases.iter_mut().filter(|lease| !lease.closed && !spared.contains(&lease.id)) {
            lease.recalled = true;
            unspent |= lease.spent < lease.ceiling;
        }
        unspent
    }

    fn granted(&self, units: u64) -> LeaseOutcome {
        let Span { start: period_start, end: period_end } = self.span;
        LeaseOutcome::Granted { units, period_start, period_end, limit: self.in_force(), left: self.free() }
    }

    fn exhausted(&self) -> LeaseOutcome {
        LeaseOutcome::Exhausted { until: self.span.end, limit: self.in_force(), left: self.free() }
    }

    fn scarce(&self, retry_after_us: u64) -> LeaseOutcome {
        LeaseOutcome::Scarce { retry_after_us, limit: self.in_force(), until: self.span.end }
    }
}

/// The part of `units` that falls on the time of `span` from `at` on, rounded down.
fn prorated(units: i128, span: Span, at: i64) -> i128 {
    let length = i128::from(span.end) - i128::from(span.start);
    let rest = i128::from(span.end) - i128::from(at.clamp(span.start, span.end));
    if length == 0 { 0 } else { (units * rest).div_euclid(length) }
}

/// Units of the next lease.
///
/// What the gateway expects to use, but no more than a share of what is free, and always enough for the call that waits.
fn chunk(free: u64, need: u64, hint: u64) -> u64 {
    hint.min(free / SHARE).clamp(need, MAX_LEASE)
}

/// Runs of a gateway whose open leases must be written off when a new run registers.
///
/// Those that lost power, and older ones that are no longer on its disk. `open` are the runs of this gateway that have not ended.
pub fn runs_to_write_off(register: &GatewayRegister, open: &[IncarnationId]) -> Vec<IncarnationId> {
    let lost = |run: &&IncarnationId| {
        if **run == register.incarnation {
            return false;
        }
        match register.previous.iter().find(|previous| previous.incarnation == **run) {
            Some(previous) => previous.power_lost,
            // Ids sort by time. A newer run is not lost: this is a late repeat of an older registration.
            None => **run < register.incarnation,
        }
    };
    open.iter().filter(lost).copied().collect()
}

#[cfg(test)]
mod tests;
