//! What a tenant cannot take from another one, whatever it does. How much it costs the other is measured by `loadtests/fairness`.

use std::sync::atomic::{AtomicBool, Ordering};

use common::id::{ApiId, TenantId};
use contracts::apis::StageSettings;
use contracts::metering::{Period, PeriodBegin, Quota};
use testkit::{PATIENCE, Upstream, wait_until};

use crate::gateway::{TestGateway, answers, keyed_api, open_api, stage};

const VALUE: &str = "0123456789abcdefghijABCDEFGHIJ";

fn upstream() -> Upstream {
    Upstream::start(answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")).unwrap()
}

/// An API of another tenant.
fn neighbour(gateway: &TestGateway, upstream: &Upstream) -> String {
    let (tenant, api) = (TenantId::new(chrono::DateTime::UNIX_EPOCH), ApiId::random());
    let entry = stage(tenant, api, "dev", open_api(&upstream.url()), StageSettings::default());
    gateway.owners.put_stage(entry);
    gateway.settle();
    format!("GET /_api/{api}/dev/a HTTP/1.1\r\nHost: gateway.test\r\n\r\n")
}

#[test]
fn a_tenant_with_as_many_calls_waiting_as_may_is_refused_and_another_is_served() {
    let upstream = upstream();
    let gateway = TestGateway::start(keyed_api(&upstream.url()), StageSettings::default(), |config| {
        config.lease_wait_ms = 60_000;
        config.spool.slots_per_worker = 16;
        // Two of them.
        config.tenant_waiting_percent = 15;
    });
    let neighbour = neighbour(&gateway, &upstream);
    gateway.owners.fall_silent();
    gateway.sell(VALUE, |plan| {
        let begins = PeriodBegin::default();
        plan.terms.quotas = vec![Quota { limit: 100, period: Period::Day, offset: 0, begins }];
    });
    let request = gateway.request("GET", "/a", &format!("x-api-key: {VALUE}\r\n"));
    let waiting = [(); 2].map(|()| {
        let mut wire = gateway.connect();
        wire.send(&request).unwrap();
        wire
    });
    assert!(wait_until(PATIENCE, || gateway.metric("tollgate_gateway_calls_in_flight ") == 2));
    let refused = gateway.send(&request);
    assert_eq!((refused.status(), refused.header("x-tollgate-reason")), (503, Some("overloaded")));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(gateway.send(&neighbour).status(), 200);
    drop(waiting);
    assert!(wait_until(PATIENCE, || gateway.metric("tollgate_gateway_calls_in_flight ") == 0));
    let mut wire = gateway.connect();
    wire.send(&request).unwrap();
    assert!(wait_until(PATIENCE, || gateway.metric("tollgate_gateway_calls_in_flight ") == 1), "it may wait");
}

#[test]
fn requests_sent_ahead_without_end_do_not_keep_another_connection_waiting() {
    let upstream = upstream();
    let gateway = TestGateway::before(&upstream.url());
    let neighbour = neighbour(&gateway, &upstream);
    // Refused without an upstream: nothing but the gateway's own turns lies between two of them.
    let ahead = "GET /_api/aaaaaaaaaa/dev HTTP/1.1\r\nHost: gateway.test\r\n\r\n".repeat(200);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut wire = gateway.connect();
                while !stop.load(Ordering::Relaxed) {
                    wire.send(&ahead).unwrap();
                    for _ in 0..200 {
                        let head = wire.read_head().unwrap();
                        wire.read_body(&head).unwrap();
                    }
                }
            });
        }
        let statuses: Vec<_> = (0..50).map(|_| gateway.send(&neighbour).status()).collect();
        stop.store(true, Ordering::Relaxed);
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    });
}
