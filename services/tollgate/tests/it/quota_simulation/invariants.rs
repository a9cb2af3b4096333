//! What must hold, and the faults that are planted to see whether the schedules would notice.

/// A fault planted to see whether the schedules find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Metering takes a lease back when its gateway has not closed it in time.
    LeasesCloseByTime,
    /// A gateway that lost power states what it finds in its mapping.
    PowerLossTrusted,
    /// Metering does not look at the sequence of batches.
    RepeatsTaken,
    /// A recovery that finds only the first of a call's charges.
    ChargesTorn,
}

/// What must hold, whatever happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Invariant {
    /// Units of calls that were let through never exceed the quota.
    QuotaIsHard,
    /// A call leaves one record, not two.
    OneRecord,
    /// No call is without a record, unless its run lost power.
    NoCallLost,
    /// A call takes from all its budgets or from none.
    AllOrNothing,
    /// A record counts what the call took.
    RecordsCountTruly,
    /// Records and leases count the same.
    RecordsAgreeWithLeases,
    /// No lease is stated above what it was granted.
    LeaseWithinGrant,
    /// A batch that was sent keeps its bytes.
    BatchesNeverChange,
    /// No record comes that a watermark ruled out.
    NothingBelowWatermark,
    /// With a good network every lease closes, every record arrives, and every unit can be used.
    EverythingComesToRest,
}

impl Invariant {
    pub(super) const fn broken(self, what: String) -> Broken {
        Broken { invariant: self, what }
    }
}

/// An invariant that did not hold.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) invariant: Invariant,
    pub(super) what: String,
}

impl Broken {
    pub(super) fn batch(error: impl std::fmt::Display) -> Self {
        Invariant::BatchesNeverChange.broken(format!("a batch cannot be read: {error}"))
    }
}
