//! Which gateways usage waits for, as an operator sees and steers it: a split deployment with two of them.

use std::process::Command;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use testkit::wait_until;

use crate::installation::{Admin, Installation};

/// Within which a change of a gateway shows.
const SEEN_WITHIN: Duration = Duration::from_secs(30);

struct Operator {
    installation: Installation,
    admin: Admin,
}

impl Operator {
    fn gateways(&self) -> Vec<Value> {
        let listed = self.installation.tollgate(&["gateway", "list", "--output", "json"]).unwrap();
        serde_json::from_str(&listed).unwrap()
    }

    /// How the gateway stands; absent when it is not listed.
    fn state(&self, id: &str) -> Option<String> {
        let gateways = self.gateways();
        let found = gateways.iter().find(|gateway| gateway["id"] == id)?;
        Some(found["state"].as_str().unwrap().to_owned())
    }

    fn wait_for(&self, id: &str, state: Option<&str>) {
        let stands = || self.state(id).as_deref() == state;
        assert!(wait_until(SEEN_WITHIN, stands), "{id} is not {state:?}: {:?}", self.gateways());
    }

    fn as_of(&self) -> DateTime<Utc> {
        let now = common::Clock::System.now();
        let range = json!({ "from": now - TimeDelta::hours(1), "to": now });
        let query = "query($from: DateTime!, $to: DateTime!) { usage(from: $from, to: $to) { asOf } }";
        self.admin.data(query, range)["usage"]["asOf"].as_str().unwrap().parse().unwrap()
    }

    /// Whether usage becomes complete up to this moment.
    fn catches_up(&self) -> bool {
        let now = common::Clock::System.now();
        wait_until(SEEN_WITHIN, || self.as_of() >= now)
    }

    fn signal(&self, name: &str, signal: &str) {
        let gateways = self.installation.line["gateways"].as_array().unwrap();
        let gateway = gateways.iter().find(|gateway| gateway["name"] == name).unwrap();
        let sent = Command::new("kill").args([signal, &gateway["pid"].to_string()]).status().unwrap();
        assert!(sent.success(), "{name} was not there");
    }

    /// The gateway's id, kept in its data directory.
    fn id(&self, name: &str) -> String {
        let gateways = self.installation.line["gateways"].as_array().unwrap();
        let gateway = gateways.iter().find(|gateway| gateway["name"] == name).unwrap();
        let file = format!("{}/spool/gateway", gateway["data_dir"].as_str().unwrap());
        std::fs::read_to_string(file).unwrap().trim().to_owned()
    }
}

#[test]
fn usage_waits_for_a_killed_gateway_and_not_for_one_that_stopped() {
    let installation = Installation::split().unwrap();
    let admin = Admin::new(installation.text("/graphql"), installation.text("/token"));
    let operator = Operator { installation, admin };
    let (stopped, killed) = (operator.id("gateway-1"), operator.id("gateway-2"));
    operator.wait_for(&stopped, Some("running"));
    operator.wait_for(&killed, Some("running"));
    let ids: Vec<_> = operator.gateways().iter().map(|gateway| gateway["id"].to_string()).collect();
    assert!(ids.is_sorted(), "{ids:?}");

    operator.signal("gateway-1", "-TERM");
    operator.wait_for(&stopped, Some("stopped"));
    assert!(operator.catches_up(), "a stopped gateway holds usage back: {:?}", operator.gateways());

    operator.signal("gateway-2", "-KILL");
    operator.wait_for(&killed, Some("silent"));
    let (now, held) = (common::Clock::System.now(), operator.as_of());
    assert!(held < now - TimeDelta::seconds(9), "usage claims to be complete up to {held}");

    let told = operator.installation.tollgate(&["gateway", "forget", &killed]).unwrap();
    assert!(told.contains(&killed), "{told}");
    assert_eq!(operator.state(&killed), None);
    assert!(operator.catches_up(), "a forgotten gateway holds usage back: {:?}", operator.gateways());

    operator.installation.start("gateway-1").unwrap();
    operator.wait_for(&stopped, Some("running"));
    let shown = operator.installation.tollgate(&["gateway", "list"]).unwrap();
    assert!(shown.contains(&stopped) && shown.contains("watermark age"), "{shown}");
}
