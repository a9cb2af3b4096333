use common::id::{GatewayId, KeyId, UsagePlanId};
use contracts::lease::{Budget, PreviousRun};
use contracts::metering::Period;
use uuid::Uuid;

use super::*;

const SPAN: Span = Span { start: 0, end: 1_000 };

fn run(number: u128) -> IncarnationId {
    IncarnationId::from_uuid(Uuid::from_u128(number))
}

fn lease(number: u128) -> LeaseId {
    LeaseId::from_uuid(Uuid::from_u128(number))
}

fn want(number: u128, need: u64, hint: u64) -> LeaseWant {
    LeaseWant {
        lease: lease(number),
        budget: Budget::Quota {
            key: KeyId::from_uuid(Uuid::max()),
            plan: UsagePlanId::from_uuid(Uuid::max()),
            period: Period::Day,
        },
        at: 0,
        need,
        hint,
        holds: Vec::new(),
    }
}

fn units(outcome: LeaseOutcome) -> u64 {
    match outcome {
        LeaseOutcome::Granted { units, .. } => units,
        other => panic!("{other:?}"),
    }
}

fn closed(number: u128, spent: u64) -> LeaseStatement {
    LeaseStatement { lease: lease(number), spent, ceiling: spent, closed: true }
}

#[test]
fn leases_shrink_towards_the_limit_and_never_exceed_it() {
    let mut period = QuotaPeriod::new(SPAN, 100);
    let mut sizes = Vec::new();
    for number in 1.. {
        match period.grant(run(1), &want(number, 1, 1_000)) {
            LeaseOutcome::Granted { units, .. } => sizes.push(units),
            outcome => {
                assert!(matches!(outcome, LeaseOutcome::Scarce { .. }));
                break;
            }
        }
    }
    assert!(sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");
    assert_eq!(sizes.iter().sum::<u64>(), 100);
}

#[test]
fn the_same_wish_again_gets_the_same_lease() {
    let mut period = QuotaPeriod::new(SPAN, 100);
    assert_eq!(units(period.grant(run(1), &want(1, 1, 10))), 10);
    assert_eq!(units(period.grant(run(1), &want(1, 1, 10))), 10);
    assert_eq!(period.open(), 10);
}

#[test]
fn a_closed_lease_is_neither_opened_nor_settled_again() {
    let mut period = QuotaPeriod::new(SPAN, 100);
    period.grant(run(1), &want(1, 1, 10));
    assert_eq!(period.state(&closed(1, 7)), Statement::Taken);
    assert_eq!(period.state(&closed(1, 7)), Statement::Ignored);
    assert_eq!(period.state(&closed(1, 0)), Statement::Ignored);
    assert!(matches!(period.grant(run(1), &want(1, 1, 10)), LeaseOutcome::Scarce { retry_after_us: 0, .. }));
    assert_eq!((period.settled, period.open(), period.free()), (7, 0, 93));
}

#[test]
fn units_above_a_stated_ceiling_are_free_while_the_lease_is_open() {
    let mut period = QuotaPeriod::new(SPAN, 20);
    period.grant(run(1), &want(1, 20, 20));
    let statement = LeaseStatement { lease: lease(1), spent: 3, ceiling: 4, closed: false };
    assert_eq!(period.state(&statement), Statement::Taken);
    assert_eq!(period.free(), 16);
    let late = LeaseStatement { ceiling: 20, ..statement };
    period.state(&late);
    assert_eq!(period.free(), 16, "a ceiling never rises");
    assert_eq!(period.state(&closed(1, 5)), Statement::Overspent { by: 1 });
}

#[test]
fn nothing_free_is_scarce_while_leases_are_open_and_exhausted_after() {
    let mut period = QuotaPeriod::new(SPAN, 10);
    period.grant(run(1), &want(1, 10, 10));
    assert!(matches!(period.grant(run(2), &want(2, 1, 1)), LeaseOutcome::Scarce { .. }));
    assert_eq!(period.recalls(run(1)).collect::<Vec<_>>(), [lease(1)]);
    assert_eq!(period.recalls(run(2)).count(), 0);
    period.state(&closed(1, 10));
    let exhausted = LeaseOutcome::Exhausted { until: 1_000, limit: 10, left: 0 };
    assert_eq!(period.grant(run(2), &want(2, 1, 1)), exhausted);
    period.set_limit(12);
    assert_eq!(units(period.grant(run(2), &want(2, 2, 1))), 2);
}

#[test]
fn a_gateway_that_asks_ahead_keeps_the_leases_it_holds() {
    let mut period = QuotaPeriod::new(SPAN, 10);
    period.grant(run(1), &want(1, 5, 5));
    period.grant(run(1), &want(2, 5, 5));
    let ahead = LeaseWant { holds: vec![lease(2)], ..want(3, 1, 1) };
    assert!(matches!(period.grant(run(1), &ahead), LeaseOutcome::Scarce { .. }));
    assert_eq!(period.recalls(run(1)).collect::<Vec<_>>(), [lease(1)]);
}

#[test]
fn a_cut_below_what_is_open_recalls_and_grants_nothing() {
    let mut period = QuotaPeriod::new(SPAN, 100);
    period.grant(run(1), &want(1, 1, 25));
    period.set_limit(20);
    assert_eq!(period.recalls(run(1)).count(), 1);
    assert!(matches!(period.grant(run(2), &want(2, 1, 1)), LeaseOutcome::Scarce { .. }));
}

#[test]
fn an_ended_run_has_spent_what_it_stated_and_a_lost_one_everything() {
    let mut period = QuotaPeriod::new(SPAN, 100);
    period.grant(run(1), &want(1, 10, 10));
    period.grant(run(2), &want(2, 10, 10));
    period.end_stated(run(1));
    assert_eq!(period.write_off(run(2)), 10);
    assert_eq!(period.write_off(run(2)), 0);
    assert_eq!((period.settled, period.open()), (10, 0));
}

#[test]
fn a_registration_writes_off_older_runs_that_lost_power_or_their_disk() {
    let register = GatewayRegister {
        gateway: GatewayId::from_uuid(Uuid::max()),
        incarnation: run(5),
        previous: vec![
            PreviousRun { incarnation: run(2), power_lost: true },
            PreviousRun { incarnation: run(3), power_lost: false },
        ],
    };
    let open = [run(1), run(2), run(3), run(5), run(6)];
    assert_eq!(runs_to_write_off(&register, &open), [run(1), run(2)]);
}
