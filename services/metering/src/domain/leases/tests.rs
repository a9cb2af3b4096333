use common::id::{GatewayId, KeyId, UsagePlanId};
use contracts::lease::{Budget, PreviousRun};
use contracts::metering::Period;
use proptest::prelude::*;
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

#[test]
fn an_extension_lies_on_top_of_every_limit_of_its_period() {
    let mut period = QuotaPeriod::new(SPAN, 10);
    period.grant(run(1), &want(1, 10, 10));
    period.state(&closed(1, 10));
    period.extend(5);
    assert_eq!((period.in_force(), period.free()), (15, 5));
    period.set_limit(20);
    assert_eq!((period.in_force(), period.free()), (25, 15));
    period.set_limit(4);
    assert!(matches!(
        period.grant(run(1), &want(2, 1, 1)),
        LeaseOutcome::Exhausted { limit: 9, left: 0, .. }
    ));
}

#[test]
fn a_call_that_no_lease_can_hold_is_refused_whatever_is_left() {
    let mut period = QuotaPeriod::new(SPAN, 4 * MAX_LEASE);
    let outcome = period.grant(run(1), &want(1, MAX_LEASE + 1, 0));
    assert!(matches!(outcome, LeaseOutcome::Exhausted { left, .. } if left == 4 * MAX_LEASE));
    assert_eq!(units(period.grant(run(1), &want(2, MAX_LEASE, 0))), MAX_LEASE);
}

#[test]
fn a_plan_that_takes_anothers_place_goes_on_from_what_was_used() {
    let mut old = QuotaPeriod::new(SPAN, 100);
    old.grant(run(1), &want(1, 30, 30));
    old.state(&closed(1, 30));
    old.grant(run(1), &want(2, 20, 20));
    old.extend(3);
    let mut new = QuotaPeriod::new(SPAN, 60);
    new.take_over(&mut old, None);
    assert_eq!((new.settled, new.open(), new.in_force(), new.free()), (30, 20, 63, 13));
    assert_eq!((old.settled, old.open(), old.in_force()), (0, 0, 100));
    assert_eq!(new.recalls(run(1)).collect::<Vec<_>>(), [lease(2)]);
    // The lease was given under the old plan and ends under the new one.
    assert_eq!(new.state(&closed(2, 5)), Statement::Taken);
    assert_eq!((new.settled, new.free()), (35, 28));
}

#[test]
fn a_blended_limit_is_the_old_one_for_the_time_before_and_the_new_one_for_the_rest() {
    let blend = |old_limit, new_limit, at| {
        let mut new = QuotaPeriod::new(SPAN, new_limit);
        new.take_over(&mut QuotaPeriod::new(SPAN, old_limit), Some(at));
        new
    };
    for (old, new, at, expected) in [
        (100, 200, 0, 200),
        (100, 200, 250, 175),
        (100, 200, 999, 100),
        (200, 100, 250, 125),
        // 10 x 1/3 + 5 x 2/3 = 6.67, and 5 x 1/3 + 10 x 2/3 = 8.33.
        (10, 5, 333, 6),
        (5, 10, 333, 8),
        (0, 1, 1, 0),
    ] {
        assert_eq!(blend(old, new, at).in_force(), expected, "{old} to {new} at {at}");
    }
    // Twice: 100 for a quarter, 200 for the next one, 40 for the rest.
    let mut third = QuotaPeriod::new(SPAN, 40);
    third.take_over(&mut blend(100, 200, 250), Some(500));
    assert_eq!(third.in_force(), 95);
    third.set_limit(50);
    assert_eq!(third.in_force(), 50, "another limit of the plan ends the blend");
}

/// Something that can happen to two usage plans of a key, one after the other.
#[derive(Debug, Clone)]
enum Event {
    Grant { run: u8, need: u64, hint: u64 },
    Spend { lease: usize, units: u64 },
    State { lease: usize, closed: bool },
    WriteOff { run: u8 },
    Extend { units: u64 },
    Change { limit: u64, blend_at: Option<i64> },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1..4_u8, 1..8_u64, 0..60_u64).prop_map(|(run, need, hint)| Event::Grant { run, need, hint }),
        6 => (any::<usize>(), 1..9_u64).prop_map(|(lease, units)| Event::Spend { lease, units }),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(lease, closed)| Event::State { lease, closed }),
        1 => (1..4_u8).prop_map(|run| Event::WriteOff { run }),
        1 => (1..20_u64).prop_map(|units| Event::Extend { units }),
        2 => (0..150_u64, proptest::option::of(0..1_000_i64))
            .prop_map(|(limit, blend_at)| Event::Change { limit, blend_at }),
    ]
}

/// A lease as its gateway holds it.
struct Held {
    id: u128,
    run: u8,
    granted: u64,
    spent: u64,
    over: bool,
}

proptest! {
    #[test]
    fn what_was_accepted_under_any_plan_stays_within_what_was_allowed(
        events in proptest::collection::vec(event(), 1..120),
    ) {
        let mut period = QuotaPeriod::new(SPAN, 100);
        let mut held: Vec<Held> = Vec::new();
        let (mut allowed, mut lost) = (period.in_force(), 0);
        for event in events {
            match event {
                Event::Grant { run: of, need, hint } => {
                    let id = held.len() as u128;
                    if let LeaseOutcome::Granted { units, .. } = period.grant(run(of.into()), &want(id, need, hint)) {
                        prop_assert!(period.settled + period.open() <= period.in_force());
                        held.push(Held { id, run: of, granted: units, spent: 0, over: false });
                    }
                }
                Event::Spend { lease, units } => {
                    let open: Vec<_> = held.iter_mut().filter(|lease| !lease.over).collect();
                    let count = open.len();
                    if let Some(lease) = open.into_iter().nth(lease.checked_rem(count).unwrap_or(0)) {
                        lease.spent += units.min(lease.granted - lease.spent);
                    }
                }
                Event::State { lease, closed } => {
                    let count = held.len();
                    if let Some(lease) = held.get_mut(lease.checked_rem(count).unwrap_or(0)) {
                        let ceiling = if closed { lease.spent } else { lease.granted };
                        period.state(&LeaseStatement { lease: self::lease(lease.id), spent: lease.spent, ceiling, closed });
                        lease.over |= closed;
                    }
                }
                Event::WriteOff { run: of } => {
                    lost += period.write_off(run(of.into()));
                    for lease in held.iter_mut().filter(|lease| lease.run == of && !lease.over) {
                        lost -= lease.spent;
                        lease.over = true;
                    }
                }
                Event::Extend { units } => period.extend(units),
                Event::Change { limit, blend_at } => {
                    let used = (period.settled, period.open(), period.extension);
                    let mut new = QuotaPeriod::new(SPAN, limit);
                    new.take_over(&mut period, blend_at);
                    prop_assert_eq!((new.settled, new.open(), new.extension), used);
                    prop_assert_eq!((period.settled, period.open()), (0, 0));
                    period = new;
                }
            }
            // A lower limit takes nothing back that was used or leased under a higher one.
            allowed = allowed.max(period.in_force());
            let spent: u64 = held.iter().map(|lease| lease.spent).sum();
            prop_assert!(spent + lost <= period.settled + period.open());
            prop_assert!(period.settled + period.open() <= allowed);
        }
        for lease in held.iter_mut().filter(|lease| !lease.over) {
            let spent = lease.spent;
            period.state(&LeaseStatement { lease: self::lease(lease.id), spent, ceiling: spent, closed: true });
        }
        let spent: u64 = held.iter().map(|lease| lease.spent).sum();
        prop_assert_eq!((period.settled, period.open()), (spent + lost, 0));
    }
}
