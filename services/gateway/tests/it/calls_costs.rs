//! What calls cost: by method, by the answer, by its status, and from several quotas at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use contracts::apis::StageSettings;
use contracts::metering::{Cost, CostSource, Counting, Period, PeriodBegin, Quota, StatusRange};
use contracts::record::{Flags, Reason};
use testkit::{Gate, PATIENCE, Upstream, Wire, wait_until};

use crate::gateway::{Answer, TestGateway, keyed_api};
use crate::owners::Record;

const VALUE: &str = "0123456789abcdefghijABCDEFGHIJ";
const EVERY_PATH: &str = "/{proxy+}/ANY";

/// Answers as the query says: `status`, `cost` for a header, `json` for a body, `type`, `encoding`, `chunked`, `long`.
pub(crate) fn as_asked(mut wire: Wire) -> std::io::Result<()> {
    while let Ok(head) = wire.read_head() {
        wire.read_body(&head)?;
        let target = head.start_line().split(' ').nth(1).unwrap_or_default();
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let asked: BTreeMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let status = asked.get("status").copied().unwrap_or("200");
        let mut answer = format!("HTTP/1.1 {status} Whatever\r\n");
        for (name, header) in [("cost", "X-Cost"), ("type", "Content-Type"), ("encoding", "Content-Encoding")]
        {
            if let Some(value) = asked.get(name) {
                answer += &format!("{header}: {value}\r\n");
            }
        }
        let mut body = asked.get("json").map_or_else(
            || "ok".to_owned(),
            |tokens| format!("{{\"usage\":{{\"tokens\":{tokens}}},\"text\":\"{}\"}}", "x".repeat(20_000)),
        );
        if asked.contains_key("long") {
            body += &" ".repeat(256 * 1024);
        }
        if asked.contains_key("chunked") {
            answer += "Transfer-Encoding: chunked\r\n\r\n";
            for piece in body.as_bytes().chunks(7_000) {
                answer += &format!("{:x}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece));
            }
            answer += "0\r\n\r\n";
        } else {
            answer += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        }
        wire.send(answer)?;
    }
    Ok(())
}

fn gateway(upstream: &Upstream) -> TestGateway {
    TestGateway::start(keyed_api(&upstream.url()), StageSettings::default(), |config| {
        config.lease_wait_ms = 2_000;
    })
}

fn quota(limit: u64, period: Period) -> Quota {
    Quota { limit, period, offset: 0, begins: PeriodBegin::default() }
}

fn ranges(ranges: &[(u16, u16)]) -> Vec<StatusRange> {
    ranges.iter().map(|(from, to)| StatusRange { from: *from, to: *to }).collect()
}

fn measured(source: CostSource) -> BTreeMap<String, Cost> {
    [(EVERY_PATH.to_owned(), Cost::Measured { source, reserve: 10, otherwise: 3 })].into()
}

fn units(gateway: &TestGateway, answer: &Answer) -> (u64, u64) {
    let Record { quota_units, billable_units, .. } = gateway.record_of(answer);
    (quota_units, billable_units)
}

#[test]
fn a_call_costs_what_its_method_says_and_one_that_costs_nothing_passes_an_empty_quota() {
    let upstream = Upstream::start(as_asked).unwrap();
    let gateway = gateway(&upstream);
    gateway.sell(VALUE, |plan| {
        plan.terms.quotas = vec![quota(12, Period::Day)];
        let costs = &mut plan.terms.stages[0].costs;
        costs.insert(EVERY_PATH.to_owned(), Cost::Fixed { units: 5 });
        costs.insert("//ANY".to_owned(), Cost::Fixed { units: 0 });
    });
    let answers: Vec<_> = ["/a", "/b", "/c", "/"].iter().map(|path| gateway.call_with(VALUE, path)).collect();
    assert_eq!(answers.iter().map(Answer::status).collect::<Vec<_>>(), [200, 200, 429, 200]);
    assert_eq!(answers[2].header("x-tollgate-reason"), Some("quota_exhausted"));
    let counted: Vec<_> = answers.iter().map(|answer| units(&gateway, answer)).collect();
    assert_eq!(counted, [(5, 5), (5, 5), (0, 0), (0, 0)]);
    let free = gateway.record_of(&answers[3]);
    assert_eq!((free.reason, free.flags), (Reason::Ok, Flags::default()));
}

#[test]
fn an_answer_says_its_cost_in_a_header_and_the_rest_of_the_reserve_goes_back() {
    let upstream = Upstream::start(as_asked).unwrap();
    let gateway = gateway(&upstream);
    gateway.sell(VALUE, |plan| {
        // What is reserved for a call and given back is reserved for the next.
        plan.terms.quotas = vec![quota(40, Period::Day)];
        plan.terms.stages[0].costs = measured(CostSource::Header { name: "x-cost".to_owned() });
    });
    for (query, expected) in
        [("cost=4", 4), ("cost=2.5", 3), ("cost=0", 0), ("cost=-1", 3), ("cost=many", 3), ("", 3)]
    {
        let answer = gateway.call_with(VALUE, &format!("/a?{query}"));
        assert_eq!(answer.status(), 200, "{query}");
        assert_eq!(units(&gateway, &answer), (expected, expected), "{query}");
        assert_eq!(answer.header("x-cost"), query.strip_prefix("cost="), "the header is passed on");
        assert!(!gateway.record_of(&answer).flags.contains(Flags::COST_CAPPED));
    }
    let answer = gateway.call_with(VALUE, "/a?cost=99");
    assert_eq!(units(&gateway, &answer), (10, 10), "as much as was reserved");
    assert!(gateway.record_of(&answer).flags.contains(Flags::COST_CAPPED));
    assert_eq!(gateway.metric("tollgate_gateway_costs_capped_total "), 1);
}

#[test]
fn an_answer_says_its_cost_in_its_json_body_which_arrives_as_it_was() {
    let upstream = Upstream::start(as_asked).unwrap();
    let gateway = gateway(&upstream);
    gateway.sell(VALUE, |plan| {
        plan.terms.quotas = vec![quota(1_000, Period::Day)];
        let source = CostSource::JsonPath { path: "$.usage.tokens".to_owned() };
        plan.terms.stages[0].costs = measured(source);
    });
    const JSON: &str = "type=application/json&json=7";
    for (query, expected) in [
        (JSON.to_owned(), 7),
        (format!("{JSON}&chunked=1"), 7),
        ("type=application/problem%2Bjson&json=7".replace("%2B", "+"), 7),
        (format!("{JSON}&encoding=identity"), 7),
        (format!("{JSON}&encoding=gzip"), 3),
        (format!("{JSON}&long=1"), 3),
        (format!("{JSON}&long=1&chunked=1"), 3),
        ("type=text/event-stream&json=7".to_owned(), 3),
        ("type=application/json&json=%22seven%22".to_owned(), 3),
    ] {
        let answer = gateway.call_with(VALUE, &format!("/a?{query}"));
        assert_eq!(units(&gateway, &answer), (expected, expected), "{query}");
        let long = if query.contains("long") { 256 * 1024 } else { 0 };
        assert!(
            answer.body.len() > 20_000 + long && answer.body.starts_with(b"{\"usage\":{\"tokens\":"),
            "{query}"
        );
        assert_eq!(gateway.record_of(&answer).bytes_out, answer.body.len() as u64);
    }
}

#[test]
fn the_plan_says_which_statuses_use_up_quota_and_which_are_billed() {
    let upstream = Upstream::start(as_asked).unwrap();
    let gateway = gateway(&upstream);
    gateway.sell(VALUE, |plan| {
        plan.terms.quotas = vec![quota(100, Period::Day)];
        plan.terms.counting =
            Counting { quota: ranges(&[(200, 299), (404, 404)]), billable: ranges(&[(200, 204)]) };
    });
    for (status, expected) in [(200, (1, 1)), (206, (1, 0)), (404, (1, 0)), (400, (0, 0)), (500, (0, 0))] {
        let answer = gateway.call_with(VALUE, &format!("/a?status={status}"));
        assert_eq!((answer.status(), units(&gateway, &answer)), (status, expected));
    }
}

#[test]
fn a_call_takes_from_all_its_quotas_or_from_none_and_is_told_which_is_used_up() {
    let upstream = Upstream::start(as_asked).unwrap();
    let gateway = gateway(&upstream);
    gateway.sell(VALUE, |plan| {
        plan.terms.quotas = vec![quota(5, Period::Month), quota(3, Period::Day)];
    });
    let answers: Vec<_> = (0..6).map(|_| gateway.call_with(VALUE, "/a")).collect();
    assert_eq!(answers.iter().map(Answer::status).collect::<Vec<_>>(), [200, 200, 200, 429, 429, 429]);
    let told = answers[0].header("ratelimit").unwrap();
    assert!(told.starts_with("\"quota-day\";r=2;t=") && told.contains("\"quota-month\";r=4;t="), "{told}");
    assert!(answers[3].header("ratelimit").unwrap().starts_with("\"quota-day\";r=0;t="));
    let both = Flags::CHARGED_DAY.with(Flags::CHARGED_MONTH);
    for answer in &answers {
        let record = gateway.record_of(answer);
        let expected = if record.status == 200 { (1, both) } else { (0, Flags::default()) };
        assert_eq!((record.quota_units, record.flags), expected);
    }
}

#[test]
fn a_call_broken_off_before_its_cost_is_known_counts_what_the_plan_says_and_is_not_billed() {
    let (asked, dropped) = (Arc::new(Gate::default()), Arc::new(Gate::default()));
    let upstream = Upstream::start({
        let (asked, dropped) = (asked.clone(), dropped.clone());
        move |mut wire: Wire| {
            wire.read_head()?;
            asked.open();
            if wire.closed_by_peer() {
                dropped.open();
            }
            Ok(())
        }
    });
    let upstream = upstream.unwrap();
    let gateway = gateway(&upstream);
    gateway.sell(VALUE, |plan| {
        plan.terms.quotas = vec![quota(100, Period::Day)];
        plan.terms.stages[0].costs = measured(CostSource::Header { name: "x-cost".to_owned() });
    });
    let mut wire = gateway.connect();
    wire.send(gateway.request("GET", "/a", &format!("x-api-key: {VALUE}\r\n"))).unwrap();
    asked.pass().unwrap();
    drop(wire);
    dropped.pass().unwrap();
    assert!(wait_until(PATIENCE, || gateway.owners.records().len() == 1));
    let record = &gateway.owners.records()[0];
    assert_eq!((record.reason, record.status), (Reason::ClientDisconnected, 0));
    assert_eq!((record.quota_units, record.billable_units), (3, 0));
}
