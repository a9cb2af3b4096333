//! Making records and batches.

use common::id::{
    ApiId, GatewayId, IncarnationId, KeyId, PlanId, RequestId, SubscriptionId, TenantId, UsagePlanId,
};
use contracts::lease::AppendBatch;
use contracts::record::{
    BatchName, Flags, MAX_RECORD, Outcome, Reason, Subject, ThrottleScope, UsageRecord, day_of, encode,
    frame, seal,
};
use uuid::Uuid;

/// A call worth recording, with what tests vary.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) request_id: RequestId,
    pub(crate) tenant: TenantId,
    pub(crate) api: ApiId,
    pub(crate) key: Option<KeyId>,
    pub(crate) subject: Subject,
    pub(crate) at: i64,
    pub(crate) status: u16,
    pub(crate) reason: Reason,
    pub(crate) flags: Flags,
    pub(crate) latency_us: u64,
    pub(crate) method: &'static str,
    pub(crate) route: &'static str,
}

impl Seen {
    pub(crate) fn new(tenant: TenantId, api: ApiId, key: KeyId, at: i64) -> Self {
        Self {
            request_id: RequestId::from_uuid(Uuid::new_v4()),
            tenant,
            api,
            key: Some(key),
            subject: Subject {
                key: Some(key),
                usage_plan: Some(UsagePlanId::from_uuid(Uuid::from_u128(1))),
                plan: Some(PlanId::from_uuid(Uuid::from_u128(2))),
                subscription: Some(SubscriptionId::from_uuid(Uuid::from_u128(3))),
            },
            at,
            status: 200,
            reason: Reason::Ok,
            flags: Flags::CHARGED_DAY,
            latency_us: 1_500,
            method: "GET",
            route: "/pets/{id}",
        }
    }

    fn record(&self) -> UsageRecord<'_> {
        let counted = u64::from(self.reason.counts());
        UsageRecord {
            request_id: self.request_id,
            tenant: self.tenant,
            api_id: self.api,
            stage: "prod",
            deployment: None,
            method: self.method,
            route: self.route,
            path: "/pets/7",
            client_ip: Some([192, 0, 2, 7].into()),
            subject: self.subject,
            started_at: self.at,
            outcome: Outcome {
                status: self.status,
                reason: self.reason,
                flags: match self.reason {
                    Reason::Throttled => self.flags.throttled_by(ThrottleScope::Stage),
                    _ => self.flags,
                },
                quota_units: counted,
                billable_units: 2 * counted,
                spend_micros: 0,
                lease: None,
                latency_us: self.latency_us,
                upstream_us: self.latency_us / 2,
                bytes_in: 10,
                bytes_out: 1_000,
            },
        }
    }
}

/// One worker's stream of one run.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(crate) gateway: GatewayId,
    pub(crate) incarnation: IncarnationId,
    pub(crate) stream: u32,
    pub(crate) sequence: u64,
}

impl Stream {
    pub(crate) fn new(gateway: GatewayId, incarnation: IncarnationId, stream: u32) -> Self {
        Self { gateway, incarnation, stream, sequence: 0 }
    }

    /// The next batch, with these calls of one day.
    pub(crate) fn next(&mut self, calls: &[Seen]) -> AppendBatch {
        self.sequence += 1;
        batch(self, self.sequence, calls)
    }
}

/// The batch with this place in the stream.
pub(crate) fn batch(stream: &Stream, sequence: u64, calls: &[Seen]) -> AppendBatch {
    let mut body = Vec::new();
    let mut buffer = [0; MAX_RECORD];
    for call in calls {
        let length = encode(&call.record(), &mut buffer).unwrap();
        body.extend_from_slice(&frame(&buffer[..length]));
        body.extend_from_slice(&buffer[..length]);
    }
    let name = BatchName {
        gateway: stream.gateway,
        incarnation: stream.incarnation,
        stream: stream.stream,
        sequence,
    };
    let oldest = calls.iter().map(|call| call.at).min().unwrap();
    let header = seal(&name, day_of(oldest), oldest, calls.len() as u32, &body);
    AppendBatch {
        gateway: stream.gateway,
        incarnation: stream.incarnation,
        stream: stream.stream,
        sequence,
        bytes: [header.as_slice(), &body].concat().into(),
    }
}
