use proptest::prelude::*;

use super::super::{Batch, BatchError, BatchName, FRAME_HEADER, cut, frame, seal};
use super::*;
use common::id::{GatewayId, IncarnationId};

#[derive(Debug, Clone)]
struct Parts {
    ids: Vec<Option<Uuid>>,
    api: String,
    texts: [String; 4],
    ip: Option<IpAddr>,
    started_at: i64,
    status: u16,
    reason: Reason,
    flags: Flags,
    numbers: [u64; 7],
}

fn an_id() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(|value| Uuid::from_u128(value.max(1)))
}

fn an_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u8; 16]>().prop_map(|octets| match octets {
            [0, 0, ..] => IpAddr::from([0x20; 16]),
            other => IpAddr::from(other),
        }),
    ]
}

fn text(max: usize) -> impl Strategy<Value = String> {
    any::<String>().prop_map(move |text| cut(&text, max).to_owned())
}

fn parts() -> impl Strategy<Value = Parts> {
    let ids = proptest::collection::vec(proptest::option::of(an_id()), 8);
    let texts = (text(MAX_METHOD), text(MAX_STAGE), text(MAX_ROUTE), text(MAX_PATH));
    let rest =
        (any::<i64>(), any::<u16>(), 0..Reason::ALL.len(), prop::sample::select(FLAGS), any::<[u64; 7]>());
    (ids, "[a-z0-9]{10}", texts, proptest::option::of(an_address()), rest).prop_map(
        |(ids, api, texts, ip, rest)| Parts {
            ids,
            api,
            texts: texts.into(),
            ip,
            started_at: rest.0,
            status: rest.1,
            reason: Reason::ALL[rest.2],
            flags: Flags::from_bits(rest.3).unwrap(),
            numbers: rest.4,
        },
    )
}

/// Sets of flags, with and without the throttle that refused.
const FLAGS: &[u16] = &[0, 1, 7, 0x7F, 0x100, 0x57F];

fn record(parts: &Parts) -> UsageRecord<'_> {
    let [latency_us, upstream_us, bytes_in, bytes_out, quota_units, billable_units, spend_micros] =
        parts.numbers;
    UsageRecord {
        request_id: RequestId::from_uuid(parts.ids[0].unwrap_or(Uuid::max())),
        tenant: TenantId::from_uuid(parts.ids[1].unwrap_or(Uuid::max())),
        api_id: parts.api.parse().unwrap(),
        stage: &parts.texts[1],
        deployment: parts.ids[2].map(DeploymentId::from_uuid),
        method: &parts.texts[0],
        route: &parts.texts[2],
        path: &parts.texts[3],
        client_ip: parts.ip,
        subject: Subject {
            key: parts.ids[3].map(KeyId::from_uuid),
            usage_plan: parts.ids[4].map(UsagePlanId::from_uuid),
            plan: parts.ids[5].map(PlanId::from_uuid),
            subscription: parts.ids[6].map(SubscriptionId::from_uuid),
        },
        started_at: parts.started_at,
        outcome: Outcome {
            status: parts.status,
            reason: parts.reason,
            flags: parts.flags,
            quota_units,
            billable_units,
            spend_micros,
            lease: parts.ids[7].map(LeaseId::from_uuid),
            latency_us,
            upstream_us,
            bytes_in,
            bytes_out,
        },
    }
}

fn encoded(record: &UsageRecord<'_>) -> Vec<u8> {
    let mut buffer = vec![0xAA; MAX_RECORD];
    let len = encode(record, &mut buffer).unwrap();
    buffer.truncate(len);
    buffer
}

proptest! {
    #[test]
    fn a_record_is_read_back_as_written(parts in parts()) {
        let record = record(&parts);
        let bytes = encoded(&record);
        prop_assert_eq!(UsageRecord::decode(&bytes).unwrap(), record);
    }

    #[test]
    fn patching_equals_encoding_the_later_record(first in parts(), second in parts()) {
        let (first, second) = (record(&first), record(&second));
        let mut bytes = encoded(&first);
        patch_subject(&mut bytes, &second.subject);
        patch_outcome(&mut bytes, &second.outcome);
        prop_assert_eq!(bytes, encoded(&UsageRecord { subject: second.subject, outcome: second.outcome, ..first }));
    }

    #[test]
    fn random_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = UsageRecord::decode(&bytes);
        prop_assert!(Batch::parse(&bytes).is_err());
    }

    #[test]
    fn a_damaged_record_is_refused_or_read_without_a_panic(parts in parts(), at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut bytes = encoded(&record(&parts));
        let at = at.index(bytes.len());
        bytes[at] = value;
        let _ = UsageRecord::decode(&bytes);
        bytes.truncate(at);
        prop_assert!(UsageRecord::decode(&bytes).is_err());
    }

    #[test]
    fn a_batch_with_any_byte_changed_is_refused(all in proptest::collection::vec(parts(), 1..4), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let bytes = batch(&all);
        let parsed = Batch::parse(&bytes).unwrap();
        let expected: Vec<_> = all.iter().map(|parts| UsageRecord { started_at: 5, ..record(parts) }).collect();
        prop_assert_eq!(parsed.name, name());
        prop_assert_eq!(parsed.records().unwrap(), expected);
        let mut damaged = bytes;
        // Bytes behind the header's checksum are reserved and carry nothing.
        let at = at.index(damaged.len());
        prop_assume!(!(80..super::super::HEADER_LEN).contains(&at));
        damaged[at] ^= 1 << bit;
        prop_assert!(Batch::parse(&damaged).is_err());
    }
}

fn name() -> BatchName {
    BatchName {
        gateway: GatewayId::from_uuid(Uuid::from_u128(1)),
        incarnation: IncarnationId::from_uuid(Uuid::from_u128(2)),
        stream: 3,
        sequence: 4,
    }
}

fn batch(all: &[Parts]) -> Vec<u8> {
    let mut body = Vec::new();
    for parts in all {
        let bytes = encoded(&UsageRecord { started_at: 5, ..record(parts) });
        body.extend_from_slice(&frame(&bytes));
        body.extend_from_slice(&bytes);
    }
    let mut bytes = seal(&name(), 0, 5, all.len() as u32, &body).to_vec();
    bytes.extend_from_slice(&body);
    bytes
}

#[test]
fn a_text_over_its_limit_is_refused_and_a_small_buffer_named() {
    let parts = Parts {
        ids: vec![None; 8],
        api: "abcdefghij".to_owned(),
        texts: ["GET".to_owned(), "s".repeat(129), String::new(), "/".to_owned()],
        ip: None,
        started_at: 0,
        status: 0,
        reason: Reason::Ok,
        flags: Flags::default(),
        numbers: [0; 7],
    };
    let mut buffer = [0; MAX_RECORD];
    assert_eq!(encode(&record(&parts), &mut buffer), Err(CodecError::Field { field: "stage" }));
    let fits = UsageRecord { stage: "prod", ..record(&parts) };
    assert_eq!(encode(&fits, &mut buffer[..10]), Err(CodecError::Short { needed: 240, available: 10 }));
}

#[test]
fn a_batch_refuses_a_record_of_another_day() {
    let parts = Parts {
        ids: vec![Some(Uuid::max()); 8],
        api: "abcdefghij".to_owned(),
        texts: Default::default(),
        ip: None,
        started_at: 0,
        status: 200,
        reason: Reason::Ok,
        flags: Flags::default(),
        numbers: [1; 7],
    };
    let bytes = encoded(&UsageRecord { started_at: super::super::DAY_MICROS, ..record(&parts) });
    let mut body = frame(&bytes).to_vec();
    body.extend_from_slice(&bytes);
    assert_eq!(body.len(), FRAME_HEADER + bytes.len());
    let mut sealed = seal(&name(), 0, 5, 1, &body).to_vec();
    sealed.extend_from_slice(&body);
    assert_eq!(Batch::parse(&sealed).unwrap().records(), Err(BatchError::Day { index: 0 }));
}
