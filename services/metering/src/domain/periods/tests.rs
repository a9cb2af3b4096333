use proptest::prelude::*;

use super::*;

const PERIODS: [Period; 3] = [Period::Day, Period::Week, Period::Month];
const HOUR: i64 = 60 * MINUTE;

fn at(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros()
}

fn span(start: &str, end: &str) -> Span {
    Span { start: at(start), end: at(end) }
}

fn calendar(time_zone: Tz) -> PeriodBegin {
    PeriodBegin::Calendar { time_zone }
}

fn in_zone(period: Period, zone: &str, time: &str) -> Span {
    let found = containing(period, calendar(zone.parse().unwrap()), 0, at(time));
    assert!(found.contains(at(time)), "{period:?} in {zone} of {time}: {found:?}");
    found
}

#[test]
fn every_time_lies_in_the_period_of_the_calendar() {
    let cases = [
        (Period::Day, "2026-11-22T00:00:00Z", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"),
        (Period::Day, "2026-11-22T23:59:59.999999Z", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"),
        (Period::Day, "2026-11-23T01:30:00+02:00", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"),
        (Period::Day, "2026-12-31T12:00:00Z", "2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z"),
        (Period::Week, "2026-11-22T12:00:00Z", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"),
        (Period::Week, "2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
        (Period::Week, "2027-01-01T00:00:00Z", "2026-12-28T00:00:00Z", "2027-01-04T00:00:00Z"),
        (Period::Month, "2028-02-29T23:59:59Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
        (Period::Month, "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        (Period::Month, "2026-01-31T00:00:00Z", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
        (Period::Month, "1969-12-31T23:59:59Z", "1969-12-01T00:00:00Z", "1970-01-01T00:00:00Z"),
    ];
    for (period, time, start, end) in cases {
        assert_eq!(in_zone(period, "UTC", time), span(start, end), "{period:?} of {time}");
    }
}

#[test]
fn a_time_zone_moves_the_boundaries_and_daylight_saving_the_length() {
    let cases = [
        // 23 and 25 hours.
        (Period::Day, "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", 23),
        (Period::Day, "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", 25),
        (Period::Week, "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-22T23:00:00Z", 7 * 24 - 1),
        (Period::Month, "America/New_York", "2026-11-30T12:00:00Z", "2026-11-01T04:00:00Z", 30 * 24 + 1),
        // Half and three quarter hours.
        (Period::Day, "Asia/Kolkata", "2026-01-01T18:29:59Z", "2025-12-31T18:30:00Z", 24),
        (Period::Day, "Asia/Kathmandu", "2026-01-01T18:15:00Z", "2026-01-01T18:15:00Z", 24),
        (Period::Month, "Asia/Kathmandu", "2026-01-31T18:15:00Z", "2026-01-31T18:15:00Z", 28 * 24),
        // Clocks skip midnight: the day begins when they do.
        (Period::Day, "America/Sao_Paulo", "2018-11-04T12:00:00Z", "2018-11-04T03:00:00Z", 23),
        (Period::Day, "America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-03T03:00:00Z", 24),
        // Midnight comes twice: the day begins with the first.
        (Period::Day, "America/Havana", "2026-11-01T04:30:00Z", "2026-11-01T04:00:00Z", 25),
        (Period::Day, "America/Havana", "2026-11-01T05:30:00Z", "2026-11-01T04:00:00Z", 25),
        // A calendar without 30 December 2011.
        (Period::Day, "Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T10:00:00Z", 24),
        (Period::Day, "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", 24),
    ];
    for (period, zone, time, start, hours) in cases {
        let expected = Span { start: at(start), end: at(start) + hours * HOUR };
        assert_eq!(in_zone(period, zone, time), expected, "{period:?} in {zone} of {time}");
    }
}

#[test]
fn clocks_put_back_over_midnight_begin_no_day_twice() {
    // One minute after midnight clocks went back to 23:01 of the day before.
    let zone = "America/St_Johns";
    let begun = in_zone(Period::Day, zone, "2009-11-01T02:30:30Z");
    assert_eq!(begun.start, at("2009-11-01T02:30:00Z"));
    for repeated in ["2009-11-01T02:31:00Z", "2009-11-01T03:29:59Z", "2009-11-01T03:30:00Z"] {
        assert_eq!(in_zone(Period::Day, zone, repeated), begun, "{repeated}");
    }
    assert_eq!(in_zone(Period::Day, zone, "2009-11-01T02:29:59Z").end, begun.start);
}

#[test]
fn anchored_periods_begin_with_the_billing_date() {
    let cases = [
        (
            Period::Day,
            "2026-01-31T09:30:00Z",
            "2026-02-03T09:29:59Z",
            "2026-02-02T09:30:00Z",
            "2026-02-03T09:30:00Z",
        ),
        (
            Period::Week,
            "2026-01-31T09:30:00Z",
            "2026-02-03T00:00:00Z",
            "2026-01-31T09:30:00Z",
            "2026-02-07T09:30:00Z",
        ),
        (
            Period::Week,
            "2026-01-31T09:30:00Z",
            "2026-01-31T09:29:59Z",
            "2026-01-24T09:30:00Z",
            "2026-01-31T09:30:00Z",
        ),
        (
            Period::Month,
            "2026-01-31T09:30:00Z",
            "2026-02-28T09:29:59Z",
            "2026-01-31T09:30:00Z",
            "2026-02-28T09:30:00Z",
        ),
        (
            Period::Month,
            "2026-01-31T09:30:00Z",
            "2026-03-01T00:00:00Z",
            "2026-02-28T09:30:00Z",
            "2026-03-31T09:30:00Z",
        ),
        (
            Period::Month,
            "2026-01-31T09:30:00Z",
            "2028-03-01T00:00:00Z",
            "2028-02-29T09:30:00Z",
            "2028-03-31T09:30:00Z",
        ),
        (
            Period::Month,
            "2026-01-31T09:30:00Z",
            "2026-05-01T00:00:00Z",
            "2026-04-30T09:30:00Z",
            "2026-05-31T09:30:00Z",
        ),
        (
            Period::Month,
            "2028-02-29T00:00:00Z",
            "2029-02-28T12:00:00Z",
            "2029-02-28T00:00:00Z",
            "2029-03-29T00:00:00Z",
        ),
        // Before it, too, and the seconds do not count.
        (
            Period::Month,
            "2026-03-31T09:30:59.999999Z",
            "2026-03-01T00:00:00Z",
            "2026-02-28T09:30:00Z",
            "2026-03-31T09:30:00Z",
        ),
        (
            Period::Month,
            "2026-03-31T09:30:00Z",
            "2025-12-31T09:30:00Z",
            "2025-12-31T09:30:00Z",
            "2026-01-31T09:30:00Z",
        ),
    ];
    for (period, anchor, time, start, end) in cases {
        let found = containing(period, PeriodBegin::Anchor, at(anchor), at(time));
        assert_eq!(found, span(start, end), "{period:?} of {time} from {anchor}");
    }
}

fn begins() -> impl Strategy<Value = PeriodBegin> {
    let zones = proptest::sample::select(chrono_tz::TZ_VARIANTS.as_slice());
    prop_oneof![3 => zones.prop_map(calendar), 1 => Just(PeriodBegin::Anchor)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn periods_tile_time(
        begins in begins(),
        period in proptest::sample::select(PERIODS.as_slice()),
        anchor in at("1990-01-01T00:00:00Z")..at("2060-01-01T00:00:00Z"),
        time in at("1960-01-01T00:00:00Z")..at("2060-01-01T00:00:00Z"),
        inside in 0.0..1.0_f64,
    ) {
        let found = containing(period, begins, anchor, time);
        prop_assert!(found.contains(time));
        let elsewhere = found.start + ((found.end - found.start - 1) as f64 * inside) as i64;
        for inner in [found.start, elsewhere, found.end - 1] {
            prop_assert_eq!(containing(period, begins, anchor, inner), found);
        }
        let next = containing(period, begins, anchor, found.end);
        prop_assert_eq!(next.start, found.end);
        prop_assert!(next.end > next.start);
        prop_assert_eq!(containing(period, begins, anchor, found.start - 1).end, found.start);
    }

    #[test]
    fn every_time_there_is_has_a_period(
        begins in begins(),
        period in proptest::sample::select(PERIODS.as_slice()),
        anchor in any::<i64>(),
        time in i64::MIN..i64::MAX,
    ) {
        let found = containing(period, begins, anchor, time);
        prop_assert!(found.contains(time), "{:?}", found);
        prop_assert_eq!(containing(period, begins, anchor, found.start), found);
    }
}

#[test]
fn the_offset_shortens_the_first_period_alone() {
    let quota = Quota { limit: 100, period: Period::Month, offset: 30, begins: PeriodBegin::default() };
    let first = in_zone(Period::Month, "UTC", "2026-11-22T00:00:00Z");
    let second = in_zone(Period::Month, "UTC", "2026-12-01T00:00:00Z");
    let created = at("2026-11-05T00:00:00Z");
    assert_eq!(limit_in_force(&quota, created, first), 70);
    assert_eq!(limit_in_force(&quota, created, second), 100);
    assert_eq!(limit_in_force(&Quota { offset: 200, ..quota }, created, first), 0);
}
