//! `tollgate gateway …`: how gateways stand, and what to do about one that will not come back.

use anyhow::{Result, anyhow};
use chrono::{DateTime, SecondsFormat, Utc};
use clap::Subcommand;
use comfy_table::{CellAlignment, Table, presets};
use common::Clock;
use common::id::GatewayId;
use contracts::lease::GatewayForget;
use contracts::metering::{GatewayState, ListGateways, RegisteredGateway};
use contracts::{Call, Ctx, Role};
use serde_json::{Value, json};

use super::print;
use crate::config::{Config, Purpose};
use crate::{ConfigOptions, Output};

/// `tollgate gateway …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Show the gateways that usage waits for, and those that have stopped, by id.
    List {
        #[command(flatten)]
        config: ConfigOptions,
        /// text or json.
        #[arg(long, value_enum, default_value = "text")]
        output: Output,
    },
    /// Give up a gateway that will not come back with its disk: its open leases count as fully spent.
    Forget {
        /// The gateway's id, `gwy_…`.
        gateway: GatewayId,
        #[command(flatten)]
        config: ConfigOptions,
    },
}

/// Runs a `tollgate gateway` command.
pub(crate) fn run(action: &Action) -> Result<()> {
    let now = Clock::System.now();
    match action {
        Action::List { config, output } => {
            let listed = call(config, now, ListGateways {});
            let mut gateways = listed.map_err(|error| anyhow!("cannot list gateways: {error}"))?;
            gateways.sort_by_key(|gateway| gateway.id);
            match output {
                Output::Json => print(&json(&gateways, now).to_string()),
                Output::Text => print(&table(&gateways, now).to_string()),
            }
        }
        Action::Forget { gateway, config } => {
            let forgotten = call(config, now, GatewayForget { gateway: *gateway });
            let forgotten = forgotten.map_err(|error| anyhow!("cannot forget {gateway}: {error}"))?;
            print(&format!(
                "{gateway} is forgotten; {} units of its leases count as spent",
                forgotten.units_written_off
            ))
        }
    }
}

fn call<C: Call>(config: &ConfigOptions, now: DateTime<Utc>, request: C) -> Result<C::Output> {
    let config = Config::read(config.config.as_deref(), Purpose::Operate)?;
    let client = crate::serve::client(&config, Role::Admin)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(client.call(&Ctx::service(Role::Admin, now), request))?)
}

const fn state(gateway: &RegisteredGateway) -> &'static str {
    match gateway.state {
        GatewayState::Running => "running",
        GatewayState::Silent => "silent",
        GatewayState::Unfinished => "unfinished",
        GatewayState::Stopped => "stopped",
    }
}

/// Seconds by which the gateway's watermark is behind; absent when usage does not wait for it.
fn watermark_age(gateway: &RegisteredGateway, now: DateTime<Utc>) -> Option<i64> {
    let is_waited_for = gateway.state != GatewayState::Stopped;
    is_waited_for.then(|| (now - gateway.watermark).num_seconds().max(0))
}

fn time(at: DateTime<Utc>, precision: SecondsFormat) -> String {
    at.to_rfc3339_opts(precision, true)
}

fn json(gateways: &[RegisteredGateway], now: DateTime<Utc>) -> Value {
    let exact = |at| time(at, SecondsFormat::Micros);
    let entry = |gateway: &RegisteredGateway| {
        json!({
            "id": gateway.id,
            "run": gateway.incarnation,
            "state": state(gateway),
            "firstSeen": exact(gateway.registered_at),
            "lastSeen": exact(gateway.seen_at),
            "watermark": exact(gateway.watermark),
            "watermarkAgeSeconds": watermark_age(gateway, now),
            "openLeases": gateway.leases,
            "leasedUnits": gateway.leased,
        })
    };
    gateways.iter().map(entry).collect()
}

fn table(gateways: &[RegisteredGateway], now: DateTime<Utc>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "gateway",
        "state",
        "first seen",
        "last seen",
        "watermark age",
        "open leases",
        "leased units",
    ]);
    for gateway in gateways {
        let age = watermark_age(gateway, now).map_or_else(|| "-".to_owned(), |age| format!("{age} s"));
        table.add_row([
            gateway.id.to_string(),
            state(gateway).to_owned(),
            time(gateway.registered_at, SecondsFormat::Secs),
            time(gateway.seen_at, SecondsFormat::Secs),
            age,
            gateway.leases.to_string(),
            gateway.leased.to_string(),
        ]);
    }
    for column in table.column_iter_mut().skip(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use common::id::IncarnationId;

    #[test]
    fn a_stopped_gateway_has_no_watermark_age() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let gateway = |state| RegisteredGateway {
            id: GatewayId::new(now),
            incarnation: IncarnationId::new(now),
            state,
            watermark: now - TimeDelta::seconds(90),
            registered_at: now - TimeDelta::days(1),
            seen_at: now - TimeDelta::seconds(80),
            leases: 2,
            leased: 30,
        };
        let gateways = [gateway(GatewayState::Silent), gateway(GatewayState::Stopped)];
        let listed = json(&gateways, now);
        assert_eq!(listed[0]["watermarkAgeSeconds"], 90);
        assert_eq!(listed[1]["watermarkAgeSeconds"], Value::Null);
        assert_eq!(listed[1]["firstSeen"], "2023-11-13T22:13:20.000000Z");

        let shown = table(&gateways, now).to_string();
        let rows: Vec<Vec<_>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
        let id = gateways[0].id.to_string();
        let seen = ["2023-11-13T22:13:20Z", "2023-11-14T22:12:00Z"];
        assert_eq!(rows[1], [&id, "silent", seen[0], seen[1], "90", "s", "2", "30"]);
        assert_eq!(rows[2][1..], ["stopped", seen[0], seen[1], "-", "2", "30"]);
    }
}
