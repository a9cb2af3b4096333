//! What a gateway and metering say to each other about records, quota leases and the gateway's own life.
//!
//! Every request may be lost, repeated or arrive late, and be sent again as it was: each one names what it is about, and a
//! repeat changes nothing. Times are microseconds since the epoch.

use bytes::Bytes;
use common::id::{GatewayId, IncarnationId, KeyId, LeaseId, SubscriptionId, UsagePlanId};
use serde::{Deserialize, Serialize};

use crate::call;
use crate::metering::Period;

/// Stores a batch of records exactly once.
///
/// Metering takes the batch only when `sequence` follows what it already has of the stream; one at or below that is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendBatch {
    /// The gateway that ships.
    pub gateway: GatewayId,
    /// The run that admitted the calls; not always the one that ships.
    pub incarnation: IncarnationId,
    /// The worker's stream.
    pub stream: u32,
    /// Place in the stream, counted from 1 without gaps.
    pub sequence: u64,
    /// The batch, as `record::Batch` reads it.
    #[serde(with = "base64_bytes")]
    pub bytes: Bytes,
}
call!(AppendBatch => Appended, Metering, Service, from [Gateway]);

/// Answer to [`AppendBatch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appended {
    /// Everything of the stream up to this sequence is stored for good; lower than the batch's when an earlier one is missing.
    pub acked_through: u64,
}

/// Says that no record older than `watermark` will come from this run any more. Also the gateway's heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportWatermark {
    /// The gateway.
    pub gateway: GatewayId,
    /// Its current run. Previous runs whose records are still on its disk are covered by the same watermark.
    pub incarnation: IncarnationId,
    /// The older of the oldest call in flight and the oldest record not yet acknowledged; the present when there is none.
    pub watermark: i64,
}
call!(ReportWatermark => WatermarkReported, Metering, Service, from [Gateway]);

/// Answer to [`ReportWatermark`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatermarkReported {
    /// Leases of this run that metering wants back.
    pub recalls: Vec<LeaseId>,
    /// The run was ended (the gateway was forgotten): it gets no more leases and should restart.
    pub ended: bool,
}

/// Most units of one lease. Leaves room in the gateway's packed counters.
pub const MAX_LEASE: u64 = 1 << 39;

/// Asks for units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseGrant {
    /// The gateway.
    pub gateway: GatewayId,
    /// The run that will spend the units.
    pub incarnation: IncarnationId,
    /// What is wanted.
    pub wants: Vec<LeaseWant>,
}
call!(LeaseGrant => LeaseAnswers, Metering, Service, from [Gateway]);

/// What leases are granted from. Its units: quota units, or micro-units of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Budget {
    /// A key's quota in a usage plan.
    Quota {
        /// The key.
        key: KeyId,
        /// The usage plan.
        plan: UsagePlanId,
        /// Which of its quotas.
        period: Period,
    },
    /// A subscription's spend cap.
    Spend {
        /// The subscription.
        subscription: SubscriptionId,
    },
}

/// One wish for units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseWant {
    /// The lease's future id, chosen by the gateway: asking again with the same id answers the same lease.
    pub lease: LeaseId,
    /// What the units are taken from.
    pub budget: Budget,
    /// The lease is for the period that contains this time.
    pub at: i64,
    /// Fewer units than this are of no use.
    pub need: u64,
    /// Units the gateway expects to use soon.
    pub hint: u64,
    /// Leases of the same budget that this run uses: they are not called back for this wish's sake.
    pub holds: Vec<LeaseId>,
}

/// Answer to [`LeaseGrant`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseAnswers {
    /// One answer for each want, in no particular order.
    pub answers: Vec<LeaseAnswer>,
    /// Leases of this run that metering wants back.
    pub recalls: Vec<LeaseId>,
    /// The run was ended (the gateway was forgotten): it gets no more leases and should restart.
    pub ended: bool,
}

/// Answer to one [`LeaseWant`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseAnswer {
    /// The want's lease id.
    pub lease: LeaseId,
    /// What became of it.
    pub outcome: LeaseOutcome,
}

/// What became of a wish for units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LeaseOutcome {
    /// The units are the gateway's until it states what it spent.
    Granted {
        /// How many.
        units: u64,
        /// Start of the period they are for.
        period_start: i64,
        /// End of the period they are for (exclusive).
        period_end: i64,
        /// The limit in force.
        limit: u64,
        /// Units left ungranted afterwards, for the `RateLimit` header.
        left: u64,
    },
    /// The period's units are used up and no lease is open that could bring units back.
    /// Holds until the period ends or metering publishes a change of the plan or the key.
    Exhausted {
        /// End of the period.
        until: i64,
        /// The limit in force.
        limit: u64,
        /// Units left: more than none when `need` was larger than that.
        left: u64,
    },
    /// Nothing is free now, but leases are open and have been recalled. Ask again, not earlier than after this time.
    Scarce {
        /// Microseconds to wait.
        retry_after_us: u64,
        /// The limit in force.
        limit: u64,
        /// End of the period.
        until: i64,
    },
    /// There is no such limit: calls need no lease until metering publishes a change.
    Unlimited,
    /// Metering knows no such key in such a plan, or no such subscription (any more).
    Unknown,
}

/// States what was spent of leases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseSettle {
    /// The gateway that speaks.
    pub gateway: GatewayId,
    /// The run the leases belong to; not always the one that speaks.
    pub incarnation: IncarnationId,
    /// One for each lease.
    pub statements: Vec<LeaseStatement>,
    /// The run is over and these were its last open leases: of any other nothing was spent, and none may be granted any more.
    pub last: bool,
}
call!(LeaseSettle => LeaseSettled, Metering, Service, from [Gateway]);

/// What a gateway says about one lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseStatement {
    /// The lease.
    pub lease: LeaseId,
    /// Units spent so far.
    pub spent: u64,
    /// Units that may yet be spent in all, never rising: what is above it is free at once, even while calls still run.
    pub ceiling: u64,
    /// `spent` is final and equals `ceiling`; the lease is over. The first such statement counts.
    pub closed: bool,
}

/// Answer to [`LeaseSettle`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseSettled {
    /// Leases of the speaking run that metering wants back.
    pub recalls: Vec<LeaseId>,
}

/// Announces a new run of a gateway before it asks for anything.
///
/// Runs of this gateway that are older and not in `previous` have lost their disk: their open leases count as fully spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayRegister {
    /// The gateway.
    pub gateway: GatewayId,
    /// The new run.
    pub incarnation: IncarnationId,
    /// Runs whose remains are on its disk.
    pub previous: Vec<PreviousRun>,
}
call!(GatewayRegister => GatewayRegistered, Metering, Service, from [Gateway]);

/// A run of the gateway that ended without clearing up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousRun {
    /// The run.
    pub incarnation: IncarnationId,
    /// The machine went down with it: its lease state cannot be trusted and its open leases count as fully spent.
    pub power_lost: bool,
}

/// Answer to [`GatewayRegister`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayRegistered {}

/// Says that a gateway has ended for now: nothing of it is left to wait for, its watermark holds nothing back until it
/// registers again.
///
/// Sent once every record is acknowledged and every lease of its runs is stated; refused while a run of it is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayStop {
    /// The gateway.
    pub gateway: GatewayId,
    /// The run that ended.
    pub incarnation: IncarnationId,
}
call!(GatewayStop => GatewayStopped, Metering, Service, from [Gateway]);

/// Answer to [`GatewayStop`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayStopped {}

/// Gives up a gateway that will not come back: its open leases count as fully spent, its runs get no more, and its watermark
/// holds nothing back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayForget {
    /// The gateway.
    pub gateway: GatewayId,
}
call!(GatewayForget => GatewayForgotten, Metering, Service);

/// Answer to [`GatewayForget`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayForgotten {
    /// Quota units that were in its open leases and now count as spent.
    pub units_written_off: u64,
}

mod base64_bytes {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use bytes::Bytes;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        STANDARD.decode(text.as_bytes()).map(Bytes::from).map_err(D::Error::custom)
    }
}
