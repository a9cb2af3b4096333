//! Spend caps: what calls of a subscription may cost together.

use common::id::SubscriptionId;
use contracts::apis::StageSettings;
use contracts::metering::{Cost, KeyEntry, Period, PeriodBegin, Quota};
use contracts::record::{Flags, Reason};
use testkit::{PATIENCE, Upstream, wait_until};
use uuid::Uuid;

use crate::calls_costs::as_asked;
use crate::gateway::{Answer, TestGateway, keyed_api};

const VALUE: &str = "0123456789abcdefghijABCDEFGHIJ";
const PRICE: u64 = 100;

/// A key whose subscription pays a price for each unit and may spend so much.
fn capped(upstream: &Upstream, limit: u64, units: u32) -> (TestGateway, KeyEntry) {
    let gateway = TestGateway::start(keyed_api(&upstream.url()), StageSettings::default(), |config| {
        config.lease_wait_ms = 2_000;
    });
    let (key, _) = gateway.sell(VALUE, |plan| {
        plan.terms.quotas =
            vec![Quota { limit: 1_000, period: Period::Month, offset: 0, begins: PeriodBegin::default() }];
        plan.terms.stages[0].costs.insert("/{proxy+}/ANY".to_owned(), Cost::Fixed { units });
    });
    let subscription = Some(SubscriptionId::from_uuid(Uuid::from_u128(7)));
    let key = KeyEntry { subscription, spend_price_micros: Some(PRICE), ..key };
    gateway.owners.cap(&key, limit);
    gateway.settle();
    (gateway, key)
}

#[test]
fn calls_beyond_the_spend_cap_are_402_until_it_is_raised() {
    let upstream = Upstream::start(as_asked).unwrap();
    let (gateway, key) = capped(&upstream, 4 * PRICE, 2);
    let answers: Vec<_> = (0..3).map(|_| gateway.call_with(VALUE, "/a")).collect();
    assert_eq!(answers.iter().map(Answer::status).collect::<Vec<_>>(), [200, 200, 402]);
    for answer in &answers[..2] {
        let record = gateway.record_of(answer);
        assert_eq!((record.quota_units, record.billable_units, record.spend_micros), (2, 2, 2 * PRICE));
    }
    let refused = &answers[2];
    assert_eq!(refused.text(), r#"{"message":"Spend Cap Reached"}"#);
    assert_eq!(refused.header("x-tollgate-reason"), Some("spend_cap_reached"));
    assert!(refused.header("ratelimit").unwrap().starts_with("\"spend\";r=0;t="));
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((3_000..=3_600).contains(&wait), "the end of the period: {wait}");
    let record = gateway.record_of(refused);
    assert_eq!(record.reason, Reason::SpendCapReached);
    assert_eq!((record.quota_units, record.spend_micros, record.flags), (0, 0, Flags::default()));

    gateway.owners.cap(&key, 6 * PRICE);
    let passes = || gateway.call_with(VALUE, "/a").status() == 200;
    assert!(wait_until(PATIENCE, passes), "a raised cap lets calls pass again");
}

#[test]
fn a_call_that_is_not_billed_spends_nothing_of_the_cap_and_keeps_its_quota_units() {
    let upstream = Upstream::start(as_asked).unwrap();
    let (gateway, _) = capped(&upstream, 2 * PRICE, 1);
    for _ in 0..5 {
        let answer = gateway.call_with(VALUE, "/a?status=404");
        assert_eq!(answer.status(), 404);
        let record = gateway.record_of(&answer);
        assert_eq!((record.quota_units, record.billable_units, record.spend_micros), (1, 0, 0));
    }
    assert_eq!(gateway.call_with(VALUE, "/a").status(), 200);
}

#[test]
fn a_call_dearer_than_any_lease_is_refused_as_misconfigured() {
    let upstream = Upstream::start(as_asked).unwrap();
    let (gateway, key) = capped(&upstream, u64::MAX, 1_000_000);
    gateway.owners.put_key(KeyEntry { spend_price_micros: Some(u64::MAX / 2), ..key });
    gateway.settle();
    let answer = gateway.call_with(VALUE, "/a");
    assert_eq!((answer.status(), answer.header("x-tollgate-reason")), (500, Some("configuration_invalid")));
    assert_eq!(gateway.record_of(&answer).quota_units, 0);
}
