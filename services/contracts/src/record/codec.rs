//! The bytes of a record, version 1.
//!
//! Little endian. A head of fixed size comes first, so that a gateway can encode a call when it starts and patch the account
//! and the outcome in place when they are known; the texts follow. An absent id or address is all zeros.

use std::net::{IpAddr, Ipv6Addr};

use common::id::{
    ApiId, DeploymentId, KeyId, LeaseId, PlanId, RequestId, SubscriptionId, TenantId, UsagePlanId,
};
use uuid::Uuid;

use super::{Flags, MAX_METHOD, MAX_PATH, MAX_ROUTE, MAX_STAGE, Outcome, Reason, Subject, UsageRecord};

const VERSION: u8 = 1;

const AT_METHOD_LEN: usize = 1;
const AT_STATUS: usize = 2;
const AT_REASON: usize = 4;
const AT_FLAGS: usize = 6;
const AT_REQUEST: usize = 8;
const AT_TENANT: usize = 24;
const AT_DEPLOYMENT: usize = 40;
const AT_KEY: usize = 56;
const AT_USAGE_PLAN: usize = 72;
const AT_PLAN: usize = 88;
const AT_SUBSCRIPTION: usize = 104;
const AT_LEASE: usize = 120;
const AT_CLIENT_IP: usize = 136;
const AT_STARTED: usize = 152;
const AT_LATENCY: usize = 160;
const AT_UPSTREAM: usize = 168;
const AT_BYTES_IN: usize = 176;
const AT_BYTES_OUT: usize = 184;
const AT_QUOTA: usize = 192;
const AT_BILLABLE: usize = 200;
const AT_API: usize = 208;
const AT_STAGE_LEN: usize = 218;
const AT_ZERO: usize = 219;
const AT_ROUTE_LEN: usize = 220;
const AT_PATH_LEN: usize = 222;
const AT_SPEND: usize = 224;
const HEAD: usize = 232;

/// Shortest encoded record, in bytes: one without texts.
pub const MIN_RECORD: usize = HEAD;
/// Longest encoded record, in bytes.
pub const MAX_RECORD: usize = HEAD + MAX_METHOD + MAX_STAGE + MAX_ROUTE + MAX_PATH;

/// Why bytes are not a record, or a record does not fit into bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The buffer ends before the record does.
    #[error("record of {needed} bytes in a buffer of {available}")]
    Short {
        /// Bytes the record takes.
        needed: usize,
        /// Bytes there are.
        available: usize,
    },
    /// Bytes follow the record.
    #[error("{extra} bytes after the record")]
    Trailing {
        /// How many.
        extra: usize,
    },
    /// Written by a version that this one does not read.
    #[error("record version {version} is not supported")]
    Version {
        /// The version found.
        version: u8,
    },
    /// A field holds what it cannot hold.
    #[error("record field {field} is invalid")]
    Field {
        /// The field.
        field: &'static str,
    },
}

/// Writes `record` at the start of `buffer` and answers its length. Does not allocate.
///
/// # Errors
/// `Short` when the buffer is too small ([`MAX_RECORD`] always suffices), `Field` for a text over its limit.
pub fn encode(record: &UsageRecord<'_>, buffer: &mut [u8]) -> Result<usize, CodecError> {
    let texts = [
        ("method", record.method, MAX_METHOD),
        ("stage", record.stage, MAX_STAGE),
        ("route", record.route, MAX_ROUTE),
        ("path", record.path, MAX_PATH),
    ];
    let mut needed = HEAD;
    for (field, text, max) in texts {
        if text.len() > max {
            return Err(CodecError::Field { field });
        }
        needed += text.len();
    }
    let available = buffer.len();
    let Some(buffer) = buffer.get_mut(..needed) else {
        return Err(CodecError::Short { needed, available });
    };
    buffer[0] = VERSION;
    buffer[AT_METHOD_LEN] = record.method.len() as u8;
    put_id(buffer, AT_REQUEST, Some(record.request_id.uuid()));
    put_id(buffer, AT_TENANT, Some(record.tenant.uuid()));
    put_id(buffer, AT_DEPLOYMENT, record.deployment.map(DeploymentId::uuid));
    put(buffer, AT_CLIENT_IP, address(record.client_ip));
    put(buffer, AT_STARTED, record.started_at.to_le_bytes());
    buffer[AT_API..AT_API + 10].copy_from_slice(record.api_id.as_str().as_bytes());
    buffer[AT_STAGE_LEN] = record.stage.len() as u8;
    buffer[AT_ZERO] = 0;
    put(buffer, AT_ROUTE_LEN, (record.route.len() as u16).to_le_bytes());
    put(buffer, AT_PATH_LEN, (record.path.len() as u16).to_le_bytes());
    patch_subject(buffer, &record.subject);
    patch_outcome(buffer, &record.outcome);
    let mut at = HEAD;
    for (_, text, _) in texts {
        buffer[at..at + text.len()].copy_from_slice(text.as_bytes());
        at += text.len();
    }
    Ok(needed)
}

/// Replaces the account in an encoded record. Does nothing to bytes too short to be one.
pub fn patch_subject(encoded: &mut [u8], subject: &Subject) {
    let Some(encoded) = encoded.first_chunk_mut::<HEAD>() else { return };
    put_id(encoded, AT_KEY, subject.key.map(KeyId::uuid));
    put_id(encoded, AT_USAGE_PLAN, subject.usage_plan.map(UsagePlanId::uuid));
    put_id(encoded, AT_PLAN, subject.plan.map(PlanId::uuid));
    put_id(encoded, AT_SUBSCRIPTION, subject.subscription.map(SubscriptionId::uuid));
}

/// Replaces the start in an encoded record. Does nothing to bytes too short to be one.
pub fn patch_started(encoded: &mut [u8], started_at: i64) {
    let Some(encoded) = encoded.first_chunk_mut::<HEAD>() else { return };
    put(encoded, AT_STARTED, started_at.to_le_bytes());
}

/// The account in an encoded record; nobody's in bytes too short to be one.
pub fn subject(encoded: &[u8]) -> Subject {
    let Some(head) = encoded.first_chunk::<HEAD>() else { return Subject::default() };
    Subject {
        key: id(head, AT_KEY).map(KeyId::from_uuid),
        usage_plan: id(head, AT_USAGE_PLAN).map(UsagePlanId::from_uuid),
        plan: id(head, AT_PLAN).map(PlanId::from_uuid),
        subscription: id(head, AT_SUBSCRIPTION).map(SubscriptionId::from_uuid),
    }
}

/// Replaces the outcome in an encoded record. Does nothing to bytes too short to be one.
pub fn patch_outcome(encoded: &mut [u8], outcome: &Outcome) {
    let Some(encoded) = encoded.first_chunk_mut::<HEAD>() else { return };
    put(encoded, AT_STATUS, outcome.status.to_le_bytes());
    put(encoded, AT_REASON, outcome.reason.code().to_le_bytes());
    put(encoded, AT_FLAGS, outcome.flags.bits().to_le_bytes());
    put_id(encoded, AT_LEASE, outcome.lease.map(LeaseId::uuid));
    put(encoded, AT_LATENCY, outcome.latency_us.to_le_bytes());
    put(encoded, AT_UPSTREAM, outcome.upstream_us.to_le_bytes());
    put(encoded, AT_BYTES_IN, outcome.bytes_in.to_le_bytes());
    put(encoded, AT_BYTES_OUT, outcome.bytes_out.to_le_bytes());
    put(encoded, AT_QUOTA, outcome.quota_units.to_le_bytes());
    put(encoded, AT_BILLABLE, outcome.billable_units.to_le_bytes());
    put(encoded, AT_SPEND, outcome.spend_micros.to_le_bytes());
}

impl<'a> UsageRecord<'a> {
    /// Reads a record that fills `bytes` exactly.
    ///
    /// # Errors
    /// What is wrong with the bytes; never panics, whatever they are.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, CodecError> {
        let short = |needed| CodecError::Short { needed, available: bytes.len() };
        let version = *bytes.first().ok_or_else(|| short(HEAD))?;
        if version != VERSION {
            return Err(CodecError::Version { version });
        }
        let (head, texts) = bytes.split_first_chunk::<HEAD>().ok_or_else(|| short(HEAD))?;
        if head[AT_ZERO] != 0 {
            return Err(CodecError::Field { field: "reserved" });
        }
        let lengths = [
            ("method", usize::from(head[AT_METHOD_LEN]), MAX_METHOD),
            ("stage", usize::from(head[AT_STAGE_LEN]), MAX_STAGE),
            ("route", usize::from(u16::from_le_bytes(get(head, AT_ROUTE_LEN))), MAX_ROUTE),
            ("path", usize::from(u16::from_le_bytes(get(head, AT_PATH_LEN))), MAX_PATH),
        ];
        let mut rest = texts;
        let mut parts = [""; 4];
        for (part, (field, len, max)) in parts.iter_mut().zip(lengths) {
            if len > max {
                return Err(CodecError::Field { field });
            }
            let total = HEAD + lengths.iter().map(|(_, len, _)| len).sum::<usize>();
            let (text, after) = rest.split_at_checked(len).ok_or_else(|| short(total))?;
            *part = std::str::from_utf8(text).map_err(|_| CodecError::Field { field })?;
            rest = after;
        }
        if !rest.is_empty() {
            return Err(CodecError::Trailing { extra: rest.len() });
        }
        let [method, stage, route, path] = parts;
        let api_id =
            std::str::from_utf8(&head[AT_API..AT_API + 10]).ok().and_then(|text| text.parse::<ApiId>().ok());
        Ok(Self {
            request_id: RequestId::from_uuid(
                id(head, AT_REQUEST).ok_or(CodecError::Field { field: "request_id" })?,
            ),
            tenant: TenantId::from_uuid(id(head, AT_TENANT).ok_or(CodecError::Field { field: "tenant" })?),
            api_id: api_id.ok_or(CodecError::Field { field: "api_id" })?,
            stage,
            deployment: id(head, AT_DEPLOYMENT).map(DeploymentId::from_uuid),
            method,
            route,
            path,
            client_ip: client_ip(get(head, AT_CLIENT_IP)),
            subject: subject(head),
            started_at: i64::from_le_bytes(get(head, AT_STARTED)),
            outcome: outcome(head)?,
        })
    }
}

fn outcome(head: &[u8; HEAD]) -> Result<Outcome, CodecError> {
    let reason = Reason::from_code(u16::from_le_bytes(get(head, AT_REASON)));
    let flags = Flags::from_bits(u16::from_le_bytes(get(head, AT_FLAGS)));
    let number = |at| u64::from_le_bytes(get(head, at));
    Ok(Outcome {
        status: u16::from_le_bytes(get(head, AT_STATUS)),
        reason: reason.ok_or(CodecError::Field { field: "reason" })?,
        flags: flags.ok_or(CodecError::Field { field: "flags" })?,
        quota_units: number(AT_QUOTA),
        billable_units: number(AT_BILLABLE),
        spend_micros: number(AT_SPEND),
        lease: id(head, AT_LEASE).map(LeaseId::from_uuid),
        latency_us: number(AT_LATENCY),
        upstream_us: number(AT_UPSTREAM),
        bytes_in: number(AT_BYTES_IN),
        bytes_out: number(AT_BYTES_OUT),
    })
}

fn put<const N: usize>(buffer: &mut [u8], at: usize, value: [u8; N]) {
    buffer[at..at + N].copy_from_slice(&value);
}

fn put_id(buffer: &mut [u8], at: usize, id: Option<Uuid>) {
    put(buffer, at, id.unwrap_or(Uuid::nil()).into_bytes());
}

fn get<const N: usize>(head: &[u8; HEAD], at: usize) -> [u8; N] {
    let mut value = [0; N];
    value.copy_from_slice(&head[at..at + N]);
    value
}

fn id(head: &[u8; HEAD], at: usize) -> Option<Uuid> {
    let id = Uuid::from_bytes(get(head, at));
    if id.is_nil() { None } else { Some(id) }
}

fn address(ip: Option<IpAddr>) -> [u8; 16] {
    match ip {
        None => [0; 16],
        Some(IpAddr::V4(ip)) => ip.to_ipv6_mapped().octets(),
        Some(IpAddr::V6(ip)) => ip.octets(),
    }
}

fn client_ip(octets: [u8; 16]) -> Option<IpAddr> {
    if octets == [0; 16] {
        return None;
    }
    Some(IpAddr::V6(Ipv6Addr::from(octets)).to_canonical())
}

#[cfg(test)]
mod tests;
