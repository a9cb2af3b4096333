//! Metering as the simulation knows it: the real rules, with maps where the store is.

use std::collections::BTreeMap;

use common::id::{GatewayId, IncarnationId, LeaseId, RequestId};
use contracts::lease::{
    AppendBatch, Appended, Budget, GatewayRegister, LeaseAnswer, LeaseAnswers, LeaseGrant, LeaseSettle,
    LeaseSettled, ReportWatermark, WatermarkReported,
};
use contracts::metering::{Period, PeriodBegin};
use contracts::record::{Batch, Flags, Reason};
use metering::domain::leases::{QuotaPeriod, Statement, runs_to_write_off};
use metering::domain::periods::{Span, containing};

use super::invariants::{Broken, Fault, Invariant};

/// A record as the store keeps it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    pub(super) reason: Reason,
    pub(super) units: u64,
    pub(super) spend: u64,
    pub(super) flags: Flags,
    pub(super) at: i64,
}

/// A budget, and where its period starts.
type PeriodKey = (Budget, i64);

#[derive(Debug)]
pub(super) struct Authority {
    fault: Fault,
    /// By kind of budget.
    pub(super) limits: Limits,
    /// Highest limits that were ever in force.
    pub(super) highest: Limits,
    runs: BTreeMap<IncarnationId, (GatewayId, bool)>,
    pub(super) periods: BTreeMap<PeriodKey, QuotaPeriod>,
    place: BTreeMap<LeaseId, PeriodKey>,
    granted_at: BTreeMap<LeaseId, i64>,
    acked: BTreeMap<(IncarnationId, u32), u64>,
    sent: BTreeMap<(IncarnationId, u32, u64), u32>,
    pub(super) records: BTreeMap<RequestId, Stored>,
    watermarks: BTreeMap<GatewayId, i64>,
    pub(super) written_off: bool,
}

impl Authority {
    pub(super) fn new(fault: Fault, limits: Limits) -> Self {
        Self {
            fault,
            limits,
            highest: limits,
            runs: BTreeMap::new(),
            periods: BTreeMap::new(),
            place: BTreeMap::new(),
            granted_at: BTreeMap::new(),
            acked: BTreeMap::new(),
            sent: BTreeMap::new(),
            records: BTreeMap::new(),
            watermarks: BTreeMap::new(),
            written_off: false,
        }
    }

    pub(super) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        for (highest, limit) in self.highest.iter_mut().zip(limits) {
            *highest = limit.max(*highest);
        }
        for ((budget, _), period) in &mut self.periods {
            period.set_limit(limits[kind_of(budget)]);
        }
    }

    pub(super) fn register(&mut self, request: &GatewayRegister) {
        self.runs.entry(request.incarnation).or_insert((request.gateway, false));
        let open = self.runs_of(request.gateway);
        for run in runs_to_write_off(request, &open) {
            self.write_off(run);
        }
    }

    pub(super) fn forget(&mut self, gateway: GatewayId) {
        for run in self.runs_of(gateway) {
            self.write_off(run);
        }
    }

    fn runs_of(&self, gateway: GatewayId) -> Vec<IncarnationId> {
        let open = self.runs.iter().filter(|(_, (owner, ended))| *owner == gateway && !ended);
        open.map(|(run, _)| *run).collect()
    }

    fn write_off(&mut self, run: IncarnationId) {
        self.runs.entry(run).and_modify(|(_, ended)| *ended = true);
        for period in self.periods.values_mut() {
            self.written_off |= period.write_off(run) > 0;
        }
    }

    pub(super) fn grant(&mut self, request: &LeaseGrant, now: i64) -> LeaseAnswers {
        self.close_by_time(now);
        let ended = self.runs.get(&request.incarnation).is_none_or(|(_, ended)| *ended);
        let mut answers = Vec::new();
        for want in request.wants.iter().filter(|_| !ended) {
            let kind = kind_of(&want.budget);
            let span = Self::span(kind, want.at);
            let key = self.place.get(&want.lease).copied().unwrap_or((want.budget, span.start));
            let limit = self.limits[kind];
            let period = self.periods.entry(key).or_insert_with(|| QuotaPeriod::new(span, limit));
            let outcome = period.grant(request.incarnation, want);
            if period.leases.iter().any(|lease| lease.id == want.lease) {
                self.place.insert(want.lease, key);
                self.granted_at.entry(want.lease).or_insert(now);
            }
            answers.push(LeaseAnswer { lease: want.lease, outcome });
        }
        LeaseAnswers { answers, recalls: self.recalls(request.incarnation), ended }
    }

    pub(super) fn settle(&mut self, request: &LeaseSettle) -> Result<LeaseSettled, Broken> {
        for statement in &request.statements {
            let Some(key) = self.place.get(&statement.lease) else { continue };
            let Some(period) = self.periods.get_mut(key) else { continue };
            if let Statement::Overspent { by } = period.state(statement) {
                let what = format!("{} overspent by {by}", statement.lease);
                return Err(Invariant::LeaseWithinGrant.broken(what));
            }
        }
        if request.last {
            self.runs.entry(request.incarnation).or_insert((request.gateway, true)).1 = true;
            for period in self.periods.values_mut() {
                period.end_stated(request.incarnation);
            }
        }
        Ok(LeaseSettled { recalls: self.recalls(request.incarnation) })
    }

    pub(super) fn append(&mut self, request: &AppendBatch) -> Result<Appended, Broken> {
        let name = (request.incarnation, request.stream, request.sequence);
        let bytes = crc32fast::hash(&request.bytes);
        if *self.sent.entry(name).or_insert(bytes) != bytes {
            return Err(Invariant::BatchesNeverChange.broken(format!("{name:?} was sent with two contents")));
        }
        let acked = self.acked.entry((request.incarnation, request.stream)).or_default();
        let repeat = request.sequence <= *acked && self.fault != Fault::RepeatsTaken;
        if repeat || request.sequence > *acked + 1 {
            return Ok(Appended { acked_through: *acked });
        }
        *acked = request.sequence.max(*acked);
        let acked_through = *acked;
        let batch = Batch::parse(&request.bytes).map_err(Broken::batch)?;
        let watermark = self.watermarks.get(&request.gateway).copied().unwrap_or(i64::MIN);
        for record in batch.records().map_err(Broken::batch)? {
            let stored = Stored {
                reason: record.outcome.reason,
                units: record.outcome.quota_units,
                spend: record.outcome.spend_micros,
                flags: record.outcome.flags,
                at: record.started_at,
            };
            if self.records.insert(record.request_id, stored).is_some() {
                return Err(Invariant::OneRecord.broken(format!("{} has two records", record.request_id)));
            }
            if record.started_at < watermark {
                let what = format!("{} came after its watermark", record.request_id);
                return Err(Invariant::NothingBelowWatermark.broken(what));
            }
        }
        Ok(Appended { acked_through })
    }

    pub(super) fn watermark(&mut self, request: &ReportWatermark) -> WatermarkReported {
        let known = self.watermarks.entry(request.gateway).or_insert(i64::MIN);
        *known = (*known).max(request.watermark);
        let ended = self.runs.get(&request.incarnation).is_some_and(|(_, ended)| *ended);
        WatermarkReported { recalls: self.recalls(request.incarnation), ended }
    }

    fn recalls(&self, run: IncarnationId) -> Vec<LeaseId> {
        self.periods.values().flat_map(|period| period.recalls(run)).collect()
    }

    /// The planted fault: an authority that takes a silent gateway for a dead one.
    fn close_by_time(&mut self, now: i64) {
        if self.fault != Fault::LeasesCloseByTime {
            return;
        }
        for period in self.periods.values_mut() {
            for lease in &mut period.leases {
                let granted_at = self.granted_at.get(&lease.id).copied().unwrap_or(now);
                if !lease.closed && now - granted_at > 3_000_000 {
                    lease.closed = true;
                    period.settled += lease.spent;
                }
            }
        }
    }

    /// The period of a kind of budget.
    pub(super) fn span(kind: usize, at: i64) -> Span {
        containing(QUOTAS.get(kind).copied().unwrap_or(Period::Month), PeriodBegin::default(), 0, at)
    }
}

/// The limits of each kind of budget: the quotas, then the spend cap.
pub(super) type Limits = [u64; 3];
/// Periods of the quotas that a plan of the simulation can have.
pub(super) const QUOTAS: [Period; 2] = [Period::Day, Period::Week];
/// The spend cap among the kinds of budgets.
pub(super) const SPEND: usize = 2;

pub(super) fn kind_of(budget: &Budget) -> usize {
    match budget {
        Budget::Quota { period, .. } => QUOTAS.iter().position(|quota| quota == period).unwrap_or(0),
        Budget::Spend { .. } => SPEND,
    }
}
